"""Faults, put into our own functions: each function of these modules raises on the calls that a plan names."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradwalk.recorder

WRITING = ("sink", "writer", "waiting", "retention", "pressure", "tensors")
"""Modules of ``gradwalk.recording`` whose functions the training thread calls."""
OTHERS = ("callsite", "builder")

Call = tuple[str, int]
"""A function's name and which call of it, counted from 1."""


CACHES = ("_cache", "_names", "_DTYPES", "_DEVICES")
"""Dictionaries of these modules that outlive a recording."""


class Injected(ZeroDivisionError):
    """A fault of ours."""


def modules() -> list[Any]:
    names = [f"gradwalk.recorder.{found.name}" for found in pkgutil.iter_modules(gradwalk.recorder.__path__)]
    names += [f"gradwalk.recording.{name}" for name in WRITING] + [f"gradwalk.{name}" for name in OTHERS]
    return [importlib.import_module(name) for name in names]


def forget() -> None:
    """Clear what our modules have cached, so that every recording calls the same functions."""
    for module in modules():
        for name, thing in vars(module).items():
            if name in CACHES and isinstance(thing, dict):
                thing.clear()
            elif hasattr(thing, "cache_clear"):
                thing.cache_clear()


class Faults:
    """Counts the calls of every function of ours in the training's threads; those that ``plan`` names raise."""

    def __init__(self, spared: frozenset[str]) -> None:
        self.plan: frozenset[Call] = frozenset()
        self.calls: Counter[str] = Counter()
        self.fired: set[Call] = set()
        self.spared = spared
        self.names: set[str] = set()

    def begin(self, plan: frozenset[Call] = frozenset()) -> None:
        self.plan, self.calls, self.fired = plan, Counter(), set()

    def _wrapped(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def faulty(*args: Any, **kwargs: Any) -> Any:
            if threading.current_thread().name != "gradwalk-writer":
                self.calls[name] += 1
                call = name, self.calls[name]
                if call in self.plan:
                    self.fired.add(call)
                    raise Injected(f"into call {call[1]} of {name}")
            return function(*args, **kwargs)

        return faulty

    @contextmanager
    def installed(self) -> Iterator[Faults]:
        """Stand in for every function of ours, under each name that any module of ours knows it by."""
        undo: list[tuple[Any, str, Any]] = []
        stand_ins: dict[Any, Any] = {}
        for module in modules():
            for owner, name, function, put in _functions_of(module):
                told = f"{owner.__name__.removeprefix('gradwalk.')}.{name}"
                if inspect.isclass(owner):
                    told = f"{module.__name__.removeprefix('gradwalk.')}.{told}"
                self.names.add(told)
                if told not in self.spared:
                    stand_ins[function] = self._wrapped(function, told)
                    if put is not None:
                        undo.append((owner, name, vars(owner)[name]))
                        setattr(owner, name, put(stand_ins[function]))
        undo += _replace_names(stand_ins)
        try:
            yield self
        finally:
            for owner, name, original in reversed(undo):
                if isinstance(owner, dict):
                    owner[name] = original
                else:
                    setattr(owner, name, original)
            forget()  # what was kept meanwhile may be a stand-in


def _functions_of(module: Any) -> Iterator[tuple[Any, str, Any, Any]]:
    """Owner, name, function, and for a method how it is put back into its class."""
    for name, thing in list(vars(module).items()):
        if getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(thing):
            yield module, name, thing, None
        elif inspect.isclass(thing):
            for method, value in list(vars(thing).items()):
                if inspect.isfunction(value):
                    yield thing, method, value, lambda function: function
                elif isinstance(value, property):
                    yield thing, method, value.fget, property
                elif isinstance(value, staticmethod | classmethod):
                    yield thing, method, value.__func__, type(value)


def _replace_names(stand_ins: dict[Any, Any]) -> list[tuple[Any, Any, Any]]:
    """Functions that were imported by name, or stand in a table of a module."""
    undo: list[tuple[Any, Any, Any]] = []
    for module in [module for name, module in list(sys.modules.items()) if name.split(".")[0] == "gradwalk"]:
        for name, thing in list(vars(module).items()):
            if inspect.isfunction(thing) and thing in stand_ins:
                undo.append((module, name, thing))
                setattr(module, name, stand_ins[thing])
            elif isinstance(thing, dict) and not name.startswith("__"):
                for key, value in list(thing.items()):
                    if inspect.isfunction(value) and value in stand_ins:
                        undo.append((thing, key, value))
                        thing[key] = stand_ins[value]
    return undo
