"""The command palette: type a few letters of what you want, Enter does it."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtWidgets import QWidget

from .actions import Actions, key_text
from .chooser import Chooser, Entry
from .command import Command
from .commands import COMMANDS
from .theme import Theme


class Palette(Chooser):
    """Lists every command that can be used now, best match first."""

    def __init__(self, actions: Actions, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__("Search commands", "Commands", theme, parent)
        self._actions = actions
        self.fill()

    def entries(self, text: str) -> Iterator[Entry]:
        """The commands that fit."""
        for command in found(text):
            if self._actions[command.id].isEnabled() and command.id != "palette":
                menu = command.menu.replace("/", " > ")
                yield Entry(command.title.removesuffix("..."), menu, key_text(command), command.id)

    def chosen(self, what: object) -> None:
        """Run it."""
        self._actions[str(what)].trigger()


def found(text: str) -> list[Command]:
    """The commands whose title holds every word of ``text``, those whose words begin with one first."""
    words = text.lower().split()
    ranked = [(_rank(command, words), place, command) for place, command in enumerate(COMMANDS)]
    return [command for rank, _, command in sorted(ranked, key=lambda each: each[:2]) if rank < _NOT]


_NOT = 1_000


def _rank(command: Command, words: list[str]) -> int:
    title = command.title.lower()
    beginnings = title.split()
    rank = 0
    for word in words:
        if any(beginning.startswith(word) for beginning in beginnings):
            continue
        if word in title:
            rank += 1
        elif word in f"{command.menu} {command.id}".lower():
            rank += 10
        else:
            return _NOT
    return rank
