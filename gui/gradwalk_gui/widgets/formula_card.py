"""The formula card: maths with the live shape, or the live numbers, under every symbol."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QFontMetricsF, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from gradwalk.trace import TensorKey

from ..inspection.formula import Card, Row, Token, numbers_text
from ..numbers import NOT_YET
from ..panel import GRID, mix, phase_colour
from ..theme import Theme, font

SYMBOL, UNDER, ROLE_SIZE = 15, 11, 10
PAD = 12
WRAPPED = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap
LINE = 14
"""Height of one line of shapes or numbers."""
ROLE = 14
"""Height of the line over a backward formula that says what comes in, what is local and what goes out."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A token at its place."""

    token: Token
    box: QRectF
    row: Row
    fits: bool = True
    """Whether its text has room."""


class FormulaCard(QWidget):
    """Paints a Card; formulas wrap between their symbols where there is no room."""

    element_chosen = Signal(object, object)
    """The key of a gradient and the index of the number of it that was clicked."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self._card: Card | None = None
        self._placed: dict[int, list[Placed]] = {}
        self._heights: dict[int, int] = {}
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName("Formula")
        self.setMouseTracking(True)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.update()

    def show_card(self, card: Card | None) -> None:
        """Show formulas; nothing for None."""
        self._card = card
        self._placed.clear()
        self._heights.clear()
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
        """The height that the content takes at a width; worked out once for each, as layouts ask many times."""
        if width not in self._heights:
            self._heights[width] = self._height_at(width)
        return self._heights[width]

    def _height_at(self, width: int) -> int:
        if self._card is None:
            return 0
        if not self._card.rows:
            return self._sentence_box(width).height() + 2 * PAD
        return round(max((piece.box.bottom() for piece in self._place(width)), default=PAD + 20) + PAD)

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

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """A hand over a number that can be written out."""
        hand = self._element_at(event.position()) is not None
        self.setCursor(Qt.CursorShape.PointingHandCursor if hand else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click on a number of a gradient chooses that element."""
        found = self._element_at(event.position())
        if found is not None and event.button() == Qt.MouseButton.LeftButton:
            self.element_chosen.emit(*found)

    def _element_at(self, point: QPointF) -> tuple[TensorKey, tuple[int, ...]] | None:
        """The outgoing gradient and the index of its number at a point."""
        for piece in self._place(self.width()):
            token = piece.token
            if token.role != "outgoing" or token.key is None or token.numbers is None or not piece.box.contains(point):
                continue
            for row, line in enumerate(number_cells(_under(piece.box), numbers_text(token.numbers))):
                for column, cell in enumerate(line):
                    if cell.adjusted(-4, 0, 4, 0).contains(point):
                        return token.key, (row, column)[2 - token.dimensions :]
        return None

    def _place(self, width: int) -> list[Placed]:
        """The tokens of all rows, flowing left to right and wrapped at ``width``; worked out once for each width."""
        if width not in self._placed:
            self._placed[width] = self._flowed(width)
        return self._placed[width]

    def _flowed(self, width: int) -> list[Placed]:
        placed: list[Placed] = []
        top = float(PAD)
        for row in self._card.rows if self._card is not None else ():
            roles = ROLE if row.now and any(token.role for token in row.tokens) else 0
            top += roles
            left, bottom = float(PAD + GRID), top
            for token in row.tokens:
                size = _size(token)
                space = 6.0 if token.space else 0.0
                if left + space + size.width() > width - PAD and left > PAD + GRID:
                    left, top, space = float(PAD + 3 * GRID), bottom + 4 + roles, 0.0
                wide = min(float(size.width()), max(width - PAD - left - space, 1.0))
                placed.append(Placed(token, QRectF(left + space, top, wide, size.height()), row, size.width() <= wide))
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
        if not piece.fits:
            text = QFontMetricsF(_symbol_font(known)).elidedText(text, Qt.TextElideMode.ElideMiddle, box.width())
        painter.drawText(QRectF(box.left(), box.top(), box.width(), 20), Qt.AlignmentFlag.AlignCenter, text)
        if token.role and piece.row.now:
            painter.setFont(font(ROLE_SIZE))
            painter.setPen(QColor(theme.forward if token.role == "local" else theme.backward))
            painter.drawText(
                QRectF(box.left(), box.top() - ROLE + 2, box.width(), ROLE), Qt.AlignmentFlag.AlignCenter, token.role
            )
        under = _under(box)
        if token.numbers is not None:
            _paint_numbers(painter, under, numbers_text(token.numbers), theme)
        elif known:
            painter.setFont(font(UNDER, numbers=True))
            painter.setPen(QColor(theme.faint if NOT_YET in token.about else theme.subtle))
            painter.drawText(under, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, token.under)


def _under(box: QRectF) -> QRectF:
    """Where shape or numbers stand in the box of a token."""
    return QRectF(box.left(), box.top() + 20, box.width(), box.height() - 20)


def _symbol_font(known: bool) -> QFont:
    return font(SYMBOL, QFont.Weight.Medium if known else QFont.Weight.Normal, numbers=True)


def _size(token: Token) -> QSize:
    width = QFontMetricsF(_symbol_font(bool(token.under))).horizontalAdvance(token.text)
    width = max(width, QFontMetricsF(font(ROLE_SIZE)).horizontalAdvance(token.role))
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


def number_cells(box: QRectF, texts: list[list[str]]) -> list[list[QRectF]]:
    """Where the numbers of a small matrix stand in a box."""
    widths = _column_widths(texts)
    left = box.center().x() - (sum(widths) + 8 * (len(widths) - 1)) / 2
    starts = [left + sum(widths[:column]) + 8 * column for column in range(len(widths))]
    return [
        [QRectF(start, box.top() + line * LINE, width, LINE) for start, width in zip(starts, widths, strict=True)]
        for line in range(len(texts))
    ]


def _paint_numbers(painter: QPainter, box: QRectF, texts: list[list[str]], theme: Theme) -> None:
    """A small matrix in brackets; a single number without."""
    painter.setFont(font(UNDER, numbers=True))
    painter.setPen(QColor(theme.accent))
    cells = number_cells(box, texts)
    for row, line in zip(texts, cells, strict=True):
        for text, cell in zip(row, line, strict=True):
            painter.drawText(cell, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
    first, last = cells[0][0], cells[-1][-1]
    if first is not last:
        _paint_brackets(painter, first.left() - 4, last.right() + 4, box.top(), box.top() + LINE * len(texts), theme)


def _paint_brackets(painter: QPainter, left: float, right: float, top: float, bottom: float, theme: Theme) -> None:
    painter.setPen(QPen(QColor(theme.subtle), 1))
    for edge, inward in ((left, 3.0), (right, -3.0)):
        painter.drawPolyline(
            [QPointF(edge + inward, top), QPointF(edge, top), QPointF(edge, bottom), QPointF(edge + inward, bottom)]
        )
