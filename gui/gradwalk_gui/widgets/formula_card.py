"""The formula card: maths with the live shape, or the live numbers, under every symbol."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QFontMetricsF, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from ..inspection.formula import Card, Row, Token, numbers_text
from ..numbers import NOT_YET
from ..panel import GRID, mix, phase_colour
from ..theme import Theme, font

SYMBOL, UNDER = 15, 11
PAD = 12
WRAPPED = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap
LINE = 14
"""Height of one line of shapes or numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A token at its place."""

    token: Token
    box: QRectF
    row: Row


class FormulaCard(QWidget):
    """Paints a Card; formulas wrap between their symbols where there is no room."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self._card: Card | None = None
        self._placed: dict[int, list[Placed]] = {}
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName("Formula")

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.update()

    def show_card(self, card: Card | None) -> None:
        """Show formulas; nothing for None."""
        self._card = card
        self._placed.clear()
        self.setVisible(card is not None)
        self.setAccessibleDescription(str(card) if card is not None else "")
        self.updateGeometry()
        self.update()

    def card(self) -> Card | None:
        """What is shown."""
        return self._card

    def hasHeightForWidth(self) -> bool:
        """Yes: the content wraps."""
        return True

    def heightForWidth(self, width: int) -> int:
        """The height that the content takes at a width."""
        if self._card is None:
            return 0
        if not self._card.rows:
            return self._sentence_box(width).height() + 2 * PAD
        placed = self._place(width)
        return round(max((p.box.bottom() for p in placed), default=PAD + 20) + PAD)

    def sizeHint(self) -> QSize:
        """The size to start from."""
        return QSize(240, self.heightForWidth(max(self.width(), 240)))

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, 40)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what is shown."""
        if self._card is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(self.theme.border), 1))
        painter.setBrush(QColor(self.theme.window))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        if not self._card.rows:
            painter.setFont(font(13))
            painter.setPen(QColor(self.theme.subtle))
            painter.drawText(self.rect().adjusted(PAD, 0, -PAD, 0), WRAPPED, self._card.sentence)
            return
        placed = self._place(self.width())
        self._paint_bars(painter, placed)
        for piece in placed:
            self._paint_token(painter, piece)

    def event(self, event: QEvent) -> bool:
        """Show tool tips."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            hit = next((p for p in self._place(self.width()) if p.token.about and p.box.contains(QPointF(event.pos()))), None)
            source = self._card.source if self._card is not None else ""
            QToolTip.showText(event.globalPos(), hit.token.about if hit is not None else source, self)
            return True
        return super().event(event)

    def _sentence_box(self, width: int) -> QRect:
        sentence = self._card.sentence if self._card is not None else ""
        return QFontMetrics(font(13)).boundingRect(QRect(0, 0, max(width - 2 * PAD, 40), 10_000), WRAPPED, sentence)

    def _place(self, width: int) -> list[Placed]:
        """The tokens of all rows, flowing left to right and wrapped at ``width``; worked out once for each width."""
        if width not in self._placed:
            self._placed[width] = self._flowed(width)
        return self._placed[width]

    def _flowed(self, width: int) -> list[Placed]:
        placed: list[Placed] = []
        top = float(PAD)
        for row in self._card.rows if self._card is not None else ():
            left, bottom = float(PAD + GRID), top
            for token in row.tokens:
                size = _size(token)
                space = 6.0 if token.space else 0.0
                if left + space + size.width() > width - PAD and left > PAD + GRID:
                    left, top, space = float(PAD + 3 * GRID), bottom + 4, 0.0
                wide = min(float(size.width()), max(width - PAD - left - space, 1.0))
                placed.append(Placed(token, QRectF(left + space, top, wide, size.height()), row))
                left += space + size.width()
                bottom = max(bottom, top + size.height())
            top = bottom + GRID
        return placed

    def _paint_bars(self, painter: QPainter, placed: list[Placed]) -> None:
        """The bar in the colour of the phase at the left of each row."""
        painter.setPen(Qt.PenStyle.NoPen)
        for row in self._card.rows if self._card is not None else ():
            boxes = [p.box for p in placed if p.row is row]
            if boxes:
                top, bottom = min(box.top() for box in boxes), max(box.bottom() for box in boxes)
                colour = phase_colour(row.phase, self.theme)
                painter.setBrush(QColor(colour) if row.now else mix(colour, self.theme.window, 0.35))
                painter.drawRoundedRect(QRectF(PAD - 3, top + 1, 3, bottom - top - 2), 1.5, 1.5)

    def _paint_token(self, painter: QPainter, piece: Placed) -> None:
        theme, token, box = self.theme, piece.token, piece.box
        known = bool(token.under)
        painter.setFont(_symbol_font(known))
        painter.setPen(QColor(theme.text if piece.row.now else theme.subtle))
        text = token.text
        if _size(token).width() > box.width():
            text = QFontMetricsF(_symbol_font(known)).elidedText(text, Qt.TextElideMode.ElideMiddle, box.width())
        painter.drawText(QRectF(box.left(), box.top(), box.width(), 20), Qt.AlignmentFlag.AlignCenter, text)
        under = QRectF(box.left(), box.top() + 20, box.width(), box.height() - 20)
        if token.numbers is not None:
            _paint_numbers(painter, under, numbers_text(token.numbers), theme)
        elif known:
            painter.setFont(font(UNDER, numbers=True))
            painter.setPen(QColor(theme.faint if NOT_YET in token.about else theme.subtle))
            painter.drawText(under, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, token.under)


def _symbol_font(known: bool) -> QFont:
    return font(SYMBOL, QFont.Weight.Medium if known else QFont.Weight.Normal, numbers=True)


def _size(token: Token) -> QSize:
    width = QFontMetricsF(_symbol_font(bool(token.under))).horizontalAdvance(token.text)
    measure = QFontMetricsF(font(UNDER, numbers=True)).horizontalAdvance
    if token.numbers is not None:
        texts = numbers_text(token.numbers)
        wide = sum(_column_widths(texts)) + 8 * (len(texts[0]) - 1) + 10
        return QSize(round(max(width, wide)) + 4, 20 + LINE * len(texts) + 2)
    if token.under:
        return QSize(round(max(width, measure(token.under))) + 4, 20 + LINE)
    return QSize(round(width) + 2, 20)


def _column_widths(texts: list[list[str]]) -> list[float]:
    measure = QFontMetricsF(font(UNDER, numbers=True)).horizontalAdvance
    return [max(measure(row[column]) for row in texts) for column in range(len(texts[0]))]


def _paint_numbers(painter: QPainter, box: QRectF, texts: list[list[str]], theme: Theme) -> None:
    """A small matrix in brackets; a single number without."""
    painter.setFont(font(UNDER, numbers=True))
    widths = _column_widths(texts)
    left = box.center().x() - (sum(widths) + 8 * (len(widths) - 1)) / 2
    painter.setPen(QColor(theme.accent))
    for line, row in enumerate(texts):
        at = left
        for text, width in zip(row, widths, strict=True):
            cell = QRectF(at, box.top() + line * LINE, width, LINE)
            painter.drawText(cell, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
            at += width + 8
    if len(texts) * len(widths) > 1:
        _paint_brackets(painter, left - 4, at - 4, box.top(), box.top() + LINE * len(texts), theme)


def _paint_brackets(painter: QPainter, left: float, right: float, top: float, bottom: float, theme: Theme) -> None:
    painter.setPen(QPen(QColor(theme.subtle), 1))
    for edge, inward in ((left, 3.0), (right, -3.0)):
        painter.drawPolyline(
            [QPointF(edge + inward, top), QPointF(edge, top), QPointF(edge, bottom), QPointF(edge + inward, bottom)]
        )
