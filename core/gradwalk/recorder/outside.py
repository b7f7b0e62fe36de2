"""What a Function of the script reads that it is not given: data of its class, of globals and of variables around its methods."""

from __future__ import annotations

from collections.abc import Iterator
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from .copies import NotAgain
from .snapshot import Snapshot, TooMuchError

_METHODS = ("forward", "backward", "vjp", "setup_context")


def outside_of(function: type, *, small: bool = False) -> Snapshot:
    """All of it (or what is ``small``) as it is now, by the names that the methods use. Raises NotAgain where it is too much."""
    taken = Snapshot(small=small)
    try:
        for where, name in _variables(function):
            taken.take_variable(where, name)
    except TooMuchError as much:
        raise NotAgain(f"it reads {much} that it is not given") from None
    return taken


def own_classes(function: type) -> list[type]:
    """A Function's class and its bases, torch's left out."""
    return [base for base in function.__mro__ if base is not object and not base.__module__.startswith("torch.")]


def _variables(function: type) -> Iterator[tuple[dict[str, Any] | CellType | type, str]]:
    for owner in own_classes(function):
        for name, held in list(vars(owner).items()):
            if not name.startswith("__") and _is_data(held):
                yield owner, name
    for name in _METHODS:
        written = getattr(function, name, None)
        written = getattr(written, "__wrapped__", written)
        if isinstance(written, FunctionType) and not written.__module__.startswith("torch."):
            yield from _read_by(written)


def _read_by(written: FunctionType) -> Iterator[tuple[dict[str, Any] | CellType, str]]:
    for name, cell in zip(written.__code__.co_freevars, written.__closure__ or (), strict=True):
        if _is_filled(cell) and _is_data(cell.cell_contents):
            yield cell, name
    for name in sorted(_names_in(written.__code__)):
        if name in written.__globals__ and _is_data(written.__globals__[name]):
            yield written.__globals__, name


def _names_in(code: CodeType) -> set[str]:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*map(_names_in, inner))


def _is_filled(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not CellType
    except ValueError:
        return False


def _is_data(thing: Any) -> bool:
    return not callable(thing) and not isinstance(thing, ModuleType | staticmethod | classmethod | property)
