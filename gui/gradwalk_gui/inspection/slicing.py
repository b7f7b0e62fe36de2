"""A two-dimensional slice of a tensor of any number of dimensions: which axes are rows and columns, and where in the others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradwalk.trace import NONE, Shape


@dataclass(frozen=True, slots=True)
class Slice:
    """``rows`` and ``columns`` are axes (``rows`` is NONE for one dimension); ``at`` has an index for each axis."""

    rows: int
    columns: int
    at: tuple[int, ...]

    def others(self) -> tuple[int, ...]:
        """The axes in which one index is picked."""
        return tuple(axis for axis in range(len(self.at)) if axis not in (self.rows, self.columns))


def first_slice(shape: Shape) -> Slice:
    """The last two axes, at the beginning of the others."""
    return Slice(len(shape) - 2 if len(shape) > 1 else NONE, len(shape) - 1, (0,) * len(shape))


def with_axis(old: Slice, *, rows: int | None = None, columns: int | None = None) -> Slice:
    """Another axis as rows, or as columns; where the other one has it, they change places."""
    if rows is not None:
        return replace(old, rows=rows, columns=old.rows if rows == old.columns else old.columns)
    assert columns is not None
    return replace(old, columns=columns, rows=old.columns if columns == old.rows else old.rows)


def with_index(old: Slice, axis: int, index: int) -> Slice:
    """Another index in an axis."""
    return replace(old, at=tuple(index if place == axis else i for place, i in enumerate(old.at)))


def sliced(data: NDArray[np.float64], what: Slice) -> NDArray[np.float64]:
    """The slice as float64 ``[rows, columns]``; of one dimension one row."""
    index = tuple(slice(None) if axis in (what.rows, what.columns) else i for axis, i in enumerate(what.at))
    picked: NDArray[np.float64] = data[index]
    if what.rows == NONE:
        return picked.reshape(1, -1)
    return picked.T if what.rows > what.columns else picked


def index_of(what: Slice, row: int, column: int) -> tuple[int, ...]:
    """The whole index of an element of the slice."""
    places = {what.rows: row, what.columns: column}
    return tuple(places.get(axis, i) for axis, i in enumerate(what.at))


def index_text(what: Slice, row: int, column: int) -> str:
    """The whole index of an element: ``[0, 3, 17]``."""
    return f"[{', '.join(map(str, index_of(what, row, column)))}]"
