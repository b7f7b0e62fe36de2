"""Light colours for Python source: keywords, strings, numbers, comments, decorators."""

from __future__ import annotations

import keyword
import re

from PySide6.QtGui import QColor, QFont, QSyntaxHighlighter, QTextCharFormat, QTextDocument

from ..theme import Theme

_WORDS = "|".join(sorted({*keyword.kwlist, "match", "case", "self"}))
_TOKENS = re.compile(
    r"(?P<comment>#.*)"
    r"|(?P<string>(?<![A-Za-z0-9_])[rbfuRBFU]{0,2}(?:'''|\"\"\"|'(?:\\.|[^'\\])*'?|\"(?:\\.|[^\"\\])*\"?))"
    rf"|(?P<keyword>(?<![\w.])(?:{_WORDS})\b)"
    r"|(?P<number>(?<![\w.])(?:0[xXbBoO][\da-fA-F_]+|\d[\d_]*\.?[\d_]*(?:[eE][+-]?\d+)?j?))"
    r"|(?P<decorator>^\s*@[\w.]+)"
    r"|(?P<name>(?<=\bdef )\w+|(?<=\bclass )\w+)"
)
_QUOTES = ("'''", '"""')


class PythonHighlighter(QSyntaxHighlighter):
    """Colours a document. The block state is 0, or 1 and 2 inside a triple-quoted string of either kind."""

    def __init__(self, document: QTextDocument, theme: Theme) -> None:
        super().__init__(document)
        self._formats: dict[str, QTextCharFormat] = {}
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._formats = {
            "comment": _format(theme.faint, italic=True),
            "string": _format(theme.activation if theme.dark else "#0a7a57"),
            "keyword": _format(theme.leaf if theme.dark else "#8a3fc0", bold=True),
            "number": _format(theme.other if theme.dark else "#9a6700"),
            "decorator": _format(theme.subtle),
            "name": _format(theme.accent),
        }
        self.rehighlight()

    def highlightBlock(self, text: str) -> None:
        """Colour one line."""
        start = 0
        if self.previousBlockState() > 0:
            start = self._close(text, 0, self.previousBlockState())
        else:
            self.setCurrentBlockState(0)
        while 0 <= start < len(text) and (match := _TOKENS.search(text, start)):
            kind = match.lastgroup or ""
            quote = match.group(0)[-3:]
            if kind == "string" and quote in _QUOTES and len(match.group(0)) <= 5:
                start = self._close(text, match.end(), 1 + _QUOTES.index(quote), match.start())
                continue
            self.setFormat(match.start(), match.end() - match.start(), self._formats[kind])
            start = max(match.end(), start + 1)

    def _close(self, text: str, search_from: int, state: int, start: int = 0) -> int:
        """Colour a triple-quoted string up to its end in this line, and say where that is (-1: it goes on)."""
        end = text.find(_QUOTES[state - 1], search_from)
        self.setCurrentBlockState(state if end < 0 else 0)
        stop = len(text) if end < 0 else end + 3
        self.setFormat(start, stop - start, self._formats["string"])
        return -1 if end < 0 else stop


def _format(colour: str, *, bold: bool = False, italic: bool = False) -> QTextCharFormat:
    made = QTextCharFormat()
    made.setForeground(QColor(colour))
    if bold:
        made.setFontWeight(QFont.Weight.Medium)
    made.setFontItalic(italic)
    return made
