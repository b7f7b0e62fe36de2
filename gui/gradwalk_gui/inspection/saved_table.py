"""What the forward of a step keeps for its backward, as lines of a table and as bytes over the tape. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradwalk.same import Same
from gradwalk.saved import held, saved_by_module, saved_of
from gradwalk.tape import index, moments
from gradwalk.trace import NONE, Trace
from gradwalk.watches import Alert, Limits
from gradwalk.watches.inplace import inplace

from ..numbers import bytes_text
from ..state import Selection

COLUMNS = ("op", "module", "kept by", "tensors", "bytes", "held", "now", "event")
NAME, MODULE, NODES, TENSORS, BYTES, OWN, NOW, EVENT = range(len(COLUMNS))
TIPS = {
    BYTES: "Bytes of all tensors that are kept, leaves and inputs among them",
    OWN: "Bytes that live on for the backward alone: neither leaves nor inputs",
    NOW: "Whether they are kept at the playhead",
}


@dataclass(frozen=True, slots=True)
class SavedLine:
    """What one op or one module keeps; ``own`` are the bytes that are there for the backward alone.

    It is kept from tape position ``event`` on until the event at ``last`` has run; NONE for a module, and where no Node asked.
    """

    selection: Selection
    name: str
    module: str
    nodes: str
    tensors: int
    bytes: int
    own: int
    event: int
    last: int


def lines_of(trace: Trace, *, by_module: bool) -> tuple[SavedLine, ...]:
    """The lines of a step, per op in the order of the tape or per module (kept for the steps looked at last)."""
    return _modules(Same(trace)) if by_module else _ops(Same(trace))


@lru_cache(maxsize=4)
def _ops(key: Same[Trace]) -> tuple[SavedLine, ...]:
    trace = key.thing
    ran, nodes_of_op = moments(trace).nodes, index(trace.graph).nodes_of_op
    return tuple(
        SavedLine(
            Selection("op", row.op),
            row.name,
            row.module,
            ", ".join(row.nodes),
            row.tensors,
            row.bytes,
            row.own,
            row.event,
            max((int(ran[node]) for node in nodes_of_op[row.op] if trace.graph.nodes[node].saved), default=NONE),
        )
        for row in saved_of(trace)
    )


@lru_cache(maxsize=4)
def _modules(key: Same[Trace]) -> tuple[SavedLine, ...]:
    calls: dict[str, int] = {}
    for call in key.thing.graph.modules:
        calls.setdefault(call.path, call.id)
    return tuple(
        SavedLine(Selection("module", calls[row.module]), row.module, "", "", row.tensors, row.bytes, row.own, NONE, NONE)
        for row in saved_by_module(key.thing)
    )


def held_in(trace: Trace) -> NDArray[np.int64]:
    """The bytes held when ``p`` events have run, int64 ``[len(trace.tape) + 1]`` (kept for the steps looked at last)."""
    return _held(Same(trace))


@lru_cache(maxsize=4)
def _held(key: Same[Trace]) -> NDArray[np.int64]:
    return held(key.thing)


@lru_cache(maxsize=4)
def _overwritten(key: Same[Trace]) -> tuple[Alert, ...]:
    return tuple(inplace(key.thing, Limits()))


def overwritten(trace: Trace) -> tuple[Alert, ...]:
    """In-place writes to what was kept, whether autograd has complained or not."""
    return _overwritten(Same(trace))


def text_of(line: SavedLine, column: int, position: int) -> str:
    """The text of a cell at a playhead."""
    if column == NOW:
        return now_of(line, position)
    if column == EVENT:
        return "" if line.event == NONE else str(line.event)
    if column in (BYTES, OWN):
        return bytes_text(line.bytes if column == BYTES else line.own)
    return (line.name, line.module, line.nodes, f"{line.tensors:,}")[column]


def now_of(line: SavedLine, position: int) -> str:
    """Where a line stands at a playhead."""
    if line.event == NONE:
        return ""
    if line.event >= position:
        return "not yet"
    return "freed" if line.last != NONE and line.last < position else "held"


def key_of(line: SavedLine, column: int, position: int) -> tuple[object, ...]:
    """What a line is sorted by."""
    if column == NOW:
        return (("not yet", "held", "freed", "").index(now_of(line, position)),)
    return (
        (line.name.lower(), line.module.lower(), line.nodes.lower(), line.tensors, line.bytes, line.own, 0, line.event)[column],
    )


def in_words(trace: Trace, position: int) -> str:
    """``held 1.2 MB of 3.4 MB at the peak (after event #36)``."""
    line = held_in(trace)
    peak = int(line.argmax())
    return f"held {bytes_text(int(line[position]))}, at the peak {bytes_text(int(line[peak]))} (after event #{max(peak - 1, 0)})"
