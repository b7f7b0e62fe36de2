"""The desk: the graph in the middle, every other panel a dock around it, the transport above. Views come after the first show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from PySide6.QtCore import QByteArray, QSize, Qt, QTimer
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QTabWidget, QVBoxLayout, QWidget

from . import docks, settings
from .actions import Actions
from .docks import PLACES, Dock
from .session import Session
from .theme import Theme
from .transport import Transport

if TYPE_CHECKING:
    from .views.events import EventsView


class View(Protocol):
    """What the desk needs of a panel."""

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""


Factory: TypeAlias = Callable[[Session, Theme], QWidget]
APART = QSize(760, 680)
"""The size of a panel that opens in a window of its own."""
TITLED_FROM = 490
"""The height from which on the time line has a title."""
FOCUSED = ("graph", "events", "op-ribbon", "step-ribbon")
"""The panels in which keys without Ctrl or Alt act."""


def lazily(module: str, name: str) -> Factory:
    """A view whose module is imported when it is made."""
    return lambda session, theme: cast("QWidget", getattr(import_module(f"gradwalk_gui.{module}"), name)(session, theme))


VIEWS: Mapping[str, Factory] = {
    "graph": lazily("graph.canvas", "GraphCanvas"),
    "op-ribbon": lazily("views.ribbon_op", "OpRibbon"),
    "step-ribbon": lazily("views.ribbon_step", "StepRibbon"),
    "events": lazily("views.events", "EventsView"),
    "inspector": lazily("views.inspector", "InspectorView"),
    "source": lazily("views.source", "SourceView"),
    "outline": lazily("views.outline", "OutlineView"),
    "loss": lazily("views.loss", "LossView"),
    "log": lazily("views.log", "LogView"),
    "tensor": lazily("views.tensor", "TensorView"),
    "alerts": lazily("views.alerts", "AlertsView"),
    "gradients": lazily("views.gradients", "GradientsView"),
    "saved": lazily("views.saved", "SavedView"),
    "breakpoints": lazily("views.breakpoints", "BreakpointsView"),
    "sides": lazily("views.side_by_side", "SideBySideView"),
}


class Desk(QMainWindow):
    """A main window inside the window, so that the welcome page can take its place with all its docks."""

    def __init__(self, session: Session, actions: Actions, theme: Theme, views: Mapping[str, Factory] = VIEWS) -> None:
        super().__init__()
        self.setWindowFlags(Qt.WindowType.Widget)
        self.setDockNestingEnabled(True)
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self._session, self._actions, self._theme, self._factories = session, actions, theme, views
        self.views: dict[str, QWidget] = {}
        self.transport = Transport(session, actions, theme)
        self.addToolBar(Qt.ToolBarArea.TopToolBarArea, self.transport)
        self.transport.toggleViewAction().setEnabled(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self._middle = QWidget()
        self._middle_layout = QVBoxLayout(self._middle)
        self._middle_layout.setContentsMargins(0, 0, 0, 0)
        self.setCentralWidget(self._middle)
        self.docks = {place.name: Dock(place, theme, self) for place in PLACES}
        self._hidden_floats: list[Dock] = []
        self._before: QByteArray | None = None
        self._wanted: tuple[str, QByteArray | None] | None = None
        """A layout's name and a saved state, while the desk has no real size yet."""
        self._roomy = ""
        """The panel that is to have room as soon as it has."""
        for dock in self.docks.values():
            dock.title_bar.maximise.clicked.connect(lambda _=False, dock=dock: self.maximise(dock))

    @property
    def populated(self) -> bool:
        """Whether the views are there."""
        return bool(self.views)

    def populate(self) -> None:
        """Make the views and put them in their places."""
        if not self.populated:
            self._make_views()

    def make_anew(self) -> None:
        """Make every view but the log once more, with fonts of another size."""
        if not self.populated:
            return
        old = [self.views["graph"], *(dock.widget() for name, dock in self.docks.items() if name != "log")]
        self.views = {"log": self.views["log"]}
        self._make_views()
        self.views["graph"].show()
        self.views["graph"].setFocus()
        for widget in old:
            widget.hide()
            widget.deleteLater()

    def _make_views(self) -> None:
        for name, make in self._factories.items():
            if name not in self.views:
                self.views[name] = make(self._session, self._theme)
        self._middle_layout.insertWidget(0, self.views["graph"])
        ribbons = QWidget()
        column = QVBoxLayout(ribbons)
        column.setContentsMargins(0, 2, 0, 4)
        column.setSpacing(0)
        column.addWidget(self.views["step-ribbon"])
        column.addWidget(self.views["op-ribbon"])
        ribbons.setFixedHeight(column.sizeHint().height())
        for name, dock in self.docks.items():
            dock.setWidget(ribbons if name == "ribbons" else self.views[name])
        for name in FOCUSED:
            self._actions.bind(self.views[name])

    def arrange(self, layout: str) -> None:
        """One of the named layouts."""
        self._before, self._wanted = None, (layout, None)
        docks.arrange(self, self.docks, layout)
        if self.isVisible():
            self._settle()

    def restore(self, state: QByteArray) -> None:
        """The saved arrangement, the default where there is none or it does not fit; done when the desk has its real size."""
        self._before, self._wanted = None, (docks.DEFAULT, state)
        docks.arrange(self, self.docks, docks.DEFAULT)
        if self.isVisible():
            self._settle()

    def saved(self) -> QByteArray:
        """The arrangement, as :meth:`restore` takes it; empty for the default."""
        if self._wanted is not None:
            return self._wanted[1] or QByteArray()
        return self._before if self._before is not None else self.saveState(settings.VERSION)

    def showEvent(self, event: QShowEvent) -> None:
        """The first time that the desk has its real size is the time to give the panels theirs."""
        super().showEvent(event)
        QTimer.singleShot(0, self, self._settle)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a low window the time line, which names its rows, does without its title."""
        timeline = self.docks["ribbons"]
        timeline.title_bar.collapse(event.size().height() < TITLED_FROM and not timeline.isFloating())
        super().resizeEvent(event)

    def _settle(self) -> None:
        if self._wanted is None or not self.isVisible():
            return
        (layout, state), self._wanted = self._wanted, None
        if state is None or state.isEmpty() or not self.restoreState(state, settings.VERSION):
            docks.share_out(self, self.docks, layout)
            if state is not None:  # at first sight the loss is in front, not a list that is empty
                docks.bring_to_front(self.docks["loss"])
        for dock in self.docks.values():
            if dock.isFloating():
                docks.pull_on_screen(dock)
        if self._roomy:
            self.give_room(self._roomy)

    def maximise(self, dock: Dock | None) -> None:
        """Give one panel (None: the graph) all the room; the next call brings the others back."""
        if self._before is not None:
            before, self._before = self._before, None
            self._middle.show()
            self.restoreState(before, settings.VERSION)
            return
        self._before = self.saveState(settings.VERSION)
        for other in self.docks.values():
            if other is not dock and not other.isFloating():
                other.hide()
        self._middle.setVisible(dock is None)

    def focused_dock(self) -> Dock | None:
        """The dock that has the focus, None for the graph or nothing."""
        focus = QApplication.focusWidget()
        return next((dock for dock in self.docks.values() if focus is not None and dock.isAncestorOf(focus)), None)

    def show_dock(self, name: str) -> None:
        """Show a panel and bring it to the front of its tabs."""
        self.docks[name].show()
        docks.bring_to_front(self.docks[name])

    def focus_dock(self, name: str) -> None:
        """Show a panel and give it the focus."""
        self.show_dock(name)
        self.views[name].setFocus(Qt.FocusReason.ShortcutFocusReason)

    def focus_filter(self) -> None:
        """Show the events and give the field of their filter the focus."""
        self.show_dock("events")
        cast("EventsView", self.views["events"]).filter.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def give_room(self, name: str) -> None:
        """Show a panel of the bottom, as wide as the window and half as high; a source beside it goes behind the inspector."""
        self._roomy = name if self._wanted is not None else ""
        if self._roomy:
            return
        source = self.docks["source"]
        if self.dockWidgetArea(source) == self.docks[name].place.area and not source.isFloating():
            self.tabifyDockWidget(self.docks["inspector"], source)
            docks.bring_to_front(self.docks["inspector"])
        self.focus_dock(name)
        if not self.docks[name].isFloating():
            self.resizeDocks([self.docks[name]], [self.height() // 2], Qt.Orientation.Vertical)

    def show_apart(self, name: str) -> None:
        """Show a panel that is not there in a window of its own; one that is comes to the front."""
        dock = self.docks[name]
        if not dock.isVisible():
            dock.setFloating(True)
            dock.resize(APART)
            docks.pull_on_screen(dock)
        self.show_dock(name)

    def set_floats_visible(self, visible: bool) -> None:
        """Floating panels go and come with the desk."""
        if visible:
            for dock in self._hidden_floats:
                dock.show()
            self._hidden_floats = []
        else:
            self._hidden_floats = [dock for dock in self.docks.values() if dock.isFloating() and dock.isVisible()]
            for dock in self._hidden_floats:
                dock.hide()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours of every panel."""
        self._theme = theme
        self.transport.set_theme(theme)
        for dock in self.docks.values():
            dock.set_theme(theme)
        for view in self.views.values():
            cast("View", view).set_theme(theme)
