"""What waits for the file is capped: tensors go first, then statistics, then whole steps but for their loss.

Lines are drawn across what may wait (32 MB, less for a small process). What would take the queue past the first line goes without
the tensors that are too much: samples of them stay while there is room for those. Past the second line a step goes without
statistics, past the third its loss is all that is kept. Numbers are never left out; past the lines they are packed (16 bytes
each). What is left above the third line is for the group that is being written.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..trace import Graph, Kept, TensorKey, Trace, empty_table
from .assemble import Packed
from .format import MIB, Note
from .room import allowed_size, share
from .samples import SAMPLE, sample_of
from .tensors import Tensors, bytes_of

MOST, LEAST = 32 * MIB, 16 * MIB
"""Bytes that may wait for the file."""
MOST_BEYOND = 4
"""One part in so many of what the process may take: so much the tensors of one step that was asked for in full may total."""
PARTS, TENSORS, STATISTICS, STEPS = 32, 26, 30, 31
"""The lines, in parts of what may wait, above which tensors, statistics and whole steps are left out."""
STEP_OBJECTS, SHAPE_OBJECTS, GRAPH_OBJECTS = 1280, 128, 256
"""About how many bytes Python's objects take: of a step, of each shape of its own, of each thing of a Graph that is new."""
LOOK_EVERY = 1.0
NOTE_EVERY = 10.0
_GRAPHS = 8
_TABLES = 16
_NONE = np.zeros(0)


class Pressure:
    """Counts bytes that came (training thread) and went (writer's thread), and says what is left out."""

    def __init__(self) -> None:
        self.came = 0
        self.went = 0
        self.lent = 0
        """Bytes of the ring's memory that were handed over, ever, and those that came ``back``: the ring's cap counts them."""
        self.back = 0
        self.beyond = 0
        """Bytes of the step that was asked for in full and waits beside all that; 0 while there is none."""
        self.numbers: dict[str, array[float]] = {}
        """Numbers packed as step, value, step, value ..., by name."""
        self.tensors = self.cut_steps = self.statistics = self.steps = 0
        """What was left out: how many tensors, of how many steps; statistics of how many steps; how many whole steps."""
        self._graphs: dict[int, None] = {}
        self._tables: dict[int, NDArray[np.float64]] = {}
        self._told = (0, 0, 0, 0)
        self._next_note = time.monotonic()
        self._next_look = 0.0
        self._look()

    @property
    def waiting(self) -> int:
        """Bytes that wait for the file."""
        return self.came - self.went

    @property
    def on_loan(self) -> int:
        """Bytes of the ring's memory that wait for the file."""
        return self.lent - self.back

    def _look(self) -> None:
        """Ask how large the process is; it may have grown since."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY
            self._draw(share(MOST, LEAST))

    def _draw(self, limit: int) -> None:
        self.limit = limit
        self.line, self._statistics_line, self._steps_line = (limit * part // PARTS for part in (TENSORS, STATISTICS, STEPS))

    def weight_of(self, trace: Trace) -> int:
        """About how many bytes a step takes while it waits, tensors aside."""
        weight = trace.values.nbytes + trace.gradients.nbytes + trace.tape.nbytes + trace.times.nbytes + trace.durations.nbytes
        weight += SHAPE_OBJECTS * (len(trace.shapes) + len(trace.strides) + 3 * len(trace.arguments))
        if trace.graph.id not in self._graphs:
            weight += self._weight_of_graph(trace.graph)
        return weight + STEP_OBJECTS

    def _weight_of_graph(self, graph: Graph) -> int:
        self._graphs[graph.id] = None
        while len(self._graphs) > _GRAPHS:
            self._graphs.pop(next(iter(self._graphs)), None)
        things = len(graph.values) + len(graph.ops) + len(graph.nodes) + len(graph.edges) + len(graph.events)
        return GRAPH_OBJECTS * things

    def lighten(self, trace: Trace, weight: int) -> tuple[Trace | None, int]:
        """What of a step may wait, of ``weight`` bytes without its tensors, and its weight; None where only its loss may."""
        self._look()
        waiting, size = self.waiting, 0
        if trace.tensors:
            tensors, size = self.lighten_tensors(trace.tensors, weight)
            trace = replace(trace, tensors=tensors)
        if waiting + weight > self._statistics_line:
            trace, light = self._without_statistics(trace), STEP_OBJECTS + trace.tape.nbytes
            if waiting + light > self._steps_line:
                self.steps += 1
                return None, 0
            self.statistics += 1
            weight = light
        return trace, weight + size

    def lighten_tensors(self, tensors: Tensors, beside: int = 0) -> tuple[Tensors, int]:
        """Those that fit beside ``beside`` bytes more, the smallest in full, of others samples; and how many bytes they take."""
        self._look()
        room = self.line - self.waiting - beside
        size = bytes_of(tensors)
        if size <= room:
            return tensors, size
        fitting, size, cut = fitted(tensors, room)
        self.tensors += cut
        self.cut_steps += 1
        return fitting, size

    def lets_through(self, size: int) -> bool:
        """Whether tensors of so many bytes, asked for in full, may wait beside all else: they are in memory already, and one step
        at a time stays there until it is written. False also where they fit without that.
        """
        if self.beyond or self.waiting + size <= self.line:
            return False
        allowed = allowed_size()
        return allowed is None or size <= allowed // MOST_BEYOND

    def _without_statistics(self, trace: Trace) -> Trace:
        values, gradients = self._empty(len(trace.graph.values)), self._empty(len(trace.graph.edges))
        return replace(trace, values=values, gradients=gradients, times=_NONE, durations=_NONE)

    def _empty(self, things: int) -> NDArray[np.float64]:
        """An empty table that steps share."""
        table = self._tables.get(things)
        if table is None:
            if len(self._tables) >= _TABLES:
                self._tables.clear()
            table = self._tables[things] = empty_table(things)
            table.flags.writeable = False
        return table

    def pack(self, name: str, step: int, value: float) -> None:
        """Keep a number in little memory. One call into C takes both halves, so that an interrupt comes before it or after."""
        packed = self.numbers.get(name)
        if packed is None:
            packed = self.numbers[name] = array("d")
        packed.extend((step, value))
        self.came += 16

    def unpacked(self) -> Iterator[tuple[int, Packed]]:
        """The numbers packed so far, for the writer's thread: their weight, steps and values per name."""
        for name, packed in list(self.numbers.items()):
            count = len(packed)
            if count:
                table = np.array(packed[:count]).reshape(-1, 2)
                del packed[:count]
                yield 8 * count, Packed(name, table[:, 0].astype(np.int64), table[:, 1].copy())

    def notes(self, last: bool) -> Iterator[Note]:
        """What to say about drops since the last time, at most every ten seconds."""
        now = time.monotonic()
        counts = self.tensors, self.cut_steps, self.statistics, self.steps
        if counts == self._told or (now < self._next_note and not last):
            return
        self._told, self._next_note = counts, now + NOTE_EVERY
        text = (
            f"so far {counts[0]:,} tensors of {counts[1]:,} steps were cut to samples or left out, "
            f"{counts[2]:,} steps lost their statistics, {counts[3]:,} all but their loss"
        )
        yield Note(
            "dropped", f"more came at once than may wait for the disk ({self.limit / MIB:.0f} MB): {text}", -1, time.time()
        )


def fitted(tensors: Tensors, room: int) -> tuple[dict[TensorKey, Kept], int, int]:
    """As much of tensors as fits, how many bytes that is, and how many are not as they came.

    Samples come before whole ones; of those the smallest come first.
    """
    by_size = sorted(tensors.items(), key=lambda item: item[1].data.nbytes)
    samples = [min(kept.data.nbytes, SAMPLE * kept.data.itemsize) for _, kept in by_size]
    spare = max(room - sum(samples), 0)
    chosen: dict[TensorKey, Kept] = {}
    used = whole = 0
    for (key, kept), size in zip(by_size, samples, strict=True):
        more = kept.data.nbytes - size
        if used + size > room:
            break
        if more <= spare:
            chosen[key], used, spare, whole = kept, used + size + more, spare - more, whole + 1
        else:
            chosen[key], used = sample_of(kept), used + size
    return chosen, used, len(by_size) - whole
