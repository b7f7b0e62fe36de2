"""What a tool bar has no room for: it goes, the least needed first, into the menu of a button that can be seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QSize
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QToolBar, QToolButton

Entries = tuple[str, Callable[[], Sequence[QAction]]]
"""What stands in the menu for a thing of the bar, asked when the menu opens; of several under a title."""
RESERVE = 12
"""Pixels of the bar that are left alone, so that Qt never hides anything of its own."""


class More(QToolButton):
    """The button at the bar's end; its menu holds the commands of what was left out."""

    def __init__(self, bar: QToolBar) -> None:
        super().__init__(bar)
        self.setObjectName("more")
        self.setIconSize(QSize(20, 20))
        self.setToolTip("More of the tool bar")
        self.setAccessibleName("More of the tool bar")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._left_out: Sequence[Entries] = ()
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self.fill)
        self.setMenu(self._menu)

    def hold(self, left_out: Sequence[Entries]) -> None:
        """What the menu has entries of from now on."""
        self._left_out = left_out

    def fill(self) -> list[QAction]:
        """Fill the menu; its entries, and those of its menus."""
        self._menu.clear()
        found: list[QAction] = []
        for title, entries in self._left_out:
            actions = list(entries())
            menu = self._menu if len(actions) == 1 else self._menu.addMenu(title)
            menu.addActions(actions)
            found += actions
        return found


def gone_of(widths: Sequence[int], room: int, more: int) -> list[int]:
    """Which of the things that may go, of these ``widths`` and the least needed first, must go into the menu.

    ``room`` is what all of them have together, ``more`` the width of the button that is needed then. What still has room beside
    a wide one that had to go comes back.
    """
    left = room - sum(widths)
    if left >= 0:
        return []
    left -= more
    gone: list[int] = []
    for number, width in enumerate(widths):
        if left < 0:
            left += width
            gone.append(number)
    for number in reversed(gone[:-1]):
        if widths[number] <= left:
            left -= widths[number]
            gone.remove(number)
    return gone
