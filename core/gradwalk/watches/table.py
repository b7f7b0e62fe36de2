"""The watches as a table: what each looks for, and whether it is on where nothing is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..trace import Trace
from . import dead_relu, exploding, inplace, mismatch, nan, no_grad, spike, unchanged, update_ratio, vanishing, zero_grad
from .alert import Alert, Limits
from .brief import Brief

InStep: TypeAlias = Callable[[Trace, Limits], list[Alert]]
InSteps: TypeAlias = Callable[[Sequence[Brief], Limits], list[Alert]]


@dataclass(frozen=True, slots=True)
class Watch:
    """One watch: it looks at each step (``in_step``), or at all of them together (``in_steps``)."""

    kind: str
    title: str
    on: bool
    in_step: InStep | None = None
    in_steps: InSteps | None = None


WATCHES = (
    Watch(nan.KIND, "NaN or Inf in forward or gradient", True, in_step=nan.nan),
    Watch(no_grad.KIND, "parameter that never gets a gradient", True, in_steps=no_grad.no_grad),
    Watch(unchanged.KIND, "weight unchanged after an update", True, in_steps=unchanged.unchanged),
    Watch(spike.KIND, "loss spike", False, in_steps=spike.spike),
    Watch(vanishing.KIND, "vanishing gradient", False, in_step=vanishing.vanishing),
    Watch(exploding.KIND, "exploding gradient", False, in_step=exploding.exploding),
    Watch(zero_grad.KIND, "exactly zero gradient", False, in_step=zero_grad.zero_grad),
    Watch(dead_relu.KIND, "dead ReLU", False, in_step=dead_relu.dead_relu),
    Watch(update_ratio.KIND, "update large beside its weight", False, in_step=update_ratio.update_ratio),
    Watch(inplace.KIND, "in-place write after save", True, in_step=inplace.inplace),
    Watch(mismatch.KIND, "op that differs from its reference, where checked", True, in_step=mismatch.mismatch),
)
KINDS = tuple(watch.kind for watch in WATCHES)
ON = tuple(watch.kind for watch in WATCHES if watch.on)
