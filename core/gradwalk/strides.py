"""Strides: how the elements of a tensor lie in memory, in elements from one index of an axis to the next."""

from __future__ import annotations

from .trace import Shape, Strides, Trace


def contiguous(shape: Shape) -> Strides:
    """The strides of a tensor whose elements lie one after the other, the last axis fastest (C order)."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def is_contiguous(shape: Shape, strides: Strides) -> bool:
    """Whether these are those strides; that of an axis of size 1 says nothing, nor do those of a tensor without elements."""
    if 0 in shape:
        return True
    wanted = contiguous(shape)
    return all(size == 1 or have == want for size, have, want in zip(shape, strides, wanted, strict=True))


def expected(shape: Shape, first_shape: Shape, first: Strides | None) -> Strides | None:
    """What the strides of a Value are taken to be in a step where it has ``shape``; in that of the Graph it had ``first_shape``.

    The same for the same shape; contiguous ones of another size stay so; of all others nothing is said.
    """
    if first is None or shape == first_shape:
        return first
    return contiguous(shape) if len(shape) == len(first_shape) and is_contiguous(first_shape, first) else None


def strides_of(trace: Trace, value: int) -> Strides | None:
    """The strides of a Value in this step, or None where they are not known."""
    found = trace.strides.get(value)
    if found is not None:
        return found
    of = trace.graph.values[value]
    return expected(trace.shapes.get(value, of.shape), of.shape, of.strides)
