"""The line over a panel's table: controls, a text that takes what is left, more controls."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from ..panel import GRID


def head(before: Iterable[QWidget], text: QWidget, after: Iterable[QWidget] = ()) -> QHBoxLayout:
    """The line."""
    row = QHBoxLayout()
    row.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
    row.setSpacing(GRID // 2)
    for widget in before:
        row.addWidget(widget)
    row.addWidget(text, 1)
    for widget in after:
        row.addWidget(widget)
    return row


def fill(panel: QWidget, line: QHBoxLayout, *pages: QWidget) -> tuple[QVBoxLayout, QStackedLayout]:
    """Fill a panel with its line and, below it, one of several pages; the layouts of both."""
    page = QWidget(panel)
    stacked = QStackedLayout(page)
    for one in pages:
        stacked.addWidget(one)
    column = QVBoxLayout(panel)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    column.addLayout(line)
    column.addWidget(page, 1)
    return column, stacked
