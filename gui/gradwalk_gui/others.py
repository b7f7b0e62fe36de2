"""Other trainings, ranks, steps and recordings than the one that is shown: attach, switch, compare, capture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QDialog

from gradwalk.recording.format import RecordingError

from .alive import run_is_alive
from .compare import Compare
from .copies import Copies
from .live import Follower
from .rank_box import RankBox, RankList, switch
from .ranks import beside, ranks_of
from .reaching import Reaching
from .running import RunningList, running_in
from .session import Session
from .sides import Sides
from .window import Window


class Others(QObject):
    """Implements ``command.Others``. ``places`` says where trainings may be recorded."""

    def __init__(self, window: Window, session: Session, follower: Follower, places: Callable[[], Iterable[Path]]) -> None:
        super().__init__(window)
        self._window, self._session, self._follower, self._places = window, session, follower, places
        self.reaching = Reaching(window, session, follower)
        self.copies = Copies(window, follower)
        self.box = RankBox(session, self._switch)
        self.sides = Sides(window, session, follower)
        window.status.addPermanentWidget(self.box)
        self.box.setVisible(False)

    def capture(self) -> None:
        """Ask the training of the recording to keep its next step in full."""
        self.reaching.capture()

    def save_copy(self) -> None:
        """Ask where to, and save a copy of the recording."""
        self.copies.ask()

    def attach(self) -> None:
        """Choose one of the trainings that are going on, and follow it."""
        runs = running_in(self._places())
        if not runs:
            self._window.notice.say(
                "No training is going on in the folders of runs or beside recent recordings; open its folder."
            )
            return
        self._drop_down(RunningList(runs, self.follow, self._window.theme, self._window))

    def follow(self, folder: Path) -> None:
        """Follow a training, from its first step on if it has none yet."""
        if any(folder.glob("*.mcap")):
            self._follower.open(folder, follow=True)
        else:
            self._window.say_waiting("Waiting for the first step", str(folder))
            self._follower.await_recording(folder, alive=lambda: run_is_alive(folder))

    def choose_rank(self) -> None:
        """Choose which rank of the recording is shown."""
        state = self._session.state
        shown = getattr(state.recording, "rank", 0)
        self._drop_down(RankList(ranks_of(state), shown, self._switch, self._window.theme, self._window))

    def next_rank(self, by: Literal[1, -1]) -> None:
        """Show the next (or previous) rank of the recording."""
        ranks, recording = ranks_of(self._session.state), self._follower.recording
        if recording is not None and ranks:
            self._switch(beside(ranks, recording.rank, by))

    def compare(self) -> None:
        """Ask with what the step is compared, and list where they part."""
        state = self._session.state
        if state.recording is not None and state.trace is not None:
            dialog = Compare(self._session, self._window)
            dialog.finished.connect(dialog.deleteLater)
            dialog.show()

    def side_by_side(self) -> None:
        """Show the recording side by side with others; ask for one where there is none yet."""
        self.sides.show()

    def add_beside(self) -> None:
        """Ask for another recording to stand beside this one."""
        self.sides.ask()

    def _switch(self, rank: int) -> None:
        try:
            switch(self._session, self._follower, rank)
        except RecordingError as error:
            self._window.notice.say(str(error), "error")

    def _drop_down(self, dialog: QDialog) -> None:
        frame = self._window.geometry()
        dialog.move(frame.center().x() - dialog.width() // 2, frame.top() + 80)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
