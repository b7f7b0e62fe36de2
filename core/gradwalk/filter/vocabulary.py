"""What a filter may ask: the functions, what each takes, and the figures that conditions compare; also for completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Takes: TypeAlias = Literal["texts", "conditions", "nothing"]

STATISTICS_FIELDS = {
    "rms": "root mean square",
    "max": "largest element",
    "min": "smallest element",
    "absmax": "largest absolute value",
    "mean": "mean",
    "norm": "L2 norm",
    "zeros": "fraction of exact zeros, 0 to 1",
    "nan": "number of NaN",
    "inf": "number of Inf",
    "count": "number of elements",
}
SAVED_FIELDS = {"bytes": "bytes kept for the backward", "tensors": "tensors kept for the backward"}
TIME_FIELDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
PHASES = {
    "forward": "forward",
    "fwd": "forward",
    "loss": "loss",
    "backward": "backward",
    "bwd": "backward",
    "update": "update",
    "opt": "update",
}
CHECKS = {"agrees": 1, "none": 2, "differs": 3}
"""By the marks of ``verdicts.Mark``: ``none`` is for no reference."""
KINDS = ("op", "loss", "node", "accumulate", "update")


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the grammar: its name without ``$``, what stands between its parentheses, and what it asks, in words."""

    name: str
    takes: Takes
    meaning: str
    fields: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    """The texts that it takes, where there is a choice of a few."""


FUNCTIONS = {
    function.name: function
    for function in (
        Function("phase", "texts", "part of the step: fwd, loss, bwd or update", words=tuple(PHASES)),
        Function("kind", "texts", "kind of event", words=KINDS),
        Function("op", "texts", "name of the op or Node, whole"),
        Function("module", "texts", "module path, or its end; what is inside it too"),
        Function("src", "texts", "source file, or file:line"),
        Function("dtype", "texts", "dtype of what the event gives"),
        Function("device", "texts", "device of what the event gives"),
        Function("tag", "texts", "what is special about an op, such as recomputed"),
        Function("check", "texts", "what a check against the NumPy reference found", words=tuple(CHECKS)),
        Function("grad", "conditions", "a gradient that the event sends", tuple(STATISTICS_FIELDS)),
        Function("value", "conditions", "a tensor that the event gives", tuple(STATISTICS_FIELDS)),
        Function("saved", "conditions", "tensors kept for the backward", tuple(SAVED_FIELDS)),
        Function("time", "conditions", "how long the event took", tuple(TIME_FIELDS)),
        Function("nan", "nothing", "makes or carries NaN"),
        Function("inf", "nothing", "makes or carries Inf"),
    )
}
