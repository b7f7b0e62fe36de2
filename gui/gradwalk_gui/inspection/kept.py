"""In which steps a tensor is kept."""

from __future__ import annotations

from collections.abc import Iterator

from gradwalk.scales import unscaled
from gradwalk.trace import Graph, Kept, TensorKey, Trace

from ..state import Steps
from .facts import kept_at

REACH = 512
"""How many steps on either side are looked into where the recording has no list of the steps that keep tensors."""


def steps_with_tensors(recording: Steps, step: int, length: int) -> Iterator[int]:
    """Steps (indices) that may keep tensors, nearest to ``step`` first and without it."""
    listed = getattr(recording, "kept_steps", None)
    if listed is not None:
        yield from sorted((int(i) for i in listed() if int(i) != step and int(i) < length), key=lambda i: abs(i - step))
        return
    for distance in range(1, min(REACH, length) + 1):
        for near in (step - distance, step + distance):
            if 0 <= near < length:
                yield near
    yield from (early for early in range(min(3, length)) if abs(early - step) > REACH)


def nearest_kept(recording: Steps, step: int, length: int, key: TensorKey, graph: Graph) -> int | None:
    """The nearest other step of the same structure that keeps a tensor, or None."""
    for near in steps_with_tensors(recording, step, length):
        if kept_in(unscaled(recording[near]), key, graph) is not None:
            return near
    return None


def kept_before(recording: Steps, step: int, length: int, key: TensorKey, graph: Graph) -> Kept | None:
    """The tensor in the step before, or, where the recording lists the steps that keep tensors, in the last of them."""
    if getattr(recording, "kept_steps", None) is None:
        return kept_in(unscaled(recording[step - 1]), key, graph) if step > 0 else None
    before = next((near for near in steps_with_tensors(recording, step, length) if near < step), None)
    return kept_in(unscaled(recording[before]), key, graph) if before is not None else None


def kept_in(trace: Trace, key: TensorKey, graph: Graph) -> Kept | None:
    """A tensor of a step of the same structure, or None."""
    same = trace.graph is graph or (bool(graph.key) and trace.graph.key == graph.key)
    return kept_at(trace, key) if same else None
