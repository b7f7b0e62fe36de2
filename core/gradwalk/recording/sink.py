"""What recorders talk to: says which steps are wanted and what tensors to keep, and hands steps to the writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..refusal import RefusalError
from ..same import Same
from ..trace import STATISTICS, Graph, TensorKey, Trace
from ..watches.nan import first_of
from .asked import Asked
from .checks import Checker, Checks
from .format import MAX_TEXT
from .retention import Keep, Retention, Ring
from .tensors import Tensors, bytes_of
from .writer import Writer

LEVELS = ("structure", "statistics", "tensors")
FEW, _REMEMBERED = 2048, 16
"""Bytes of counts that are few, and how many of these are remembered."""
_NAN, _INF = STATISTICS.index("nan"), STATISTICS.index("inf")
_COUNTS = slice(_NAN, _INF + 1)
_NOTHING: Tensors = MappingProxyType({})


class Sink:
    """The way into a recording.

    ``level`` is ``structure``, ``statistics`` or ``tensors``; every ``every``-th step is wanted, and with ``steps`` only those
    before that step number. Steps in ``pinned`` keep every tensor; so do those in ``checked``, whose ops are compared with the
    reference. ``recorded`` counts the steps that came. Nothing here raises
    into the training, bar the constructor (ValueError for an unknown level or a number below 1).
    """

    def __init__(
        self,
        writer: Writer,
        level: str = "statistics",
        every: int = 1,
        steps: int | None = None,
        pinned: Sequence[range] = (),
        checked: Sequence[range] = (),
    ) -> None:
        if level not in LEVELS:
            raise ValueError(f"the level {level!r} is none of {', '.join(LEVELS)}")
        if every < 1 or (steps is not None and steps < 1):
            raise ValueError("every and steps must be 1 or more")
        self.writer = writer
        self.level = level
        self.every = every
        self.steps = steps
        self.retention = Retention(every_step=level == "tensors", has_room=writer.has_room, pinned=(*pinned, *checked))
        self.checks = Checks(checked)
        self._checker = Checker(writer.add_verdicts)
        self._asked = Asked("asked for with --pin", pinned), Asked("asked for with --check-steps", checked)
        self._ring = Ring(on_loan=writer.on_loan)
        self._bad_seen = False
        self._clean: set[bytes] = {b""}
        """Counts of NaN and Inf that were looked at and are none."""
        self._masks: set[tuple[Same[Graph], bytes]] = set()
        """In which Values and Edges of which Graph there was Inf on purpose."""
        self._thinning_told = False

    @property
    def recorded(self) -> int:
        """How many steps were handed over."""
        return self.writer.steps

    @property
    def ring_bytes(self) -> int:
        """How many bytes the tensors of the last steps may take."""
        return self._ring.limit

    def wants(self, step: int) -> bool:
        """Whether this step is to be recorded."""
        return step % self.every == 0 and (self.steps is None or step < self.steps)

    def plan(self, step: int) -> Keep:
        """What tensors of this step to hand over."""
        if self.level == "structure":
            return Keep.NONE
        if step > self.retention.begun and self.checks.begins(step, step + self.every):
            self.retention.pin(step)
        return self.retention.plan(step)

    def pin(self, step: int) -> None:
        """Keep a step's tensors in full."""
        self.retention.pin(step)

    def everything(self, step: int) -> bool:
        """Whether a step that keeps its tensors keeps all of them in full, however large."""
        return self.level == "tensors" or self.retention.is_pinned(step)

    def capture(self) -> int:
        """Keep every tensor of the next step that is wanted; gives the number of the latest that has begun.

        May be called from any thread. Raises RefusalError where no such step will come.
        """
        if self.level == "structure":
            raise RefusalError("this run records the structure only, so no tensor can be kept; run it with --level statistics")
        begun = self.retention.begun
        if self.steps is not None and begun >= 0 and begun + self.every >= self.steps:
            raise RefusalError(f"this run records its first {self.steps:,} steps only, and they have begun")
        return self.retention.capture()

    def check(self, step: int | None = None) -> int:
        """Check a step, or the next one that is wanted; gives the number of the latest that has begun.

        May be called from any thread. Raises RefusalError where that step will not come.
        """
        if self.level == "structure":
            raise RefusalError("this run records the structure only, so no step can be checked; run it with --level statistics")
        begun = self.retention.begun
        if self.steps is not None and begun >= 0 and begun + self.every >= self.steps:
            raise RefusalError(f"this run records its first {self.steps:,} steps only, and they have begun")
        if step is not None and step <= begun:
            raise RefusalError(
                f"step {step:,} has begun already, and only one to come can be checked; step {begun:,} is under way"
            )
        if step is not None and not self.wants(step):
            raise RefusalError(f"step {step:,} is not recorded, so it cannot be checked")
        self.checks.ask(step)
        return begun

    def add(self, trace: Trace) -> None:
        """Hand over a complete step."""
        # Before the writer's thread may be woken: NumPy lets go of the interpreter here, and would have to wait to get it back.
        first_bad = "" if self._bad_seen else self._first_bad(trace)
        if not trace.tensors:
            self.writer.add(trace)
        elif self.plan(trace.step) is Keep.FULL:
            self.retention.spent(trace.step, bytes_of(trace.tensors))
            self.writer.add(trace, asked=self.everything(trace.step))
        else:
            self._ring.push(trace)
            self.writer.add(replace(trace, tensors=_NOTHING))
        if self.checks.wants(trace.step) and self.level != "structure":
            self._checker.add(trace)
        for asked in self._asked:
            asked.came(trace.step)
        if first_bad:
            self._bad_seen = True
            self.writer.note("nan", first_bad, trace.step)
            self._write_ring()
        if self.retention.thinned and not self._thinning_told:
            self._thinning_told = True
            self.note("thinned", "tensors of fewer steps are kept from here on: the budget for tensors is used up", trace.step)

    def add_tensors(self, step: int, tensors: Tensors) -> None:
        """Hand over tensors of a step that was added without them."""
        self.retention.spent(step, bytes_of(tensors))
        self.writer.add_tensors(step, tensors)

    def partial(self, trace: Trace) -> None:
        """Write a step so far, at once."""
        self.writer.partial(trace)

    def failed(self, trace: Trace) -> None:
        """Hand over a step that raised (``trace.error``), and the tensors of the steps before it; all is written at once."""
        self.writer.add(trace if not trace.done else replace(trace, done=False))
        error = trace.error
        self.writer.note("exception", f"{error.kind}: {error.message}"[:MAX_TEXT] if error else "the step raised", trace.step)
        self._write_ring()
        self.writer.flush()

    def note(self, kind: str, message: str, step: int = -1) -> None:
        """Write that something happened."""
        self.writer.note(kind, message, step)

    def scalar(self, name: str, step: int, value: float) -> None:
        """Write a number of a step."""
        self.writer.scalar(name, step, value)

    def source(self, file: str, text: str) -> None:
        """Keep the text of a source file, once."""
        self.writer.source(file, text)

    def close(self, ended: str) -> None:
        """Write the last steps' tensors and end the recording: ``clean``, ``error`` or ``stopped``."""
        self._checker.close(stopped=ended == "stopped")
        self._write_ring()
        for asked in self._asked:
            if asked.sentence():
                self.note("asked", asked.sentence())
        self.writer.close(ended)

    def _first_bad(self, trace: Trace) -> str:
        """What is said of the first NaN or Inf; nothing where there is none but what was put in on purpose, such as a mask."""
        if not (self._has_bad(trace.values) or self._has_bad(trace.gradients)):
            return ""
        where = b"".join(np.packbits(table[_COUNTS] > 0).tobytes() for table in (trace.values, trace.gradients))
        masks = Same(trace.graph), where
        if masks in self._masks:
            return ""
        first = first_of(trace)
        if first is not None:
            return _describe_bad(trace, *first)
        if len(self._masks) >= _REMEMBERED:
            self._masks.clear()
        self._masks.add(masks)
        return ""

    def _has_bad(self, table: NDArray[np.float64]) -> bool:
        """Whether any NaN or Inf was counted in a statistics table."""
        counts = table[_COUNTS]
        if counts.nbytes > FEW:
            return bool(np.maximum.reduce(counts, axis=None) > 0)
        packed = counts.tobytes()  # step after step the same: a tenth of NumPy's time for a few things
        if packed in self._clean:
            return False
        if counts.size and counts.max() > 0:
            return True
        if len(self._clean) >= _REMEMBERED:
            self._clean.clear()
        self._clean.add(packed)
        return False

    def _write_ring(self) -> None:
        for step, tensors, size in self._ring.take():
            self.writer.add_tensors(step, tensors, lent=size)


def _describe_bad(trace: Trace, values: tuple[int, ...], edges: tuple[int, ...]) -> str:
    """Which of these things of a step holds how many NaN and Inf, the first that has any."""
    things: list[TensorKey] = [*(("value", value) for value in values), *(("gradient", edge) for edge in edges)]
    for key in things:
        table = trace.values if key[0] == "value" else trace.gradients
        counts = [(table[row, key[1]], word) for row, word in ((_NAN, "NaN"), (_INF, "Inf")) if table[row, key[1]] > 0]
        if counts:
            words = " and ".join(f"{int(count):,} {word}" for count, word in counts)
            return f"step {trace.step}: the first {counts[0][1]} of the run; {words} in {_name(trace, key)}"
    return f"step {trace.step}: the first NaN or Inf of the run"


def _name(trace: Trace, key: TensorKey) -> str:
    kind, number = key
    if kind == "value":
        return f"the value {trace.graph.values[number].name or f'%{number}'}"
    of = trace.graph.edges[number].value
    return f"the gradient of {trace.graph.values[of].name or f'%{of}'}" if of >= 0 else f"the gradient {number}"
