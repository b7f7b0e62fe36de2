"""How far an op's results may be from its formula by rounding alone, element by element. ``docs/the-check.md`` derives it.

Sums of products, means and what moves elements: a bound in closed form, from the same formula with the absolute values of its
inputs. All other formulas: they are called a few times with inputs that are off by so little that what comes out moves in
proportion, and so tell how far rounding moves them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..trace import Graph, Op
from .draws import Drawing, Drawn
from .gates import CELLS, gates_off
from .inner import HAS_INNER, inner, inner_back
from .kinds import MEANS, SCATTERED, SUMMED_IN_PLACE, divisions, forward_length, gradient_length, is_one_of, kind_of
from .pool import windows_of
from .program import Step, Tensors, outputs_of
from .recurrent import SEQUENCES, added_up
from .registry import Array
from .rounding import FUNCTION, LEAST, NORMAL, UNIT, Precision, amplitude, coarsest, growth, precision_of, unit_of

CLOSED = ("products", "linear", "single", "moves")
INSIDE = 4.0
"""So many roundings to the op's own dtype a formula has inside that is not in closed form, at most: as measured in stochastic
arithmetic (``tests/core/reference/test_roundings.py``).
"""
APPROXIMATED = 6.0
"""So many unit roundoffs of float32, times X, ``gelu`` is off because of the erf of oneDNN, which is off by 12 of them, as
measured (``tests/core/reference/test_functions.py``): ``X * (1 + erf) / 2``.
"""
ERF_NEAR_0 = 8.0
"""So many of them torch's erf of bfloat16 and float16 may be off, also near 0: it is formula 7.1.26 of Abramowitz and Stegun
(``Vectorized::erf``), which is off by 1.5e-7 (2.5 of them), evaluated in float32.
"""
WRITTEN = 12.0
"""So many times the unit roundoff of its largest element a result may be off, where no table knows what is rounded inside: as
measured there.
"""


@dataclass(frozen=True, eq=False)
class Tolerance:
    """How far each element may be off. ``found`` and ``outs`` are what the formulas gave for ``tensors``, ``seeds`` the gradients
    of the last outputs; ``sizes`` what the absolute values add up to of those seeds that are themselves sums.
    """

    graph: Graph
    op: Op
    steps: Sequence[Step]
    tensors: Tensors
    found: Tensors
    outs: Sequence[Any]
    seeds: Tensors = field(default_factory=dict)
    sizes: Tensors = field(default_factory=dict)
    parts: int = 1
    """How many gradients met in a seed, at most."""
    gradients: Mapping[int, Any] = field(default_factory=dict)

    def forward(self, value: int, computed: int) -> Array:
        """Of the Value ``value`` of the op, computed as ``computed``."""
        expected = np.asarray(self.found[computed], np.float64)
        step = self.steps[0]
        if not self.closed:
            drawn = self._rate(self.longest) * self.size(computed)
            return np.asarray(self._base(value, expected) + drawn + self._approximated() + self._whole_quotients())
        length = forward_length(step.call, self._inputs, self.outs[0])
        rate = growth(length, self._precision.summed) + self._precision.products * (self._kind == "products")
        if is_one_of(step.call.formula, SUMMED_IN_PLACE):
            rate = (length - 1 + divisions(step.call.formula)) * self._precision.stored
        base = np.asarray(self._base(value, expected) + self._numbers() + self._whole_quotients())
        if not rate:
            return base
        return _plus(base, rate, outputs_of(step.forward(self._small))[step.op.outputs.index(computed)])

    def _numbers(self) -> Any:
        """What is rounded before it is added: ``0.1`` of ``x + 0.1``, which torch takes in the op's dtype, and ``alpha * y``."""
        call = self.steps[0].call
        if not is_one_of(call.formula, "add sub rsub"):
            return 0.0
        terms, named = call.filled(self._inputs)
        alpha = abs(named.get("alpha", 1))
        size = sum(abs(term) for term in terms if isinstance(term, float))
        scaled = terms[0 if is_one_of(call.formula, "rsub") else 1]
        return self._precision.stored * (size * max(alpha, 1) + (0.0 if alpha == 1 else alpha * np.abs(scaled)))

    def _whole_quotients(self) -> Any:
        """1 where a quotient that is cut to a whole number is so near to one that rounding may take it to the other side."""
        call = self.steps[0].call
        if len(self.steps) > 1 or not (is_one_of(call.formula, "floor_divide") or call.named.get("rounding_mode")):
            return 0.0
        filled, _ = call.filled(self._inputs)
        quotient = np.asarray(np.true_divide(filled[0], filled[1]))
        return 1.0 * (np.abs(quotient - np.rint(quotient)) <= 2 * self._precision.summed * np.abs(quotient))

    def backward(self, value: int, parts: Array | None = None) -> Array:
        """Of the gradient of the Value ``value``, which the op reads. ``parts`` are the absolute values of what was recorded of
        it, added up, if it was recorded in parts.
        """
        expected = np.asarray(self.gradients[value], np.float64)
        rounded = self._base(value, expected if parts is None else np.maximum(parts, np.abs(expected)))
        if not self.closed:
            drawn = (self._rate(self.length(value)) + self._met) * self.size_back(value)
            return np.asarray(rounded + drawn + self._over_time(value))
        rate = self._scattered(value)
        if rate is None:
            rate = growth(self._length(value), self._precision.summed)
        rate += self._precision.products * (self._kind == "products") + self._met
        return _plus(rounded, rate, self._small_gradients[value]) if rate else rounded

    def size(self, computed: int) -> Array:
        """Of a formula that is not in closed form: by how much a rounding moves each element of an output, at most."""
        drawn = self._drawn.values.get(computed, np.zeros(np.shape(self.found[computed])))
        return np.asarray(drawn + self._inner(computed))

    def size_back(self, value: int) -> Array:
        """The same of a gradient."""
        drawn = self._drawn.gradients.get(value, np.zeros(np.shape(self.gradients[value])))
        return np.asarray(drawn + self._inner_back(value))

    def length(self, value: int) -> int:
        """The longest sum on the way to a gradient, in a formula that is not in closed form."""
        return max(self.longest, self._length(value))

    # the parts of it

    def _base(self, value: int, expected: Array) -> Array:
        """What the result itself is rounded by, below the normal numbers too."""
        dtypes = [self.graph.values[one].dtype for one in (value, *self.op.inputs, *self.op.outputs)]
        unit = max(unit_of(self.graph.values[value].dtype), self._precision.stored)
        least = NORMAL.get(coarsest(dtypes), LEAST)
        largest = np.abs(expected[np.isfinite(expected)]).max(initial=0.0) if self.unknown else 0.0
        added = WRITTEN * unit * largest
        # a GPU, and oneDNN in bfloat16, may take what is below the normal numbers for 0
        added += least if self._precision.away or self._precision.stored == UNIT["bfloat16"] else 0.0
        made = np.asarray(np.abs(expected))
        for function, number in (
            (np.maximum, least),
            (np.multiply, FUNCTION * unit),
            (np.add, added),
        ):
            if number:
                made = function(made, number, out=made) if made.ndim else np.asarray(function(made, number))
        return made

    def _rate(self, length: int) -> float:
        products = (
            self._precision.products if any(kind_of(step.call.formula) in ("products", "other") for step in self.steps) else 0
        )
        return INSIDE * self._precision.stored * len(self.steps) + growth(length, self._precision.summed) + products

    @property
    def _met(self) -> float:
        """What adding up the gradients that met in a seed has rounded, before it was handed to the op."""
        return (self.parts - 1) * self._precision.stored

    @property
    def stored(self) -> float:
        """The unit roundoff to which the op rounds its results."""
        return self._precision.stored

    @cached_property
    def _precision(self) -> Precision:
        return precision_of(self.graph, self.op)

    @cached_property
    def _kind(self) -> str:
        return kind_of(self.steps[0].call.formula)

    @cached_property
    def closed(self) -> bool:
        """Whether the bound is worked out, not drawn."""
        return len(self.steps) == 1 and not self.op.custom and self._kind in CLOSED

    @cached_property
    def unknown(self) -> bool:
        """Whether what is rounded inside is known for none of its elements: a chain of ops, or a formula that is in no table."""
        formula = self.steps[0].call.formula
        return len(self.steps) > 1 or self.op.custom or (self._kind == "other" and not is_one_of(formula, HAS_INNER))

    @cached_property
    def _inputs(self) -> list[Any]:
        return self.steps[0].inputs(self.tensors)

    @cached_property
    def longest(self) -> int:
        """The longest sum in any of the steps."""
        return max(
            forward_length(step.call, step.inputs(self.found), out) for step, out in zip(self.steps, self.outs, strict=True)
        )

    def _length(self, value: int) -> int:
        lengths = [
            gradient_length(step.call, number, step.inputs(self.found), out)
            for step, out in zip(self.steps, self.outs, strict=True)
            for number, read in enumerate(step.op.inputs)
            if read == value or len(self.steps) > 1
        ]
        return max(lengths, default=1) + sum(read == value for read in self.op.inputs) - 1

    # the closed form

    @cached_property
    def _small(self) -> Tensors:
        """Absolute values of the inputs in float32, which is exact enough and takes half of the time."""
        return {value: self._amplitude(value, x, np.float32) for value, x in self.tensors.items()}

    def _amplitude(self, value: int, x: Any, dtype: Any = np.float64) -> Any:
        if np.asarray(x).dtype.kind != "f":
            return x
        least = NORMAL.get(self.graph.values[value].dtype, LEAST)
        dtype = np.float64 if self.graph.values[value].dtype == "float64" else dtype  # products of 1e-22 are not in float32
        near = np.asarray(x).astype(dtype)
        size = amplitude(near, least)
        return size if dtype == np.float64 or float(size.max(initial=0.0)) < 1e15 else amplitude(x, least)  # or products overflow

    @cached_property
    def _small_gradients(self) -> Tensors:
        """The gradients for absolute values of those of the outputs, and of the inputs if the formula multiplies by them."""
        step = self.steps[0]
        inputs = self.tensors if self._kind in ("moves", "linear") else self._small
        out = self.outs[0]
        sizes = {value: self.sizes.get(value, g) for value, g in self.seeds.items()}
        seeds = {value: self._amplitude(value, g, np.float32) for value, g in sizes.items()}
        absolute = out if self._kind in ("moves", "linear") else np.abs(out)
        return step.backward(inputs, absolute, self._given(seeds))

    def _given(self, seeds: Tensors) -> Any:
        """What a VJP takes of the gradients of the outputs: one, or a tuple of several, with 0 for those that have none."""
        out = self.outs[0]
        pairs = zip(self.steps[0].op.outputs, outputs_of(out), strict=False)
        given = tuple(seeds.get(value, np.zeros(np.shape(part))) for value, part in pairs)
        return given if isinstance(out, tuple | list) else given[0]

    def _scattered(self, value: int) -> float | None:
        """The rate of a gradient whose parts are added up where it is stored, one after the other; None for any other."""
        call, stored = self.steps[0].call, self._precision.stored
        if is_one_of(call.formula, SCATTERED):
            return (self._most_often(value) - 1) * stored
        if is_one_of(call.formula, MEANS):
            _, times = windows_of(call.formula.op, self._inputs[0], call.named)
            return (times - 1 + divisions(call.formula)) * stored if times > 1 else 0.0
        return None

    def _most_often(self, value: int) -> int:
        """How often an index names the same place."""
        step, out = self.steps[0], self.outs[0]
        made = step.backward(self.tensors, out, np.ones(np.shape(out)))[value]
        return int(np.max(made, initial=1.0))

    # the rest

    @cached_property
    def _drawn(self) -> Drawn:
        def size(value: int, x: Any) -> Any:
            return self._amplitude(value, self.sizes.get(value, x) if x is self.seeds.get(value) else x)

        drawing = Drawing(self.steps, self.tensors, self.seeds, size)
        return drawing.drawn(self.found, self.gradients, pooled=self.longest > 1 or len(self.steps) > 1)

    def _inner(self, computed: int) -> Any:
        """What is rounded on the way to an output."""
        step = self.steps[0]
        if len(self.steps) > 1 or not is_one_of(step.call.formula, HAS_INNER):
            return 0.0
        return inner(step, self._inputs, self.outs[0], step.op.outputs.index(computed))

    def _inner_back(self, value: int) -> Any:
        """What is rounded on the way to a gradient."""
        step = self.steps[0]
        if len(self.steps) == 1 and is_one_of(step.call.formula, f"{SEQUENCES} {CELLS}"):
            (x, *rest), named = step.call.filled(self._inputs)
            sizes = zip(step.op.inputs, gates_off(step.call.formula.op, self._given(self.seeds), x, rest, named), strict=True)
            return sum(size for one, size in sizes if one == value)
        if len(self.steps) > 1 or not is_one_of(step.call.formula, HAS_INNER):
            return 0.0
        g, numbers = self._given(self.seeds), [number for number, read in enumerate(step.op.inputs) if read == value]
        return sum(inner_back(step, self._inputs, number, g, self.outs[0]) for number in numbers)

    def _approximated(self) -> Any:
        """What an erf is off by besides that is approximated: that of ``gelu``, and torch's own of fewer bits than float32."""
        step = self.steps[0]
        if len(self.steps) > 1 or self.stored < UNIT["float32"] or not is_one_of(step.call.formula, "gelu erf"):
            return 0.0
        if is_one_of(step.call.formula, "erf"):
            return ERF_NEAR_0 * UNIT["float32"] if self.stored > UNIT["float32"] else 0.0
        return APPROXIMATED * UNIT["float32"] * np.abs(self._inputs[0]) if step.call.named.get("approximate") != "tanh" else 0.0

    def _over_time(self, value: int) -> Any:
        """What adding up the gradient of a recurrent layer's weight over time rounds, where it is stored."""
        step = self.steps[0]
        if len(self.steps) > 1 or not is_one_of(step.call.formula, SEQUENCES):
            return 0.0
        (x, *rest), named = step.call.filled(self._inputs)
        times, sizes = added_up(step.call.formula.op, self._given(self.seeds), x, rest, named)
        weights = zip(step.op.inputs[len(step.op.inputs) - len(sizes) :], sizes, strict=True)
        return (times - 1) * self.stored * sum(size for one, size in weights if one == value)


def _plus(rounded: Array, rate: float, made: Any) -> Array:
    """``rounded + rate * abs(made)``, in place of ``rounded``."""
    size = np.abs(made)
    size *= size.dtype.type(rate)
    rounded += size
    return rounded
