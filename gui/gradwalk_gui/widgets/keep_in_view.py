"""A row that is in view stays in view when its list becomes lower."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView


def keep_in_view(view: QAbstractItemView, row: QModelIndex, event: QResizeEvent) -> None:
    """Call in the resize event of the panel around a list. A row that was out of view, scrolled away from, stays so."""
    lost = event.oldSize().height() - event.size().height()
    before = view.viewport().rect().adjusted(0, 0, 0, max(lost, 0))  # the list has its new size already
    if row.isValid() and lost > 0 and before.contains(view.visualRect(row).center()):
        view.scrollTo(row)
