"""What a recorded tensor and the same one in float64 are apart, as two numbers; and what else a chain of formulas tells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..recording.samples import sample_indices
from ..trace import NONE, Kept

UNIT = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
"""What one rounding may move a number by, over the number itself, by dtype."""


@dataclass(frozen=True, slots=True)
class Accumulated:
    """The error that a tensor has accumulated on its way from the leaves: ``relative`` is the largest |recorded - float64| over
    the largest |float64|, ``rms`` the same with root mean squares. Inf where shapes, or NaN and Inf, are not at the same places.

    ``moment`` is the tape position of the event that makes it, ``depth`` how many ops lie between it and the loss (the longest
    way; 0 at the loss, NONE where no gradient comes). ``sampled``: only a sample of its elements was recorded and compared.
    """

    relative: float
    rms: float
    moment: int
    depth: int = NONE
    sampled: bool = False
    cancelled: bool = False
    """Its terms cancel, so that what was recorded is rounding alone (a bias before a batch norm): the errors are over the largest
    gradient that came in."""


LOST, CANCELLED = 0.1, 1e-6
"""A gradient off by so much of itself, and no larger than this part of what came in, has cancelled."""


@dataclass(frozen=True, slots=True)
class Restart:
    """An op at which the chain goes on from what was recorded: its output, or (``back``) the gradients that it gave."""

    op: int
    moment: int
    back: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Flip:
    """Elements of an op's input (``elements`` of them) that stand on the other side of a kink in float64."""

    op: int
    moment: int
    elements: int


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A step in float64 from its leaves to its loss and back, next to what was recorded.

    ``values`` are the errors by Value of what ops computed, ``gradients`` by Edge. ``drawn`` are ops without inputs, and those
    whose output is whole numbers or truth values: what they gave is taken from the recording, as a leaf is. ``sentence`` says
    why there is nothing, or what was left out; ``complete`` is False where it was stopped before its end.
    """

    step: int
    values: Mapping[int, Accumulated]
    gradients: Mapping[int, Accumulated]
    losses: tuple[int, ...] = ()
    restarts: tuple[Restart, ...] = ()
    drawn: tuple[int, ...] = ()
    flips: tuple[Flip, ...] = ()
    sentence: str = ""
    complete: bool = True


def error_of(kept: Kept | None, exact: Any, moment: int, depth: int, came: float = 0.0) -> Accumulated | None:
    """The error of a recorded tensor, of a sample that of its elements; None where nothing was kept, or complex numbers.

    ``came`` is the largest absolute element of the gradients that it was made from, 0 for a Value.
    """
    if kept is None or kept.data.dtype.kind != "f":
        return None
    exact = np.asarray(exact, np.float64)
    if not kept.complete and exact.shape == kept.shape:
        exact = exact.reshape(-1)[sample_indices(exact.size)]
    seen = np.asarray(kept.data, np.float64)
    relative, rms = apart(seen, exact)
    if came and LOST < relative < math.inf and np.abs(exact).max(initial=0.0) <= CANCELLED * came:
        difference = np.abs(seen - exact)
        return Accumulated(float(difference.max()) / came, _rms(difference) / came, moment, depth, not kept.complete, True)
    return Accumulated(relative, rms, moment, depth, not kept.complete)


def apart(recorded: Any, exact: Any) -> tuple[float, float]:
    """The relative error by the largest element and by root mean squares, of two float64 arrays; Inf where they do not match."""
    if recorded.shape != exact.shape:
        return math.inf, math.inf
    if not recorded.size:
        return 0.0, 0.0
    finite = np.isfinite(exact)
    other = recorded if finite.all() else recorded[finite]
    same = exact if finite.all() else exact[finite]
    if other.size < exact.size and not np.array_equal(recorded[~finite], exact[~finite], equal_nan=True):
        return math.inf, math.inf
    if not other.size:
        return 0.0, 0.0
    if not np.isfinite(other).all():
        return math.inf, math.inf
    difference = np.abs(other - same)
    return _over(difference.max(), np.abs(same).max()), _over(_rms(difference), _rms(same))


def _rms(array: Any) -> float:
    largest = float(np.abs(array).max())
    return largest * math.sqrt(float(np.square(array / largest).mean())) if largest else 0.0


def _over(error: Any, size: Any) -> float:
    return float(error) / float(size) if size else math.inf if error else 0.0
