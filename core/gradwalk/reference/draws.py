"""How far the results of a formula move when its inputs do, by calling it with inputs that are a little off.

Why the constants are what they are stands in ``docs/the-check.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from .program import Step, Tensors, outputs_of, run_back
from .registry import Array

EPSILON = 2.0**-30
"""By this part inputs are off. What comes out moves in proportion then, but for a part of 2**-30 of it; float64's own rounding,
2**-53 of each number, is 2**-23 of a move.
"""
PATTERNS = ((1, 1, 1, 1), (1, -1, 1, -1), (1, 1, -1, -1), (1, -1, -1, 1))
"""Per draw the signs that whole tensors get besides those of their elements: two terms add up in one of a pair of draws."""
READ, CAME_IN = 1, 2
"""Places in a pattern: of the first tensor that is read and of what was made of it; of the gradients that came in. A gradient
is these times a function of that: both signs of the two are drawn.
"""
JUMP = 2.0**-10
"""What moves by this part of the largest element may be a jump: in proportion it does so only where it moves 2**20 times as far
as its inputs. It is looked at again with a sixteenth of the move; what then moves by more than a quarter has jumped.
"""
ALIKE = 0.636
"""The standard deviation of a normal number over the root mean square of the largest of four."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """How far each element moves, over the part by which the inputs were off; by Value, 0 where it jumps."""

    values: Mapping[int, Array]
    gradients: Mapping[int, Array]


@dataclass(eq=False)
class Drawing:
    """Calls of the formulas of some steps. ``size`` gives, of a Value and its elements, what rounding is in proportion to."""

    steps: Sequence[Step]
    tensors: Tensors
    seeds: Tensors
    size: Callable[[int, Any], Any]

    def drawn(self, found: Tensors, gradients: Mapping[int, Any], pooled: bool) -> Drawn:
        """How far what was ``found``, and the ``gradients``, may move. ``pooled``: a result comes of many inputs, some of which
        may by chance cancel, so that its neighbours along the last axis are heard too.
        """
        wanted = {value for step in self.steps for value in step.op.outputs}
        draws = [self._moved(number, EPSILON) for number in range(len(PATTERNS) if pooled else 2)]
        nearer = cache(partial(self._moved, epsilon=EPSILON / 16))

        def moves(value: int, expected: Any, which: int) -> Array:
            return _moves([draw[which].get(value) for draw in draws], expected, lambda number: nearer(number)[which][value])

        values = {value: moves(value, found[value], 0) for value in wanted if value in found}
        backs = {value: moves(value, g, 1) for value, g in gradients.items()}
        if pooled:
            values, backs = ({value: _pooled(x) for value, x in made.items()} for made in (values, backs))
        return Drawn(values, backs)

    def _moved(self, number: int, epsilon: float) -> tuple[Tensors, Tensors]:
        """What the steps give, and their gradients, when all that they read is off, and each result that is read again too."""
        random, pattern = np.random.default_rng(number // 2), PATTERNS[number]

        def off(value: int, x: Any, turn: int) -> Any:
            if np.asarray(x).dtype.kind != "f":
                return x
            move = _signs(random, np.shape(x)) * self.size(value, x)
            move *= epsilon * pattern[turn % len(pattern)]
            return x + _finite(move)

        found = {value: off(value, x, turn) for turn, (value, x) in enumerate(self.tensors.items(), READ)}
        plain, outs = dict[int, Any](), list[Any]()
        for step in self.steps:
            made = step.forward(found)
            parts = outputs_of(made)
            moved = [off(value, np.asarray(part), READ) for value, part in zip(step.op.outputs, parts, strict=False)]
            plain.update(zip(step.op.outputs, parts, strict=False))
            found.update(zip(step.op.outputs, moved, strict=False))
            outs.append([*moved, *parts[len(moved) :]] if isinstance(made, tuple | list) else moved[0])
        seeds = {value: off(value, g, CAME_IN) for value, g in self.seeds.items()}
        return plain, run_back(self.steps, found, outs, seeds) if seeds else {}


def _signs(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Plus or minus 1 for each element, at random."""
    count = int(np.prod(shape))
    bits = np.unpackbits(np.frombuffer(random.bytes(-(-count // 8)), np.uint8), count=count)
    return (bits.astype(np.float64) * 2 - 1).reshape(shape)


def _moves(moved: Sequence[Any], expected: Any, again: Callable[[int], Any]) -> Array:
    """The largest move of some, over EPSILON. What moves as far when the inputs move by a sixteenth of it has jumped: 0."""
    expected = np.asarray(expected, np.float64)
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
    made = np.zeros(expected.shape)
    for number, other in enumerate(moved):
        if other is None or np.shape(other) != expected.shape:
            continue
        move = _finite(np.abs(np.asarray(other, np.float64) - expected))
        if move.max(initial=0.0) > JUMP * largest:
            less = _finite(np.abs(np.asarray(again(number), np.float64) - expected))
            move = np.where((move > JUMP * largest) & (less > move / 4), 0.0, move)
        np.maximum(made, move, out=made)
    made /= EPSILON
    return made


def _finite(x: Any) -> Array:
    """With 0 for what is not finite."""
    return np.asarray(x if np.isfinite(np.sum(x)) else np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0))


def _pooled(moves: Array) -> Array:
    """At least the standard deviation of what the elements along the last axis move by, if they are alike: the largest of four
    draws of one may by chance be small.
    """
    return np.maximum(moves, ALIKE * np.sqrt(np.square(moves).mean(axis=-1, keepdims=True))) if moves.ndim else moves
