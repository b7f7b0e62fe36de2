"""An example run again with something changed; the run before stays in the State as the ghost that panels draw in grey."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject

from gradwalk.demo_files import DEMOS, example
from gradwalk.recording.format import RecordingError
from gradwalk.recording.reader import Recording, open_recording
from gradwalk.refusal import RefusalError

from .again import Again, again_of
from .live import Follower
from .rerun_dialog import RerunDialog
from .runs import Start, TrainingRun
from .session import Session
from .state import State
from .trainings import Trainings
from .window import Window


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A run that was started again: where it is recorded, the recording before it, and where the playhead was there."""

    folder: Path
    before: Path
    step: int
    position: int


class Reruns(QObject):
    """Asks, starts, and holds the recording of the run before until another one is opened."""

    def __init__(self, window: Window, session: Session, follower: Follower, trainings: Trainings) -> None:
        super().__init__(window)
        self._window, self._session, self._follower, self._trainings = window, session, follower, trainings
        self._awaited: _Awaited | None = None
        self._place: tuple[int, int] | None = None
        self._ghost: Recording | None = None
        follower.opened.connect(self._on_opened)
        session.changed.connect(self._on_changed)

    def ask(self, runs: Path) -> RerunDialog | None:
        """Ask what to change in the example that is open; one sentence where what is open cannot be run again."""
        recording = self._follower.recording
        again = again_of(recording.info if recording is not None else None)
        problem = again if isinstance(again, str) else _problem(recording, again)
        if problem or recording is None or isinstance(again, str):
            self._window.notice.say(problem)
            return None
        dialog = RerunDialog(again, recording[0], runs, self._window)
        dialog.accepted.connect(lambda: self.begin(dialog.start()))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
        return dialog

    def begin(self, start: Start) -> TrainingRun:
        """Start the run; its recording opens where the playhead is now."""
        state = self._session.state
        awaited = _Awaited(Path(start.folder), Path(self._follower.path), state.step, state.position)
        run = self._trainings.begin(start, follow=False)
        self._awaited = awaited
        return run

    def _on_opened(self, path: str) -> None:
        awaited, self._awaited = self._awaited, None
        self._drop()
        if awaited is None or Path(path) != awaited.folder:
            return
        try:
            self._ghost = open_recording(awaited.before)
        except RecordingError as error:
            self._window.notice.say(f"The run before cannot be shown beside the new one: {error}", "error")
            return
        self._place = awaited.step, awaited.position
        self._session.set(ghost=self._ghost)

    def _on_changed(self, old: State, new: State) -> None:
        if new.recording is None:
            self._drop()
        elif self._ghost is not None and not self._ghost.closed and new.length != old.length:
            self._ghost.poll()
        if self._place is not None and new.length > self._place[0]:
            place, self._place = self._place, None
            if (new.step, new.position) == (0, 0):
                self._session.go_to(*place)

    def _drop(self) -> None:
        """Let go of the run before."""
        ghost, self._ghost, self._place = self._ghost, None, None
        if ghost is not None:
            self._session.set(ghost=None)
            ghost.close()


def _problem(recording: Recording | None, again: Again) -> str:
    """Why an example cannot be run again as it was, or an empty string."""
    if recording is None or not len(recording):
        return "There is no step yet to change anything in."
    try:
        ours = example(again.target).read_text(encoding="utf-8")
    except (RefusalError, OSError) as error:
        return f"The example cannot be run again: {error}."
    if recording.source(recording.info.script) not in (None, ours):
        return f"This is a recording of another {DEMOS[again.target]} than the example that comes with this Gradwalk."
    return ""
