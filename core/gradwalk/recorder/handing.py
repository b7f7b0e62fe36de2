"""From the step that has ended, or is under way, to the sink: its Trace, its source files, and the wait for a GPU's numbers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

import torch

from ..callsite import source_text
from ..recording.sink import Sink
from ..trace import StepError, Trace
from .assemble import Assembler, Draft
from .device_times import DeviceTimes
from .followed import FollowedDraft
from .numbering import Numbers
from .running import Running
from .statistics import Statistics


class Handing:
    """Hands steps to the ``sink``. ``name_of`` names parameters; ``epoch`` is the time at which the clock was 0."""

    def __init__(self, sink: Sink, statistics: Statistics, name_of: Callable[[torch.Tensor], str], epoch: float) -> None:
        self.times = DeviceTimes()
        self._sink, self._statistics, self._epoch = sink, statistics, epoch
        self._assembler = Assembler(name_of)
        self._sketches = Assembler(None)
        """Of steps under way, each of which has a structure of its own."""
        self._late: deque[tuple[Draft | FollowedDraft, str]] = deque()
        self._files: set[str] = set()

    def draft(self, numbers: Numbers, step: int) -> Draft:
        """The Trace of a step, without the numbers that are still under way."""
        return self._with_sources(self._assembler.assemble(numbers, step, self._epoch))

    def followed(self, running: Running, step: int) -> FollowedDraft:
        """The same of a step that was followed."""
        return FollowedDraft(running, step, self._epoch)

    def pass_on(self, draft: Draft | FollowedDraft, label: str) -> None:
        """A step has ended: those before it are handed over, and it too, where none of its numbers is under way."""
        under_way = self._statistics.end_step()
        self._hand_over_late()
        self._late.append((draft, label))
        if not under_way:
            self._hand_over_late()

    def late(self) -> None:
        """Hand over the steps whose numbers were still on their way from a GPU."""
        self._statistics.end_step()
        self._hand_over_late()

    def incomplete(self, numbers: Numbers, step: int, error: StepError, give: Callable[[Trace], None]) -> None:
        """``give`` the step that an exception cut short."""
        give(self.draft(numbers, step).finish(self.times, label="", error=error))

    def so_far(self, numbers: Numbers, step: int) -> None:
        """Write the step under way as it is now, and all steps before it."""
        self.late()
        draft = self._with_sources(self._sketches.assemble(numbers, step, self._epoch))
        self._sink.partial(replace(draft.finish(self.times, label="", error=None), done=False))

    def _hand_over_late(self) -> None:
        while self._late:
            draft, label = self._late.popleft()
            self._sink.add(draft.finish(self.times, label=label, error=None))

    def _with_sources(self, draft: Draft) -> Draft:
        for site in draft.known.graph.sites:
            if site.file not in self._files:
                self._files.add(site.file)
                self._sink.source(site.file, source_text(site.file))
        return draft
