"""Gradwalk: a debugger and visualizer of backprop. This package is the recorder and everything else without Qt."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {"record": "api", "open_recording": "recording.reader", "end_step": "numpy_tape"}


def __getattr__(name: str) -> Any:
    """The public names, each imported when it is first asked for; their types are in ``__init__.pyi``."""
    if name == "reference":
        return import_module(".reference", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "reference"})
