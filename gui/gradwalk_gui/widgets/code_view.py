"""Read-only source with line numbers, a gutter of marks, and ranges marked in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import QRect, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QResizeEvent,
    QShowEvent,
    QTextBlock,
    QTextCharFormat,
    QTextCursor,
    QTextFormat,
)
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QWidget

from ..panel import mix
from ..theme import Theme, font
from .gutter import Gutter, Mark
from .python_highlighter import PythonHighlighter

TEXT = 13


@dataclass(frozen=True, slots=True)
class Range:
    """A piece of text: lines from 1, columns in characters from 0; ``colour`` of its phase; ``strong``: the playhead's."""

    line: int
    column: int
    end_line: int
    end_column: int
    colour: str
    strong: bool = True


def code_font() -> QFont:
    """The font of numbers without ligatures: every character as it stands in the file."""
    made = QFont(font(TEXT, numbers=True))
    for feature in ("calt", "liga"):
        made.setFeature(QFont.Tag(feature), 0)
    return made


class CodeView(QPlainTextEdit):
    """Shows one file. ``marks`` are lines (from 1) with what happens there."""

    line_chosen = Signal(int)
    """A marked line was clicked in the gutter."""
    line_entered = Signal(int)
    """A marked line was double-clicked in the gutter."""
    stop_asked = Signal(int)
    """The room for breakpoints was clicked beside a line."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self._marks: Mapping[int, Mark] = {}
        self._stops: frozenset[int] = frozenset()
        self._hollow: frozenset[int] = frozenset()
        self._ranges: tuple[Range, ...] = ()
        self._shown_text = ""
        self._wanted: Range | None = None
        self.setReadOnly(True)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setFont(code_font())
        self.setCornerWidget(QWidget(self))
        self.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setAccessibleName("Source text")
        self.gutter = Gutter(self)
        self._highlighter = PythonHighlighter(self.document(), theme)
        self.updateRequest.connect(self._on_update)
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self._highlighter.set_theme(theme)
        self.setTabStopDistance(4 * self.fontMetrics().horizontalAdvance(" "))
        self.show_ranges(self._ranges)
        self.gutter.update()

    def show_source(self, text: str) -> None:
        """Show the text of a file."""
        if text != self._shown_text:
            self._shown_text = text
            self._wanted = None
            self.setPlainText(text)
            self._fit_gutter()

    def show_marks(self, marks: Mapping[int, Mark]) -> None:
        """Mark lines in the gutter."""
        self._marks = marks
        self._fit_gutter()
        self.gutter.update()

    def show_stops(self, lines: frozenset[int], hollow: frozenset[int] = frozenset()) -> None:
        """The lines that have a breakpoint; ``hollow``: those of them that have had no op."""
        self._stops, self._hollow = lines, hollow
        self.gutter.update()

    def hollow_stops(self) -> frozenset[int]:
        """The lines whose breakpoint has had no op to stop at."""
        return self._hollow

    def stops(self) -> frozenset[int]:
        """The lines that have a breakpoint."""
        return self._stops

    def marks(self) -> Mapping[int, Mark]:
        """The marked lines."""
        return self._marks

    def show_ranges(self, ranges: tuple[Range, ...]) -> None:
        """Mark pieces of text; the line of a strong one is tinted too."""
        self._ranges = ranges
        selections = [self._line_tint(piece) for piece in ranges if piece.strong]
        self.setExtraSelections([*selections, *(self._marked(piece) for piece in ranges)])

    def marked_texts(self) -> list[str]:
        """The text of every marked piece."""
        return [self._cursor(piece).selectedText().replace("\u2029", "\n") for piece in self._ranges]

    def scroll_to(self, piece: Range) -> None:
        """Bring a piece into view; where it is in view nothing moves."""
        self._wanted = piece
        cursor = self._cursor(piece)
        start, end = QTextCursor(cursor), QTextCursor(cursor)
        start.setPosition(cursor.selectionStart())
        end.setPosition(cursor.selectionEnd())
        across = self.horizontalScrollBar().value()
        self.setTextCursor(start)
        line = self.fontMetrics().height()
        self.horizontalScrollBar().setValue(across)
        if not line <= self.cursorRect(start).top() <= self.viewport().height() - 2 * line:
            self.centerCursor()
        left, right = (self.cursorRect(at).left() + across for at in (start, end))
        wide = self.viewport().width() - 2 * line
        if max(left, right) < wide:
            across = 0
        elif not across <= left < across + wide:
            across = max(left - 2 * line, 0)
        self.horizontalScrollBar().setValue(across)

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while hidden."""
        super().showEvent(event)
        if self._wanted is not None:
            self.scroll_to(self._wanted)

    def _cursor(self, piece: Range) -> QTextCursor:
        cursor = QTextCursor(self.document())
        cursor.setPosition(self._place(piece.line, piece.column))
        cursor.setPosition(self._place(piece.end_line, piece.end_column), QTextCursor.MoveMode.KeepAnchor)
        return cursor

    def _place(self, line: int, column: int) -> int:
        """The document position of a line and a column; columns count characters, the document UTF-16 units."""
        block = self.document().findBlockByNumber(max(line - 1, 0))
        if not block.isValid():
            return max(self.document().characterCount() - 1, 0)
        before = block.text()[:column]
        units = len(before.encode("utf-16-le")) // 2
        return block.position() + min(units, max(block.length() - 1, 0))

    def _line_tint(self, piece: Range) -> QTextEdit.ExtraSelection:
        made = QTextEdit.ExtraSelection()
        made.cursor = QTextCursor(self.document())
        made.cursor.setPosition(self._place(piece.line, 0))
        shape = QTextCharFormat()
        shape.setBackground(mix(piece.colour, self.theme.panel, 0.10))
        shape.setProperty(QTextFormat.Property.FullWidthSelection, True)
        made.format = shape
        return made

    def _marked(self, piece: Range) -> QTextEdit.ExtraSelection:
        made = QTextEdit.ExtraSelection()
        made.cursor = self._cursor(piece)
        shape = QTextCharFormat()
        if piece.strong:
            shape.setBackground(mix(piece.colour, self.theme.panel, 0.34))
            shape.setForeground(QColor(self.theme.text))
        shape.setUnderlineStyle(QTextCharFormat.UnderlineStyle.SingleUnderline)
        shape.setUnderlineColor(QColor(piece.colour))
        made.format = shape
        return made

    # the gutter

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the content to the new size. The line that was asked for stays in view when the panel becomes lower."""
        super().resizeEvent(event)
        self._fit_gutter()
        if self._wanted is not None:
            cursor = self._cursor(self._wanted)
            cursor.setPosition(cursor.selectionStart())
            top, bottom = self.cursorRect(cursor).top(), self.viewport().height() - self.fontMetrics().height()
            if bottom < top < bottom + event.oldSize().height() - event.size().height():
                self.scroll_to(self._wanted)

    def _fit_gutter(self) -> None:
        width = self.gutter.needed()
        self.setViewportMargins(width, 0, 0, 0)
        inside = self.contentsRect()
        self.gutter.setGeometry(QRect(inside.left(), inside.top(), width, inside.height()))

    def _on_update(self, _rect: QRect, scrolled: int) -> None:
        if scrolled:
            self.gutter.scroll(0, scrolled)
        else:
            self.gutter.update()

    def lines_in_view(self) -> list[tuple[int, QRectF]]:
        """The visible lines (from 1) and their boxes in the viewport."""
        found: list[tuple[int, QRectF]] = []
        block: QTextBlock = self.firstVisibleBlock()
        offset = self.contentOffset()
        while block.isValid():
            box = self.blockBoundingGeometry(block).translated(offset)
            if box.top() > self.viewport().height():
                break
            if block.isVisible():
                found.append((block.blockNumber() + 1, box))
            block = block.next()
        return found

    def strong_lines(self) -> set[int]:
        """The lines of the strong pieces."""
        return {line for piece in self._ranges if piece.strong for line in range(piece.line, piece.end_line + 1)}
