"""Undoing what we did to torch, whatever happens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

_TIMES = 12
"""More than the faults after which recording is off."""


def insist(undo: Callable[..., None], *arguments: Any) -> None:
    """Undo; after a fault again. None of ours may keep the other hooks in place, nor reach the user."""
    for _ in range(_TIMES):
        with contextlib.suppress(Exception):
            undo(*arguments)
            return
