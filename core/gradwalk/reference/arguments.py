"""The arguments of an op, recorded as text, back to values: ``(1, 2)``, ``0.5``, ``mean``, ``(:, 1:3, ..., None)``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

UNTOLD = ("…", "tensor")
"""What stands in a text where a part of the argument is not told: it was too long, or is a tensor."""


class Hole:
    """Stands in an index where a tensor stood: ``x[:, i]`` is recorded as ``(:, tensor)``."""


HOLE = Hole()


def indices_of(text: str) -> Iterator[Any]:
    """What an index may have been, the likely one first; HOLE for each tensor. Raises ValueError where not all is told.

    ``(0, 2)`` is recorded of ``x[0, 2]`` and of ``x[[0, 2]]``.
    """
    index = value_of(text, HOLE)
    yield index
    if isinstance(index, tuple) and all(isinstance(part, int | tuple) for part in index):
        yield list(index)


def value_of(text: str, tensor: Any = None) -> Any:
    """The value that a text stands for; a word is itself. Raises ValueError where the text does not tell all of it.

    Where ``tensor`` is given it stands for the word of that name.
    """
    try:
        tree = ast.parse(f"x[{text}]", mode="eval").body
        assert isinstance(tree, ast.Subscript)
        return _value(tree.slice, tensor)
    except (SyntaxError, RecursionError, MemoryError):
        pass
    if any(untold in text for untold in UNTOLD[: 1 if tensor is not None else None]):
        raise ValueError(f"not all of the argument {text} is recorded")
    inner = text[1:-1] if text[:1] == "(" and text[-1:] == ")" else text
    try:  # slices may stand in an index, and not in a tuple
        tree = ast.parse(f"x[{inner}]", mode="eval").body
        assert isinstance(tree, ast.Subscript)
        return _value(tree.slice, tensor)
    except (SyntaxError, RecursionError, MemoryError):
        return text


def _value(node: ast.expr, tensor: Any) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple):
        return tuple(_value(part, tensor) for part in node.elts)
    if isinstance(node, ast.Slice):
        return slice(*(None if part is None else _value(part, None) for part in (node.lower, node.upper, node.step)))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, None)
    if isinstance(node, ast.Name):
        return tensor if tensor is not None and node.id == "tensor" else _word(node.id)
    text = ast.unparse(node)
    if any(untold in text for untold in UNTOLD):
        raise ValueError(f"not all of the argument {text} is recorded")
    return text


def _word(word: str) -> Any:
    if word in UNTOLD:
        raise ValueError("a tensor among the arguments is not told by its name")
    return {"inf": float("inf"), "nan": float("nan")}.get(word, word)
