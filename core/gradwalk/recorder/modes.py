"""Our modes on a thread's stack of function modes: taken off for a while, and put back where they stood."""

from __future__ import annotations

from torch._C import _get_function_stack_at, _len_torch_function_stack
from torch.overrides import TorchFunctionMode, _pop_mode, _push_mode

Taken = list[tuple[int, TorchFunctionMode]]
"""Modes with the places at which they stood, counted from the bottom."""


def stack() -> list[TorchFunctionMode]:
    """The thread's function modes, innermost last."""
    return [_get_function_stack_at(place) for place in range(_len_torch_function_stack())]


def take_off(ours: type[TorchFunctionMode]) -> Taken:
    """Take the modes of a class off this thread's stack, from under others too."""
    modes = stack()
    taken = [(place, mode) for place, mode in enumerate(modes) if isinstance(mode, ours)]
    if taken:
        lowest = taken[0][0]
        for _ in modes[lowest:]:
            _pop_mode()  # type: ignore[no-untyped-call]
        for mode in modes[lowest:]:
            if not isinstance(mode, ours):
                _push_mode(mode)  # type: ignore[no-untyped-call]
    return taken


def put_back(taken: Taken) -> None:
    """Put the modes back to where they stood."""
    for place, mode in taken:
        above = [_pop_mode() for _ in range(_len_torch_function_stack() - place)]  # type: ignore[no-untyped-call]
        _push_mode(mode)  # type: ignore[no-untyped-call]
        for other in reversed(above):
            _push_mode(other)  # type: ignore[no-untyped-call]


def push(mode: TorchFunctionMode) -> None:
    """Put a mode on top of this thread's stack."""
    _push_mode(mode)  # type: ignore[no-untyped-call]


def remove(mode: TorchFunctionMode) -> None:
    """Take one mode off this thread's stack, wherever it stands there."""
    modes = stack()
    places = [place for place, other in enumerate(modes) if other is mode]
    if not places:
        return
    above = [_pop_mode() for _ in modes[places[0] :]][:-1]  # type: ignore[no-untyped-call]
    for other in reversed(above):
        _push_mode(other)  # type: ignore[no-untyped-call]
