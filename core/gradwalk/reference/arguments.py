"""The arguments of an op, recorded as text, back to values: ``(1, 2)``, ``0.5``, ``mean``, ``(:, 1:3, ..., None)``."""

from __future__ import annotations

import ast
from typing import Any

UNTOLD = ("…", "tensor")
"""What stands in a text where a part of the argument is not told: it was too long, or is a tensor."""


def value_of(text: str) -> Any:
    """The value that a text stands for; a word is itself. Raises ValueError where the text does not tell all of it."""
    try:
        tree = ast.parse(f"x[{text}]", mode="eval").body
        assert isinstance(tree, ast.Subscript)
        return _value(tree.slice)
    except (SyntaxError, RecursionError, MemoryError):
        pass
    if any(untold in text for untold in UNTOLD):
        raise ValueError(f"not all of the argument {text} is recorded")
    inner = text[1:-1] if text[:1] == "(" and text[-1:] == ")" else text
    try:  # slices may stand in an index, and not in a tuple
        tree = ast.parse(f"x[{inner}]", mode="eval").body
        assert isinstance(tree, ast.Subscript)
        return _value(tree.slice)
    except (SyntaxError, RecursionError, MemoryError):
        return text


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple):
        return tuple(_value(part) for part in node.elts)
    if isinstance(node, ast.Slice):
        return slice(*(None if part is None else _value(part) for part in (node.lower, node.upper, node.step)))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.Name):
        return _word(node.id)
    text = ast.unparse(node)
    if any(untold in text for untold in UNTOLD):
        raise ValueError(f"not all of the argument {text} is recorded")
    return text


def _word(word: str) -> Any:
    if word in UNTOLD:
        raise ValueError("a tensor among the arguments is not told by its name")
    return {"inf": float("inf"), "nan": float("nan")}.get(word, word)
