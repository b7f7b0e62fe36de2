"""The panels as docks, and the named arrangements of them."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QGuiApplication, QMouseEvent
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QMainWindow, QToolButton, QWidget

from .icons import themed
from .panel import Panel
from .theme import Theme

Area = Qt.DockWidgetArea


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel is by default."""

    name: str
    title: str
    area: Qt.DockWidgetArea


PLACES = (
    Place("outline", "Outline", Area.LeftDockWidgetArea),
    Place("events", "Events", Area.LeftDockWidgetArea),
    Place("inspector", "Inspector", Area.RightDockWidgetArea),
    Place("source", "Source", Area.RightDockWidgetArea),
    Place("loss", "Plots", Area.BottomDockWidgetArea),
    Place("log", "Log", Area.BottomDockWidgetArea),
    Place("ribbons", "Timeline", Area.BottomDockWidgetArea),
    Place("tensor", "Tensor", Area.RightDockWidgetArea),
    Place("alerts", "Alerts", Area.BottomDockWidgetArea),
    Place("gradients", "Gradients", Area.BottomDockWidgetArea),
    Place("saved", "Saved", Area.BottomDockWidgetArea),
    Place("breakpoints", "Breakpoints", Area.BottomDockWidgetArea),
    Place("sides", "Side by side", Area.BottomDockWidgetArea),
)
TITLES = {place.name: place.title for place in PLACES}
SHOWN = {
    "Learn": ("inspector", "source", "ribbons"),
    "Debug": ("outline", "events", "inspector", "source", "loss", "ribbons", "alerts", "gradients", "saved", "breakpoints"),
    "Monitor": ("events", "loss", "ribbons"),
    "Present": ("ribbons",),
}
"""The panels of each named layout; the graph is always there."""
DEFAULT = "Debug"
TABS = ("loss", "log", "alerts", "gradients", "saved", "breakpoints", "sides")
"""Panels that lie behind one another, in the order of their tabs."""
IN_FRONT = {"Debug": "alerts"}
"""Which of them is in front; else the plots are."""
SOURCE_BELOW = ("Debug", "Learn")
"""The layouts in which the source is under the graph, beside the plots if they show; else it is under the inspector."""
TALL_INSPECTOR = ("Learn",)
"""The layouts in which the inspector goes from top to bottom, with room for formula, arithmetic and NumPy."""


class DockTitle(QWidget):
    """A quiet title bar: the panel's name, and buttons for all the room, floating and closing. Dragging it moves the dock."""

    def __init__(self, dock: Dock, theme: Theme) -> None:
        super().__init__(dock)
        self.setObjectName("dockTitle")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._dock = dock
        self._collapsed = False
        self._buttons = {
            name: self._button(what)
            for name, what in (("maximise", "Maximise panel"), ("float", "Float panel"), ("close", "Close panel"))
        }
        self._buttons["float"].clicked.connect(lambda: dock.setFloating(not dock.isFloating()))
        self._buttons["close"].clicked.connect(dock.close)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 3, 6, 3)
        row.setSpacing(2)
        row.addWidget(QLabel(dock.windowTitle()))
        row.addStretch(1)
        for button in self._buttons.values():
            row.addWidget(button)
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Colour the buttons."""
        for name, button in self._buttons.items():
            button.setIcon(themed(name, theme))

    def collapse(self, collapsed: bool) -> None:
        """Take no room, or the usual one."""
        if collapsed != self._collapsed:
            self._collapsed = collapsed
            self.setVisible(not collapsed)
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        """Nothing while it is collapsed: a dock gives its title room even where it is hidden."""
        return QSize(super().sizeHint().width(), 0) if self._collapsed else super().sizeHint()

    def minimumSizeHint(self) -> QSize:
        """The same."""
        return QSize(super().minimumSizeHint().width(), 0) if self._collapsed else super().minimumSizeHint()

    @property
    def maximise(self) -> QToolButton:
        """The button for all the room."""
        return self._buttons["maximise"]

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """All the room for this panel, or what was before."""
        self._buttons["maximise"].click()

    def _button(self, what: str) -> QToolButton:
        button = QToolButton(self)
        button.setIconSize(QSize(14, 14))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setToolTip(what)
        button.setAccessibleName(f"{what} {self._dock.windowTitle()}")
        return button


class Dock(QDockWidget):
    """One panel."""

    def __init__(self, place: Place, theme: Theme, parent: QMainWindow) -> None:
        super().__init__(place.title, parent)
        self.setObjectName(f"dock-{place.name}")
        self.place = place
        self.title_bar = DockTitle(self, theme)
        self.setTitleBarWidget(self.title_bar)
        self.setMinimumWidth(160)
        self.visibilityChanged.connect(self._on_visibility)

    def _on_visibility(self, visible: bool) -> None:
        """A tab that comes to the front is shown as things are now."""
        for panel in self.findChildren(Panel) if visible else ():
            panel.wake()

    def set_theme(self, theme: Theme) -> None:
        """Colour the title bar."""
        self.title_bar.set_theme(theme)


def arrange(window: QMainWindow, docks: dict[str, Dock], layout: str) -> None:
    """Put every panel in its place and show those of a named layout."""
    for dock in docks.values():
        dock.setFloating(False)
        window.removeDockWidget(dock)
    window.setCorner(Qt.Corner.BottomLeftCorner, Area.BottomDockWidgetArea)
    right = Area.RightDockWidgetArea if layout in TALL_INSPECTOR else Area.BottomDockWidgetArea
    window.setCorner(Qt.Corner.BottomRightCorner, right)
    for name in ("outline", "events"):
        window.addDockWidget(Area.LeftDockWidgetArea, docks[name], Qt.Orientation.Vertical)
    window.addDockWidget(Area.RightDockWidgetArea, docks["inspector"], Qt.Orientation.Vertical)
    window.addDockWidget(Area.BottomDockWidgetArea, docks["loss"], Qt.Orientation.Vertical)
    window.splitDockWidget(docks["loss"], docks["ribbons"], Qt.Orientation.Vertical)
    if layout in SOURCE_BELOW:
        window.splitDockWidget(docks["loss"], docks["source"], Qt.Orientation.Horizontal)
    else:
        window.addDockWidget(Area.RightDockWidgetArea, docks["source"], Qt.Orientation.Vertical)
    for name in TABS[1:]:
        window.tabifyDockWidget(docks[TABS[0]], docks[name])
    window.tabifyDockWidget(docks["inspector"], docks["tensor"])
    for name, dock in docks.items():
        dock.setVisible(name in SHOWN[layout])
    docks["inspector"].raise_()


def bring_to_front(dock: Dock) -> None:
    """Put a panel before those that are tabbed with it. Qt does nothing for one that is its parent's last child already."""
    dock.lower()
    dock.raise_()


def share_out(window: QMainWindow, docks: dict[str, Dock], layout: str) -> None:
    """Give the panels of a named layout their usual sizes and places in their tabs; needs the window at its real size."""
    bring_to_front(docks[IN_FRONT.get(layout, "loss")])
    width, height = window.width(), window.height()
    side, wide = max(272, round(width * 0.19)), max(280, round(width * (0.31 if layout in TALL_INSPECTOR else 0.22)))
    window.resizeDocks([docks["events"], docks["inspector"]], [side, wide], Qt.Orientation.Horizontal)
    window.resizeDocks([docks["outline"], docks["events"]], [height // 5, height // 2], Qt.Orientation.Vertical)
    if layout in TALL_INSPECTOR:
        window.resizeDocks([docks["source"]], [height // 4], Qt.Orientation.Vertical)
    elif layout in SOURCE_BELOW:
        window.resizeDocks([docks["loss"], docks["source"]], [width * 11 // 20, width * 9 // 20], Qt.Orientation.Horizontal)
    else:
        window.resizeDocks([docks["inspector"], docks["source"]], [height * 3 // 5, height * 2 // 5], Qt.Orientation.Vertical)
    plots = height // 2 if layout == "Monitor" else height // 4
    window.resizeDocks([docks["loss"]], [plots], Qt.Orientation.Vertical)


def pull_on_screen(widget: QWidget) -> None:
    """Move a window that no screen shows enough of to the middle of the first one, and make it fit there."""
    frame = widget.frameGeometry()
    screens = QGuiApplication.screens()
    if not screens:
        return
    shown = [screen.availableGeometry().intersected(frame) for screen in screens]
    if any(part.width() >= min(120, frame.width()) and part.height() >= min(60, frame.height()) for part in shown):
        return
    room = screens[0].availableGeometry()
    size = frame.size().boundedTo(room.size())
    widget.resize(size)
    widget.move(QRect(room.center().x() - size.width() // 2, room.center().y() - size.height() // 2, 1, 1).topLeft())
