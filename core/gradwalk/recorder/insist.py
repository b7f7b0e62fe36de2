"""Undoing what we did to torch, whatever happens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any


def insist(undo: Callable[..., None], *arguments: Any) -> None:
    """Undo; after a fault once more. None of ours may keep the other hooks in place, nor reach the user."""
    for _ in range(2):
        with contextlib.suppress(Exception):
            undo(*arguments)
            return
