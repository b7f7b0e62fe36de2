"""What the two halves of a chain share: the record that they read, and the book of what they found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from ..recording.pressure import MOST, PARTS, TENSORS
from ..tape import index, moments, shape_of, value_label
from ..trace import NONE, Edge, Kept, TensorKey, Trace
from .accumulated import Accumulated, Chain, Flip, Restart, error_of
from .routes import depths_of, routes_of

Told: TypeAlias = Callable[[int, int], bool]
"""Hears how many of how many ops and stops are done, and says whether to go on."""
Heard: TypeAlias = Callable[[TensorKey, Any], None]
"""Is given each tensor in float64 when it has been computed."""
WHAT_TO_DO = "record it with --level tensors, or pin the step: gradwalk run --pin N"


AT_ONCE = MOST * TENSORS // PARTS
"""Bytes of tensors of one step that may wait for the file."""


class StoppedError(Exception):
    """The one who listens said stop."""


class MissingError(Exception):
    """A tensor that the loss depends on is not in the recording; the text says of which and what to do."""


class Book:
    """The record of a step, and what has been found of it."""

    def __init__(self, trace: Trace, told: Told, heard: Heard) -> None:
        self.trace, self.graph, self.heard, self._told = trace, trace.graph, heard, told
        self.when, self.routes = moments(trace), routes_of(trace)
        self.depths = depths_of(trace.graph, self.routes)
        self.values: dict[int, Accumulated] = {}
        self.gradients: dict[int, Accumulated] = {}
        self.restarts: dict[int, Restart] = {}
        self.drawn: list[int] = []
        self.flips: list[Flip] = []
        self.earlier: list[int] = []
        self.notes: dict[str, None] = {}
        self.done = self.all = 0

    def step(self) -> None:
        """One op or stop begins. Raises StoppedError."""
        if not self._told(self.done, self.all):
            raise StoppedError
        self.done += 1

    def end(self) -> None:
        """Nothing is left to do."""
        self._told(self.all, self.all)

    def is_float(self, value: int) -> bool:
        """Whether a Value has real numbers, which rounding can move."""
        return self.graph.values[value].dtype.startswith(("float", "bfloat"))

    def kept(self, value: int) -> Kept | None:
        """What was recorded of a Value."""
        return self.trace.tensors.get(("value", value))

    def recorded(self, value: int) -> Any:
        """The recorded elements of a Value. Raises ValueError where not all are there."""
        kept = self.kept(value)
        if kept is None or not is_usable(kept):
            raise ValueError(f"{value_label(self.graph, value)} is not recorded in full")
        return float64(kept)

    def gradient(self, edge: Edge) -> Kept | None:
        """What was recorded of the gradient on an Edge."""
        kept = self.trace.tensors.get(("gradient", edge.id))
        return self.kept(edge.by) if kept is None and edge.by != NONE else kept

    def together(self, edges: Sequence[Edge]) -> Any:
        """The sum of the recorded gradients of some edges, or None where one was not kept in full."""
        kept = [self.gradient(edge) for edge in edges]
        usable = [one for one in kept if one is not None and is_usable(one)]
        return sum(float64(one) for one in usable) if usable and len(usable) == len(kept) else None

    def missing(self, value: int) -> str:
        """The sentence on a Value whose elements are needed and not there."""
        kept, name = self.kept(value), value_label(self.graph, value)
        if kept is not None and kept.data.dtype.kind == "c":
            return f"not computed: {name} has complex numbers, which no formula is for"
        what = f"the elements of {name} are not" if kept is None else f"only a sample of {name} is"
        todo, size = WHAT_TO_DO, _bytes_of(self.trace)
        if size > AT_ONCE:
            todo = f"a recording takes at most {AT_ONCE >> 20} MB of a step, and this one has {size >> 20:,} MB of tensors"
        return f"not computed: {what} in step {self.trace.step} of the recording; {todo}"

    def measure_value(self, value: int, exact: Any, kept: Kept | None, moment: int) -> None:
        """Note how far a Value is from what was recorded of it."""
        self.heard(("value", value), exact)
        found = error_of(kept, exact, moment, self.depths.values.get(value, NONE))
        if found is not None:
            self.values[value] = found

    def measure_gradient(self, edges: Sequence[Edge], exact: Any, came: float) -> None:
        """The same for the edges on which a Value gets its gradient from one op: together, for only their sum is known."""
        if not edges:
            return
        kept = self.gradient(edges[0])
        if len(edges) > 1:
            whole = self.together(edges)
            kept = None if whole is None else Kept(whole, "float64", np.shape(whole))
        for edge in edges:
            self.heard(("gradient", edge.id), exact)
            found = error_of(kept, exact, int(self.when.edges[edge.id]), self._depth(edge), came)
            if found is not None:
                self.gradients[edge.id] = found

    def _depth(self, edge: Edge) -> int:
        if edge.source == NONE:
            return 0
        op = self.graph.nodes[edge.source].op
        return self.depths.ops.get(op, self.depths.values.get(edge.value, 0))

    def chain(self, sentence: str = "", complete: bool = True) -> Chain:
        """What was found. With a sentence: why there is nothing."""
        losses = tuple(sorted(index(self.graph).losses))
        if sentence:
            return Chain(self.trace.step, {}, {}, losses, sentence=sentence)
        if not self.routes:
            self.notes.setdefault("no backward ran in this step")
        if self.earlier:
            names = [value_label(self.graph, leaf) for leaf in self.earlier[:3]]
            more = f" and {len(self.earlier) - 3} more" if len(self.earlier) > 3 else ""
            self.notes.setdefault(f"what .grad held before this step is taken from the recording ({', '.join(names)}{more})")
        restarts = tuple(sorted(self.restarts.values(), key=lambda one: one.moment))
        found = self.values, self.gradients, losses, restarts, tuple(self.drawn), tuple(self.flips)
        return Chain(self.trace.step, *found, "; ".join(self.notes), complete)


def _bytes_of(trace: Trace) -> int:
    """About how many bytes the tensors of a step have."""
    sizes = [(shape_of(trace, value.id), value.dtype) for value in trace.graph.values]
    sizes += [
        (shape_of(trace, edge.value), trace.graph.values[edge.value].dtype) for edge in trace.graph.edges if edge.value != NONE
    ]
    return sum(math.prod(shape) * _BYTES.get(dtype, 4) for shape, dtype in sizes)


_BYTES = {"float64": 8, "int64": 8, "float16": 2, "bfloat16": 2, "int16": 2, "int8": 1, "uint8": 1, "bool": 1}


def is_usable(kept: Kept) -> bool:
    """Whether all elements are there, and are real."""
    return kept.complete and kept.data.dtype.kind != "c"


def float64(kept: Kept) -> Any:
    """The elements in float64; whole numbers and truth values as they are."""
    return kept.data.astype(np.float64) if kept.data.dtype.kind == "f" else kept.data


def reason_of(error: BaseException) -> str:
    """Why a formula could not be called, in words."""
    text = str(error) or type(error).__name__
    return text if isinstance(error, ValueError) else f"the formula does not take this call ({text})"
