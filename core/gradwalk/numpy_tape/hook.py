"""The import hook: the script's own modules get our NumPy, every other module gets the real one."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from .modules import PACKAGES, numpy_module
from .own import Own


class ImportHook:
    """Stands in for ``builtins.__import__`` while installed."""

    def __init__(self, own: Own) -> None:
        self._own = own
        self._import = builtins.__import__

    def install(self) -> None:
        """Start."""
        self._import = builtins.__import__
        builtins.__import__ = self._hooked

    def remove(self) -> None:
        """Stop; another's hook that was put over ours stays, and ours passes everything on."""
        self._own = Own.of_nothing()
        if builtins.__import__ == self._hooked:
            builtins.__import__ = self._import

    def _hooked(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - the names that __import__ has
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        module = self._import(name, globals, locals, fromlist, level)
        if level or not (name == "numpy" or name.startswith("numpy.")):
            return module
        namespace = globals if globals is not None else sys._getframe(1).f_globals
        if not self._own.module(namespace):
            return module
        stand_in: ModuleType = numpy_module(module.__name__) if module.__name__ in PACKAGES else module
        return stand_in
