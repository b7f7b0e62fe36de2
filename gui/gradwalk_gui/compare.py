"""Tools > Compare: with another rank, step or recording; lists the events that differ, Enter goes to one."""

from __future__ import annotations

import threading
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QDoubleValidator, QKeyEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from gradwalk.divergence import Difference, Parted, fork_of, in_words
from gradwalk.recording.format import RecordingError
from gradwalk.recording.reader import Recording
from gradwalk.refusal import RefusalError
from gradwalk.trace import NONE, Trace

from .comparing import CancelledError, Wish, compare
from .open_dialog import open_dialog, recording_path
from .ranks import index_of, ranks_of
from .session import Session
from .state import Selection, Steps

STEP, RECORDING = "step", "recording"
TOLERANCE = "1e-6"
MOST = 2000
"""So many differences are listed at most, the first ones."""


class Compare(QDialog):
    """Stays open beside the window, so that one difference after the other can be looked at."""

    looked_at = Signal(int)
    compared = Signal(object, str)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Compare")
        self.resize(880, 520)
        self._session = session
        self._cancelled = threading.Event()
        self._first: Trace | None = None
        self.what, self.step, self.path = QComboBox(), QLineEdit(), QLineEdit()
        self.every = QCheckBox("All steps, up to the first that differs")
        self.every.setChecked(True)
        self.tolerance, self.start, self.said, self.list = QLineEdit(TOLERANCE), QPushButton("Compare"), QLabel(), QListWidget()
        self._fill_choices()
        self._lay_out()
        self.what.currentIndexChanged.connect(self._show_fields)
        self.start.clicked.connect(self.begin)
        self.list.itemActivated.connect(self.go)
        self.list.installEventFilter(self)
        self.looked_at.connect(lambda step: self.said.setText(f"Comparing: step {step:,}"))
        self.compared.connect(self._show_result)
        self.finished.connect(lambda _: self._cancelled.set())
        self._show_fields()
        self.start.setFocus()

    def _fill_choices(self) -> None:
        state = self._session.state
        here = getattr(state.recording, "rank", 0)
        for rank in ranks_of(state):
            if rank != here:
                self.what.addItem(f"Rank {rank} of this run", rank)
        self.what.addItem("Another step of this recording", STEP)
        self.what.addItem("Another recording", RECORDING)
        number = state.trace.step if state.trace is not None else 0
        self.step.setText(str(max(0, number - 1)))

    def _lay_out(self) -> None:
        self.browse = QPushButton("Choose...")
        self.browse.clicked.connect(lambda: open_dialog(self, _folder(self._session), self._take_path))
        self._path_row = QWidget()
        row = QHBoxLayout(self._path_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.path, 1)
        row.addWidget(self.browse)
        self._form = QFormLayout()
        self._form.addRow("Compare with", self.what)
        self._form.addRow("Step", self.step)
        self._form.addRow("Recording", self._path_row)
        self._form.addRow("", self.every)
        self._form.addRow("Tolerance", self.tolerance)
        for field, name in (
            (self.what, "Compare with"),
            (self.step, "Step"),
            (self.path, "Recording"),
            (self.list, "Differences"),
        ):
            field.setAccessibleName(name)
        self.tolerance.setAccessibleName("Tolerance")
        self.tolerance.setToolTip("How far figures may be apart, of the largest element")
        self.tolerance.setValidator(QDoubleValidator(0.0, 1e9, 12, self.tolerance))
        self.said.setWordWrap(True)
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.said.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.start.setDefault(True)
        self.start.setAutoDefault(True)
        self.browse.setAutoDefault(False)
        self.list.setUniformItemSizes(True)
        self.list.setObjectName("differences")
        below = QHBoxLayout()
        below.addWidget(self.said, 1)
        below.addWidget(self.start)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        column.addLayout(self._form)
        column.addLayout(below)
        column.addWidget(self.list, 1)

    def _show_fields(self) -> None:
        what = self.what.currentData()
        for field, shown in ((self.step, what == STEP), (self._path_row, what == RECORDING), (self.every, what != STEP)):
            self._form.setRowVisible(field, shown)

    def _take_path(self, path: str) -> None:
        self.path.setText(path)

    # The search

    def wish(self) -> Wish:
        """What is asked for. Raises RefusalError for a field that makes no sense."""
        what = self.what.currentData()
        try:
            tolerance = float(self.tolerance.text())
        except ValueError:
            tolerance = -1.0
        if not 0 <= tolerance < float("inf"):
            raise RefusalError("the tolerance is a number from 0 on, such as 1e-6")
        if what == STEP:
            if not self.step.text().strip().isdecimal():
                raise RefusalError("give the number of the step to compare with")
            return Wish(step=int(self.step.text()), tolerance=tolerance)
        if what == RECORDING:
            if not self.path.text().strip():
                raise RefusalError("choose the recording to compare with")
            return Wish(
                path=str(recording_path(Path(self.path.text().strip()))), every=self.every.isChecked(), tolerance=tolerance
            )
        return Wish(rank=int(what), every=self.every.isChecked(), tolerance=tolerance)

    def begin(self) -> None:
        """Look for the first difference; the window can be used meanwhile."""
        state = self._session.state
        if state.recording is None or state.trace is None:
            self.said.setText("No recording is open.")
            return
        try:
            wish = self.wish()
        except RefusalError as error:
            self.said.setText(str(error))
            return
        self.list.clear()
        self.start.setEnabled(False)
        self.said.setText("Comparing")
        arguments = state.recording, state.trace, wish
        threading.Thread(target=self._search, args=arguments, name="gradwalk-compare", daemon=True).start()

    def _search(self, shown: Steps, trace: Trace, wish: Wish) -> None:
        parted: Parted | None = None
        refusal = ""
        try:
            parted = compare(shown, trace, wish, self._cancelled, self._tell)
        except CancelledError:
            return
        except (RefusalError, RecordingError) as error:
            refusal = str(error)
        if isValid(self) and not self._cancelled.is_set():
            self.compared.emit(parted, refusal)

    def _tell(self, step: int) -> None:
        if isValid(self) and not self._cancelled.is_set():
            self.looked_at.emit(step)

    def _show_result(self, parted: Parted | None, refusal: str) -> None:
        self.start.setEnabled(True)
        if parted is None:
            self.said.setText(refusal or f"No figure differs by more than {self.tolerance.text()}.")
            return
        first, second, found = parted
        self._first = first
        where = f"Step {first.step:,}" if first.step == second.step else f"Steps {first.step:,} and {second.step:,}"
        many = "1 event differs" if len(found) == 1 else f"{len(found):,} events differ"
        cut = f"; the first {MOST:,} are listed" if len(found) > MOST else ""
        fork = fork_of(first, second)
        end = f" Compared up to event {fork.event:,}, where the structures part: {fork.how}." if fork is not None else ""
        self.said.setText(f"{where}: {many} by more than {self.tolerance.text()}{cut}. Enter goes there.{end}")
        for one in found[:MOST]:
            item = QListWidgetItem(in_words(first, one))
            item.setToolTip(item.text())
            item.setData(Qt.ItemDataRole.UserRole, one)
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        self.list.setFocus()

    # Going there

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Enter on the list goes there, and presses no button."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            item = self.list.currentItem()
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and item is not None:
                self.go(item)
                return True
        return super().eventFilter(watched, event)

    def go(self, item: QListWidgetItem) -> None:
        """Put the playhead after the event of a difference and select what differs."""
        one, recording = item.data(Qt.ItemDataRole.UserRole), self._session.state.recording
        assert isinstance(one, Difference)
        assert self._first is not None
        if recording is None:
            return
        step = index_of(recording, self._first.step) if isinstance(recording, Recording) else self._first.step
        self._session.go_to(step, 0 if one.event == NONE else one.event + 1)
        self._session.select(Selection("value" if one.kind == "value" else "edge", one.thing))


def _folder(session: Session) -> Path:
    """Where to look for another recording: beside the one that is shown."""
    recording = session.state.recording
    return recording.path.parent if isinstance(recording, Recording) else Path.cwd()
