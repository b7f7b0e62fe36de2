"""The line in which a filter is typed: what may come next is offered, and what cannot be read is underlined."""

from __future__ import annotations

from PySide6.QtCore import QStringListModel, Qt
from PySide6.QtGui import QColor, QInputMethodEvent, QTextCharFormat
from PySide6.QtWidgets import QApplication, QCompleter, QLineEdit, QWidget

from gradwalk.filter import Completion, Filter, FilterError, complete, parse
from gradwalk.trace import Graph


class FilterField(QLineEdit):
    """``asked`` is the filter, the last one that could be read; ``error`` says why what stands there cannot be, or is None."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.graph: Graph | None = None
        self.asked: Filter = parse("")
        self.error: FilterError | None = None
        self._offered: list[Completion] = []
        self._words = QStringListModel(self)
        self.offers = QCompleter(self._words, self)
        self.offers.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        self.offers.setWidget(self)
        self.offers.activated.connect(self._take)
        self.textEdited.connect(self._offer)

    def read(self, text: str, colour: str) -> None:
        """Read a text as a filter; what cannot be read is underlined in ``colour``."""
        if text != self.text():
            self.setText(text)
        try:
            self.asked, self.error = parse(text if self.is_filter(text) else ""), None
        except FilterError as error:
            self.error = error
        self.setToolTip(self.error.message if self.error is not None else "")
        self._underline(colour)

    def is_filter(self, text: str) -> bool:
        """Whether a text is meant as a filter."""
        return True

    def _underline(self, colour: str) -> None:
        """Qt lets a line format parts of its text in the way that input methods do."""
        attributes = []
        if self.error is not None:
            wave = QTextCharFormat()
            wave.setUnderlineStyle(QTextCharFormat.UnderlineStyle.WaveUnderline)
            wave.setUnderlineColor(QColor(colour))
            wave.setForeground(QColor(colour))
            start = min(self.error.position, max(len(self.text()) - 1, 0))
            length = min(self.error.end, len(self.text())) - start
            kind = QInputMethodEvent.AttributeType.TextFormat
            attributes = [QInputMethodEvent.Attribute(kind, start - self.cursorPosition(), max(length, 1), wave)]
        QApplication.sendEvent(self, QInputMethodEvent("", attributes))

    def _offer(self) -> None:
        """Show what may come at the cursor; nothing where nothing has been typed of it."""
        offered = complete(self.text(), self.cursorPosition(), self.graph) if self.is_filter(self.text()) else ()
        self._offered = [one for one in offered if one.start < one.end]
        self._words.setStringList([one.text for one in self._offered])
        popup = self.offers.popup()
        assert popup is not None
        if self._offered:
            self.offers.complete()
            popup.setCurrentIndex(self._words.index(0, 0))
        else:
            popup.hide()

    def _take(self, text: str) -> None:
        """Put in what was chosen, in the place of what was typed of it."""
        chosen = next((one for one in self._offered if one.text == text), None)
        if chosen is not None:
            self.setFocus(Qt.FocusReason.OtherFocusReason)
            self.setSelection(chosen.start, chosen.end - chosen.start)
            self.insert(chosen.text)
