"""Central differences of a Function along directions, next to the gradient that its backward gives.

For a direction d the slope of s(t) = s(x + t d) at 0 is (s(h) - s(-h)) / 2h, off by h^2 s'''/6 for the curve and by the rounding
of s over h for the numbers. Two steps, h and h/4, tell the first apart, so that each slope comes with its own error: where a
kink lies within the step, the two do not agree, and other steps are taken. The gradient is wrong where it is further from the
slope than that error explains. Directions over all elements find a wrong sign, factor or order; those over the edges, over what
has no gradient and over single elements what is wrong in a few of them. A direction that is off is halved down to one element.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from .rerun import scale_of

Tensor = torch.Tensor
PAIRS = (1.0, 2.0**-6, 2.0**4, 2.0**8)
"""The larger step of each pair that is tried, in the order of trying, times the cube root of what is rounded away."""
LONGEST = 0.1
GOOD = 1e-7
"""An error of a slope, as a part of the gradient's size along the direction, at which no other steps are tried."""
FLOOR, COARSE_FLOOR = 1e-6, 1e-3
"""The part of the gradient's size that is no difference, in float64 and where fewer bits took part."""
ALL_ELEMENTS, SOME_ELEMENTS, FEW_ELEMENTS, LARGE = 64, 12, 4, 1 << 18
MOST_KINKS = 32


@dataclass(frozen=True, slots=True)
class Tested:
    """One direction: the gradient along it, the slope, how far they may be apart, and whether that is narrow enough to tell."""

    given: float
    slope: float
    allowed: float
    settled: bool

    @property
    def off(self) -> float:
        """The difference over what is allowed; 0 where it cannot be told."""
        if not self.settled:
            return 0.0
        if not math.isfinite(self.given):
            return math.inf
        return abs(self.given - self.slope) / self.allowed if self.allowed else 0.0 if self.given == self.slope else math.inf


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one input. ``place`` is the element furthest off, with its gradient and its central difference."""

    place: tuple[int, ...]
    given: float
    slope: float
    off: float
    kinks: int = 0
    why_not: str = ""
    """Why nothing could be told."""


class Differences:
    """The gradient of one input ``x``. ``s`` gives the scalar for other elements of it, ``unit`` is what is rounded away in
    computing it, ``size`` how large it may be before terms cancel.
    """

    def __init__(self, s: Callable[[Tensor], float], x: Tensor, gradient: Tensor, *, unit: float, size: float) -> None:
        self._s, self._x, self._unit, self._size = s, x, unit, size
        self._gradient = gradient.double()
        self._scale = scale_of(x)
        self._random = np.random.default_rng(1)
        self._kinks: list[int] = []
        self._floor = FLOOR if unit < 1e-12 else COARSE_FLOOR

    def found(self) -> Found:
        """Look along all directions."""
        if not self._x.numel():
            return Found((), math.nan, math.nan, 0.0)
        settled, off = False, 0.0
        for support in self._supports():
            tested = self._along(self._drawn(support))
            while tested.off > 1 and len(self._kinks) < MOST_KINKS:
                if self._in_steps(support):
                    return Found((), math.nan, math.nan, 0.0, why_not="its forward moves in steps, as rounding does")
                element = self._narrowed(support)
                if element is None:
                    break
                if not self._is_kink(element):
                    return self._wrong(element, tested)
                self._kinks.append(element)
                tested = self._along(self._drawn(support))
            if tested.off <= 1:  # else there are kinks that cannot be told one by one
                settled, off = settled or tested.settled, max(off, tested.off)
        return self._by_element(settled, off)

    def _by_element(self, settled: bool, off: float) -> Found:
        worst: tuple[float, int, Tested] | None = None
        for element in self._elements():
            tested = self._along(self._one(element))
            if not tested.settled or (tested.off > 1 and self._is_kink(element)):
                self._kinks += [element] if tested.settled else []
                continue
            if worst is None or tested.off > worst[0]:
                worst = tested.off, element, tested
        if worst is None:
            if settled:
                return Found((0,) * self._x.ndim, math.nan, math.nan, off, len(self._kinks))
            why = "central differences do not settle: it has a kink, or a jump, near each of these inputs"
            return Found((), math.nan, math.nan, 0.0, why_not=why)
        given, slope = self._at(worst[1], worst[2])
        return Found(self._place(worst[1]), given, slope, max(off, worst[0]), len(self._kinks))

    def _wrong(self, element: int, along: Tested) -> Found:
        tested = self._along(self._one(element))
        return Found(self._place(element), *self._at(element, tested), max(tested.off, along.off), len(self._kinks))

    # ---------------------------------------------------------------- directions

    def _supports(self) -> Iterator[Tensor | None]:
        """Which elements a direction moves: twice all of them (None), those without gradient, the edges of each axis."""
        yield from (None, None)
        size, shape = self._x.numel(), self._x.shape
        still = torch.nonzero(self._gradient.reshape(-1) == 0).reshape(-1)
        if 0 < still.numel() < size:
            yield still
        if size <= FEW_ELEMENTS:
            return
        order = torch.arange(size, device=self._x.device).reshape(shape)
        for axis, length in enumerate(shape):
            if length > 1 and axis < 4:
                yield order.select(axis, 0).reshape(-1)
                yield order.select(axis, -1).reshape(-1)

    def _elements(self) -> list[int]:
        size = self._x.numel()
        if size <= ALL_ELEMENTS:
            return list(range(size))
        ends = [int(self._gradient.abs().argmax()), 0, size - 1]
        if size > LARGE:
            return list(dict.fromkeys(ends))
        return list(dict.fromkeys([*ends, *self._random.integers(0, size, SOME_ELEMENTS - len(ends)).tolist()]))

    def _drawn(self, support: Tensor | None) -> Tensor:
        drawn = torch.from_numpy(np.asarray(self._random.standard_normal(self._x.numel()))).to(self._x.device)
        if support is not None:
            kept = torch.zeros_like(drawn)
            kept[support] = drawn[support]
            drawn = kept
        drawn[self._kinks] = 0.0
        return (drawn * self._scale).reshape(self._x.shape)

    def _one(self, element: int) -> Tensor:
        direction = torch.zeros(self._x.numel(), dtype=torch.float64, device=self._x.device)
        direction[element] = self._scale
        return direction.reshape(self._x.shape)

    def _place(self, element: int) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(element, tuple(self._x.shape)))

    def _at(self, element: int, tested: Tested) -> tuple[float, float]:
        """The gradient of an element and its central difference."""
        given = float(self._gradient.reshape(-1)[element])
        step = tested.given / given if given and math.isfinite(given) else self._scale
        return given, tested.slope / step if step else tested.slope

    # ---------------------------------------------------------------- one direction

    def _along(self, direction: Tensor) -> Tested:
        tested = self._tested(direction)
        if tested.settled:
            return tested
        nearer = direction / self._scale * self._x.double().abs()  # steps that keep the sign of what is near 0
        return self._tested(nearer) if bool((nearer != 0).any()) else tested

    def _tested(self, direction: Tensor) -> Tested:
        along = self._gradient * direction
        given, size = float(along.sum()), float((along**2).sum().sqrt())
        slope, error = self._slope(direction, GOOD * size if math.isfinite(size) else 0.0)
        if not math.isfinite(slope):
            return Tested(given, slope, math.inf, settled=False)
        allowed = 4 * error + self._floor * (max(size, abs(slope)) if math.isfinite(size) else abs(slope))
        yard = max(size if math.isfinite(size) else 0.0, abs(slope))
        return Tested(given, slope, allowed, settled=allowed <= 0.1 * yard or allowed <= 1e-3 * self._size)

    def _slope(self, direction: Tensor, good: float) -> tuple[float, float]:
        """The slope along a direction, and how far off it may be."""
        best = math.nan, math.inf
        base, noise = self._unit ** (1 / 3), 4 * self._unit * self._size
        for factor in PAIRS:
            h = min(base * factor, LONGEST)
            near, far = self._central(direction, h / 4), self._central(direction, h)
            error = abs(far - near) + noise / (h / 4)
            if error < best[1]:
                best = near, error
            if best[1] <= good + 2 * noise / (base / 4):
                break
        return best

    def _central(self, direction: Tensor, h: float) -> float:
        return (self._moved(direction, h) - self._moved(direction, -h)) / (2 * h)

    def _moved(self, direction: Tensor, h: float) -> float:
        return self._s((self._x.double() + h * direction).to(self._x.dtype))

    # ---------------------------------------------------------------- what is off

    def _narrowed(self, support: Tensor | None) -> int | None:
        """The element that is off, found by halving; None where it is not in one element."""
        rest = torch.arange(self._x.numel(), device=self._x.device) if support is None else support
        while rest.numel() > 1:
            halves = rest[: rest.numel() // 2], rest[rest.numel() // 2 :]
            tested = [self._along(self._drawn(half)).off for half in halves]
            if max(tested) <= 1:
                return None
            rest = halves[tested.index(max(tested))]
        element = int(rest[0])
        return element if self._along(self._one(element)).off > 1 else None

    def _is_kink(self, element: int) -> bool:
        """Whether the slopes at both sides differ there, and the gradient is one of theirs or between."""
        direction, h = self._one(element), self._unit ** (1 / 2)
        at, up, down = self._moved(direction, 0.0), self._moved(direction, h), self._moved(direction, -h)
        right, left = (up - at) / h, (at - down) / h
        given = float(self._gradient.reshape(-1)[element]) * self._scale
        slack = 1e-2 * max(abs(right), abs(left))
        between = min(left, right) - slack <= given <= max(left, right) + slack
        return bool(between and abs(right - left) > slack)

    def _in_steps(self, support: Tensor | None) -> bool:
        """Whether s does not move at all for small steps, but does for large ones, about as the gradient says."""
        direction, base = self._drawn(support), self._unit ** (1 / 3)
        at = self._moved(direction, 0.0)
        if any(self._moved(direction, h) != at for h in (base, -base, base / 4, -base / 4)):
            return False
        given = abs(float((self._gradient * direction).sum()))
        return support is None and any(abs(self._central(direction, h)) > 0.1 * given for h in (1.0, 0.3))
