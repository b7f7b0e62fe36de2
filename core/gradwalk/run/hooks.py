"""Call a function just before a package's first import statement runs, or as soon as a module has been imported, by whomever."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class ImportGate:
    """While installed, calls ``before()`` once, ahead of the first import statement that names ``package``.

    That statement then goes through whatever ``before`` has made of ``builtins.__import__``. The function must not raise.
    """

    def __init__(self, package: str, before: Callable[[], None]) -> None:
        self._package = package
        self._before = before
        self._import = builtins.__import__

    def install(self) -> None:
        """Start to watch."""
        self._import = builtins.__import__
        builtins.__import__ = self._watched_import

    def remove(self) -> None:
        """Watch no longer; somebody else's import function stays."""
        if builtins.__import__ == self._watched_import:
            builtins.__import__ = self._import

    def _watched_import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 - the names that __import__ has
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level or name.partition(".")[0] != self._package:
            return self._import(name, globals, locals, fromlist, level)
        self.remove()
        self._before()
        return builtins.__import__(name, globals, locals, fromlist, level)


class ImportHook(MetaPathFinder):
    """While installed, calls ``after[name]()`` once, when the import of the module ``name`` has succeeded.

    The module looks as if nobody had watched: its loader is its own. The functions must not raise.
    """

    def __init__(self, after: dict[str, Callable[[], None]]) -> None:
        self._after = after
        self._searching = False

    def install(self) -> None:
        """Start to watch; for what is imported already, the function is called at once."""
        sys.meta_path.insert(0, self)
        for name in [name for name in self._after if name in sys.modules]:
            self._after.pop(name)()

    def remove(self) -> None:
        """Watch no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """What the other finders find, with a loader that tells us."""
        if fullname not in self._after or self._searching:
            return None
        self._searching = True
        try:
            found = (finder.find_spec(fullname, path, target) for finder in sys.meta_path if finder is not self)
            spec = next((spec for spec in found if spec is not None), None)
        finally:
            self._searching = False
        if spec is not None and spec.loader is not None:
            spec.loader = _TellingLoader(spec.loader, lambda: self._imported(fullname))
        return spec

    def _imported(self, name: str) -> None:
        function = self._after.pop(name, None)
        if function is not None:
            function()


class _TellingLoader(Loader):
    def __init__(self, loader: Loader, tell: Callable[[], None]) -> None:
        self._loader = loader
        self._tell = tell

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._tell()
