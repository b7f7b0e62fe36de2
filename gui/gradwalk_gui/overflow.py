"""What a tool bar has no room for: it goes, the least needed first, into the menu of a button that can be seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QSize
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QToolBar, QToolButton

Entries = Callable[[], Sequence[QAction]]
"""What stands in the menu for a thing of the bar; asked when the menu opens."""
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
        """Fill the menu; its entries."""
        self._menu.clear()
        for entries in self._left_out:
            if not self._menu.isEmpty():
                self._menu.addSeparator()
            for action in entries():
                self._menu.addAction(action)
        return [action for action in self._menu.actions() if not action.isSeparator()]


def fitting(widths: Sequence[int], room: int, more: int) -> int:
    """How many of the things that may go, of these ``widths`` and the least needed first, must go into the menu.

    ``room`` is what all of them have together, ``more`` the width of the button that is needed then.
    """
    if sum(widths) <= room:
        return 0
    left = sum(widths) + more
    for number, width in enumerate(widths, 1):
        left -= width
        if left <= room:
            return number
    return len(widths)
