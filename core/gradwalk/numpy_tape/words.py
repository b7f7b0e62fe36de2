"""The arguments of an op that are no arrays, as texts."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any

import numpy as np

from .records import OpRecord

_LONGEST = 80
VARIADIC = ("reshape", "transpose")
"""Methods of arrays that take one number after the other, where NumPy's functions of the name take a tuple."""
_PLAIN = (int, float, complex, str, bool, type(None), slice, type(Ellipsis), np.generic, np.dtype)


def words(record: OpRecord) -> tuple[tuple[str, str], ...]:
    """``(name, text)`` per argument; positional ones have the names that NumPy gives them, as far as these are known."""
    names = _names(record.name)
    found = []
    for key, value in _together(record):
        name = key
        if key.isdigit():
            name = names[int(key)] if int(key) < len(names) else f"argument {key}"
        found.append((name, text_of(value)))
    return tuple(found)


def _together(record: OpRecord) -> tuple[tuple[str, Any], ...]:
    """The arguments; the numbers of ``x.reshape(3, 4)`` and ``x.transpose(1, 0)`` as the one tuple that the functions take."""
    numbers = [(key, value) for key, value in record.arguments if key.isdigit() and isinstance(value, int)]
    if record.name not in VARIADIC or len(numbers) < 2:
        return record.arguments
    named = tuple((key, value) for key, value in record.arguments if not key.isdigit())
    return ((numbers[0][0], tuple(value for _, value in numbers)), *named)


def text_of(value: Any) -> str:
    """A short text for a value: a number or a slice as it stands, a type by its name, anything else by its kind."""
    if isinstance(value, slice):
        parts = ["" if part is None else text_of(part) for part in (value.start, value.stop)]
        return ":".join(parts if value.step is None else [*parts, text_of(value.step)])
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, tuple | list) and len(value) <= 16:
        inner = ", ".join(map(text_of, value))
        return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
    text = str(value) if isinstance(value, _PLAIN) else f"<{type(value).__name__}>"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


@lru_cache(maxsize=512)
def _names(op: str) -> tuple[str, ...]:
    if op in ("getitem", "setitem"):
        return ("", "index", "value")
    function = getattr(np, op, None)
    if isinstance(function, np.ufunc):
        return tuple(f"x{place + 1}" for place in range(function.nin)) if function.nin > 1 else ("x",)
    if function is None:
        return ()
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()
