"""The main window: it only wires menus, pages, the desk and the status bar; what commands do is the Shell's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QByteArray, QPoint, Qt, Signal
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QMenu, QMenuBar, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from . import docks, menus, stopping
from .actions import Actions
from .alerts import is_behind
from .command import Command
from .desk import VIEWS, Desk, Factory
from .graph_menu import graph_menu
from .held_bar import HeldBar
from .icons import app_icon, themed
from .notice import Notice
from .session import Session
from .state import Play, State
from .statusbar import StatusBar
from .theme import Theme
from .waiting import Waiting
from .welcome import Welcome

if TYPE_CHECKING:
    from .graph.canvas import GraphCanvas
    from .views.events import EventsView
    from .views.inspector import InspectorView
    from .views.log import LogView
    from .views.loss import LossView
    from .views.side_by_side import SideBySideView

SIZE = (1440, 900)
SMALLEST = (860, 560)
UNREACHABLE = "No recording is open."


class Window(QMainWindow):
    """``chosen`` carries every command that is chosen, ``dropped`` a path that was dropped, ``closing`` comes before the end."""

    chosen = Signal(object)
    dropped = Signal(str)
    closing = Signal()

    def __init__(self, session: Session, theme: Theme, views: Mapping[str, Factory] = VIEWS) -> None:
        super().__init__()
        self.setObjectName("window")
        self.setWindowTitle("Gradwalk")
        self.setWindowIcon(app_icon())
        self.setAcceptDrops(True)
        self.setMinimumSize(*SMALLEST)
        self.resize(*SIZE)
        self.session, self.theme = session, theme
        self.training = False
        self.unreachable = UNREACHABLE
        self.log_first = False
        """Whether the desk is shown for the log's sake although there is no step."""
        self.waiting_for: tuple[str, str, bool] | None = None
        self.actions_ = Actions(self, self.chosen.emit)
        self.menus = menus.fill(self._make_top(), self.actions_)
        self.notice = Notice(theme)
        self.welcome = Welcome(self.actions_, theme)
        self.waiting = Waiting()
        self.desk = Desk(session, self.actions_, theme, views)
        self.pages = QStackedWidget()
        for page in (self.welcome, self.waiting, self.desk):
            self.pages.addWidget(page)
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.held = HeldBar(self.actions_, theme)
        column.addWidget(self.held)
        column.addWidget(self.notice)
        column.addWidget(self.pages, 1)
        self.setCentralWidget(middle)
        self.status = StatusBar()
        self.setStatusBar(self.status)
        self.status.alerts.clicked.connect(self.actions_["alerts"].trigger)
        self.menus["Capture"].setToolTipsVisible(True)
        self._add_panel_menu()
        self.recent = self._add_recent_menu()
        self.set_theme(theme)
        session.changed.connect(self._on_changed)
        self.refresh()
        self.welcome.first.setFocus()

    def populate(self) -> None:
        """Make the views; called after the window is on screen."""
        if not self.desk.populated:
            self.desk.populate()
            cast("LogView", self.desk.views["log"]).stop.clicked.connect(self.actions_["stop"].trigger)
            self._wire_views()

    def make_views_anew(self) -> None:
        """Make the views once more, with fonts of another size."""
        if self.desk.populated:
            self.desk.make_anew()
            self._wire_views()

    def _wire_views(self) -> None:
        self.graph.zoomed.connect(self.status.zoom)
        self.graph.menu_asked.connect(self._show_graph_menu)
        cast("SideBySideView", self.desk.views["sides"]).add.clicked.connect(self.actions_["add-beside"].trigger)
        cast("EventsView", self.desk.views["events"]).menu_asked.connect(self._show_graph_menu)
        self.graph.works.connect(self._show_layout)
        self.graph.remarked.connect(self.status.remark)
        for view in self.desk.views.values():
            if hasattr(view, "said"):
                view.said.connect(self._say)
        cast("LossView", self.desk.views["loss"]).chain_wanted.connect(self.actions_["end-to-end"].trigger)
        cast("InspectorView", self.desk.views["inspector"]).enlarged.connect(lambda: self.desk.show_apart("tensor"))
        self._show_layout("")
        self.status.zoom(self.graph.zoom)
        self.refresh()

    def _say(self, sentence: str, failed: bool) -> None:
        self.notice.say(sentence, "error" if failed else "info")

    def _show_graph_menu(self, at: QPoint) -> None:
        menu = graph_menu(self.session.state, self.actions_, self)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(at)

    def _show_layout(self, what: str) -> None:
        """A layout that takes long stands in the activity corner until it ends."""
        if what:
            self.status.activity.begin("layout", what, self.graph.cancel_layout)
        else:
            self.status.activity.end("layout")

    def restore(self, geometry: QByteArray, state: QByteArray) -> None:
        """Size and place of the window and its docks as they were; off-screen windows are pulled in."""
        if not geometry.isEmpty():
            self.restoreGeometry(geometry)
        docks.pull_on_screen(self)
        self.desk.restore(state)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours of everything in the window."""
        self.theme = theme
        self.actions_.set_theme(theme)
        self.notice.set_theme(theme)
        self.held.set_theme(theme)
        self.welcome.set_theme(theme)
        self.desk.set_theme(theme)
        self.search.setIcon(themed("search", theme))

    @property
    def graph(self) -> GraphCanvas:
        """The canvas."""
        self.populate()
        return cast("GraphCanvas", self.desk.views["graph"])

    def show_log(self) -> None:
        """Bring the log to the front."""
        self.populate()
        self.log_first = True
        self.refresh()
        self.desk.show_dock("log")

    def show_errors(self) -> None:
        """Bring the page of accumulated errors to the front."""
        self.populate()
        self.desk.show_dock("loss")
        cast("LossView", self.desk.views["loss"]).show_page("error")

    def show_recent(self, paths: tuple[str, ...], chosen: Callable[[str], None]) -> None:
        """List recent recordings in File and on the welcome page."""
        self.welcome.set_recent(paths)
        self.recent.clear()
        for path in paths:
            self.recent.addAction(path.replace("&", "&&"), partial(chosen, path))
        self.recent.setEnabled(bool(paths))

    def say_waiting(self, heading: str, about: str = "", *, hope: bool = True) -> None:
        """Show a page with one sentence until there is a step."""
        self.waiting_for = (heading, about, hope)
        self.refresh()

    def refresh(self) -> None:
        """Show the page and enable the actions that fit the State."""
        state = self.session.state
        self.actions_.refresh(state, training=self.training, unreachable=self.unreachable)
        page: QWidget = self.welcome
        if self.desk.populated and (state.trace is not None or self.log_first):
            page = self.desk
        elif self.waiting_for is not None:
            self.waiting.say(*self.waiting_for[:2], hope=self.waiting_for[2])
            page = self.waiting
        self._turn_to(page)
        for dock in self.desk.docks.values():
            dock.toggleViewAction().setEnabled(page is self.desk)
        follows = state.play is Play.FOLLOWING and not getattr(state.recording, "closed", False)
        self.live.setText("LIVE" if follows else "Follow live")
        self.live.setChecked(follows)
        self.live.setEnabled(state.recording is not None)

    def _turn_to(self, page: QWidget) -> None:
        if self.pages.currentWidget() is page:
            return
        self.pages.setCurrentWidget(page)
        self.desk.set_floats_visible(page is self.desk)
        self.status.show_zoom(page is self.desk)
        if page is self.desk:
            self.desk.views["graph"].setFocus()
        elif page is self.welcome:
            self.welcome.first.setFocus()

    def _on_changed(self, old: State, new: State) -> None:
        self.refresh()
        if (old.held, old.held_besides) != (new.held, new.held_besides):
            self.held.show_state(new)
        if (old.breakpoints, old.resting, old.recording) != (new.breakpoints, new.resting, new.recording):
            self.tell_stops()
        if old.alerts is not new.alerts or old.length != new.length:
            self.status.tell_alerts(len(new.alerts.rows), looking=is_behind(new.alerts, new.length))

    def tell_stops(self) -> None:
        """Say in the status bar what the breakpoints do to the training; nothing when that has ended."""
        self.status.tell_stops(stopping.in_words(self.session.state))

    def _make_top(self) -> QMenuBar:
        """The menu bar, with search and LIVE beside it: inside it, keys of its menus would act while they have the focus."""
        top, bar = QWidget(), QMenuBar()
        top.setObjectName("top")
        top.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.search, self.live = QPushButton("Search commands    Ctrl+Shift+P"), QPushButton("LIVE")
        self.search.setObjectName("search")
        self.search.setAccessibleName("Search commands")
        self.search.clicked.connect(self.actions_["palette"].trigger)
        self.live.setObjectName("live")
        self.live.setCheckable(True)
        self.live.setAccessibleName("Follow live")
        self.live.setToolTip("Follow live   Ctrl+End")
        self.live.clicked.connect(self._live_clicked)
        row = QHBoxLayout(top)
        row.setContentsMargins(4, 0, 12, 0)
        row.setSpacing(8)
        row.addWidget(bar, 1)
        for button in (self.search, self.live):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            row.addWidget(button)
        self.setMenuWidget(top)
        return bar

    def _live_clicked(self) -> None:
        if self.session.state.play is Play.FOLLOWING:
            self.session.play_pause()
        else:
            self.actions_["follow"].trigger()
        self.refresh()

    def _add_panel_menu(self) -> None:
        view = self.menus["View"]
        first: QAction = view.actions()[0]
        for dock in self.desk.docks.values():
            view.insertAction(first, dock.toggleViewAction())
        view.insertSeparator(first)
        menus.mark(view)

    def _add_recent_menu(self) -> QMenu:
        file = self.menus["File"]
        recent = QMenu("Open recent", file)
        file.insertMenu(self.actions_["close"], recent)
        menus.mark(file)
        return recent

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files and folders can be dropped."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the first file or folder."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(str(Path(paths[0])))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let others save and end what they started."""
        self.closing.emit()
        super().closeEvent(event)

    def run(self, command: Command) -> None:
        """Choose a command as a menu would."""
        self.actions_[command.id].trigger()
