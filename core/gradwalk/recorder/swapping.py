"""``torch.utils.swap_tensors`` refuses tensors that anyone refers to weakly, as the recorder does: ours are not shown to it."""

from __future__ import annotations

import weakref
from types import ModuleType
from typing import Any

import torch.utils

from .state import State

_NAME = "weakref"


class _Weakrefs(ModuleType):
    """Stands for the module ``weakref`` in ``torch.utils``."""

    def __init__(self, state: State) -> None:
        super().__init__(_NAME)
        self._state = state

    def __getattr__(self, name: str) -> Any:
        return getattr(weakref, name)

    def getweakrefs(self, thing: Any) -> list[Any]:
        """The weak references to a thing, without the plain one that all share: of a tensor that is on record it is ours."""
        found = weakref.getweakrefs(thing)
        if isinstance(thing, torch.Tensor) and self._holds(thing):
            return [one for one in found if type(one) is not weakref.ref or one.__callback__ is not None]
        return found

    def _holds(self, tensor: torch.Tensor) -> bool:
        try:
            return self._state.values.before(tensor) is not None or bool(self._state.parameters.name_of(tensor))
        except Exception:  # nothing of ours reaches the user
            return True


class Swapping:
    """Lets tensors be swapped while they are on record."""

    def __init__(self, state: State) -> None:
        self._original = getattr(torch.utils, _NAME, None)
        if self._original is weakref:
            setattr(torch.utils, _NAME, _Weakrefs(state))

    def remove(self) -> None:
        """Show all weak references again."""
        if self._original is not None:
            setattr(torch.utils, _NAME, self._original)
