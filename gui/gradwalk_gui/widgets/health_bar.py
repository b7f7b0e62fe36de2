"""One bar: how much of a tensor is negative, zero, positive, -Inf, +Inf, NaN; with the numbers under it."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from ..inspection.elements import Health
from ..theme import Theme, font
from .diverging import NEGATIVE, POSITIVE

BAR, LINE, SWATCH = 12, 18, 8


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of the bar."""

    label: str
    number: int
    colour: str
    hatched: bool = False


class HealthBar(QWidget):
    """Paints a Health."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self._health: Health | None = None
        self._heights: dict[int, int] = {}
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName("Health")

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.update()

    def show_health(self, health: Health | None) -> None:
        """Show the counts; nothing for None."""
        self._health = health
        self._heights.clear()
        self.setVisible(health is not None)
        self.setAccessibleDescription(", ".join(f"{part.label} {part.number}" for part in self.parts()))
        self.setToolTip("\n".join(f"{part.label}: {part.number:,} ({self._share(part):.2%})" for part in self.parts()))
        self.updateGeometry()
        self.update()

    def parts(self) -> list[Part]:
        """The pieces, from left to right; only those that there are."""
        health, theme = self._health, self.theme
        if health is None:
            return []
        made = [
            Part("-Inf", health.minus_inf, theme.bad, True),
            Part("negative", health.negative, NEGATIVE[theme.dark]),
            Part("zero", health.zero, theme.ghost),
            Part("not zero", health.unsplit, theme.other),
            Part("positive", health.positive, POSITIVE[theme.dark]),
            Part("+Inf", health.plus_inf, theme.bad, True),
            Part("NaN", health.nan, theme.bad, True),
        ]
        return [part for part in made if part.number]

    def hasHeightForWidth(self) -> bool:
        """Yes: the content wraps."""
        return True

    def heightForWidth(self, width: int) -> int:
        """The height that the content takes at a width; worked out once for each, as layouts ask many times."""
        if width not in self._heights:
            self._heights[width] = BAR + 6 + LINE * len(self._lines(width))
        return self._heights[width]

    def sizeHint(self) -> QSize:
        """The size to start from."""
        return QSize(200, self.heightForWidth(max(self.width(), 200)))

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, BAR)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what is shown."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_bar(painter)
        for row, line in enumerate(self._lines(self.width())):
            self._paint_legend(painter, line, BAR + 6 + row * LINE)

    def _share(self, part: Part) -> float:
        return part.number / self._health.total if self._health is not None and self._health.total else 0.0

    def _paint_bar(self, painter: QPainter) -> None:
        left = 0.0
        parts = self.parts()
        # every part is at least 3 px wide, so that one NaN among millions is seen
        room = self.width() - 3 * len(parts)
        for part in parts:
            width = 3 + room * self._share(part)
            box = QRectF(left, 0, max(width - 1, 2), BAR)
            painter.fillRect(box, QColor(part.colour))
            if part.hatched:
                painter.fillRect(box, QBrush(QColor(self.theme.panel), Qt.BrushStyle.DiagCrossPattern))
            left += width

    def _lines(self, width: int) -> list[list[tuple[Part, int]]]:
        lines: list[list[tuple[Part, int]]] = []
        used = width
        for part in self.parts():
            room = self._legend_width(part)
            if not lines or used + room > width:
                lines.append([])
                used = 0
            lines[-1].append((part, used))
            used += room
        return lines

    def _legend_width(self, part: Part) -> int:
        return SWATCH + 5 + QFontMetrics(font(11)).horizontalAdvance(self._legend_text(part)) + 14

    @staticmethod
    def _legend_text(part: Part) -> str:
        return f"{part.label} {part.number:,}"

    def _paint_legend(self, painter: QPainter, line: list[tuple[Part, int]], top: int) -> None:
        painter.setFont(font(11))
        for part, left in line:
            box = QRectF(left, top + (LINE - SWATCH) / 2, SWATCH, SWATCH)
            painter.fillRect(box, QColor(part.colour))
            if part.hatched:
                painter.fillRect(box, QBrush(QColor(self.theme.panel), Qt.BrushStyle.DiagCrossPattern))
            painter.setPen(QPen(QColor(self.theme.bad if part.hatched else self.theme.subtle)))
            place = QRectF(left + SWATCH + 5, top, self._legend_width(part), LINE)
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self._legend_text(part))
