"""Paints the rows of the events list: done rows full, pending ones pale, the playhead between two rows."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetrics, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QTreeView, QWidget

from ..check_mark import paint_mark
from ..inspection.rows import EventRow
from ..panel import PHASE_MARKS, mix, phase_colour
from ..theme import Theme, font, magnitude_colour
from .event_model import CHECK, INDEX, NAME, PHASE, RMS, VARIABLE, EventModel

HEIGHT = 26
MARK = 15.0
GAP = 7
"""Between a name and the variable behind it."""
LEAST = 36
"""A variable behind a name that has less room than this is left out, unless all of it fits."""
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


class EventDelegate(QStyledItemDelegate):
    """Paints cells; ``chosen`` holds the tape positions of what the session has selected."""

    def __init__(self, model: EventModel, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.chosen: frozenset[int] = frozenset()
        self._model = model

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """The size to start from."""
        return QSize(40, HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        """Paint one cell."""
        row = self._model.row_at(index.row())
        box = QRectF(option.rect)
        painter.save()
        painter.setClipRect(box)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_ground(painter, box, row, option)
        run = self._model.has_run(row)
        if index.column() == PHASE:
            self._paint_phase(painter, box, row, run)
        elif index.column() == RMS:
            self._paint_rms(painter, box, row, run)
            room = self._name_room(box, row, run, option.widget)  # a name may reach into this column
            if room is not None and room.right() > box.left():
                self._paint_event(painter, room, row, run)
        elif index.column() == NAME:
            self._paint_event(painter, self._name_room(box, row, run, option.widget) or box.adjusted(4, 0, -6, 0), row, run)
        elif index.column() == CHECK:
            paint_mark(painter, self.theme, self._model.mark_of(row), box.center(), MARK, there=run)
        else:
            self._paint_text(painter, box, row, index.column(), run)
        self._paint_playhead(painter, box, index.row(), index.column())
        painter.restore()

    def _paint_ground(self, painter: QPainter, box: QRectF, row: EventRow, option: QStyleOptionViewItem) -> None:
        theme = self.theme
        if row.position in self.chosen:
            painter.fillRect(box, mix(theme.accent, theme.panel, 0.22))
        elif row.position == self._model.position - 1:
            painter.fillRect(box, mix(phase_colour(row.phase, theme), theme.panel, 0.16))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(box, QColor(theme.hover))
        elif self._model.has_run(row):
            painter.fillRect(box, mix(phase_colour(row.phase, theme), theme.panel, 0.05))

    def _paint_phase(self, painter: QPainter, box: QRectF, row: EventRow, run: bool) -> None:
        """A dot with the mark of the phase: filled once the event has run, hollow before."""
        colour = QColor(phase_colour(row.phase, self.theme))
        disc = QRectF(box.center().x() - 8, box.center().y() - 8, 16, 16)
        painter.setPen(QPen(colour if run else mix(colour.name(), self.theme.panel, 0.6), 1.25))
        painter.setBrush(colour if run else QBrush(Qt.BrushStyle.NoBrush))
        painter.drawEllipse(disc.adjusted(0.5, 0.5, -0.5, -0.5))
        painter.setPen(QColor(self.theme.panel) if run else mix(colour.name(), self.theme.panel, 0.8))
        painter.setFont(font(11, QFont.Weight.Bold))
        painter.drawText(disc, Qt.AlignmentFlag.AlignCenter, PHASE_MARKS[row.phase])

    def _name_room(self, box: QRectF, row: EventRow, run: bool, view: QWidget | None) -> QRectF | None:
        """In a narrow list a name has the room up to the figure of its row; None where it has its own column alone."""
        if not self._model.narrow or not isinstance(view, QTreeView):
            return None
        left, end = view.columnViewportPosition(NAME), view.columnViewportPosition(RMS)
        if end != left + view.columnWidth(NAME):  # the columns were moved
            return None
        figure = self._figure_width(row, run, view.columnWidth(RMS))
        right = end + view.columnWidth(RMS) - figure
        return QRectF(left + 4, box.top(), max(right - 6 - left - 4, 0), box.height())

    def _figure_width(self, row: EventRow, run: bool, column: int) -> int:
        text = self._model.text_of(row, RMS)
        if not text:
            return 0
        return column if _is_number(text, run) else QFontMetrics(font(11)).horizontalAdvance(text) + 8

    def _paint_event(self, painter: QPainter, room: QRectF, row: EventRow, run: bool) -> None:
        reached = run or row.position == self._model.position
        painter.setPen(QColor(self.theme.text if reached else self.theme.faint))
        self._paint_name(painter, self._paint_tag(painter, room, row.bad) if row.bad and run else room, row, reached)

    def _paint_text(self, painter: QPainter, box: QRectF, row: EventRow, column: int, run: bool) -> None:
        theme, room = self.theme, box.adjusted(4, 0, -6, 0)
        reached = run or row.position == self._model.position
        painter.setPen(QColor(theme.subtle if reached else theme.faint))
        painter.setFont(font(12 if column == VARIABLE else 11, numbers=True))
        shown = QFontMetrics(painter.font()).elidedText(
            self._model.text_of(row, column), Qt.TextElideMode.ElideMiddle, int(room.width())
        )
        painter.drawText(room, _RIGHT if column == INDEX else _LEFT, shown)

    def texts_in(self, row: EventRow, width: int) -> tuple[str, str]:
        """The name, and in a narrow list what has room of the variable behind it: its end (``fc1.weight``), if any."""
        near = row.position - self._model.position in (-1, 0)
        measure = QFontMetrics(name_font(near))
        name = measure.elidedText(row.name, Qt.TextElideMode.ElideRight, width)
        variable = row.variable if self._model.narrow and row.variable != row.name else ""
        room, behind = width - measure.horizontalAdvance(name) - GAP, QFontMetrics(font(12, numbers=True))
        if room < min(LEAST, behind.horizontalAdvance(variable)):
            return name, ""
        return name, behind.elidedText(variable, Qt.TextElideMode.ElideLeft, room)

    def _paint_name(self, painter: QPainter, room: QRectF, row: EventRow, reached: bool) -> None:
        name, about = self.texts_in(row, int(room.width()))
        painter.setFont(name_font(row.position - self._model.position in (-1, 0)))
        painter.drawText(room, _LEFT, name)
        if about:
            beside = QFontMetrics(painter.font()).horizontalAdvance(name) + GAP
            painter.setFont(font(12, numbers=True))
            painter.setPen(QColor(self.theme.subtle if reached else self.theme.faint))
            painter.drawText(room.adjusted(beside, 0, GAP, 0), _LEFT, about)

    def _paint_tag(self, painter: QPainter, room: QRectF, text: str) -> QRectF:
        """The word NaN or Inf on hatched ground, at the right; gives the room that is left of it."""
        before_font, before_pen = painter.font(), painter.pen()
        tag = font(10, QFont.Weight.Bold)
        width = QFontMetrics(tag).horizontalAdvance(text) + 10
        box = QRectF(room.right() - width, room.center().y() - 8, width, 16)
        painter.setPen(QPen(QColor(self.theme.bad), 1))
        painter.setBrush(QBrush(mix(self.theme.bad, self.theme.panel, 0.35), Qt.BrushStyle.DiagCrossPattern))
        painter.drawRoundedRect(box, 4, 4)
        painter.setFont(tag)
        painter.setPen(QColor(self.theme.bad))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
        painter.setFont(before_font)
        painter.setPen(before_pen)
        return room.adjusted(0, 0, -width - 4, 0)

    def _paint_rms(self, painter: QPainter, box: QRectF, row: EventRow, run: bool) -> None:
        text = self._model.text_of(row, RMS)
        if not text:
            return
        room = box.adjusted(2, 0, -8, 0)
        is_number = _is_number(text, run)
        painter.setFont(font(11, numbers=is_number))
        painter.setPen(QColor(self.theme.bad if text in ("NaN", "Inf") else self.theme.text if run else self.theme.faint))
        painter.drawText(room, _RIGHT, text)
        if is_number and row.rms == row.rms:
            colour = magnitude_colour(row.rms, self.theme)
            swatch = QRectF(room.left() + 2, room.center().y() - 5, 10, 10)
            painter.setPen(QPen(QColor(self.theme.ghost), 1))
            painter.setBrush(colour)
            painter.drawRoundedRect(swatch, 2, 2)

    def _paint_playhead(self, painter: QPainter, box: QRectF, row: int, column: int) -> None:
        """The line above the next event, with its caret; at the end of the list the line under the last row."""
        model = self._model
        place = model.row_from(model.position)
        at_end = place == model.rowCount() and row == place - 1
        if row != place and not at_end:
            return
        height = box.bottom() - 1 if at_end else box.top() + 1
        painter.setPen(QPen(QColor(self.theme.accent), 2))
        painter.drawLine(QPointF(box.left(), height), QPointF(box.right(), height))
        if column == INDEX and not at_end:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self.theme.accent))
            middle = box.center().y()
            points = [QPointF(box.left() + 1, middle - 5), QPointF(box.left() + 8, middle), QPointF(box.left() + 1, middle + 5)]
            painter.drawPolygon(QPolygonF(points))


def name_font(near: bool) -> QFont:
    """The font of an event's name: bolder beside the playhead."""
    return font(13, QFont.Weight.DemiBold if near else QFont.Weight.Normal)


def _is_number(text: str, run: bool) -> bool:
    return run and text[0].isdigit() and text != "0 (exactly)"
