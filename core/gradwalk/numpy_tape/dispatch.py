"""The one way from an array's methods, from ufuncs and from the script's ``np`` to the tape that is on, if one is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .operands import Operands

if TYPE_CHECKING:
    from .tape import Tape

_current: Tape | None = None


def run(
    name: str, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any], target: int | None = None
) -> Any:
    """Call ``function`` on plain arrays; the op is noted and its results are arrays on the tape, where a tape is on.

    ``target`` is the position of the argument that is written in place.
    """
    tape = _current
    if tape is None or not tape.ready():
        return run_plain(function, arguments, named)
    return tape.run(name, function, arguments, named, target)


def run_plain(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Call ``function`` on plain arrays; its results are plain, bar what is one of the arguments."""
    operands = Operands(arguments, named)
    result = function(*operands.plain, **operands.named)
    found = operands.original(result)
    return result if found is None else found


def current() -> Tape | None:
    """The tape that is on."""
    return _current


def switch(tape: Tape | None) -> None:
    """Put a tape on, or take it off."""
    global _current
    _current = tape
