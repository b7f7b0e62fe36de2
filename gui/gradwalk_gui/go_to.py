"""Go to node: a few letters of a module, an op, a parameter or a Node, and Enter shows it in the middle of the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from PySide6.QtWidgets import QWidget

from gradwalk.trace import Graph

from .chooser import Chooser, Entry
from .names import best, names_of
from .state import Selection
from .theme import Theme


class GoTo(Chooser):
    """Lists the things of a Graph, best match first; ``go`` is called with the one that is chosen."""

    def __init__(self, graph: Graph, go: Callable[[Selection], None], theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__("Go to node", "Modules, ops, parameters and Nodes", theme, parent)
        self._names, self._go = names_of(graph), go
        self.fill()

    def entries(self, text: str) -> Iterator[Entry]:
        """The things that fit."""
        for name in best(self._names, text):
            yield Entry(name.title, "" if name.path == name.title else name.path, name.kind, name.selection)

    def chosen(self, what: object) -> None:
        """Go there."""
        assert isinstance(what, Selection)
        self._go(what)
