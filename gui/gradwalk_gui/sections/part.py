"""What every section of the inspector is, and the section that is one block of text."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from ..theme import Theme
from ..widgets.section import Section
from ..widgets.text import TextBlock
from .look import Look


class Part(Section):
    """A section that shows a Look. ``followed`` carries the links of its texts."""

    followed = Signal(str)

    def __init__(self, title: str, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(title, parent)
        self.theme = theme
        self.set_theme(theme)

    def block(self, name: str) -> TextBlock:
        """A new block of text at the end of the section."""
        made = TextBlock(name)
        made.followed.connect(self.followed)
        self.add(made)
        return made

    def show_look(self, look: Look) -> None:
        """Show a thing, or hide where there is nothing to say of it."""
        self.setVisible(self.fill(look))

    def fill(self, look: Look) -> bool:
        """Fill in what there is to say; False for nothing."""
        raise NotImplementedError

    def recolour(self, theme: Theme) -> None:
        """Change the colours; texts are written anew by the next :meth:`show_look`."""
        self.theme = theme
        self.set_theme(theme)


class TextPart(Part):
    """One block of text."""

    def __init__(self, title: str, name: str, html: Callable[[Look, Theme], str], theme: Theme) -> None:
        super().__init__(title, theme)
        self._html = html
        self.text = self.block(name)

    def fill(self, look: Look) -> bool:
        """Write the text."""
        html = self._html(look, self.theme)
        self.text.show_html(html)
        return bool(html)
