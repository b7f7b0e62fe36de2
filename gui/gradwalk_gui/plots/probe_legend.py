"""The legend of the probes: a row each with its line, name, figure, number at the playhead and a button that removes it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QActionGroup, QColor, QContextMenuEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QLabel, QMenu, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from ..icons import themed
from ..panel import GRID
from ..probes import FIGURES, Figure, Probe
from ..theme import Theme, font
from ..widgets.own_keys import Button
from ..widgets.text import ElidedLabel
from .probe_plot import pen_of

NUMBER_FROM, FIGURE_FROM = 190, 250
"""Widths from which a row has room for its number, and for its figure."""


class Sample(QWidget):
    """A short piece of a line."""

    def __init__(self, pen: QPen, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.pen = pen
        self.setFixedSize(20, 12)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The line."""
        painter = QPainter(self)
        pen = QPen(self.pen)
        pen.setWidthF(2.0)
        painter.setPen(pen)
        painter.drawLine(QPointF(1, self.height() / 2), QPointF(self.width() - 1, self.height() / 2))


class Row(QWidget):
    """One probe. ``clicked`` is a click on its name."""

    clicked = Signal()
    removed = Signal()
    all_removed = Signal()
    changed = Signal(str)
    """Another figure."""

    def __init__(self, probe: Probe, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.probe = probe
        self.sample = Sample(pen_of(theme, probe.ink), self)
        self.name = ElidedLabel(Qt.TextElideMode.ElideMiddle, self)
        self.name.set_full_text(probe.name)
        self.name.setCursor(Qt.CursorShape.PointingHandCursor)
        self.figure = Button(self)
        self.figure.setText(FIGURES[probe.figure])
        self.figure.setToolTip("What is plotted")
        self.figure.setAccessibleName(f"What is plotted of {probe.name}: {FIGURES[probe.figure]}")
        self.figure.clicked.connect(lambda: self.menu().popup(self.figure.mapToGlobal(self.figure.rect().bottomLeft())))
        self.number = QLabel(self)
        self.number.setFont(font(11, numbers=True))
        self.number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.remove = Button(self)
        self.remove.setIcon(themed("close", theme))
        self.remove.setIconSize(QSize(12, 12))
        self.remove.setToolTip("Remove probe")
        self.remove.setAccessibleName(f"Remove probe {probe.name}")
        self.remove.clicked.connect(self.removed)
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID // 2, 0, 0, 0)
        row.setSpacing(GRID // 2)
        row.addWidget(self.sample)
        row.addWidget(self.name, 1)
        for widget in (self.figure, self.number, self.remove):
            row.addWidget(widget)
        high = max(22, self.fontMetrics().height() + 4)
        for button in (self.figure, self.remove):
            button.setFixedHeight(high)
            button.setFont(font(11))
        widest = max(self.figure.fontMetrics().horizontalAdvance(name) for name in FIGURES.values())
        self.figure.setFixedWidth(widest + 2 * GRID)
        self.number.setMinimumWidth(self.number.fontMetrics().horizontalAdvance("-1.23e-10"))
        self.setFixedHeight(high)

    def menu(self) -> QMenu:
        """What can be plotted instead, and the end of it."""
        menu = QMenu(self)
        menu.aboutToHide.connect(menu.deleteLater)
        group = QActionGroup(menu)
        for figure in self.probe.figures:
            action = group.addAction(FIGURES[figure])
            action.setCheckable(True)
            action.setChecked(figure == self.probe.figure)
            action.triggered.connect(partial(self.changed.emit, figure))
        menu.addActions(group.actions())
        menu.addSeparator()
        menu.addAction("Remove probe", self.removed.emit)
        menu.addAction("Remove all probes", self.all_removed.emit)
        return menu

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """The same menu."""
        self.menu().popup(event.globalPos())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select the thing."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit()


class ProbeLegend(QScrollArea):
    """Rows of probes, and a switch for the loss behind them."""

    clicked = Signal(object)
    removed = Signal(object)
    all_removed = Signal()
    changed = Signal(object, str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.rows: list[Row] = []
        self._shown: tuple[tuple[Probe, ...], Theme | None] = ((), None)
        self.loss = QCheckBox("loss behind")
        self.loss.setFont(font(11))
        self.loss.setChecked(True)
        self.loss.setAccessibleName("Show the loss behind the probes")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Ignored)
        self.setAccessibleName("Legend of probes")
        sheet = QWidget()
        sheet.setObjectName("sheet")
        self._column = QVBoxLayout(sheet)
        self._column.setContentsMargins(0, 0, GRID // 2, 0)
        self._column.setSpacing(0)
        self._column.addWidget(self.loss)
        self._column.addStretch(1)
        self.setWidget(sheet)

    def show_probes(self, probes: Sequence[Probe], theme: Theme) -> None:
        """A row for each; rows that are there already stay as they are."""
        if (tuple(probes), theme) == self._shown:
            return
        self._shown, self.theme = (tuple(probes), theme), theme
        for row in self.rows:
            row.hide()
            row.deleteLater()
        self.rows = []
        for probe in probes:
            row = Row(probe, theme, self.widget())
            row.clicked.connect(partial(self.clicked.emit, probe))
            row.removed.connect(partial(self.removed.emit, probe))
            row.all_removed.connect(self.all_removed)
            row.changed.connect(partial(self._change, probe))
            self._column.insertWidget(len(self.rows), row)
            self.rows.append(row)
        self._fit()

    def show_numbers(self, numbers: Sequence[str], selected: Sequence[bool]) -> None:
        """The number of each at the playhead's step; the one that is selected stands out."""
        for row, text, is_selected in zip(self.rows, numbers, selected, strict=True):
            row.number.setText(text)
            row.setToolTip(f"{row.probe.name}: {FIGURES[row.probe.figure]} {text}")
            row.name.setStyleSheet(f"color: {self.theme.accent if is_selected else self.theme.text};")
            row.number.setStyleSheet(f"color: {QColor(self.theme.subtle).name()};")

    def set_width(self, width: int) -> None:
        """Take so much room."""
        self.setFixedWidth(width)
        self._fit()

    def _fit(self) -> None:
        for row in self.rows:
            row.number.setVisible(self.width() >= NUMBER_FROM)
            row.figure.setVisible(self.width() >= FIGURE_FROM)

    def _change(self, probe: Probe, figure: Figure) -> None:
        self.changed.emit(probe, figure)
