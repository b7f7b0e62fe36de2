"""Statistics of several tensors side by side: min, max, mean, RMS, NaN, Inf, zeros."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QFontMetrics, QGuiApplication, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QMenu, QSizePolicy, QWidget

from gradwalk.tape import Stats

from ..numbers import NOT_COUNTED, number
from ..theme import Theme, font

ROWS = ("min", "max", "mean", "RMS", "NaN", "Inf", "zeros")
LINE, NAMES, COLUMN, GAP = 20, 48, 104, 12
BAD_ROWS = ("NaN", "Inf")


@dataclass(frozen=True, slots=True)
class Column:
    """One tensor: its label, its shape and its seven texts; or one text over all rows. ``bad``: it has NaN or Inf."""

    label: str
    shape: str
    texts: tuple[str, ...]
    colour: str
    sentence: str = ""


def texts_of(stats: Stats) -> tuple[str, ...]:
    """The seven texts of a column."""
    counts = (stats.nan, stats.inf, stats.zero)
    numbers = (number(value) if value == value or stats.nan else NOT_COUNTED for value in _values(stats))
    return (*numbers, *(NOT_COUNTED if value is None else f"{value:,}" for value in counts))


def _values(stats: Stats) -> tuple[float, float, float, float]:
    return stats.min, stats.max, stats.mean, stats.rms


def _rows(block: tuple[Column, ...]) -> tuple[str, ...]:
    """The names of the rows; where no column has a number, one nameless row for the sentences."""
    return ROWS if any(column.texts for column in block) else ("",)


class StatsTable(QWidget):
    """Paints columns; they wrap to further rows of columns where there is no room."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self._columns: tuple[Column, ...] = ()
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName("Statistics")

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.update()

    def show_columns(self, columns: tuple[Column, ...]) -> None:
        """Show some tensors' statistics."""
        self._columns = columns
        self.setVisible(bool(columns))
        self.setAccessibleDescription(self.text())
        self.setToolTip("\n".join(f"{column.label}  {column.shape}" for column in columns))
        self.updateGeometry()
        self.update()

    def columns(self) -> tuple[Column, ...]:
        """What is shown."""
        return self._columns

    def text(self) -> str:
        """The table as text with tabs."""
        lines = ["\t".join(["", *(column.label for column in self._columns)])]
        for row, name in enumerate(ROWS):
            lines.append("\t".join([name, *(c.texts[row] if c.texts else c.sentence for c in self._columns)]))
        return "\n".join(lines)

    def hasHeightForWidth(self) -> bool:
        """Yes: the content wraps."""
        return True

    def heightForWidth(self, width: int) -> int:
        """The height that the content takes at a width."""
        blocks = self._blocks(width)
        return sum(self._height_of(block) + GAP for block in blocks) - GAP * bool(blocks)

    def sizeHint(self) -> QSize:
        """The size to start from."""
        return QSize(240, self.heightForWidth(max(self.width(), 240)))

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, LINE)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer to copy."""
        menu = QMenu(self)
        menu.addAction("Copy", lambda: QGuiApplication.clipboard().setText(self.text()))
        menu.exec(event.globalPos())
        menu.deleteLater()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what is shown."""
        painter = QPainter(self)
        blocks = self._blocks(self.width())
        top = 0
        for block in blocks:
            wide = min((self.width() - NAMES) // max(len(blocks[0]), 1), 2 * COLUMN)
            self._paint_names(painter, block, top)
            for place, column in enumerate(block):
                self._paint_column(painter, column, _rows(block), NAMES + place * wide, top, wide)
            top += self._height_of(block) + GAP

    def _blocks(self, width: int) -> list[tuple[Column, ...]]:
        """The columns, as many beside each other as there is room for."""
        several = self._per_block(width)
        return [self._columns[start : start + several] for start in range(0, len(self._columns), several)]

    @staticmethod
    def _height_of(block: tuple[Column, ...]) -> int:
        return LINE * (len(_rows(block)) + 2)

    @staticmethod
    def _per_block(width: int) -> int:
        return max(1, (width - NAMES) // COLUMN)

    def _paint_names(self, painter: QPainter, block: tuple[Column, ...], top: int) -> None:
        painter.setFont(font(12))
        for row, name in enumerate(_rows(block)):
            below = top + LINE * (row + 2)
            painter.setPen(QPen(QColor(self.theme.border), 1))
            painter.drawLine(0, below, self.width(), below)
            painter.setPen(QColor(self.theme.subtle))
            painter.drawText(0, below, NAMES, LINE, Qt.AlignmentFlag.AlignVCenter, name)

    def _paint_column(self, painter: QPainter, column: Column, rows: tuple[str, ...], left: int, top: int, wide: int) -> None:
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.setFont(font(12))
        painter.setPen(QColor(column.colour))
        label = QFontMetrics(font(12)).elidedText(column.label, Qt.TextElideMode.ElideMiddle, wide - 12)
        painter.drawText(left + 6, top, wide - 6, LINE, right, label)
        painter.setFont(font(11, numbers=True))
        painter.setPen(QColor(self.theme.subtle))
        shape = QFontMetrics(font(11, numbers=True)).elidedText(column.shape, Qt.TextElideMode.ElideRight, wide - 12)
        painter.drawText(left + 6, top + LINE - 2, wide - 6, LINE, right, shape)
        for row, name in enumerate(rows):
            text = column.texts[row] if column.texts else (column.sentence if row == 0 else "")
            self._paint_text(painter, text, left + 6, top + LINE * (row + 2), wide - 6, name)

    def _paint_text(self, painter: QPainter, text: str, left: int, top: int, wide: int, name: str) -> None:
        is_number = text[:1].isdigit() or text[:1] == "-" or text in ("NaN", "Inf")
        bad = text in ("NaN", "Inf", "-Inf") or (name in BAD_ROWS and text not in ("0", NOT_COUNTED, ""))
        painter.setFont(font(12 if is_number else 11, numbers=is_number))
        painter.setPen(QColor(self.theme.bad if bad and is_number else self.theme.text if is_number else self.theme.faint))
        painter.drawText(left, top, wide, LINE, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
