"""The events: the step's tape as a list in engine order, with the playhead between two rows."""

from __future__ import annotations

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QAction, QContextMenuEvent, QKeyEvent, QKeySequence, QMouseEvent, QResizeEvent, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QLabel,
    QLineEdit,
    QStackedLayout,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from gradwalk.tape import event_at, index
from gradwalk.trace import NONE, Trace

from ..dragging import drag
from ..icons import themed
from ..inspection.subject import empty_text, moment_of, moments_of, selection_of
from ..numbers import count
from ..panel import GRID, LEAST, Panel
from ..session import Session
from ..state import Selection, State
from ..theme import Theme, font
from ..widgets.event_delegate import EventDelegate
from ..widgets.event_model import CHECK, INDEX, NAME, PHASE, RMS, SHAPE, VARIABLE, EventModel
from ..widgets.filter_field import FilterField
from ..widgets.keep_in_view import keep_in_view

SHAPE_FROM, VARIABLE_FROM = 480, 392
"""The widths from which on the columns of shapes and of variables are shown."""
FOUND_FROM = 140
"""The height from which on the number of events is shown."""
WIDTHS = {INDEX: 42, PHASE: 24, NAME: 120, VARIABLE: 72, SHAPE: 96, RMS: 80, CHECK: 32}
NARROW = {INDEX: 38, RMS: 76}
"""Widths in a list without a column of variables."""


class EventsView(Panel):
    """A click puts the playhead just after an event, a double click or Enter selects it; the filter line searches.

    ``menu_asked`` carries where on the screen a context menu of what is selected is wanted.
    """

    title = "Events"
    menu_asked = Signal(QPoint)

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.model = EventModel()
        self.filter = FilterField(self)
        self.filter.setPlaceholderText("Filter: relu -view $phase(bwd) $grad(rms>1)")
        self.filter.setClearButtonEnabled(True)
        self.filter.setAccessibleName("Filter of events")
        self._search = QAction(self)
        self.filter.addAction(self._search, QLineEdit.ActionPosition.LeadingPosition)
        self.filter.textChanged.connect(lambda text: self.session.set(filter=text))
        self.list = EventList(self)
        self.list.setMinimumHeight(LEAST)
        self.delegate = EventDelegate(self.model, theme, self.list)
        self.list.setModel(self.model)
        self.list.setItemDelegate(self.delegate)
        self.found = QLabel(self)
        self.found.setFont(font(11))
        self.message = QLabel(self)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setMargin(2 * GRID)
        self._arrange()
        self.list.moved_to.connect(self._on_row)
        self.list.moved_before.connect(self._on_before)
        self.list.chosen.connect(self._on_chosen)
        self.list.dragged.connect(self._on_dragged)
        self.list.menu_asked.connect(self._on_menu_asked)
        leave = QShortcut(QKeySequence(Qt.Key.Key_Escape), self.filter, context=Qt.ShortcutContext.WidgetShortcut)
        leave.activated.connect(self._leave_filter)
        self.setFocusProxy(self.list)
        self.begin()

    def _arrange(self) -> None:
        page = QWidget(self)
        self._pages = QStackedLayout(page)
        self._pages.addWidget(self.list)
        self._pages.addWidget(self.message)
        top = QVBoxLayout()
        top.setContentsMargins(GRID, GRID, GRID, GRID // 2)
        top.setSpacing(GRID // 2)
        top.addWidget(self.filter)
        top.addWidget(self.found)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(page, 1)
        self.list.arrange()

    def apply_theme(self) -> None:
        """Recolour."""
        self.delegate.theme = self.theme
        self._search.setIcon(themed("search", self.theme))
        self.filter.read(self.filter.text(), self.theme.danger)
        for label in (self.found, self.message):
            label.setStyleSheet(f"color: {self.theme.subtle};")
        self.list.viewport().update()

    def show_state(self, old: State, new: State) -> None:
        """Show what differs: the filter, the step's rows, the playhead, the selection."""
        self.filter.graph = new.trace.graph if new.trace is not None else None
        if new.filter != old.filter or new.filter != self.filter.text():
            self._show_filter(new)
        if new.trace is None or new.trace is not self.model.trace:
            self.model.position, self.model.verdicts = new.position, new.verdicts
            self.model.show_trace(new.trace)
            self._say()
        elif old.position != new.position:
            self.model.show_position(new.position)
        if new.verdicts is not self.model.verdicts:
            self.model.show_verdicts(new.verdicts)
            self._say()
        self.list.show_checks(bool(new.verdicts))
        if old.position != new.position or old.trace is not new.trace:
            self._follow(new.position)
        self.delegate.chosen = positions_of(new.trace, new.selection) if new.trace is not None else frozenset()
        if old.selection != new.selection:
            if new.selection is not None and self.delegate.chosen:
                self._reveal(min(self.delegate.chosen))
            self.list.viewport().update()

    def _follow(self, position: int) -> None:
        """Make the event just run the current row, and keep the playhead in view."""
        row = self.model.row_from(position - 1)
        is_shown = 0 <= row < self.model.rowCount() and self.model.row_at(row).position == position - 1
        self.list.show_current(self.model.index(row, 0) if is_shown else QModelIndex())
        self._reveal(position - 1)
        self._reveal(position)

    def _reveal(self, position: int) -> None:
        """Bring an event into view: to the middle where it is out of it, so that what comes next is seen too."""
        row = min(self.model.row_from(position), self.model.rowCount() - 1)
        if row < 0 or position < 0:
            return
        place = self.list.visualRect(self.model.index(row, 0))
        if place.top() < 0 or place.bottom() > self.list.viewport().height():
            self.list.scrollTo(self.model.index(row, 0), QAbstractItemView.ScrollHint.PositionAtCenter)

    def _show_filter(self, state: State) -> None:
        self.filter.read(state.filter, self.theme.danger)
        if self.filter.asked != self.model.filter:
            self.model.show_filter(self.filter.asked)
        self._say()
        self._follow(state.position)

    def _leave_filter(self) -> None:
        self.filter.clear()
        self.list.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _say(self) -> None:
        shown, total = self.model.rowCount(), self.model.total()
        trace = self.model.trace
        text, error = self.filter.text().strip(), self.filter.error
        self.found.setText(str(error) if error else f"{shown:,} of {count(total, 'event')}" if text else count(total, "event"))
        self._show_found()
        if trace is None:
            self.message.setText("Open a recording to see its events.")
        elif total == 0:
            self.message.setText(empty_text(trace))
        else:
            self.message.setText(f"No event of this step matches “{text}”.")
        self._pages.setCurrentWidget(self.list if shown else self.message)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave out what there is no room for, and keep the playhead in view."""
        super().resizeEvent(event)
        self._show_found()
        keep_in_view(self.list, self.list.currentIndex(), event)

    def showEvent(self, event: QShowEvent) -> None:
        """Bring the playhead into view: the panel may have become lower while it was hidden."""
        super().showEvent(event)
        self._follow(self.drawn.position)

    def _show_found(self) -> None:
        self.found.setVisible(self.model.trace is not None and self.height() >= FOUND_FROM)

    def _on_row(self, row: int) -> None:
        self.session.go_to(self.session.state.step, self.model.row_at(row).position + 1)

    def _on_before(self) -> None:
        self.session.go_to(self.session.state.step, 0)

    def _on_chosen(self, row: int) -> None:
        thing = self._thing(row)
        if thing is not None:
            self.session.select(thing)

    def _on_dragged(self, row: int) -> None:
        thing = self._thing(row)
        if thing is not None:
            drag(self.list, thing)

    def _on_menu_asked(self, row: int, at: QPoint) -> None:
        self._on_chosen(row)
        self.menu_asked.emit(at)

    def _thing(self, row: int) -> Selection | None:
        trace = self.model.trace
        return None if trace is None else selection_of(event_at(trace, self.model.row_at(row).position))


def positions_of(trace: Trace, selection: Selection | None) -> frozenset[int]:
    """The tape positions of the events that belong to a selection: of an op its own and its Nodes'."""
    if selection is None:
        return frozenset()
    when = moments_of(trace)
    found = {moment_of(trace, selection)} if selection.kind in ("op", "node", "edge") else set()
    if selection.kind == "op":
        found |= {int(when.nodes[node]) for node in index(trace.graph).nodes_of_op[selection.id]}
    if selection.kind == "value":
        value = trace.graph.values[selection.id]
        node = index(trace.graph).node_of_leaf.get(selection.id, NONE)
        losses = [event.id for event in trace.graph.events if event.kind == "loss" and event.ref == selection.id]
        found = {int(when.ops[value.op]) if value.op != NONE else NONE, int(when.nodes[node]) if node != NONE else NONE}
        found |= {int(when.events[event]) for event in losses}
    return frozenset(found - {NONE})


class EventList(QTreeView):
    """The list: Up, Down and the page keys move the playhead, / goes to the filter, letters are left to the commands.

    A row can be dragged out of it.
    """

    dragged = Signal(int)
    menu_asked = Signal(int, QPoint)
    moved_to = Signal(int)
    moved_before = Signal()
    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pressed: QPoint | None = None
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setMouseTracking(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QTreeView.Shape.NoFrame)
        self.setAccessibleName("Events of the step")
        self.doubleClicked.connect(lambda index: self.chosen.emit(index.row()))
        self.clicked.connect(lambda index: self.moved_to.emit(index.row()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """A row that is moved away with the left button is dragged."""
        start = self._pressed
        if start is None or not event.buttons() & Qt.MouseButton.LeftButton:
            super().mouseMoveEvent(event)
        elif (event.position().toPoint() - start).manhattanLength() >= QApplication.startDragDistance():
            self._pressed = None
            row = self.indexAt(start)
            if row.isValid():
                self.dragged.emit(row.row())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember where a drag may begin."""
        self._pressed = event.position().toPoint() if event.button() == Qt.MouseButton.LeftButton else None
        super().mousePressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for a menu of the row under the pointer; the key asks for the current row's."""
        by_key = event.reason() == QContextMenuEvent.Reason.Keyboard
        row = self.currentIndex() if by_key else self.indexAt(event.pos())
        if row.isValid():
            at = self.visualRect(row).center() if by_key else event.pos()
            self.menu_asked.emit(row.row(), self.viewport().mapToGlobal(at))

    def arrange(self) -> None:
        """Size the columns; after the model is set."""
        header = self.header()
        header.setMinimumSectionSize(24)
        header.setStretchLastSection(False)
        header.setHighlightSections(False)
        for column, width in WIDTHS.items():
            self.setColumnWidth(column, width)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(PHASE, QHeaderView.ResizeMode.Fixed)
        self.setColumnHidden(CHECK, True)
        self._fit_columns()

    def resizeEvent(self, event: object) -> None:
        """Fit the content to the new size."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._fit_columns()

    def _fit_columns(self) -> None:
        model = self.model()
        if isinstance(model, EventModel):
            narrow = self.width() < VARIABLE_FROM
            for column in NARROW if narrow != model.narrow else ():
                self.setColumnWidth(column, (NARROW if narrow else WIDTHS)[column])
            model.narrow = narrow
            self.setColumnHidden(VARIABLE, model.narrow)
            self.setColumnHidden(SHAPE, self.width() < SHAPE_FROM)

    def show_checks(self, shown: bool) -> None:
        """The column of the check is there where anything was checked."""
        if self.isColumnHidden(CHECK) is shown:
            self.setColumnHidden(CHECK, not shown)

    def show_current(self, index: QModelIndex) -> None:
        """Make a row the current one because the playhead is there."""
        if index.isValid():
            self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        else:
            self.selectionModel().clearCurrentIndex()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Act on keys."""
        model = self.model()
        assert isinstance(model, EventModel)
        row, last = model.row_from(model.position) - 1, model.rowCount() - 1
        page = max(self.viewport().height() // max(self.sizeHintForRow(0), 1) - 1, 1)
        moves = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1, Qt.Key.Key_PageUp: -page, Qt.Key.Key_PageDown: page}
        plain = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if plain and event.key() in moves and last >= 0:
            to = row + moves[Qt.Key(event.key())]
            if to < 0:
                self.moved_before.emit()
            else:
                self.moved_to.emit(min(to, last))
        elif plain and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and row >= 0:
            self.chosen.emit(row)
        else:
            event.ignore()


if __name__ == "__main__":
    from ..alone import run_alone

    raise SystemExit(run_alone(EventsView, width=360))
