"""From what a script hands to NumPy to plain arrays, and back."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

_DEEPEST = 3
_LONGEST = 4096
"""Longer lists are taken to hold numbers."""
_PROBE = 16
_VIEW = np.ndarray.view
_NUMBERS = (int, float, str, bool, complex)


def is_taped(thing: Any) -> bool:
    """Whether this is an array or a scalar on the tape."""
    return hasattr(type(thing), "_on_tape")


def plain(thing: Any) -> Any:
    """A plain array over the same memory, the plain scalar, or the thing itself where it is not on the tape."""
    kind = type(thing)
    if not hasattr(kind, "_on_tape"):
        return thing
    return _VIEW(thing, np.ndarray) if kind._on_tape == "array" else thing._plain


def plain_tree(things: Any, depth: int = 0) -> Any:
    """The same, inside tuples, lists and dicts."""
    kind = type(things)
    if kind not in (tuple, list, dict) or depth > _DEEPEST or _only_numbers(things):
        return plain(things)
    if kind is dict:
        return {name: plain_tree(thing, depth + 1) for name, thing in things.items()}
    return kind([plain_tree(thing, depth + 1) for thing in things])


def _only_numbers(things: Any) -> bool:
    if len(things) < _PROBE or type(things) is dict:
        return False
    return len(things) > _LONGEST or all(type(thing) in _NUMBERS for thing in things[:_PROBE])


class Operands:
    """The arguments of one call. ``plain`` and ``named`` go to NumPy; ``arrays`` are the arrays, and the scalars on the tape.

    Each of these comes as ``(original, plain, position)``; the position is None for what stands in a list or is named. ``out``
    are the arrays given as ``out=``: they are written and not read.
    """

    __slots__ = ("_made", "arrays", "named", "out", "plain")

    def __init__(self, arguments: tuple[Any, ...], named: dict[str, Any], *, writes_out: bool = True) -> None:
        self._made: list[tuple[Any, Any]] = []
        self.arrays: list[tuple[Any, Any, int | None]] = []
        self.out: list[Any] = []
        self.plain = [self._take(thing, position, 0) for position, thing in enumerate(arguments)]
        self.named = {name: self._take_named(name, thing, writes_out) for name, thing in named.items()} if named else named

    def original(self, result: Any) -> Any:
        """The argument that a result is (``np.asarray(x)`` is ``x``), or None for a new thing."""
        return next((original for original, made in self._made if made is result and isinstance(made, np.ndarray)), None)

    def position(self, original: Any) -> int | None:
        """The first position at which an argument stands, or None."""
        return next((position for one, _, position in self.arrays if one is original), None)

    def _take(self, thing: Any, position: int | None, depth: int) -> Any:
        kind = type(thing)
        if hasattr(kind, "_on_tape") or kind is np.ndarray:
            made = self._plain(thing)
            self.arrays.append((thing, made, position))
            return made
        if kind not in (tuple, list) or depth > _DEEPEST or _only_numbers(thing):
            return thing
        parts = [self._take(part, None, depth + 1) for part in thing]
        return thing if all(map(operator.is_, parts, thing)) else kind(parts)

    def _take_named(self, name: str, thing: Any, writes_out: bool) -> Any:
        if name != "out" or not writes_out:
            return self._take(thing, None, 0)
        if type(thing) is tuple:
            return tuple(self._take_named(name, part, writes_out) for part in thing)
        if isinstance(thing, np.ndarray):
            self.out.append(thing)
        return self._plain(thing)

    def _plain(self, thing: Any) -> Any:
        """The plain array of an argument; one that comes twice (``w -= g`` reads and writes ``w``) has one plain array."""
        for original, made in self._made:
            if original is thing:
                return made
        made = plain(thing)
        self._made.append((thing, made))
        return made


def map_results(result: Any, wrap: Callable[[Any], Any]) -> Any:
    """Apply ``wrap`` to a result: to arrays and scalars, alone or in a tuple, a named tuple or a list."""
    kind = type(result)
    if kind is np.ndarray or isinstance(result, np.generic):
        return wrap(result)
    if kind is list or kind is tuple:
        return kind([map_results(part, wrap) for part in result]) if len(result) <= _LONGEST else result
    if isinstance(result, tuple) and hasattr(result, "_make"):
        return result._make(map_results(part, wrap) for part in result)
    return result
