"""Rows of different length in one array, and what is asked of each row, for all rows at once. NumPy only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.intp]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Whole numbers, intp ``[n]``; row ``i`` is ``bounds[i]`` to ``bounds[i + 1]``."""

    flat: Ints
    bounds: Ints

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, row: int) -> Ints:
        return self.flat[self.bounds[row] : self.bounds[row + 1]]

    @property
    def rows(self) -> Ints:
        """Per number the row that it is in."""
        return np.repeat(np.arange(len(self)), np.diff(self.bounds))

    def reduced(
        self, ufunc: np.ufunc, numbers: NDArray[Number], empty: float, where: NDArray[np.bool_] | None = None
    ) -> NDArray[Number]:
        """``ufunc.reduce`` of the numbers (``[n]``, one for each of ``flat``) of every row; ``empty`` for a row without any.

        ``where`` leaves numbers out.
        """
        result = np.full(len(self), empty, dtype=numbers.dtype)
        rows, kept = (self.rows, numbers) if where is None else (self.rows[where], numbers[where])
        if len(rows):
            starts = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]]))
            result[rows[starts]] = ufunc.reduceat(kept, starts)
        return result


def ragged(rows: Iterable[Iterable[int]]) -> Ragged:
    """The rows one behind the other."""
    listed = [tuple(row) for row in rows]
    bounds = np.zeros(len(listed) + 1, dtype=np.intp)
    np.cumsum([len(row) for row in listed], out=bounds[1:])
    return Ragged(np.fromiter(chain.from_iterable(listed), dtype=np.intp, count=int(bounds[-1])), bounds)
