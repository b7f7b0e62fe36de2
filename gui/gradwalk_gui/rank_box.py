"""The switch from one rank to another: the box in the status bar, and the list."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QWidget

from gradwalk.recording.reader import open_recording

from .chooser import Chooser, Entry
from .live import Follower
from .ranks import index_of, ranks_of
from .reaching import folder_of
from .session import Session
from .state import Play, State
from .theme import Theme


def switch(session: Session, follower: Follower, rank: int) -> None:
    """Show another rank of the open recording, at the same step and position. Raises RecordingError."""
    recording, state = follower.recording, session.state
    if recording is None or rank == recording.rank:
        return
    folder = folder_of(recording)
    other = open_recording(folder, rank)
    number = state.trace.step if state.trace is not None else 0
    follower.attach(other, folder, follow=state.play is Play.FOLLOWING, at=(index_of(other, number), state.position))
    now = session.state.trace
    if state.trace is not None and now is not None and state.trace.graph.key == now.graph.key:
        session.select(state.selection)


class RankBox(QComboBox):
    """Says which rank is shown, and of which there are files; hidden for a recording of one."""

    def __init__(self, session: Session, chosen: Callable[[int], object], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rank")
        self.setAccessibleName("Rank")
        self.setToolTip("Which rank is shown   Ctrl+Shift+R")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.activated.connect(lambda place: chosen(self.itemData(place)))
        session.changed.connect(self._on_changed)
        self._show(session.state)

    def _on_changed(self, old: State, new: State) -> None:
        if (old.recording, old.length) != (new.recording, new.length):
            self._show(new)

    def _show(self, state: State) -> None:
        ranks = ranks_of(state)
        if ranks != tuple(self.itemData(place) for place in range(self.count())):
            self.clear()
            for rank in ranks:
                self.addItem(f"rank {rank}", rank)
        self.setCurrentIndex(self.findData(getattr(state.recording, "rank", 0)))
        self.setVisible(len(ranks) > 1)


class RankList(Chooser):
    """Lists the ranks; ``switch_to`` is called with the one that is chosen."""

    def __init__(
        self, ranks: tuple[int, ...], shown: int, switch_to: Callable[[int], object], theme: Theme, parent: QWidget | None = None
    ) -> None:
        super().__init__("Choose rank", "Ranks", theme, parent)
        self._ranks, self._shown, self._switch_to = ranks, shown, switch_to
        self.fill()

    def entries(self, text: str) -> list[Entry]:
        """The ranks whose number begins with what is typed."""
        return [
            Entry(f"Rank {rank}", "", "shown" if rank == self._shown else "", rank)
            for rank in self._ranks
            if str(rank).startswith(text.strip())
        ]

    def chosen(self, what: object) -> None:
        """Switch to it."""
        assert isinstance(what, int)
        self._switch_to(what)
