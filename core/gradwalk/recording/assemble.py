"""From what the training thread handed over to chunk groups: steps in batches by Graph, tensors in chunks of their own."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..trace import STATISTICS, TensorKey, Trace
from .batch import batch_key, encode_batch, raw_bytes, storable
from .book import COPY_BYTES, GraphBook
from .columns import Block
from .dtypes import DType
from .format import BATCH_BYTES, MAX_SOURCE, MAX_TEXT, Channel, Flag, Note
from .graph_code import encode_graph
from .groups import Group, Message
from .info import RunInfo
from .order import encode_order
from .tensors import Tensors, blocks_of, is_too_large
from .verdicts import Verdicts
from .verdicts import blocks_of as verdict_blocks

GROUP_BYTES, GROUP_MESSAGES = 16 << 20, 4096
LATEST = 16
"""More steps than the ring of the last ones holds."""
COUNT = STATISTICS.index("count")
Table: TypeAlias = NDArray[np.float64]
COPY_AFTER = 1.0
"""Seconds after which the second copy of a graph is written."""


@dataclass(frozen=True, slots=True)
class Partial:
    """A step so far."""

    trace: Trace


@dataclass(frozen=True, slots=True)
class Later:
    """Tensors of a step that was handed over without them; ``lent`` bytes of the ring's memory hold them, or ``beyond`` bytes
    that count for nothing else.
    """

    step: int
    tensors: Tensors
    lent: int = 0
    beyond: int = 0


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number of a step."""

    name: str
    step: int
    value: float


@dataclass(frozen=True, slots=True)
class Packed:
    """Numbers of one name: int64 steps and float64 values, of equal length."""

    name: str
    steps: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a source file."""

    file: str
    text: str


Item: TypeAlias = Trace | Partial | Later | Scalar | Packed | Source | Verdicts | Note | RunInfo


@dataclass(slots=True)
class _Steps:
    """The steps collected for the next group: by (graph number, sizes), each with its place in the order of arrival."""

    batches: dict[tuple[int, ...], tuple[int, list[Trace]]] = field(default_factory=dict)
    places: list[tuple[int, float, int, int]] = field(default_factory=list)
    raw: int = 0

    def add(self, trace: Trace, graph: int) -> None:
        key = (graph, *batch_key(trace))
        found = self.batches.get(key)
        if found is None:
            found = self.batches[key] = len(self.batches), []
        number, batch = found
        self.places.append((trace.step, math.nan if trace.loss is None else trace.loss, number, len(batch)))
        batch.append(trace)
        self.raw += raw_bytes(trace)


class Assembler:
    """Turns items into groups. It lives in the writer's thread and raises nothing: what cannot be stored becomes a note."""

    def __init__(self) -> None:
        self._book = GraphBook()
        self._copies: list[tuple[float, Message]] = []
        self._partial: Trace | None = None
        self._steps = _Steps()
        self._messages: list[Message] = []
        self._latest: deque[tuple[int, Table, Table]] = deque(maxlen=LATEST)
        """The statistics of the steps taken last: what was measured can be kept."""
        self._tensors: list[Iterator[Message]] = []
        self._scalars: list[Scalar] = []

    @property
    def empty(self) -> bool:
        """Whether all that was taken has been given as groups."""
        return not (self._steps.raw or self._tensors or self._messages or self._scalars)

    def groups(self, items: Iterable[Item], *, last: bool = False) -> Iterator[Group]:
        """The groups of some items, in order. ``last``: nothing comes after them, so that what was held back goes too."""
        for item in items:
            try:
                self._take(item)
            except Exception as error:
                self._fault(error)
            if self._steps.raw >= BATCH_BYTES or self._tensors:
                yield from self._emit()
        if last and self._partial is not None:
            trace, self._partial = self._partial, None
            self._guarded(partial(self._step, trace))
        yield from self._emit()
        yield from self._second_copies(last)

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            self._fault(error)

    def _fault(self, error: Exception) -> None:
        self._note("fault", f"something could not be stored: {type(error).__name__}: {error}")

    def _take(self, item: Item) -> None:
        if isinstance(item, Trace):
            self._promote(item.step)
            self._step(item)
        elif isinstance(item, Partial):
            self._promote(item.trace.step)
            self._partial_step(item.trace)
        elif isinstance(item, Later):
            self._keep(item.step, item.tensors)
        elif isinstance(item, Scalar):
            self._scalars.append(item)
        elif isinstance(item, Packed):
            self._messages.append(_packed_message(item))
        elif isinstance(item, Note):
            self._messages.append(_note_message(item))
        elif isinstance(item, Source):
            self._messages.append(_source_message(item))
        elif isinstance(item, Verdicts):
            self._verdicts(item)
        else:
            self._messages.append(_message(Channel.INFO, Block(info=asdict(item))))

    def _note(self, kind: str, message: str, step: int = -1) -> None:
        self._messages.append(_note_message(Note(kind, message[:MAX_TEXT], step, time.time())))

    def _promote(self, step: int) -> None:
        """A partial step that the training went past without completing it is kept as it was."""
        trace, self._partial = self._partial, None
        if trace is not None and trace.step < step:
            self._step(trace)

    def _step(self, trace: Trace) -> None:
        if not storable(trace):
            self._note("fault", f"step {trace.step} was not stored: its statistics do not fit its graph", trace.step)
            return
        self._steps.add(trace, self._book.number(trace.graph))
        self._latest.append((trace.step, trace.values, trace.gradients))
        if trace.tensors:
            self._keep(trace.step, trace.tensors)
        self._verdicts(Verdicts(trace.step, trace.verdicts))

    def _verdicts(self, found: Verdicts) -> None:
        now = time.time_ns()
        self._messages += [Message(Channel.VERDICT, parts, now, step=found.step) for parts in verdict_blocks(found)]

    def _partial_step(self, trace: Trace) -> None:
        if not storable(trace):
            return
        self._partial = trace
        number = self._book.known(trace.graph)
        encoded = encode_graph(trace.graph) if number is None else None
        parts = encode_batch([trace], -1 if number is None else number, encoded)
        self._messages.append(Message(Channel.PARTIAL, parts, time.time_ns(), step=trace.step, steps=1, graph=-1))
        if trace.tensors:
            self._keep(trace.step, trace.tensors, Flag.OF_PARTIAL)

    def _keep(self, step: int, tensors: Tensors, flag: Flag = Flag.NONE) -> None:
        if flag is Flag.NONE and self._is_part(step, tensors):
            flag = Flag.IN_PART
        self._tensors.append(self._blocks(step, tensors, flag))

    def _is_part(self, step: int, tensors: Tensors) -> bool:
        """Whether some tensors of a step are not kept, or as a sample."""
        tables = next((tables for number, *tables in self._latest if number == step), ())
        measured = sum(int(np.count_nonzero(table[COUNT] > 0)) for table in tables)
        kept = sum(1 for kind, _ in tensors if kind != "mask")
        return kept < measured or not all(kept.complete and not is_too_large(kept) for kept in tensors.values())

    def _blocks(self, step: int, tensors: Tensors, flag: Flag) -> Iterator[Message]:
        """The messages of a step's tensors, each made when the one before is in the file."""
        blocks = blocks_of(step, tensors)
        while True:
            try:
                parts = next(blocks)
            except StopIteration as done:
                self._refused(step, done.value)
                return
            except Exception as error:
                self._fault(error)
                return
            yield Message(Channel.TENSOR, parts, time.time_ns(), flag, step=step)

    def _refused(self, step: int, refused: list[TensorKey]) -> None:
        if refused:
            names = ", ".join(f"{kind} {number}" for kind, number in refused[:3])
            self._note("fault", f"{len(refused)} tensors could not be stored ({names}): of a type of their own", step)

    def _emit(self) -> Iterator[Group]:
        """Steps first, what was said beside them after, tensors in groups of their own."""
        steps, self._steps = self._steps, _Steps()
        group = Group()
        if steps.batches:
            self._guarded(partial(self._add_steps, group, steps))
        if self._scalars:
            self._guarded(partial(self._add_scalars, group))
        if group.messages:
            yield group
        yield from self._beside()
        tensors, self._tensors = self._tensors, []
        for messages in tensors:
            for message in messages:
                yield Group([message])
        yield from self._beside()

    def _beside(self) -> Iterator[Group]:
        messages, self._messages = self._messages, []
        return _split(messages)

    def _add_steps(self, group: Group, steps: _Steps) -> None:
        now = time.time_ns()
        batches = [
            Message(Channel.STEPS, encode_batch(traces, key[0]), now, graph=key[0], step=traces[0].step, steps=len(traces))
            for key, (_, traces) in steps.batches.items()
        ]
        places = steps.places
        fresh, self._book.fresh = self._book.fresh, []
        group.messages += [self._graph_message(number, encoded, now) for number, encoded in fresh]
        group.messages.append(
            Message(Channel.SCALAR, [encode_order(places)], now, Flag.ORDER, step=places[0][0], steps=len(places))
        )
        group.messages += batches
        group.first_step, group.steps = places[0][0], len(places)

    def _graph_message(self, number: int, encoded: bytes, now: int) -> Message:
        if len(encoded) <= COPY_BYTES:
            self._copies.append((time.monotonic(), Message(Channel.GRAPH, [encoded], now, Flag.COPY, graph=number)))
        return Message(Channel.GRAPH, [encoded], now, graph=number)

    def _second_copies(self, last: bool) -> Iterator[Group]:
        now = time.monotonic()
        while self._copies and (last or now - self._copies[0][0] > COPY_AFTER):
            yield Group([self._copies.pop(0)[1]])

    def _add_scalars(self, group: Group) -> None:
        scalars, self._scalars = self._scalars, []
        names = list(dict.fromkeys(scalar.name[:MAX_TEXT] for scalar in scalars))
        number = {name: i for i, name in enumerate(names)}
        block = Block(names=names)
        block.add("name", np.array([number[s.name[:MAX_TEXT]] for s in scalars], np.uint32), DType.UINT32)
        block.add("step", np.array([s.step for s in scalars], np.int64), DType.INT64)
        block.add("value", np.array([s.value for s in scalars], np.float64), DType.FLOAT64)
        group.messages.append(Message(Channel.SCALAR, block.parts(), time.time_ns(), step=scalars[0].step))


def _split(messages: list[Message]) -> Iterator[Group]:
    """Messages in groups of a bounded size."""
    group, size = Group(), 0
    for message in messages:
        if group.messages and (size + message.size > GROUP_BYTES or len(group.messages) >= GROUP_MESSAGES):
            yield group
            group, size = Group(), 0
        group.messages.append(message)
        size += message.size
    if group.messages:
        yield group


def _message(channel: Channel, block: Block, **place: Any) -> Message:
    return Message(channel, block.parts(), time.time_ns(), **place)


def _packed_message(packed: Packed) -> Message:
    block = Block(names=[packed.name[:MAX_TEXT]])
    block.add("name", np.zeros(len(packed.steps), np.uint32), DType.UINT32)
    block.add("step", packed.steps, DType.INT64)
    block.add("value", packed.values, DType.FLOAT64)
    return _message(Channel.SCALAR, block, step=int(packed.steps[0]))


def _note_message(note: Note) -> Message:
    moment = note.time if math.isfinite(note.time) else 0.0
    return _message(Channel.EVENT, Block(kind=note.kind, message=note.message, step=note.step, time=moment), step=note.step)


def _source_message(source: Source) -> Message:
    text = source.text.encode("utf-8", "surrogatepass")
    end = min(len(text), MAX_SOURCE)
    while end < len(text) and text[end] & 0xC0 == 0x80:  # not in the middle of a character
        end -= 1
    text = text[:end]
    block = Block(file=source.file[:MAX_TEXT])
    block.add("text", np.frombuffer(text, np.uint8), DType.UINT8)
    return _message(Channel.SOURCE, block)
