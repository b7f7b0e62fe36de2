"""From the words of formulas to NumPy: ``min(max(X, lo), hi)`` becomes ``np.minimum(np.maximum(x, -1), 1)``, as a syntax tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .registry import Formula

Shape = tuple[int, ...]
MADE = ("zeros", "ones", "full", "eye", "arange", "linspace", "array", "zeros_like", "ones_like", "full_like")
OPTIONAL = ("start", "step", "m")
"""Arguments of what is MADE that may be left out."""
FUNCTIONS = {name: f"np.{name}" for name in ("exp", "log", "sqrt", "abs", "sign", "tanh", "tril", "triu", *MADE)}
PAIRS = {"max": "np.maximum", "min": "np.minimum"}
PRODUCTS = ("mm", "matmul", "bmm", "__matmul__", "dot", "addmm", "linear")
REDUCED = ("sum", "mean")
ALONG = ("softmax", "log_softmax")
CLASSES = ("cross_entropy", "cross_entropy_loss", "nll_loss", "nll_loss_nd")
MEANS = ("mse_loss", "l1_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div")
LOSSES = (*MEANS, *CLASSES)
ALIASES: Mapping[str, Mapping[str, str]] = {
    **{name: {"min": "lo", "max": "hi", "a_min": "lo", "a_max": "hi"} for name in ("clamp", "clip")},
    **{name: {"exponent": "n", "x2": "n"} for name in ("pow", "power")},
    **{name: {"t": "data", "s": "data"} for name in ("tensor", "scalar_tensor")},
    **{name: {"dropout_p": "p"} for name in ("scaled_dot_product_attention", "multi_head_attention_forward")},
    **{name: {"dropout": "p"} for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
}
"""Per op the symbols that formulas have for its arguments."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an op: per symbol (inputs and output) how it is written and its shape, and the values of its arguments."""

    formula: Formula
    names: Mapping[str, str]
    shapes: Mapping[str, Shape]
    arguments: Mapping[str, Any]

    def argument(self, *names: str) -> Any:
        """The value of an argument under any of its names, or None."""
        return next((self.arguments[name] for name in names if self.arguments.get(name) is not None), None)


def gradient_name(name: str) -> str:
    """What the gradient of a variable is called: ``grad_w1``; of ``fc1.weight`` ``grad_fc1_weight``."""
    return "grad_" + re.sub(r"\W+", "_", name).strip("_")


class UnknownWordError(ValueError):
    """A piece of a formula that is no NumPy."""


class Translator(ast.NodeTransformer):
    """From the words of formulas to NumPy."""

    def __init__(self, call: Call, symbol: str) -> None:
        self.call, self.symbol = call, symbol

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A symbol becomes a variable, an argument its value."""
        call, word = self.call, node.id
        if word.startswith("GRAD_"):
            return self._reduced(gradient_name(call.names[call.formula.output]))
        if word in call.names:
            return _parsed(call.names[word])
        if word in call.arguments or word in ("lo", "hi", *OPTIONAL):
            return ast.Constant(call.arguments.get(word))
        if word == "ones":
            return _parsed(f"np.ones_like({call.names[self.symbol]})")
        if word in call.formula.inputs:
            return ast.Constant(None)
        if word == "N" and call.formula.op in CLASSES:
            return ast.Constant(call.shapes["X"][0])
        if word == "N" and "X" in call.shapes:
            return ast.Constant(_size(call.shapes["X"]) // max(_size(call.shapes[call.formula.output]), 1))
        raise UnknownWordError(word)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """A function becomes NumPy's."""
        assert isinstance(node.func, ast.Name)
        word, arguments = node.func.id, [self.visit(argument) for argument in node.args]
        told = [one for one in arguments if not (isinstance(one, ast.Constant) and one.value is None)]
        if word in PAIRS and len(arguments) == 2:
            return told[0] if len(told) == 1 else _calling(PAIRS[word], told)
        if word in FUNCTIONS:
            return _calling(FUNCTIONS[word], told)
        if word == "sigmoid":
            return _parsed(f"1 / (1 + np.exp(-{ast.unparse(told[0])}))")
        if word == "reshape":
            return _method(told[0], "reshape", f"{self.call.shapes[self.symbol or self.call.formula.output]}")
        if word == "sum_rows":
            return _method(told[0], "sum", "axis=0")
        if word in ALONG:
            exp = f"np.exp({ast.unparse(told[0])})"
            total = f"{exp}.sum(axis=1, keepdims=True)"
            return _parsed(f"{exp} / {total}" if word == "softmax" else f"{ast.unparse(told[0])} - np.log({total})")
        if word == "onehot":
            return _parsed(f"np.eye({self.call.shapes['X'][1]})[{ast.unparse(told[0])}]")
        if word in ("sum", "mean"):
            return _method(told[0], word, self._along())
        raise UnknownWordError(word)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """A chain becomes comparisons joined by ``&``; a bound that is None is left out."""
        sides = [self.visit(side) for side in (node.left, *node.comparators)]
        made = [
            ast.Compare(left, [operator], [right])
            for left, operator, right in zip(sides, node.ops, sides[1:], strict=False)
            if not any(isinstance(side, ast.Constant) and side.value is None for side in (left, right))
        ]
        if not made:
            return ast.Constant(1)
        joined: ast.expr = made[0]
        for one in made[1:]:
            joined = ast.BinOp(joined, ast.BitAnd(), one)
        return joined

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Whole numbers are worked out; a power of 1 and an input that was not given are left out."""
        left: ast.expr = self.visit(node.left)
        right: ast.expr = self.visit(node.right)
        values = [side.value if isinstance(side, ast.Constant) else "" for side in (left, right)]
        if isinstance(node.op, ast.Add) and values[1] is None:
            return left
        if isinstance(node.op, ast.Sub) and all(isinstance(value, int) for value in values):
            return ast.Constant(values[0] - values[1])  # type: ignore[operator]
        if isinstance(node.op, ast.Pow) and values[1] == 1:
            return left
        if isinstance(node.op, ast.Mult) and values[1] == 1:
            return left
        return ast.BinOp(left, node.op, right)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """``.T`` stays."""
        return ast.Attribute(self.visit(node.value), node.attr, ast.Load())

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """The class of each row; any other index needs what the formula does not tell."""
        if self.call.formula.op not in CLASSES:
            raise UnknownWordError("[")
        rows = self.call.shapes["X"][0]
        return _parsed(f"({ast.unparse(self.visit(node.value))})[np.arange({rows}), {ast.unparse(self.visit(node.slice))}]")

    def _along(self) -> str:
        """The axes of a reduction, as its arguments in NumPy."""
        call = self.call
        if call.formula.op in LOSSES:
            return ""
        axis = call.argument("dim", "axis")
        if call.formula.op in ALONG:
            return f"axis={-1 if axis is None else axis}, keepdims=True"
        if call.formula.op not in REDUCED:
            raise UnknownWordError("sum")
        kept = ", keepdims=True" if call.argument("keepdim", "keepdims") else ""
        return (f"axis={axis}{kept}" if axis not in (None, ()) else kept.lstrip(", ")) if axis is not None or kept else ""

    def _reduced(self, name: str) -> ast.expr:
        """The gradient of a reduction's output, with the axes that it has lost."""
        call = self.call
        axis = call.argument("dim", "axis")
        if call.formula.op in REDUCED and axis is not None and not call.argument("keepdim", "keepdims"):
            return _parsed(f"np.expand_dims({name}, {axis})")
        return _parsed(name)


def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        raise UnknownWordError(text) from None


def _calling(function: str, arguments: list[Any]) -> ast.expr:
    return ast.Call(_parsed(function), arguments, [])


def _method(of: ast.expr, method: str, arguments: str) -> ast.expr:
    return _parsed(f"({ast.unparse(of)}).{method}({arguments})")


def _size(shape: Shape) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
