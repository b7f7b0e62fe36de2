"""Labels: text that elides instead of being cut, and blocks of rich text that wrap and can be copied."""

from __future__ import annotations

import math
import re
from html import escape

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTextDocument,
)
from PySide6.QtWidgets import QFrame, QLabel, QMenu, QSizePolicy, QWidget

from ..theme import NUMBER_FAMILY, Theme


class ElidedLabel(QLabel):
    """One line of plain text with an ellipsis where it does not fit; the whole text is the tool tip then.

    It paints the text itself: a QLabel has all layouts up to the window worked out again for every other text.
    """

    def __init__(self, mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._full = self._shown = ""
        self._mode = mode
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def set_full_text(self, text: str) -> None:
        """The text to show as far as there is room."""
        self._full = text
        self.setAccessibleName(text)
        self._elide()

    def text(self) -> str:
        """What there is room for."""
        return self._shown

    def full_text(self) -> str:
        """The whole text."""
        return self._full

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the content to the new size."""
        super().resizeEvent(event)
        self._elide()

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, self.fontMetrics().height())

    def sizeHint(self) -> QSize:
        """The size to start from."""
        return QSize(self.fontMetrics().horizontalAdvance(self._full) + 2, self.fontMetrics().height())

    def _elide(self) -> None:
        shown = self.fontMetrics().elidedText(self._full, self._mode, self.width())
        if shown != self._shown:
            self._shown = shown
            self.update()
        self.setToolTip(self._full if shown != self._full else "")

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what is shown, at the left as QLabel does."""
        painter, place = QPainter(self), self.alignment() | Qt.TextFlag.TextSingleLine
        self.style().drawItemText(
            painter, self.contentsRect(), int(place), self.palette(), self.isEnabled(), self._shown, self.foregroundRole()
        )


class Column(QWidget):
    """Holds blocks of text one below the other, all as wide as itself without its margins."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Tell the blocks their width."""
        super().resizeEvent(event)
        layout = self.layout()
        if layout is not None and event.size().width() != event.oldSize().width():
            margins = layout.contentsMargins()
            for block in self.findChildren(TextBlock):
                block.set_column(max(self.width() - margins.left() - margins.right(), 1))


class TextBlock(QLabel):
    """Rich text that wraps, can be selected, and whose links are plain signals; hidden while empty.

    Its text goes straight into the document of the label: ``QLabel.setText`` has it laid out three times, and the window anew.
    """

    followed = Signal(str)

    def __init__(self, name: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._html = ""
        self._heights: dict[int, int] = {}
        self._column = 0
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setWordWrap(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.LinksAccessibleByMouse
            | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.setAccessibleName(name)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.linkActivated.connect(self.followed)
        self._document = self._made()

    def _made(self) -> QTextDocument:
        """The document that a label makes for rich text."""
        self.setText("-")
        self.setSelection(0, 0)  # has the label put its text into the document, now rather than when it is painted
        document = self.findChild(QTextDocument)
        assert document is not None
        document.setDocumentMargin(0)  # as the label has it, from its first painting on
        document.clear()
        return document

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy what is selected as it was, without the places where it may break."""
        if event.matches(QKeySequence.StandardKey.Copy) and self.hasSelectedText():
            self._copy()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer to copy."""
        if self.hasSelectedText():
            menu = QMenu(self)
            menu.addAction("Copy", self._copy)
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(event.globalPos())

    def _copy(self) -> None:
        plain = self.selectedText().replace(BREAK, "").replace("\N{NO-BREAK SPACE}", " ").replace("\N{PARAGRAPH SEPARATOR}", "\n")
        QGuiApplication.clipboard().setText(plain.replace("\N{LINE SEPARATOR}", "\n"))

    def text(self) -> str:
        """The rich text that is shown."""
        return self._html

    def show_html(self, html: str) -> None:
        """Show rich text; nothing for an empty one."""
        if html != self._html:
            self._html = html
            before = self._heights.get(self.width())
            self._heights.clear()
            self._document.setHtml(html)
            if html and self.heightForWidth(self.width()) != before:
                self.updateGeometry()
            self.update()
        self.setVisible(bool(html))

    def heightForWidth(self, width: int) -> int:
        """The height that the text takes at a width (in a column at the column's); laid out once for each."""
        width = self._column or width
        if width not in self._heights:
            self._heights[width] = self._height_at(width)
        return self._heights[width]

    def _height_at(self, width: int) -> int:
        laid = self._document.textWidth()
        self._document.setTextWidth(width)
        height = math.ceil(self._document.size().height())
        if width != self.width():
            self._document.setTextWidth(laid)  # it was only asked; the label paints its document as it is
        return height

    def event(self, event: QEvent) -> bool:
        """A label lays its text out again whenever it is resized; a text only needs that at another width."""
        same = isinstance(event, QResizeEvent) and event.oldSize().width() == event.size().width()
        return QFrame.event(self, event) if same else super().event(event)

    def set_column(self, width: int) -> None:
        """The width of the column that the text stands in: layouts ask for many others, and each costs a layout of the text."""
        if width != self._column:
            self._column = width
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        """One line: the height comes of the width. (A QLabel would try many widths to find a pleasing one.)"""
        return QSize(0, self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, self.fontMetrics().height())


BREAK = "\N{ZERO WIDTH SPACE}"
"""Where a line may break although nothing is seen there; it is not copied."""
UNBROKEN = 20
"""Characters of a name that there is always room for on one line."""
LONGEST = 240
"""Characters of a name; Qt takes seconds to break a line of thousands."""


def shown(text: str) -> str:
    """Text for HTML; of a very long one the beginning and the end."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST * 2 // 3]} … {text[-LONGEST // 3 :]}"
    return escape(text)


def mono(text: str, colour: str = "") -> str:
    """Text in the font of numbers, as HTML."""
    style = f"font-family:'{NUMBER_FAMILY}';" + (f"color:{colour};" if colour else "")
    return f'<span style="{style}">{shown(text)}</span>'


def breakable(text: str) -> str:
    """A long name that may be broken between its parts: ``NativeLayerNormBackward0``, ``blocks.11.mlp.out.bias``."""
    if len(text) <= UNBROKEN:
        return text
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[._])(?=\w)", BREAK, text)


def breakable_code(text: str) -> str:
    """Code that may be broken inside a long piece without spaces: after a dot, a comma, a bracket or ``=``."""
    return re.sub(rf"\S{{{UNBROKEN},}}", lambda piece: re.sub(r"(?<=[.,(\[=])(?=\w)", BREAK, piece.group()), text)


def shape_html(text: str) -> str:
    """A shape in the font of numbers that never breaks, as HTML."""
    return mono(text.replace(" ", "\N{NO-BREAK SPACE}"))


def coloured(text: str, colour: str) -> str:
    """Text in a colour, as HTML."""
    return f'<span style="color:{colour}">{shown(text)}</span>'


def link(text: str, target: str, theme: Theme) -> str:
    """A link, as HTML."""
    return f'<a href="{escape(target)}" style="color:{theme.accent};text-decoration:none">{shown(text)}</a>'


def rows(pairs: list[tuple[str, str]], theme: Theme) -> str:
    """A table of two columns, as HTML; the left one is plain text, the right one HTML."""
    body = "".join(
        f'<tr><td style="color:{theme.subtle};padding-right:12px;padding-bottom:2px">{shown(left)}</td>'
        f'<td style="padding-bottom:2px">{right}</td></tr>'
        for left, right in pairs
    )
    return f'<table cellspacing="0" cellpadding="0">{body}</table>' if pairs else ""


def listing(text: str, theme: Theme) -> str:
    """Code as HTML: small, in the font of numbers, indented as it stands; long lines wrap."""
    lines = []
    for line in text.splitlines():
        bare = line.lstrip(" ")
        lines.append(f"{'&nbsp;' * (len(line) - len(bare))}{shown(bare)}" or "&nbsp;")
    style = f"font-family:'{NUMBER_FAMILY}';font-size:11px;color:{theme.text}"
    return f'<div style="{style}">{"<br>".join(lines)}</div>' if lines else ""
