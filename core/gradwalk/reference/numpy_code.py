"""A formula as the line of NumPy that computes it: ``dL/dW = X.T @ dL/dZ`` becomes ``grad_w1 = x.T @ grad_h``.

The line is translated from the formula's own text, with the variables and numbers of one call, for reading and copying; nothing
here runs it. Where a formula's text is words (a convolution), or leaves out what this call needs, there is no line.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from .numpy_words import CLASSES, LOSSES, MEANS, PRODUCTS, Call, Shape, Translator, UnknownWordError, gradient_name

_GRADIENT = re.compile(r"dL/d(\w+)")


def forward_code(call: Call) -> str | None:
    """The line that makes the output, or None."""
    formula = call.formula
    code = _translated(call, formula.forward.split(" = ", 1)[1]) if _is_plain(call) else None
    return None if code is None else f"{call.names[formula.output]} = {code}"


def gradient_code(call: Call, symbol: str) -> str | None:
    """The line that makes the gradient of an input, or None."""
    text = dict(call.formula.gradients).get(symbol)
    if text is None or symbol not in call.shapes or not _is_plain(call):
        return None
    code = _translated(call, text.split(" = ", 1)[1], symbol)
    if code is None:
        return None
    made = call.shapes[symbol] if _keeps_shape(call, text) else call.shapes[call.formula.output]
    if len(made) < len(call.shapes[symbol]):
        return None  # the text does not tell how the axes that the output has lost come back
    return f"{gradient_name(call.names[symbol])} = {_summed(code, made, call.shapes[symbol])}"


def _is_plain(call: Call) -> bool:
    """Whether the text tells all that this call computes: no factor beside it, no axes that it does not name, no NaN."""
    if call.argument("alpha", "beta") not in (None, 1) or call.arguments.get("beta", 1) != 1:
        return False
    if call.argument("order") not in (None, "C") or any(number != number for number in call.arguments.values()):
        return False
    name = call.formula.op.rstrip("_") or call.formula.op
    if call.formula.op in PRODUCTS:
        return all(len(call.shapes.get(symbol, ())) == 2 for symbol in "XWZ")
    if name in ("t", "T", "transpose"):
        return all(len(shape) == 2 for shape in call.shapes.values())
    if name in MEANS:
        if {"w", "p"} & set(call.shapes) or not _is_usual(call, weight=None, pos_weight=None, log_target=False):
            return False
        return len({call.shapes.get(symbol) for symbol in call.formula.inputs[:2]}) == 1
    if name in CLASSES:
        if call.argument("reduction") not in (None, "mean", "sum") or "w" in call.shapes:
            return False
        told = _is_usual(call, ignore_index=-100, label_smoothing=0.0, weight=None)
        return told and [len(call.shapes.get(symbol, ())) for symbol in "Xt"] == [2, 1]
    return True


def _is_usual(call: Call, **usual: Any) -> bool:
    """Whether these arguments have their usual values, as the text takes them to have."""
    return all(call.arguments.get(argument, value) == value for argument, value in usual.items())


def _keeps_shape(call: Call, text: str) -> bool:
    """Whether the gradient's text gives the input's shape by itself, so that no axis is left to sum over."""
    return call.formula.op in LOSSES or any(word in text for word in ("@", ".T", "reshape", "ones", "sum"))


def _translated(call: Call, text: str, symbol: str = "") -> str | None:
    try:
        tree = ast.parse(_GRADIENT.sub(r"GRAD_\1", text), mode="eval").body
        return ast.unparse(ast.fix_missing_locations(Translator(call, symbol).visit(tree)))
    except (SyntaxError, UnknownWordError):
        return None


def _summed(code: str, made: Shape, wanted: Shape) -> str:
    """A gradient summed over the axes along which its input was broadcast."""
    if made == wanted:
        return code
    extra = len(made) - len(wanted)
    stretched = [extra + axis for axis, size in enumerate(wanted) if size == 1 and made[extra + axis] != 1]
    summed = f"({code})" if not re.fullmatch(r"\w+", code) else code
    if extra:
        summed += f".sum(axis={_axes(range(extra))})"
    if stretched:
        summed += f".sum(axis={_axes([axis - extra for axis in stretched])}, keepdims=True)"
    return summed


def _axes(axes: Any) -> str:
    axes = list(axes)
    return str(axes[0]) if len(axes) == 1 else str(tuple(axes))
