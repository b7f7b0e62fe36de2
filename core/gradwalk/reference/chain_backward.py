"""The backward half of a chain: from each seed along the ways that the gradients took, to the leaves' ``.grad``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..tape import index
from ..trace import NONE, Edge, Trace
from .accumulated import Restart
from .chain_book import Book, float64, is_usable, reason_of
from .chain_forward import Forward
from .program import REFUSED
from .routes import Route, Stop

ROUNDING = 1e-5
"""A ``.grad`` that differs by less than this from what came to it held nothing before."""
TWICE = "gradients through a backward of a backward go on from the recorded ones"


class Backward:
    """``grads`` are the ``.grad`` of leaves by Value, as far as they have added up."""

    def __init__(self, book: Book, forward: Forward, before: Mapping[int, Any]) -> None:
        self.book, self.graph, self.forward = book, book.graph, forward
        self.grads: dict[int, Any] = dict(before)
        self._seen: set[int] = set()
        self._arrived: dict[int, Any] = {}
        self._came: dict[int, float] = {}

    def run(self, route: Route) -> None:
        """Go one backward through, stop by stop. Raises StoppedError."""
        self._arrived, self._came = {}, {}
        for value, edge in route.seeds.items():
            self._seed(value, edge)
        for stop in route.stops:
            if stop.leaf != NONE:
                self._accumulate(stop)
            elif stop.op == NONE:
                if self._again(stop.given):
                    self.book.notes.setdefault(TWICE)
            else:
                self.book.step()
                self._through(stop)

    def _seed(self, value: int, edge: Edge | None) -> None:
        kept = self.book.gradient(edge) if edge is not None else None
        shape = self.book.trace.shapes.get(value, self.graph.values[value].shape)
        if kept is not None and is_usable(kept):
            self._arrived[value] = float64(kept)
        elif edge is None or not shape:
            self._arrived[value] = np.ones(shape)  # what backward() of a scalar starts with
        if edge is not None and value in self._arrived:
            self.book.measure_gradient([edge], self._arrived[value], 0.0)

    def _through(self, stop: Stop) -> None:
        """The gradients of an op's inputs, from those of its outputs."""
        op, ran = self.graph.ops[stop.op], self.forward.ran.get(stop.op)
        incoming = {value: self._arrived.pop(value) for value in op.outputs if value in self._arrived}
        self.forward.backward_is_done(op.id)
        parts: Mapping[int, Any] = {}
        reason = "its incoming gradient is not recorded in full"
        if ran is not None and incoming:
            try:
                parts, reason = ran.back(incoming), "its formula has no gradient for an input that got one"
            except REFUSED as error:
                reason = reason_of(error)
        came = max((float(np.abs(g).max(initial=0.0)) for g in incoming.values()), default=0.0)
        lost = {}
        for value, edges in stop.given.items():
            if value in parts and np.shape(parts[value]) == self._shape(value):
                self.book.measure_gradient(edges, parts[value], came)
                self._arrive(value, parts[value])
                self._came[value] = max(came, self._came.get(value, 0.0))
            else:
                lost[value] = edges
        if lost:
            self._again(lost)
            self.book.restarts.setdefault(op.id, Restart(op.id, stop.moment, True, reason))

    def _shape(self, value: int) -> tuple[int, ...]:
        return self.book.trace.shapes.get(value, self.graph.values[value].shape)

    def _again(self, given: Mapping[int, list[Edge]]) -> bool:
        """Go on from recorded gradients; whether there were any."""
        there = False
        for value, edges in given.items():
            part = self.book.together(edges)
            if part is not None:
                self._arrive(value, part)
                there = True
        return there

    def _arrive(self, value: int, part: Any) -> None:
        self._arrived[value] = self._arrived[value] + part if value in self._arrived else part

    def _accumulate(self, stop: Stop) -> None:
        """Add what came to a leaf to its ``.grad``."""
        part = self._arrived.get(stop.leaf)
        if part is None:
            return
        for edge in stop.stored:
            if stop.leaf not in self._seen:
                self._seen.add(stop.leaf)
                self._take_earlier(stop.leaf, edge)
            grad = self.grads.get(stop.leaf)
            self.grads[stop.leaf] = part if grad is None else grad + part
            self.book.measure_gradient([edge], self.grads[stop.leaf], self._came.get(stop.leaf, 0.0))

    def _take_earlier(self, leaf: int, stored: Edge) -> None:
        """What a ``.grad`` held before the step: what was given, else as recorded."""
        if leaf in self.grads or stored.by != NONE:
            return
        earlier = carried(self.book.trace, stored)
        if earlier is not None:
            self.grads[leaf] = earlier
            self.book.earlier.append(leaf)


def carried(trace: Trace, stored: Edge) -> Any:
    """What a ``.grad`` held before the backward of the edge that brings it, float64: the recorded one less what came; or None."""
    came = (trace.graph.edges[edge] for edge in index(trace.graph).edges_into[stored.source])
    same = (edge for edge in came if edge.backward == stored.backward and not edge.none)
    kept = [trace.tensors.get(("gradient", edge.id)) for edge in (stored, *same)]
    usable = [float64(one) for one in kept if one is not None and is_usable(one)]
    if len(usable) < len(kept) or len(kept) < 2:
        return None
    whole, *parts = usable
    earlier = whole - sum(parts)
    sizes = sum(np.abs(one).max(initial=0.0) for one in usable)
    return earlier if np.abs(earlier).max(initial=0.0) > ROUNDING * sizes else None
