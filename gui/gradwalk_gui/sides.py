"""Other recordings beside the one that is shown: asking for them, opening and closing them. A panel draws them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog

from gradwalk.comparison import MOST
from gradwalk.demo_files import NAME, THREE
from gradwalk.recording.format import RecordingError
from gradwalk.recording.reader import Recording, open_recording

from .live import Follower
from .open_dialog import open_dialog, recording_path
from .session import Session
from .state import State, Steps
from .trainings import Trainings
from .window import Window

PANEL = "sides"


class Sides(QObject):
    """Holds the recordings of ``State.beside`` until they are not there any more, or another recording is opened."""

    def __init__(self, window: Window, session: Session, follower: Follower) -> None:
        super().__init__(window)
        self._window, self._session, self._follower = window, session, follower
        self._held: list[Recording] = []
        self._trainings: Trainings | None = None
        self._shown: Path | None = None
        """The folder of the three programs that were set side by side when they had ended."""
        follower.opened.connect(self._on_opened)
        session.changed.connect(self._on_changed)

    def show(self) -> None:
        """Show the panel; ask for a recording where none stands beside."""
        if self._session.state.recording is None:
            return
        self._window.desk.give_room(PANEL)
        if not self._session.state.beside:
            self.ask()

    def ask(self) -> QFileDialog | None:
        """Ask for one more recording."""
        state = self._session.state
        if state.recording is None or len(state.beside) >= MOST - 1:
            return None
        self._window.desk.show_dock(PANEL)
        shown = state.recording
        folder = shown.path.parent if isinstance(shown, Recording) else Path.cwd()
        return open_dialog(self._window, folder, lambda path: self.set_beside((Path(path),), keep=True))

    def set_beside(self, paths: Iterable[Path], *, keep: bool = False) -> None:
        """Open recordings and show them beside this one, in place of those that are there unless ``keep``."""
        opened: list[Recording] = []
        try:
            opened.extend(open_recording(recording_path(path)) for path in paths)
        except RecordingError as error:
            for recording in opened:
                recording.close()
            self._window.notice.say(str(error), "error")
            return
        self._held += opened
        before: Sequence[Steps] = self._session.state.beside if keep else ()
        self._session.set(beside=(*before, *opened)[: MOST - 1])
        self._window.desk.give_room(PANEL)

    def await_three(self, trainings: Trainings) -> None:
        """Set the three programs of the example side by side when they have run."""
        self._trainings = trainings
        trainings.changed.connect(self._on_training)

    def _on_training(self) -> None:
        trainings = self._trainings
        if trainings is None or trainings.current is None or trainings.running or trainings.result is None:
            return
        start = trainings.current.start_of
        folder = Path(start.folder)
        there = Path(self._follower.path) == start.recorded
        if start.kind != "example" or start.target != NAME or trainings.result.code or not there or self._shown == folder:
            return
        self._shown = folder
        self._follower.poll()
        self._session.first_step()
        self.set_beside(folder / name for name in THREE[1:])

    def _on_opened(self, path: str) -> None:
        if self._session.state.beside:
            self._session.set(beside=())

    def _on_changed(self, old: State, new: State) -> None:
        if new.recording is None and new.beside:
            self._session.set(beside=())
            return
        if old.length != new.length:
            for recording in self._held:
                if not recording.closed:
                    recording.poll()
        for recording in [one for one in self._held if one not in new.beside]:
            self._held.remove(recording)
            recording.close()
