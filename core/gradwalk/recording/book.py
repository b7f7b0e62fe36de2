"""Which Graphs a file already holds: each distinct one is written once, and found again by identity, equality or content."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

from ..trace import Graph
from .graph_code import encode_graph

REMEMBERED = 64
COPY_BYTES = 4 << 20
"""Encoded graphs up to this size are written a second time, later in the file, in case the first is damaged."""


class GraphBook:
    """Numbers Graphs in the order in which they come. ``fresh`` collects (number, bytes) of those not yet written."""

    def __init__(self) -> None:
        self.fresh: list[tuple[int, bytes]] = []
        self._recent: OrderedDict[int, tuple[Graph, int]] = OrderedDict()
        self._by_content: dict[bytes, int] = {}

    def known(self, graph: Graph) -> int | None:
        """The number of a Graph that was numbered lately, or None."""
        recent = self._recent.get(id(graph))
        if recent is not None:
            return recent[1]
        for other, number in reversed(self._recent.values()):
            if other.key == graph.key and other == graph:
                return number
        return None

    def number(self, graph: Graph) -> int:
        """The number of a Graph; one not seen before gets the next."""
        number = self.known(graph)
        if number is None:
            number = self._by_its_content(graph)
            self._recent[id(graph)] = graph, number
            if len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
        return number

    def _by_its_content(self, graph: Graph) -> int:
        encoded = encode_graph(graph)
        digest = blake2b(encoded, digest_size=16).digest()
        number = self._by_content.get(digest)
        if number is None:
            number = self._by_content[digest] = len(self._by_content)
            self.fresh.append((number, encoded))
        return number
