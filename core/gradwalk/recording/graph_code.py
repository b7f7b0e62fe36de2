"""A Graph as bytes and back, with nothing lost: JSON rows in zstd, every id and type checked when read."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, get_args
from zlib import crc32

from ..trace import (
    NONE,
    Edge,
    Event,
    EventKind,
    Frame,
    Graph,
    Hook,
    HookKind,
    ModuleCall,
    Node,
    Op,
    Phase,
    Role,
    Saved,
    Site,
    Value,
)
from .columns import expand_text, read_json, zstd
from .format import MAX_GRAPH, MAX_TEXT, MAX_THINGS, Damaged
from .graph_rows import record_of

Check: TypeAlias = Callable[[Any], Any]
HEAD = struct.Struct("<QI")


def encode_graph(graph: Graph) -> bytes:
    """The Graph as its length and CRC and a zstd frame. Strings are shared through a table.

    Raises ValueError where it is larger than can be read back.
    """
    text = json.dumps(record_of(graph), separators=(",", ":")).encode("ascii")
    if len(text) > MAX_GRAPH:
        raise ValueError(f"a graph of {len(graph.ops):,} ops is larger than a recording can hold")
    return signed_graph(text)


def signed_graph(text: bytes) -> bytes:
    """The JSON of a Graph compressed, behind its length and a CRC."""
    packed = zstd().compress(text)
    return HEAD.pack(len(text), crc32(packed)) + packed


def decode_graph(data: bytes) -> Graph:
    """The Graph from :func:`encode_graph`'s bytes. Raises Damaged where a type, a word or an id is not what it must be."""
    if len(data) < HEAD.size:
        raise Damaged("a graph is cut short")
    size, crc = HEAD.unpack_from(data)
    packed = data[HEAD.size :]
    if crc32(packed) != crc:
        raise Damaged("the CRC of a graph is wrong")
    record = read_json(expand_text(packed, size, MAX_GRAPH))
    if not isinstance(record, dict):
        raise Damaged("a graph is malformed")
    sizes = {
        name: len(_rows(record, name)) for name in ("values", "ops", "nodes", "edges", "events", "modules", "sites", "frames")
    }
    if sum(sizes.values()) > MAX_THINGS:
        raise Damaged("a graph has more parts than are allowed")
    return _Reader(record, sizes).graph()


def _rows(record: Mapping[str, Any], name: str) -> list[Any]:
    rows = record.get(name)
    if not isinstance(rows, list):
        raise Damaged(f"a graph has no {name}")
    return rows


def _number(x: Any) -> int:
    if type(x) is not int or not -(1 << 62) < x < 1 << 62:
        raise Damaged("a number in a graph is no integer")
    return x


def _count(x: Any) -> int:
    if type(x) is not int or not 0 <= x < 1 << 62:
        raise Damaged("a number in a graph is negative")
    return x


def _flag(x: Any) -> bool:
    if type(x) is not bool:
        raise Damaged("a flag in a graph is neither true nor false")
    return x


def _shape(x: Any) -> tuple[int, ...]:
    if not isinstance(x, list) or len(x) > 64:
        raise Damaged("a shape in a graph is malformed")
    return tuple(_count(size) for size in x)


def _strides(x: Any) -> tuple[int, ...] | None:
    if x is None:
        return None
    if not isinstance(x, list) or len(x) > 64:
        raise Damaged("the strides of a value in a graph are malformed")
    return tuple(_number(step) for step in x)


def _shape_or_none(x: Any) -> tuple[int, ...] | None:
    return None if x is None else _shape(x)


def _id(limit: int, *, needed: bool = False) -> Check:
    def check(x: Any) -> int:
        if type(x) is not int or not (0 if needed else NONE) <= x < limit:
            raise Damaged("an id in a graph points to nothing")
        return x

    return check


def _many(check: Check) -> Check:
    def checked(x: Any) -> tuple[Any, ...]:
        if not isinstance(x, list):
            raise Damaged("a list in a graph is malformed")
        return tuple(check(item) for item in x)

    return checked


Later: TypeAlias = tuple[tuple[Check, Any], ...]
"""The checks and the defaults of last fields that earlier versions did not write."""


def _tuple(*checks: Check, later: Later = ()) -> Check:
    """A row, with the fields that came later at its end."""

    def check(x: Any) -> tuple[Any, ...]:
        if not isinstance(x, list) or len(x) < len(checks):
            raise Damaged("a row in a graph is malformed")
        row = tuple(check(item) for check, item in zip(checks, x, strict=False))
        if not later:
            return row
        more = x[len(checks) :]
        return (*row, *[check(more[i]) if i < len(more) else default for i, (check, default) in enumerate(later)])

    return check


def _check_chains(parents: list[int]) -> None:
    """Whoever goes from a thing to its parent, and on, must come to an end."""
    if all(parent < i for i, parent in enumerate(parents)):
        return
    ends = [parent == NONE for parent in parents]
    for start in range(len(parents)):
        chain, at = [], start
        while at != NONE and not ends[at]:
            chain.append(at)
            at = parents[at]
            if len(chain) > len(parents):
                raise Damaged("a chain of parents in a graph has no end")
        for link in chain:
            ends[link] = True


class _Reader:
    """The checks of one graph's rows; a newer minor version may have added fields at their ends, which are left out."""

    def __init__(self, record: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        self.record = record
        self.sizes = sizes
        self.strings = [self._string(x) for x in _rows(record, "strings")]

    @staticmethod
    def _string(x: Any) -> str:
        if not isinstance(x, str) or len(x) > MAX_TEXT:
            raise Damaged("a string in a graph is too long")
        return x

    def text(self, x: Any) -> str:
        if type(x) is not int or not 0 <= x < len(self.strings):
            raise Damaged("a graph names a string that it does not have")
        return self.strings[x]

    def one_of(self, kind: Any) -> Check:
        allowed = frozenset(get_args(kind))

        def check(x: Any) -> str:
            word = self.text(x)
            if word not in allowed:
                raise Damaged(f"{word[:40]!r} in a graph is none of {', '.join(sorted(allowed))}")
            return word

        return check

    def id(self, name: str, *, needed: bool = False) -> Check:
        return _id(self.sizes[name], needed=needed)

    def rows(self, name: str, *checks: Check, later: Later = ()) -> Iterable[tuple[Any, ...]]:
        return map(_tuple(*checks, later=later), self.record[name])

    def graph(self) -> Graph:
        number, key = _number(self.record.get("id")), self._string(self.record.get("key"))
        return Graph(
            number, key, self.values(), self.ops(), self.nodes(), self.edges(), self.events(), self.modules(), self.sites()
        )

    def hooks(self) -> Check:
        hook = _tuple(self.one_of(HookKind), self.text, self.text, _count)
        return _many(lambda x: Hook(*hook(x)))

    def values(self) -> tuple[Value, ...]:
        text, value = self.text, self.id("values")
        rows = self.rows(
            "values",
            text,
            self.one_of(Role),
            _shape,
            text,
            text,
            _flag,
            self.id("ops"),
            _number,
            _number,
            value,
            value,
            later=((_flag, False), (text, ""), (_strides, None), (self.hooks(), ())),
        )
        values = tuple(Value(i, *row) for i, row in enumerate(rows))
        if any(value.strides is not None and len(value.strides) != len(value.shape) for value in values):
            raise Damaged("a value in a graph has other strides than axes")
        _check_chains([value.base for value in values])
        _check_chains([value.gradient_of for value in values])
        return values

    def ops(self) -> tuple[Op, ...]:
        text, values = self.text, _many(self.id("values", needed=True))
        arguments = _many(_tuple(text, text))
        rows = self.rows(
            "ops",
            text,
            self.one_of(Phase),
            values,
            values,
            arguments,
            self.id("modules"),
            self.id("sites"),
            text,
            self.id("ops"),
            _flag,
            later=((_many(text), ()),),
        )
        ops = tuple(Op(i, *row) for i, row in enumerate(rows))
        _check_chains([op.parent for op in ops])
        return ops

    def nodes(self) -> tuple[Node, ...]:
        text = self.text
        saved = _tuple(text, self.id("values"), _shape, text, _number, _number)
        place = self.id("ops"), self.id("values"), _number
        rows = self.rows("nodes", text, *place, _many(lambda x: Saved(*saved(x))), later=((self.hooks(), ()),))
        return tuple(Node(i, *row) for i, row in enumerate(rows))

    def edges(self) -> tuple[Edge, ...]:
        node, value = self.id("nodes"), self.id("values")
        rows = self.rows("edges", node, _number, node, _number, value, value, _number, _shape_or_none, later=((_flag, False),))
        return tuple(Edge(i, *row) for i, row in enumerate(rows))

    def events(self) -> tuple[Event, ...]:
        rows = self.rows("events", self.one_of(EventKind), self.one_of(Phase), _number, _number)
        return tuple(self.event(i, *row) for i, row in enumerate(rows))

    def event(self, number: int, kind: EventKind, phase: Phase, ref: int, backward: int) -> Event:
        things = {"op": "ops", "update": "ops", "loss": "values"}.get(kind, "nodes")
        return Event(number, kind, phase, self.id(things, needed=True)(ref), backward)

    def modules(self) -> tuple[ModuleCall, ...]:
        text = self.text
        rows = self.rows("modules", text, text, text, self.id("modules"), later=((self.hooks(), ()),))
        modules = tuple(ModuleCall(i, *row) for i, row in enumerate(rows))
        _check_chains([module.parent for module in modules])
        return modules

    def sites(self) -> tuple[Site, ...]:
        frames = tuple(Frame(*row) for row in self.rows("frames", self.text, _number, self.text))
        frame = self.id("frames", needed=True)
        rows = self.rows(
            "sites", self.text, _number, _number, _number, _number, self.text, self.text, _many(lambda x: frames[frame(x)])
        )
        return tuple(Site(*row) for row in rows)
