"""Where one pass of the training loop ends and the next begins, told from which call sites come again.

A pass is what lies between two calls from one site, if in between a leaf was updated with what came of reading it within. That
rules out loops inside a pass (layers, time steps: nothing is updated yet) and the loop over the parameters at its end (what it
updates was read before it, or it begins with an update). The first site for which this holds is the first site of the loop, since
it is the first to come again.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

NEVER = -2
"""Before every moment, also before that of what was there before the tape saw it."""


@dataclass(frozen=True, slots=True)
class Update:
    """A write to what was read: ``read`` is the moment of the op that read it, ``at`` of the write, ``born`` of the array."""

    read: int
    at: int
    born: int


@dataclass(slots=True)
class Passes:
    """Watches the call sites of the ops since ``begin``. Moments count ops; ``start`` is the first site of a pass, once known."""

    start: Hashable | None = None
    begin: int = 0
    updated: bool = False
    """Whether something that is older has been updated since ``begin``."""
    sites: list[Hashable] = field(default_factory=list)
    _seen: dict[Hashable, list[int]] = field(default_factory=dict)
    _updates: dict[Hashable, Update] = field(default_factory=dict)
    _writes: list[int] = field(default_factory=list)
    _last_update: int = NEVER

    def is_inside(self, born: int) -> bool:
        """Whether an array was made in the pass that is under way, as far as its begin is known."""
        return self.start is not None and born >= self.begin

    def arrive(self, site: Hashable, moment: int) -> list[int]:
        """An op is about to run. The moments at which passes begin that end now, oldest first; empty where none ends."""
        if site == self.start and self.updated:
            return [self.begin]
        seen = self._seen.get(site)
        if seen is None or self._last_update < seen[0]:
            return []
        reads = [update.read for update in self._updates.values() if _last(seen, update.read) > update.born]
        if not reads:
            return []
        first = _last(seen, min(reads))
        if any(first <= at < min(reads) for at in self._writes):
            return []
        return self._with_earlier(first, moment)

    def note(self, site: Hashable, moment: int) -> None:
        """An op has run."""
        self.sites.append(site)
        self._seen.setdefault(site, []).append(moment)

    def update(self, what: Hashable, update: Update) -> None:
        """An op has updated something."""
        self._updates[what] = update
        self._last_update = update.at
        self.updated = self.updated or not self.is_inside(update.born)
        self._writes.append(update.at)

    def count(self, moment: int) -> None:
        """An op has updated what was a plain number so far."""
        self._writes.append(moment)

    def restart(self, moment: int, start: Hashable | None) -> None:
        """Forget what was before; the next op is the first."""
        self.begin, self.start, self.updated = moment, start, False
        self.sites = []
        self._seen = {}
        self._updates = {}
        self._writes = []

    def forget(self, moment: int) -> None:
        """Drop the ops before a moment: there have been too many."""
        gone = moment - self.begin
        sites = self.sites[gone:]
        updates = {what: update for what, update in self._updates.items() if update.at >= moment}
        writes = [at for at in self._writes if at >= moment]
        self.restart(moment, self.start)
        self._updates, self.updated = updates, bool(updates)
        self._writes = writes
        for index, site in enumerate(sites):
            self.note(site, moment + index)

    def _with_earlier(self, first: int, moment: int) -> list[int]:
        """Passes before the one that was recognised, which called from the same sites."""
        begins = [first]
        length = moment - first
        pattern = self._between(first, moment)
        while begins[0] - length >= self.begin and self._between(begins[0] - length, begins[0]) == pattern:
            begins.insert(0, begins[0] - length)
        return begins

    def _between(self, first: int, last: int) -> Sequence[Hashable]:
        return self.sites[first - self.begin : last - self.begin]


def _last(moments: list[int], until: int) -> int:
    """The last of some moments that is not after ``until``; what is before all moments where there is none."""
    return next((moment for moment in reversed(moments) if moment <= until), NEVER)
