"""The text of a loss as one call has it: torch takes the mean by default, and a call may ask for the sum, or for every element.

Every loss is registered as ``l = mean(...)``, its gradients with ``/ N`` at their end; here this is turned round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .registry import Formula

REDUCTIONS = {"none": "none", "sum": "sum", "batchmean": "batchmean", "0": "none", "2": "sum"}
"""What a call may ask for instead of the mean, as torch's functions and its operators (by number) are told it."""
CLASSES = "-mean(log_softmax(X)[t])"
SMOOTHED = "-mean(sum(q * log_softmax(X))), q = (1 - label_smoothing) * onehot(t) + label_smoothing / C"


def as_called(formula: Formula, arguments: Sequence[tuple[str, str]]) -> Formula:
    """The formula with the text that is true of a call with these recorded arguments."""
    if not formula.forward.startswith("l = ") or not arguments:
        return formula
    told = dict(arguments)
    smooth = told.get("label_smoothing", "0").strip("0.") != ""
    reduction = REDUCTIONS.get(told.get("reduction", ""), "")
    return _reworded(formula, reduction, smooth) if reduction or smooth else formula


@lru_cache(maxsize=256)
def _reworded(formula: Formula, reduction: str, smooth: bool) -> Formula:
    forward, gradients = formula.forward, formula.gradients
    if smooth and CLASSES in forward:
        forward = forward.replace(CLASSES, SMOOTHED)
        gradients = tuple((symbol, text.replace("onehot(t)", "q")) for symbol, text in gradients)
    if reduction:
        shares = {"batchmean": " / B"}.get(reduction, "")
        gradients = tuple((symbol, text.removesuffix(" / N") + shares) for symbol, text in gradients)
        forward = _bare(forward) if reduction == "none" else forward.replace("mean(", "sum(", 1)
        forward += shares
    return replace(formula, forward=forward, gradients=gradients)


def _bare(text: str) -> str:
    """Without the mean: its parentheses stay where a sign is before them, or more comes after them."""
    start = text.index("mean(")
    end, depth = start + len("mean("), 1
    while depth:
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    before, inside, after = text[:start], text[start + len("mean(") : end - 1], text[end:]
    needed = " " in inside and not inside.startswith("sum(") and (before.endswith("-") or after.startswith(" /"))
    return f"{before}({inside}){after}" if needed else f"{before}{inside}{after}"
