"""From places in a file to batches, graphs, notes, scalars and sources, with what was decoded last kept at hand."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..trace import Graph, Verdict
from .access import Access
from .batch import Batch, decode_batch
from .chunks import Place, StepChunk
from .columns import Header, ReadAt, is_number, read_column, read_header, reader_of
from .format import MAX_CHUNK, MAX_GAIN, MAX_GRAPH, MAX_NAMES, MAX_NOTE, MAX_SOURCE, MAX_TEXT, Damaged, Note
from .graph_code import decode_graph
from .order import Order, decode_order
from .verdicts import read_verdicts

BATCHES, BATCH_MEMORY = 16, 32 << 20
GRAPHS = 256
AT_ONCE = 4 << 20
"""A batch up to this size is read in one go."""


class Decoder:
    """Reads messages of one file. Everything raises Damaged."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._batches: OrderedDict[Place, Batch] = OrderedDict()
        self._graphs: OrderedDict[int, Graph] = OrderedDict()
        self._order: tuple[Place, Order] | None = None
        self._failed: dict[Place, str] = {}
        self._gain = 0
        self.skipped: set[str] = set()

    def batch(self, place: Place) -> Batch:
        """A batch of steps, from the cache if it was read lately."""
        found = self._batches.get(place)
        if found is not None:
            self._batches.move_to_end(place)
            return found
        if place in self._failed:
            raise Damaged(self._failed[place])
        try:
            batch = decode_batch(self._read(place), place.length)
        except Damaged as error:
            self._failed[place] = str(error)
            raise
        self.skipped.update(f"the column {name[:80]!r} of steps" for name in batch.skipped)
        self._batches[place] = batch
        while len(self._batches) > BATCHES or (len(self._batches) > 1 and self._memory() > BATCH_MEMORY):
            self._batches.popitem(last=False)
        return batch

    def header(self, place: Place) -> tuple[ReadAt, Header]:
        """A reader of a batch and what its columns are, for reading some of them."""
        read = self._read(place)
        return read, read_header(read, place.length)

    def _read(self, place: Place) -> ReadAt:
        """A reader of one message; a small one comes off the disk at once."""
        return reader_of(self._access.exactly(*place)) if place.length <= AT_ONCE else self._access.within(*place)

    def forget_failures(self) -> None:
        """Try again to read what could not be read: the disk may show the parts of a write late."""
        self._failed.clear()

    def _memory(self) -> int:
        return sum(batch.nbytes for batch in self._batches.values())

    def order(self, chunk: StepChunk) -> Order:
        """The steps of a chunk in their order."""
        if chunk.order is None:
            raise Damaged("a chunk does not say the order of its steps")
        if self._order is None or self._order[0] != chunk.order:
            order = decode_order(self._access.exactly(*chunk.order))
            if len(order.steps) != chunk.steps:
                raise Damaged("a chunk holds another number of steps than it says")
            self._order = chunk.order, order
        return self._order[1]

    def row(self, chunk: StepChunk, number: int) -> tuple[Batch, int]:
        """The batch and the row in it of a chunk's ``number``-th step."""
        if len(chunk.batches) == 1:
            which, row = 0, number
        else:
            order = self.order(chunk)
            which, row = int(order.batches[number]), int(order.rows[number])
        if which >= len(chunk.batches):
            raise Damaged("a chunk names a batch that it does not have")
        batch = self.batch(chunk.batches[which])
        if row >= len(batch):
            raise Damaged("a batch holds fewer steps than its chunk says")
        return batch, row

    def graph(self, number: int, places: list[Place]) -> Graph:
        """A Graph, from the first copy of it that is whole; the same object every time while it is kept at hand."""
        found = self._graphs.get(number)
        if found is not None:
            self._graphs.move_to_end(number)
            return found
        why = "its graph is missing"
        for place in places:
            graph = self._read_graph(place)
            if graph is None:
                why = self._failed[place]
                continue
            self._graphs[number] = graph
            if len(self._graphs) > GRAPHS:
                self._graphs.popitem(last=False)
            return graph
        raise Damaged(why)

    def _read_graph(self, place: Place) -> Graph | None:
        if place in self._failed:
            return None
        try:
            return decode_graph(self._bounded(place, MAX_GRAPH))
        except Damaged as error:
            self._failed[place] = str(error)
            return None

    def note(self, place: Place) -> Note:
        """Something that happened."""
        meta = self.meta(place)
        kind, message, step, time = meta.get("kind"), meta.get("message"), meta.get("step"), meta.get("time")
        if not _text(kind) or not _text(message) or type(step) is not int or abs(step) >= 1 << 62 or not is_number(time):
            raise Damaged("a note is malformed")
        return Note(str(kind), str(message), step, float(cast(float, time)))

    def meta(self, place: Place) -> dict[str, Any]:
        """What a note, a source or new facts about the run say; all of these together are bounded, as they are read at once."""
        if self._gain > MAX_GAIN:
            raise Damaged("there is more text here than is allowed")
        header = read_header(self._access.within(*place), place.length, text_limit=MAX_NOTE)
        self._gain += max(0, header.gain)
        return header.meta

    def scalars(self, place: Place) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Per name the steps and values of one message."""
        read = self._access.within(*place)
        header = read_header(read, place.length)
        names = header.meta.get("names")
        which, steps, values = (read_column(read, header, name) for name in ("name", "step", "value"))
        if not isinstance(names, list) or len(names) > MAX_NAMES or not all(map(_text, names)):
            raise Damaged("scalars are malformed")
        if not which.shape == steps.shape == values.shape or which.ndim != 1:
            raise Damaged("scalars are malformed")
        order = np.argsort(which, kind="stable")
        starts = np.searchsorted(which[order], np.arange(len(names) + 1))
        parts = [order[start:end] for start, end in itertools.pairwise(starts)]
        return {str(name): (steps[part], values[part]) for name, part in zip(names, parts, strict=True)}

    def verdicts(self, place: Place, graph: Graph) -> list[Verdict]:
        """What was found in a step of this Graph while it ran."""
        sizes = {"op": len(graph.ops), "value": len(graph.values), "gradient": len(graph.edges)}
        return read_verdicts(self._read(place), place.length, sizes)

    def source(self, place: Place) -> str:
        """The text of a source file."""
        read = self._access.within(*place)
        header = read_header(read, place.length, MAX_SOURCE)
        try:
            return read_column(read, header, "text").tobytes().decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise Damaged(f"a source file is no text: {error}") from error

    def _bounded(self, place: Place, limit: int) -> bytes:
        if place.length > min(limit, MAX_CHUNK):
            raise Damaged("a message is longer than is allowed")
        return self._access.exactly(*place)


def _text(x: object) -> bool:
    return isinstance(x, str) and len(x) <= MAX_TEXT
