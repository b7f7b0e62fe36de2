"""The forward half of a chain: every op by its formula, in the order in which they ran, from the leaves on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from ..tape import index
from ..trace import NONE, Kept, Op
from .accumulated import Flip, Restart
from .chain_book import Book, MissingError, float64, is_usable, reason_of
from .program import REFUSED
from .ran import Ran, flipped, parts_of, run_op
from .recorded import drawn_by


class Forward:
    """``ran`` holds what a backward will need, by op; :meth:`backward_is_done` lets go of it."""

    def __init__(self, book: Book) -> None:
        self.book, self.graph = book, book.graph
        self.ops = _to_run(book)
        self.ran: dict[int, Ran] = {}
        self._needed = _needed(book, self.ops)
        self._tensors: dict[int, Any] = {}
        self._uses = Counter(value for op in self.ops for value in set(op.inputs))
        self._visits = Counter(stop.op for route in book.routes for stop in route.stops if stop.op != NONE)
        book.all += len(self.ops) + self._visits.total()

    def run(self) -> None:
        """Run all. Raises MissingError for a leaf that the loss depends on and that is not recorded, StoppedError."""
        for op in self.ops:
            self.book.step()
            for value in op.inputs:
                self._read_leaf(value)
            self._run(op)
            self._uses.subtract(set(op.inputs))
            for value in (*op.inputs, *op.outputs):
                if self._uses[value] <= 0:
                    self._tensors.pop(value, None)

    def backward_is_done(self, op: int) -> None:
        """One of the backwards has come through an op."""
        self._visits[op] -= 1
        if self._visits[op] <= 0:
            self.ran.pop(op, None)

    def _read_leaf(self, value: int) -> None:
        """A tensor that no op of this forward made comes from the recording."""
        made = self.graph.values[value].op
        if value in self._tensors or (made != NONE and self.graph.ops[made].phase in ("forward", "loss")):
            return
        kept = self.book.kept(value)
        if kept is not None and is_usable(kept):
            self._tensors[value] = float64(kept)
        elif any(op in self._needed for op in index(self.graph).consumers[value]):
            raise MissingError(self.book.missing(value))

    def _run(self, op: Op) -> None:
        if not op.inputs or not any(self.book.is_float(value) for value in op.outputs):
            self._draw(op)
            return
        kept = {value: self.book.kept(value) for value in op.outputs}
        try:
            ran = run_op(self.graph, op, self._known, self.book.recorded, self._mask)
            made = parts_of(ran)
            _refuse_unlike(made, kept)
        except REFUSED as error:
            self._restart(op, reason_of(error))
            return
        if op.id in self._visits:
            self.ran[op.id] = ran
        moment = int(self.book.when.ops[op.id])
        for value, array in made.items():
            if self.book.is_float(value):
                self._tensors[value] = array
                self.book.measure_value(value, array, kept[value], moment)
        self._take(op)
        self._note_flips(op, flipped(ran, self.book.recorded) or _differing(made, kept))

    def _draw(self, op: Op) -> None:
        """Take what an op drew, counted or compared from the recording; a comparison may come out otherwise in float64."""
        if op.id in self._needed:
            self.book.drawn.append(op.id)
            if any(self.book.is_float(value) for value in op.inputs):
                with suppress(*REFUSED):
                    made = parts_of(run_op(self.graph, op, self._known, _untold, self._mask))
                    self._note_flips(op, _differing(made, {value: self.book.kept(value) for value in op.outputs}))
        self._take(op)

    def _note_flips(self, op: Op, elements: int) -> None:
        if elements and op.id in self._needed:
            self.book.flips.append(Flip(op.id, int(self.book.when.ops[op.id]), elements))

    def _restart(self, op: Op, reason: str) -> None:
        """Go on from the recorded output of an op. Raises MissingError where the loss depends on it and it is not there."""
        lost = self._take(op)
        if op.id in self._needed:
            if lost:
                raise MissingError(f"{self.book.missing(lost[0])} ({reason})")
            self.book.restarts[op.id] = Restart(op.id, int(self.book.when.ops[op.id]), False, reason)

    def _take(self, op: Op) -> list[int]:
        """Take the outputs that were not computed from the recording; those that are not there are returned."""
        lost = []
        for value in op.outputs:
            kept = self.book.kept(value) if value not in self._tensors else None
            if kept is not None and is_usable(kept):
                self._tensors[value] = float64(kept)
            elif value not in self._tensors:
                lost.append(value)
        return lost

    def _known(self, value: int) -> Any:
        return self._tensors[value] if value in self._tensors else self.book.recorded(value)

    def _mask(self, op: Op) -> Any:
        """Which elements an op kept: of a dropout read off its recorded output, and where the input is 0, off the gradient that
        it gave; of one with dropout inside as recorded.
        """
        if op.name.rstrip("_") != "dropout":
            return drawn_by(self.book.trace, op)
        kept = np.asarray(self.book.recorded(op.outputs[0]) != 0)
        look, x = index(self.graph), op.inputs[0]
        edges = [self.graph.edges[edge] for node in look.nodes_of_op[op.id] for edge in look.edges_from[node]]
        given = self.book.together([edge for edge in edges if edge.value == x and not edge.none])
        if given is not None and np.shape(given) == kept.shape:
            kept = np.where(np.asarray(self.book.recorded(x)) == 0, given != 0, kept)
        return kept.astype(np.float64)


def _untold(value: int) -> Any:
    """A comparison is called in the usual way, whatever was recorded of it: the other way round it may agree by mistake."""
    raise ValueError


def _differing(made: Mapping[int, Any], kept: Mapping[int, Kept | None]) -> int:
    """How many truth values and whole numbers (the places of a maximum) are not those recorded."""
    found = 0
    for value, array in made.items():
        seen, whole = kept[value], np.asarray(array)
        if whole.dtype.kind in "biu" and seen is not None and seen.complete and seen.shape == whole.shape:
            found += int((whole != seen.data).sum())
    return found


def _refuse_unlike(made: Mapping[int, Any], kept: Mapping[int, Kept | None]) -> None:
    """Raises ValueError where what was computed cannot be what the op did: another shape, or NaN from numbers."""
    for value, array in made.items():
        seen = kept[value]
        if seen is None:
            continue
        if seen.shape != np.shape(array):
            raise ValueError(f"the formula gives the shape {list(np.shape(array))}, not {list(seen.shape)}")
        if np.isnan(array).any() and not np.isnan(seen.data).any():
            raise ValueError("the formula gives NaN where the recording has numbers")


def _to_run(book: Book) -> tuple[Op, ...]:
    """The ops of the forward that ran, in their order; those inside a custom Function are left to it."""
    graph = book.graph
    events = (graph.events[event] for event in book.trace.tape)
    ran = dict.fromkeys(event.ref for event in events if event.kind == "op" and event.phase in ("forward", "loss"))
    return tuple(graph.ops[op] for op in ran if not _is_inside(book, graph.ops[op]))


def _is_inside(book: Book, op: Op) -> bool:
    while op.parent != NONE:
        op = book.graph.ops[op.parent]
        if op.custom:
            return True
    return False


def _needed(book: Book, ops: tuple[Op, ...]) -> set[int]:
    """The ops that a loss or a seed depends on; of a step without either, all."""
    reached = {value for route in book.routes for value in route.seeds} | set(index(book.graph).losses)
    if not reached:
        return {op.id for op in ops}
    needed = set[int]()
    for op in reversed(ops):
        if any(value in reached for value in op.outputs):
            needed.add(op.id)
            reached.update(op.inputs)
    return needed
