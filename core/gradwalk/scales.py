"""Gradients under a GradScaler: which carry its factor, and a step as it is without it.

A recording holds what was there: under AMP the loss is multiplied before the backward, so every gradient of that backward carries
the factor (``Trace.scales``), and each ``.grad`` does until ``GradScaler.unscale_``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .trace import NONE, STATISTICS, Graph, Kept, TensorKey, Trace

UNSCALE = "GradScaler.unscale_"
"""What the op is called that takes the factor out of the gradients."""
UPDATE = "GradScaler.update"
"""What the op is called that makes the next factor."""
SKIPPED = "step skipped"
"""How the name of an optimizer's step ends that did not run, because a gradient was Inf or NaN."""


def scale_of_edge(trace: Trace, edge: int) -> float:
    """The factor that the gradient on an Edge carries, 1 for none."""
    backward = trace.graph.edges[edge].backward
    return trace.scales[backward] if backward < len(trace.scales) else 1.0


def scale_of_value(trace: Trace, value: int) -> float:
    """The factor that a Value carries which is a gradient (``w.grad``): 1 for none, and after ``unscale_``."""
    if not trace.scales or _is_unscaled(trace.graph, value):
        return 1.0
    of, last = trace.graph.values[value].gradient_of, _last_edges(trace.graph)
    return scale_of_edge(trace, last[of]) if of in last else 1.0


def scales_in_words(trace: Trace) -> str:
    """``gradients scaled by 65536``; an empty string where no GradScaler was at work."""
    factors = sorted({scale for scale in trace.scales if scale != 1.0})
    return f"gradients scaled by {' and '.join(f'{factor:.17g}' for factor in factors)}" if factors else ""


def unscaled(trace: Trace) -> Trace:
    """The step with the factors taken out of its gradients; the same object where there is none to take out."""
    if is_unscaled(trace) or all(scale in (0.0, 1.0) for scale in trace.scales):
        return trace
    return _unscaled(trace)


def is_unscaled(trace: Trace) -> bool:
    """Whether factors have been taken out of a step."""
    return isinstance(trace.tensors, _Unscaled)


def as_recorded(trace: Trace) -> Trace:
    """The step as it stands in the recording, the factors in its gradients."""
    return trace.tensors.recorded if isinstance(trace.tensors, _Unscaled) else trace


@lru_cache(maxsize=8)
def _unscaled(trace: Trace) -> Trace:
    values, edges = factors_of(trace.graph, trace.scales)
    return replace(
        trace,
        values=divided(trace.values, values),
        gradients=divided(trace.gradients, edges),
        tensors=_Unscaled(trace, {"value": values, "gradient": edges}),
    )


def factors_of(graph: Graph, scales: tuple[float, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What ``scales`` (of a Trace) have made each Value and each gradient larger by: float64 ``[values]`` and ``[edges]``."""
    edges = np.array([scales[edge.backward] if edge.backward < len(scales) else 1.0 for edge in graph.edges])
    last = _last_edges(graph) if scales else {}
    values = np.ones(len(graph.values))
    for value in graph.values:
        if value.gradient_of in last and not _is_unscaled(graph, value.id):
            values[value.id] = edges[last[value.gradient_of]]
    return values, edges


def divided(table: NDArray[np.float64], factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """A statistics table ``[8, things, ...]`` of things that are ``factors`` (``[things, ...]``) times too large."""
    made: NDArray[np.float64] = table.copy()
    with np.errstate(all="ignore"):
        for name in ("min", "max", "sum"):
            made[STATISTICS.index(name)] /= factors
        made[STATISTICS.index("sumsq")] /= factors * factors
    return made


class _Unscaled(Mapping[TensorKey, Kept]):
    """Kept tensors, each divided when it is asked for."""

    def __init__(self, recorded: Trace, factors: Mapping[str, NDArray[np.float64]]) -> None:
        self.recorded, self._tensors, self._factors = recorded, recorded.tensors, factors

    def __getitem__(self, key: TensorKey) -> Kept:
        kept = self._tensors[key]
        if key[0] not in self._factors or kept.data.dtype.kind not in "fc":
            return kept
        factor = float(self._factors[key[0]][key[1]])
        if factor == 1.0:
            return kept
        data = kept.data.astype(np.float32) if kept.data.dtype == np.float16 else kept.data  # it may be too small for float16
        with np.errstate(all="ignore"):
            return replace(kept, data=data / data.dtype.type(factor))

    def __iter__(self) -> Iterator[TensorKey]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def _last_edges(graph: Graph) -> dict[int, int]:
    """Per Value the last Edge that carries its gradient."""
    return {edge.value: edge.id for edge in graph.edges if edge.value != NONE and not edge.none}


def _is_unscaled(graph: Graph, value: int) -> bool:
    """Whether the factor was taken out of a gradient, at this version or one before it."""
    while value != NONE:
        made = graph.values[value]
        if made.op != NONE and graph.ops[made.op].name == UNSCALE:
            return True
        value = made.base
    return False
