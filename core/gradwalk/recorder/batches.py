"""Statistics that a batch brings later (``device_batches.py``)."""

from __future__ import annotations

from typing import Protocol

from .records import Row


class Batch(Protocol):
    """What brings statistics."""

    def finish(self) -> None:
        """Wait for them."""
        ...


class LateRow:
    """Statistics that a batch brings."""

    __slots__ = ("_batch", "_row")

    def __init__(self, batch: Batch) -> None:
        self._batch: Batch | None = batch
        self._row: Row = ()

    def arrive(self, row: Row) -> None:
        """They are there."""
        self._row, self._batch = row, None

    def row(self) -> Row:
        """The statistics; waits for the transfer if it is under way."""
        if self._batch is not None:
            self._batch.finish()
        return self._row
