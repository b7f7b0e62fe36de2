"""Where a source file really is."""

from __future__ import annotations

import contextlib
import os

_STARTED_IN = ""
with contextlib.suppress(OSError):
    _STARTED_IN = os.path.realpath(os.getcwd())


def real_path(path: str) -> str:
    """``os.path.realpath``, or the path as seen from where we started: in a folder that was deleted a relative one has none."""
    try:
        return os.path.realpath(path)
    except OSError:
        return os.path.normpath(os.path.join(_STARTED_IN, path))
