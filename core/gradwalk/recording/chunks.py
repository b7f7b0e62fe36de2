"""The chunks that hold complete steps, by column: a long run has tens of thousands, and few of them are ever looked at."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from .order import order_size
from .runs import Run


class Place(NamedTuple):
    """Where the data of a message is in the file."""

    offset: int
    length: int


class StepChunk(NamedTuple):
    """A chunk that holds complete steps; ``start`` counts the steps before it."""

    start: int
    steps: int
    first_step: int
    order: Place | None
    batches: tuple[Place, ...]


class StepChunks(Sequence[StepChunk]):
    """Grows at its end; ``total`` counts the steps in all of them."""

    def __init__(self) -> None:
        self._starts = array("q", (0,))
        self._first_steps = array("q")
        self._orders = array("q")
        self._batches = array("q", (0,))
        """Per chunk how many batches there are before it."""
        self._offsets = array("q")
        self._lengths = array("q")

    @property
    def total(self) -> int:
        """How many steps there are."""
        return self._starts[-1]

    def add(self, steps: int, first_step: int, order: Place, batches: Sequence[Place]) -> None:
        """One chunk more."""
        self._starts.append(self.total + steps)
        self._first_steps.append(first_step)
        self._orders.append(order.offset)
        self._offsets.extend(place.offset for place in batches)
        self._lengths.extend(place.length for place in batches)
        self._batches.append(len(self._offsets))

    def add_run(self, run: Run) -> None:
        """Many more, of one batch each."""
        before = len(self._offsets)
        _extend(self._starts, self.total + np.cumsum(run.steps))
        _extend(self._first_steps, run.first_steps)
        _extend(self._orders, run.orders)
        _extend(self._offsets, run.batches)
        _extend(self._lengths, run.batch_lengths)
        _extend(self._batches, before + np.arange(1, len(run.steps) + 1, dtype=np.int64))

    def find(self, number: int) -> tuple[StepChunk, int]:
        """The chunk of the ``number``-th step, and its place among the chunk's steps."""
        chunk = self[bisect_right(self._starts, number) - 1]
        return chunk, number - chunk.start

    def __len__(self) -> int:
        return len(self._orders)

    @overload
    def __getitem__(self, index: int, /) -> StepChunk: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[StepChunk]: ...
    def __getitem__(self, index: int | slice, /) -> StepChunk | list[StepChunk]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(index)
        start, end = self._starts[number : number + 2]
        batches = slice(*self._batches[number : number + 2])
        places = map(Place, self._offsets[batches], self._lengths[batches])
        order = Place(self._orders[number], order_size(end - start))
        return StepChunk(start, end - start, self._first_steps[number], order, tuple(places))


def _extend(column: array[int], numbers: NDArray[np.int64]) -> None:
    column.frombytes(np.ascontiguousarray(numbers, np.int64).tobytes())
