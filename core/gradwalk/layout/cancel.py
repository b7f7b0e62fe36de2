"""A layout can be given up while it is being made: its phases look now and then whether it still is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

Check: TypeAlias = Callable[[], None]
"""Called between containers and between phases; raises LayoutCancelled where the layout is not wanted any more."""
Item = TypeVar("Item")
EVERY = 128
"""Items between two looks."""


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


def watched(items: Iterable[Item], check: Check) -> Iterator[Item]:
    """The items, with a look now and then whether they are still wanted."""
    for number, item in enumerate(items):
        if not number % EVERY:
            check()
        yield item
