"""How Python behaves while a worker builds something large beside the window, so that the window does not stand still.

Two things would hold it up. The interpreter is handed on only every 5 ms: painting lets go of it and wants it back at every call
of Qt, so that a frame of a few hundred calls would take seconds. And the collector of cycles looks through all that lives, in
one go of up to a second; what is built here has no cycles, and is set aside (``gc.freeze``) when it is there.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH, USUAL = 1e-5, sys.getswitchinterval()
"""Seconds after which the interpreter is handed to a thread that waits for it: while a worker builds, and else."""

_lock = threading.Lock()
_inside: list[bool] = []
"""One entry per worker that builds; the first says whether the collector was on before."""
_handing: list[None] = []
"""One entry per worker that hands the interpreter on at once."""


@contextmanager
def window_first() -> Iterator[None]:
    """While this is open in a worker, the window comes first. Several workers may be inside."""
    with _lock:
        _inside.append(gc.isenabled() if not _inside else _inside[0])
        gc.disable()
    try:
        with handing_over():
            yield
    finally:
        with _lock:
            was_on = _inside.pop()
            if not _inside:
                gc.freeze()
                if was_on:
                    gc.enable()


@contextmanager
def handing_over() -> Iterator[None]:
    """While this is open in a worker, the interpreter is handed on as soon as another thread wants it."""
    with _lock:
        _handing.append(None)
        sys.setswitchinterval(min(SWITCH, USUAL))
    try:
        yield
    finally:
        with _lock:
            _handing.pop()
            if not _handing:
                sys.setswitchinterval(USUAL)
