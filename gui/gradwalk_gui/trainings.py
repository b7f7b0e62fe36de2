"""Starts trainings, shows what they print, follows what they record, and ends them with the window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, Signal

from .live import Follower
from .runs import Result, Start, TrainingRun
from .start_dialog import CudaProbe, StartDialog
from .window import Window

if TYPE_CHECKING:
    from .views.log import LogView


class Trainings(QObject):
    """The trainings of one window. The newest is the current one: its output is in the log, its recording is followed."""

    changed = Signal()

    def __init__(self, window: Window, follower: Follower) -> None:
        super().__init__(window)
        self._window, self._follower = window, follower
        self._probe = CudaProbe(self)
        self._all: list[TrainingRun] = []
        self.current: TrainingRun | None = None
        self.result: Result | None = None
        """How the current training ended."""

    @property
    def running(self) -> bool:
        """Whether the current training runs."""
        return self.current is not None and self.current.alive

    def ask(self, kind: str, target: str, runs: Path) -> StartDialog:
        """Ask how to start an example or a script, and start it."""
        dialog = StartDialog(kind, target, runs, self._probe, self._window)
        dialog.accepted.connect(lambda: self.begin(dialog.start()))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
        return dialog

    def begin(self, start: Start, *, follow: bool = True) -> TrainingRun:
        """Start a training and open its recording as soon as it is there, at its live end where ``follow``."""
        run = TrainingRun(start, self)
        self._all.append(run)
        self.current, self.result = run, None
        run.printed.connect(lambda text, error: self._print(run, text, error=error))
        run.ended.connect(lambda result: self._on_ended(run, result))
        self._follower.await_recording(run.folder, follow=follow)
        self._log.started(f"{start.name} is running, recorded into {start.folder}")
        self._window.say_waiting(f"Starting {start.name}", "waiting for the first step")
        run.begin()
        self.changed.emit()
        return run

    def stop(self) -> None:
        """Stop the current training."""
        if self.current is not None and self.current.alive:
            self.current.stop()
            self._log.status.setText(f"Stopping {self.current.start_of.name} ...")

    def end_all(self) -> None:
        """End every training that was started here, before this returns."""
        for run in self._all:
            run.end_now()

    @property
    def _log(self) -> LogView:
        self._window.populate()
        return cast("LogView", self._window.desk.views["log"])

    def _print(self, run: TrainingRun, text: str, *, error: bool) -> None:
        if run is self.current:
            self._log.append(text, error=error)

    def _on_ended(self, run: TrainingRun, result: Result) -> None:
        if run is not self.current:
            if result.failed:
                self._window.notice.say(result.sentence, "error")
            return
        self.result = result
        self._log.ended(result.sentence)
        opened = self._follower.give_up()
        if result.failed:
            self._window.notice.say(result.sentence, "error", ("Show log", self.show_log))
        if not opened:
            self._window.say_waiting(result.sentence, "Nothing was recorded.", hope=False)
        self.changed.emit()

    def show_log(self) -> None:
        """Bring the log to the front; on the desk where there is something to show, else in a window of its own."""
        self._window.show_log()
