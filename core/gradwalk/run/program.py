"""Run a file as ``__main__``, in the process that we are in, as ``python FILE ARGUMENTS`` would."""

from __future__ import annotations

import builtins
import importlib.machinery
import os
import pkgutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType, ModuleType

from ..refusal import RefusalError

LOADED_BY_PYTHON = frozenset(
    {"abc", "builtins", "codecs", "encodings", "genericpath", "importlib", "io", "marshal", "ntpath", "os", "posix", "posixpath"}
    | {"site", "sitecustomize", "stat", "sys", "types", "usercustomize", "zipimport"}
)
"""What the interpreter has imported before any script runs."""
OURS = frozenset(("__main__", "gradwalk", "gradwalk_gui"))


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. ``container``: the path is a folder or zip file with a ``__main__.py`` in it."""

    name: str
    """As it was given: ``sys.argv[0]``."""
    path: str
    """Absolute: ``__file__``, or the container."""
    container: bool = False

    @property
    def folder(self) -> str:
        """What ``sys.path[0]`` is to be; links are followed, as Python does."""
        return self.path if self.container else os.path.dirname(os.path.realpath(self.path))


def find_program(name: str) -> Program:
    """The program that a command line names. Raises RefusalError where there is none."""
    path = os.path.abspath(name)
    if not os.path.exists(path):
        raise RefusalError(f"there is no script {name}")
    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        if _main_of(path) is None:
            raise RefusalError(f"{name} has no __main__.py, so it cannot be run")
        return Program(name, path, container=True)
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise RefusalError(f"the script {name} cannot be read ({error.strerror})") from None
    return Program(name, path)


def execute(program: Program, arguments: Sequence[str]) -> None:
    """Run a program to its end; whatever it raises passes."""
    old = sys.modules["__main__"]  # kept until the end: what it holds is in use
    sys.argv[:] = [program.name, *arguments]
    if program.container or not os.environ.get("PYTHONSAFEPATH"):
        _put_in_front(program.folder)
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    code = _code_in(program, module) if program.container else _code_of(program, module)
    exec(code, module.__dict__)
    del old


def _put_in_front(folder: str) -> None:
    """Where scripts find the modules beside them: the first entry of ``sys.path``, which ``-P`` (ours) leaves out."""
    sys.path[: 0 if getattr(sys.flags, "safe_path", False) else 1] = [folder]
    _forget_shadowed(folder)


def _code_of(program: Program, module: ModuleType) -> CodeType:
    loader = importlib.machinery.SourceFileLoader("__main__", program.path)
    module.__dict__.update(
        __annotations__={}, __builtins__=builtins, __cached__=None, __file__=program.path, __loader__=loader, __package__=None
    )
    with open(program.path, "rb") as file:
        compiled: CodeType | None = pkgutil.read_code(file)
    if compiled is not None:
        return compiled
    return compile(loader.get_data(program.path), program.path, "exec", dont_inherit=True)


def _code_in(program: Program, module: ModuleType) -> CodeType:
    spec = _main_of(program.path)
    assert spec is not None
    code: CodeType = spec.loader.get_code("__main__")  # type: ignore[union-attr]
    module.__dict__.update(
        __annotations__={}, __builtins__=builtins, __cached__=spec.cached, __file__=spec.origin, __loader__=spec.loader
    )
    module.__dict__.update(__package__="", __spec__=spec)
    return code


def _main_of(path: str) -> importlib.machinery.ModuleSpec | None:
    finder = pkgutil.get_importer(path)
    return None if finder is None else finder.find_spec("__main__")


def _forget_shadowed(folder: str) -> None:
    """Let the script import its own ``queue.py``, although we have imported the library's (for ourselves, we keep it)."""
    for name in _modules_in(folder):
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if file and name not in LOADED_BY_PYTHON | OURS and not file.startswith(os.path.join(folder, "")):
            for loaded in [loaded for loaded in sys.modules if loaded == name or loaded.startswith(f"{name}.")]:
                del sys.modules[loaded]


def _modules_in(folder: str) -> set[str]:
    suffixes = tuple(importlib.machinery.all_suffixes())
    try:
        with os.scandir(folder) as entries:
            return {
                entry.name.partition(".")[0]
                for entry in entries
                if entry.name.endswith(suffixes) or os.path.isfile(os.path.join(entry.path, "__init__.py"))
            }
    except OSError:
        return set()
