"""One op of a step against its formula: is what was recorded what the mathematics gives, forwards and backwards?

The formula is computed in float64 from the recorded inputs (and for the gradients from the recorded gradients of the outputs). A
custom Function has no formula: there the formulas of the ops inside its forward, and their chain backwards, stand for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..tape import index, shape_of
from ..trace import NONE, Compared, Edge, Judge, Kept, Op, TensorKey, Trace, Verdict
from .program import REFUSED, Step, Tensors, named, run, run_back, steps_of
from .registry import Array

TOLERANCE = {"float64": 1e-9, "float32": 1e-4, "float16": 1e-2, "bfloat16": 3e-2}
"""The largest relative error that rounding may explain, by the coarsest dtype that takes part."""
ON_DEVICE = 2e-3
"""The same for float32 on a GPU, which may multiply matrices with fewer bits (TF32)."""
ROUNDING = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
UNCHECKED = "no reference: custom Function, not checked while it ran"
SLACK = 64.0
"""So many times what rounding the inputs moves an element may it be off."""


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """The verdict on an op, and the calls of formulas that it rests on."""

    verdict: Verdict
    steps: tuple[Step, ...] = ()


class NotThereError(ValueError):
    """A tensor's elements are not in the recording; the text says of which and why."""


def elements_of(trace: Trace, op: Op) -> int:
    """How many elements the inputs and outputs of an op (of a custom Function: also those inside) have."""
    ops = [op, *(other for other in trace.graph.ops if op.custom and other.parent == op.id)]
    values = {value for one in ops for value in (*one.inputs, *one.outputs)}
    return sum(math.prod(shape_of(trace, value)) for value in values)


def why_not(trace: Trace, op: Op) -> str:
    """Why an op cannot be checked, as far as that is seen without computing: an input that is not there. Else nothing."""
    try:
        for value in op.inputs:
            _whole(trace.tensors.get(("value", value)), named(trace.graph, value))
    except NotThereError as error:
        return _sentence(error)
    return ""


def check(trace: Trace, op: Op) -> Check:
    """Compare the outputs and the input gradients of an op with its formula. Never raises: what cannot be is said."""
    return _Checking(trace, op).made()


class _Checking:
    """The work of one check."""

    def __init__(self, trace: Trace, op: Op) -> None:
        self.trace, self.graph, self.op = trace, trace.graph, op
        self.random = np.random.default_rng(0)
        look = index(self.graph)
        self.nodes = frozenset(look.nodes_of_op[op.id])
        touching = {edge for node in self.nodes for edge in (*look.edges_into[node], *look.edges_from[node])}
        self.edges = [edge for edge in map(self.graph.edges.__getitem__, sorted(touching)) if not edge.none]

    def made(self) -> Check:
        with np.errstate(all="ignore"):
            try:
                steps = steps_of(self.graph, self.op, self._value, self._mask)
                tensors = {value: self._value(value) for step in steps for value in self._outside(step, steps)}
                found, outs = run(steps, tensors)
                outputs = self._outputs(found)
                rows = self._forward(steps, tensors, found, outputs)
            except REFUSED as error:
                return self._check(sentence=_sentence(error))
            if any(math.isinf(row.off) and row.recorded != row.recorded and row.expected != row.expected for row in rows):
                return self._check(sentence=f"the arguments of {self.op.name} as recorded do not tell all of this call")
            try:
                back, sentence = self._backward(steps, tensors, found, outs, outputs)
            except REFUSED as error:
                back, sentence = (), _sentence(error)
        return self._check((*rows, *back), sentence, steps)

    def _check(self, rows: tuple[Compared, ...] = (), sentence: str = "", steps: tuple[Step, ...] = ()) -> Check:
        by: Judge = "ops inside" if self.op.custom else "formula"
        if self.op.custom and not rows:
            sentence = UNCHECKED
        return Check(Verdict(self.op.id, by, rows, sentence), steps)

    def _outside(self, step: Step, steps: Sequence[Step]) -> list[int]:
        """The Values that a step reads and no step makes."""
        made = {value for other in steps for value in other.op.outputs}
        return [value for value in step.op.inputs if value not in made]

    def _outputs(self, found: Tensors) -> dict[int, int]:
        """Per output of the op the Value that was computed for it: itself, or inside a custom Function the one that is equal."""
        if not self.op.custom:
            return {value: value for value in self.op.outputs if value in found}
        inside = [value for other in self.graph.ops if other.parent == self.op.id for value in other.outputs]
        pairs = {}
        for value in self.op.outputs:
            seen = self._value(value)
            same = [i for i in reversed(inside) if i in found and _alike(seen, self._value(i))]
            if not same:
                raise ValueError(f"{named(self.graph, value)} is not what the ops inside {self.op.name} made")
            pairs[value] = same[0]
        return pairs

    def _forward(
        self, steps: tuple[Step, ...], tensors: Tensors, found: Tensors, outputs: dict[int, int]
    ) -> tuple[Compared, ...]:
        moved, _ = run(steps, self._rounded(tensors))
        formula = steps[-1].call.formula
        text = formula.forward if len(steps) == 1 else f"the {len(steps)} ops inside"
        symbol = formula.output if len(steps) == 1 else "Z"
        rows = []
        for value, computed in outputs.items():
            seen = self._value(value)
            if np.asarray(seen).dtype.kind != "f" and len(outputs) > 1:
                continue  # the places of a maximum: of equal elements either may be meant
            spread = None if np.asarray(seen).dtype.kind != "f" else moved[computed]
            rows.append(self._compared(("value", value), symbol, text, seen, found[computed], spread))
        return tuple(rows)

    def _backward(
        self, steps: tuple[Step, ...], tensors: Tensors, found: Tensors, outs: list[Any], outputs: dict[int, int]
    ) -> tuple[tuple[Compared, ...], str]:
        """The rows of the gradients, and what was left out of them."""
        seeds, wanted = self._incoming(), self._given()
        if not seeds or not wanted:
            return (), ""
        inside = {outputs[value]: g for value, g in seeds.items()}
        gradients = run_back(steps, found, outs, inside)
        moved_found, moved_outs = run(steps, self._rounded(tensors))
        moved = run_back(steps, moved_found, moved_outs, self._rounded(inside))
        rows, left_out = [], ""
        texts = dict(steps[0].call.formula.gradients)
        for value, edges in wanted.items():
            if value not in gradients:
                continue
            symbols = [steps[0].call.symbol(n) for n, read in enumerate(self.op.inputs) if read == value and len(steps) == 1]
            symbol = f"dL/d{symbols[0]}" if symbols else f"dL/d{named(self.graph, value)}"
            text = texts.get(symbols[0], "") if symbols else f"the chain of the {len(steps)} ops inside"
            key: TensorKey = ("gradient", edges[-1].id)
            try:
                seen = sum(self._gradient(edge) for edge in edges)
            except NotThereError as error:
                left_out = _sentence(error)
                continue
            rows.append(self._compared(key, symbol, text, seen, gradients[value], moved.get(value)))
        return tuple(rows), left_out

    def _incoming(self) -> Tensors:
        """The gradients of the outputs, those that meet there added; of the last backward that came here."""
        into = [edge for edge in self.edges if edge.target in self.nodes and edge.value in self.op.outputs]
        last = max((edge.backward for edge in into), default=0)
        found: Tensors = {}
        for edge in into:
            if edge.backward == last:
                part = self._gradient(edge)
                found[edge.value] = found[edge.value] + part if edge.value in found else part
        return found

    def _given(self) -> dict[int, list[Edge]]:
        """The edges with the gradients of the inputs, by Value, of the last backward."""
        out = [edge for edge in self.edges if edge.source in self.nodes and edge.value in self.op.inputs]
        last = max((edge.backward for edge in out), default=0)
        found: dict[int, list[Edge]] = {}
        for edge in out:
            if edge.backward == last:
                found.setdefault(edge.value, []).append(edge)
        return found

    def _compared(self, key: TensorKey, symbol: str, text: str, seen: Any, expected: Any, moved: Any) -> Compared:
        seen, expected = np.asarray(seen, np.float64), np.asarray(expected, np.float64)
        if seen.shape != expected.shape:
            return Compared(key, symbol, text, (), math.nan, math.nan, math.inf, math.inf, math.inf, math.inf)
        if not seen.size:
            return Compared(key, symbol, text, (), math.nan, math.nan, 0.0, 0.0, 0.0, 0.0)
        tolerance = self._tolerance()
        errors = _errors(seen, expected, None if moved is None else np.asarray(moved, np.float64), tolerance)
        place = tuple(int(i) for i in np.unravel_index(int(errors.argmax()), errors.shape))
        absolute = np.where(np.isinf(errors), np.inf, np.abs(np.where(seen == expected, 0.0, seen - expected)))
        largest, unit = np.abs(expected[np.isfinite(expected)]).max(initial=0.0), ROUNDING.get(self._coarsest(), 2.0**-24)
        worst = float(np.nan_to_num(absolute, nan=0.0, posinf=np.inf).max())
        ulp = 2 * unit * 2.0 ** math.floor(math.log2(abs(expected[place]))) if expected[place] else math.nan
        relative = worst / float(largest) if largest else math.inf if worst else 0.0
        ulps = float(absolute[place]) / ulp if ulp == ulp else 0.0 if not worst else math.inf
        pair = float(seen[place]), float(expected[place])
        return Compared(key, symbol, text, place, *pair, worst, relative, ulps, float(errors.max()) / tolerance)

    def _rounded(self, tensors: Tensors) -> Tensors:
        """The same numbers, each off by a random part of what its dtype rounds away."""
        random, unit = self.random, ROUNDING.get(self._coarsest(), 0.0)
        return {
            value: array * (1 + unit * random.uniform(-1, 1, array.shape)) if array.dtype.kind == "f" else array
            for value, array in ((value, np.asarray(array)) for value, array in tensors.items())
        }

    def _coarsest(self) -> str:
        values = [self.graph.values[value] for value in (*self.op.inputs, *self.op.outputs)]
        return max((v.dtype for v in values if v.dtype in TOLERANCE), key=TOLERANCE.__getitem__, default="float32")

    def _tolerance(self) -> float:
        dtype = self._coarsest()
        away = any(self.graph.values[value].device.partition(":")[0] not in ("cpu", "") for value in self.op.outputs)
        return ON_DEVICE if away and dtype == "float32" else TOLERANCE[dtype]

    # the record

    def _value(self, value: int) -> Any:
        return _elements(self.trace.tensors.get(("value", value)), named(self.graph, value))

    def _gradient(self, edge: Edge) -> Any:
        kept = self.trace.tensors.get(("gradient", edge.id))
        if kept is None and edge.by != NONE:
            kept = self.trace.tensors.get(("value", edge.by))
        of = named(self.graph, edge.value) if edge.value != NONE else "a tensor inside the op"
        return _elements(kept, f"the gradient of {of}")

    def _mask(self, op: Op) -> Array:
        """Which elements a dropout kept, read off the output; where the input is 0, off the gradient."""
        x, out = self._value(op.inputs[0]), self._value(op.outputs[0])
        kept = np.asarray(out != 0)
        given = self._given().get(op.inputs[0])
        if given and op is self.op:
            kept = np.where(np.asarray(x) == 0, sum(self._gradient(edge) for edge in given) != 0, kept)
        return kept.astype(np.float64)


def _elements(kept: Kept | None, name: str) -> Any:
    data = _whole(kept, name).data
    return data.astype(np.float64) if data.dtype.kind == "f" else data


def _whole(kept: Kept | None, name: str) -> Kept:
    if kept is None:
        raise NotThereError(f"the elements of {name} are not kept in this step")
    if not kept.complete:
        raise NotThereError(f"only a sample of {name} is recorded")
    if kept.data.dtype.kind == "c":
        raise NotThereError(f"{name} has complex numbers, which no formula is for")
    return kept


def _errors(seen: Array, expected: Array, moved: Array | None, tolerance: float) -> Array:
    """Per element the difference over the scale; Inf where NaN and Inf stand at other places."""
    finite = np.isfinite(expected)
    largest = float(np.abs(expected[finite]).max()) if finite.any() else 0.0
    spread = np.abs(moved - expected) if moved is not None and moved.shape == expected.shape else np.zeros(expected.shape)
    if spread.size:
        known = spread[~np.isnan(spread)]
    spread = np.maximum(
        spread, 2 * np.median(known) if known.size else 0.0
    )  # one random rounding may by chance move an element by nothing
    scale = np.maximum(np.nan_to_num(SLACK * spread / tolerance, posinf=0.0), largest)
    with np.errstate(all="ignore"):
        errors = np.where(seen == expected, 0.0, np.abs(seen - expected) / np.where(scale > 0, scale, 1.0))
    same = (seen == expected) | (np.isnan(seen) & np.isnan(expected))
    made: Array = np.where(finite & np.isfinite(seen), errors, np.where(same, 0.0, np.inf))
    return made


def _alike(first: Any, second: Any) -> bool:
    return np.shape(first) == np.shape(second) and bool(
        np.array_equal(first, second, equal_nan=np.asarray(first).dtype.kind == "f")
    )


def _sentence(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return (
        f"not checked: {text}" if isinstance(error, ValueError) else f"not checked: the formula does not take this call ({text})"
    )
