"""The activity corner of the status bar: long jobs, each with a button that ends it. It never takes the focus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

SHOWN_AFTER = 120
"""Milliseconds; what ends sooner is not shown."""


@dataclass(frozen=True, slots=True)
class Job:
    """A sentence such as "Laying out 2,850 ops", and what ends the job."""

    text: str
    cancel: Callable[[], object]
    share: float | None = None
    """How much of it is done, 0 to 1; None where nobody knows."""


class Activity(QWidget):
    """Hidden while nothing takes long; of several jobs it shows the one that began last."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("activity")
        self._jobs: dict[str, Job] = {}
        self._label, self._bar, self.cancel = QLabel(), QProgressBar(), QPushButton("Cancel")
        self._bar.setRange(0, 0)
        self._bar.setTextVisible(False)
        self._bar.setFixedSize(64, 6)
        self.cancel.setObjectName("link")
        self.cancel.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.cancel.clicked.connect(self._cancel)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 8, 0)
        row.setSpacing(8)
        for widget in (self._label, self._bar, self.cancel):
            row.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)
        self._timer = QTimer(self, singleShot=True, interval=SHOWN_AFTER)
        self._timer.timeout.connect(self.show)
        self.hide()

    @property
    def text(self) -> str:
        """What it says, or an empty string while it is hidden."""
        return "" if self.isHidden() else self._label.text()

    def begin(self, name: str, text: str, cancel: Callable[[], object]) -> None:
        """A job began; one of the same name is replaced."""
        self._jobs.pop(name, None)
        self._jobs[name] = Job(text, cancel)
        self._refresh()

    def tell(self, name: str, text: str, share: float) -> None:
        """How far a job has come, 0 to 1; nothing for one that has ended."""
        if name in self._jobs:
            self._jobs[name] = replace(self._jobs[name], text=text, share=share)
            self._refresh()

    def end(self, name: str) -> None:
        """A job ended, however."""
        self._jobs.pop(name, None)
        self._refresh()

    def _refresh(self) -> None:
        if not self._jobs:
            self._timer.stop()
            self.hide()
            return
        job = next(reversed(self._jobs.values()))
        self._label.setText(job.text)
        self._bar.setRange(0, 0 if job.share is None else 1000)
        self._bar.setValue(round(1000 * (job.share or 0.0)))
        self.cancel.setAccessibleName(f"Cancel: {job.text}")
        if self.isHidden() and not self._timer.isActive():
            self._timer.start()

    def _cancel(self) -> None:
        if self._jobs:
            next(reversed(self._jobs.values())).cancel()
