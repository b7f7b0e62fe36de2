"""Which modules are the script's own: ``__main__`` and those beside it. Imports no NumPy."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from ..real_path import real_path

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "")
_EXAMPLES = os.path.join(_PACKAGE, "examples", "")
_STDLIB = os.path.join(os.path.realpath(sysconfig.get_paths()["stdlib"]), "")
_INSTALLED = frozenset(("site-packages", "dist-packages"))


class Own:
    """Tells the script's own modules and files, those under ``folder``, from installed ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.path.join(os.path.realpath(folder), "")
        self._main = True
        self._files: dict[str, bool] = {}

    @classmethod
    def of_nothing(cls) -> Own:
        """One for which nothing is the script's own."""
        nothing = cls(Path(os.devnull))
        nothing._main = False
        return nothing

    def module(self, namespace: Mapping[str, object]) -> bool:
        """Whether a module's globals are of one of the script's own modules."""
        file = namespace.get("__file__")
        if namespace.get("__name__") == "__main__":
            return self._main and (not isinstance(file, str) or not is_ours(real_path(file)))
        return isinstance(file, str) and self.file(file)

    def file(self, file: str) -> bool:
        """Whether a file is one of the script's own."""
        known = self._files.get(file)
        if known is None:
            known = self._files[file] = self._look(file)
        return known

    def _look(self, file: str) -> bool:
        path = real_path(file)
        if not path.startswith(self._folder) or is_ours(path) or file.startswith("<"):
            return False
        if _INSTALLED & set(path[len(self._folder) :].split(os.sep)):
            return False
        return not path.startswith(_STDLIB) or self._folder.startswith(_STDLIB)


def is_ours(path: str) -> bool:
    """Whether a file is Gradwalk's, bar its examples."""
    return path.startswith(_PACKAGE) and not path.startswith(_EXAMPLES)
