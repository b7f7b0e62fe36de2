"""A layout can be given up while it is being made: its phases look now and then whether it still is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Check: TypeAlias = Callable[[], None]
"""Called between containers and between phases; raises LayoutCancelled where the layout is not wanted any more."""


class LayoutCancelled(Exception):  # noqa: N818 (nothing went wrong)
    """The layout was given up; nothing came of it."""


def never() -> None:
    """The check of a layout that nobody cancels."""


def check_of(cancelled: Callable[[], bool] | None) -> Check:
    """What looks at ``cancelled``."""
    if cancelled is None:
        return never

    def check() -> None:
        if cancelled():
            raise LayoutCancelled

    return check
