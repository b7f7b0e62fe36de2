"""The welcome page: the examples, a script, a recording, and what was open lately."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from .actions import Actions
from .commands import EXAMPLES
from .icons import icon, picture, themed
from .theme import Theme

ABOUT = {
    "autograd": "x.mm(w1).clamp(min=0).mm(w2), loss.backward(), and the update by hand under no_grad.",
    "function": "The same net with MyReLU, a torch.autograd.Function that says what to save and how to go back.",
    "numpy": "The same net without PyTorch: forward and backward written out in NumPy, line by line.",
    "compare": "NumPy by hand, autograd and MyReLU from the same weights: each quantity on one row, and how far apart they are.",
    "mlp": "Modules, cross-entropy and an optimizer: a small classifier trained with autograd.",
}
RECENT_SHOWN = 6
WIDTH = 920


class Card(QFrame):
    """A button with an icon, a title and a sentence."""

    clicked = Signal()

    def __init__(self, icon_name: str, title: str, about: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(title)
        self.setAccessibleDescription(about)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setMinimumHeight(80)
        self._icon_name = icon_name
        self._picture = QLabel()
        name, sentence = QLabel(title), QLabel(about)
        name.setObjectName("strong")
        sentence.setObjectName("hint")
        sentence.setWordWrap(True)
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addWidget(name)
        words.addWidget(sentence)
        words.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 16, 16, 12)
        row.setSpacing(16)
        row.addWidget(self._picture, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)

    def set_theme(self, theme: Theme) -> None:
        """Colour the icon."""
        self._picture.setPixmap(picture(self._icon_name, theme.accent, 36, self.devicePixelRatioF()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click anywhere on the card."""
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.clicked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter or Space."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.clicked.emit()
        else:
            super().keyPressEvent(event)


class Welcome(QScrollArea):
    """What the window shows while nothing is open. ``chosen`` carries the path of a recent recording."""

    chosen = Signal(str)

    def __init__(self, actions: Actions, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("welcome")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._theme = theme
        self._logo = QLabel()
        self.cards: dict[str, Card] = {}
        sheet, inner = QWidget(), QWidget()
        sheet.setObjectName("page")
        inner.setMaximumWidth(WIDTH)
        outer = QHBoxLayout(sheet)
        outer.setContentsMargins(32, 32, 32, 32)
        outer.addStretch(1)
        outer.addWidget(inner, 20)
        outer.addStretch(1)
        column = QVBoxLayout(inner)
        column.setSpacing(8)
        column.addStretch(1)
        column.addLayout(self._head())
        column.addSpacing(16)
        column.addWidget(_section("Start with an example"))
        column.addLayout(self._examples(actions))
        column.addSpacing(16)
        column.addWidget(_section("Or with your own"))
        column.addLayout(self._own(actions))
        column.addSpacing(16)
        self._recent_title = _section("Recent recordings")
        column.addWidget(self._recent_title)
        self._recent = QVBoxLayout()
        self._recent.setSpacing(2)
        column.addLayout(self._recent)
        column.addStretch(2)
        self.setWidget(sheet)
        self.set_recent(())
        self.set_theme(theme)

    @property
    def first(self) -> Card:
        """The card that Enter starts when the page comes up."""
        return next(iter(self.cards.values()))

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self._logo.setPixmap(picture("gradwalk", "#000000", 48, self.devicePixelRatioF()))
        for card in self.cards.values():
            card.set_theme(theme)
        for name, button in self._buttons.items():
            button.setIcon(themed(name, theme))

    def set_recent(self, paths: tuple[str, ...]) -> None:
        """Show recordings that were open lately and still are there."""
        while (item := self._recent.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        there = [path for path in paths if Path(path).exists()][:RECENT_SHOWN]
        self._recent_title.setVisible(bool(there))
        for path in there:
            self._recent.addWidget(self._recent_row(path))

    def _recent_row(self, path: str) -> QPushButton:
        changed = datetime.fromtimestamp(Path(path).stat().st_mtime)
        row = QPushButton(f"{Path(path).name}     {changed:%d %b %Y  %H:%M}")
        row.setObjectName("link")
        row.setToolTip(path)
        row.setIcon(icon("recent", self._theme.subtle))
        row.setCursor(Qt.CursorShape.PointingHandCursor)
        row.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        row.clicked.connect(lambda: self.chosen.emit(path))
        return row

    def _head(self) -> QHBoxLayout:
        name, about = QLabel("Gradwalk"), QLabel("Walk through backprop, event by event, in both directions.")
        name.setObjectName("heading")
        about.setObjectName("hint")
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(name)
        words.addWidget(about)
        row = QHBoxLayout()
        row.setSpacing(16)
        row.addWidget(self._logo)
        row.addLayout(words, 1)
        return row

    def _examples(self, actions: Actions) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(12)
        for place, (name, title) in enumerate(EXAMPLES):
            card = Card(f"example-{name}", title, ABOUT[name])
            card.clicked.connect(actions[f"start-{name}"].trigger)
            self.cards[name] = card
            alone = place == len(EXAMPLES) - 1 and place % 2 == 0
            grid.addWidget(card, place // 2, place % 2, 1, 2 if alone else 1)
        return grid

    def _own(self, actions: Actions) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        self._buttons: dict[str, QPushButton] = {}
        wanted = (("open-script", "script", "Open a training script..."), ("open", "open", "Open a recording..."))
        for command, icon_name, title in (*wanted, ("open-folder", "folder", "Open a run folder...")):
            button = QPushButton(title)
            button.setIconSize(QSize(18, 18))
            button.clicked.connect(actions[command].trigger)
            self._buttons[icon_name] = button
            row.addWidget(button)
        row.addStretch(1)
        return row


def _section(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("section")
    return label
