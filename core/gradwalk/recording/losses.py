"""The step numbers and losses of all steps, read chunk by chunk as they come and kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .chunks import StepChunk
from .decoding import Decoder
from .format import Damaged

Number = TypeVar("Number", np.int64, np.float64)


class Losses:
    """Grows; ``steps`` and ``losses`` are read-only views of what is known."""

    def __init__(self) -> None:
        self._steps = np.zeros(1024, np.int64)
        self._losses = np.zeros(1024, np.float64)
        self._count = 0
        self._chunks = 0

    @property
    def steps(self) -> NDArray[np.int64]:
        """Step numbers, int64."""
        return _view(self._steps, self._count)

    @property
    def losses(self) -> NDArray[np.float64]:
        """Losses, float64; NaN for none."""
        return _view(self._losses, self._count)

    def read(self, decoder: Decoder, chunks: Sequence[StepChunk]) -> list[tuple[StepChunk, str]]:
        """Take in the chunks that are new; gives those whose order is damaged (their losses come from their batches)."""
        damaged: list[tuple[StepChunk, str]] = []
        for chunk in chunks[self._chunks :]:
            why = self._take(decoder, chunk)
            if why:
                damaged.append((chunk, why))
        self._chunks = len(chunks)
        return damaged

    def _take(self, decoder: Decoder, chunk: StepChunk) -> str:
        try:
            order = decoder.order(chunk)
        except Damaged as error:
            self._append(*_from_batches(decoder, chunk))
            return str(error)
        self._append(order.steps, order.losses)
        return ""

    def _append(self, steps: NDArray[np.int64], losses: NDArray[np.float64]) -> None:
        end = self._count + len(steps)
        if end > len(self._steps):
            room = max(end, 2 * len(self._steps))
            self._steps, self._losses = np.resize(self._steps, room), np.resize(self._losses, room)
        self._steps[self._count : end] = steps
        self._losses[self._count : end] = losses
        self._count = end


def _from_batches(decoder: Decoder, chunk: StepChunk) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    steps = chunk.first_step + np.arange(chunk.steps, dtype=np.int64)
    losses = np.full(chunk.steps, np.nan)
    try:
        batches = [decoder.batch(place) for place in chunk.batches]
    except Damaged:
        return steps, losses
    if sum(map(len, batches)) == chunk.steps:
        numbers = np.concatenate([batch.steps for batch in batches])
        order = np.argsort(numbers, kind="stable")
        return numbers[order], np.concatenate([batch.losses for batch in batches])[order]
    return steps, losses


def _view(array: NDArray[Number], count: int) -> NDArray[Number]:
    view = array[:count]
    view.flags.writeable = False
    return view
