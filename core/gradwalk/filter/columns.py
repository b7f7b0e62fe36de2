"""What a filter asks of a Graph, per Event in arrays: texts as numbers into a vocabulary, made once per Graph."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..ragged import Ragged, ragged
from ..same import Same
from ..tape import index, module_of, name_of, op_of, site_of, variable_of
from ..trace import NONE, Event, Graph


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Texts per Event: row ``i`` of ``rows`` numbers those of Event ``i`` in ``words``, which holds each once."""

    words: tuple[str, ...]
    rows: Ragged

    def where(self, matching: Callable[[str], bool]) -> NDArray[np.bool_]:
        """Which Events have a text that matches, bool ``[events]``; each distinct text is looked at once."""
        found = np.array([matching(word) for word in self.words], dtype=np.bool_)
        return self.rows.reduced(np.logical_or, found[self.rows.flat], False)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """A Graph per Event. ``saved`` are the bytes and the number of saved tensors, int64 ``[2, events]``."""

    names: Texts
    labels: Texts
    phases: Texts
    kinds: Texts
    modules: Texts
    sources: Texts
    dtypes: Texts
    devices: Texts
    tags: Texts
    outputs: Ragged
    """Per Event the Values that it gives."""
    edges: Ragged
    """Per Event the Edges whose gradient it sends."""
    saved: NDArray[np.int64]

    def __len__(self) -> int:
        """How many events."""
        return len(self.outputs)


def columns_of(graph: Graph) -> Columns:
    """The columns of a Graph (cached)."""
    return _columns(Same(graph))


@lru_cache(maxsize=16)
def _columns(key: Same[Graph]) -> Columns:
    graph, events = key.thing, key.thing.events
    outputs = [_outputs(graph, event) for event in events]
    edges = index(graph).edges_of_event
    given = [
        [*(graph.values[v] for v in out), *(graph.values[graph.edges[e].value] for e in sent if graph.edges[e].value != NONE)]
        for out, sent in zip(outputs, edges, strict=True)
    ]
    saved = [_saved(graph, event) for event in events]
    return Columns(
        names=texts_of([name_of(graph, event)] for event in events),
        labels=texts_of(_labels(graph, event) for event in events),
        phases=texts_of([event.phase] for event in events),
        kinds=texts_of([event.kind] for event in events),
        modules=texts_of([module_of(graph, event)] for event in events),
        sources=texts_of(_source(graph, event) for event in events),
        dtypes=texts_of([value.dtype for value in values] for values in given),
        devices=texts_of([value.device for value in values] for values in given),
        tags=texts_of(graph.ops[op].tags if (op := op_of(graph, event)) != NONE else () for event in events),
        outputs=ragged(outputs),
        edges=ragged(edges),
        saved=np.array(saved, dtype=np.int64).reshape(-1, 2).T,
    )


def texts_of(rows: Iterable[Iterable[str]]) -> Texts:
    """Texts, given per Event."""
    numbers: dict[str, int] = {}
    listed = ragged([[numbers.setdefault(word, len(numbers)) for word in dict.fromkeys(row)] for row in rows])
    return Texts(tuple(numbers), listed)


def _labels(graph: Graph, event: Event) -> list[str]:
    """What an event may be called: its name, its op's, and what its result is assigned to; else what it is done to."""
    op = op_of(graph, event)
    names = [name_of(graph, event), variable_of(graph, event), graph.ops[op].name if op != NONE else ""]
    if event.kind in ("op", "update"):
        outputs = graph.ops[op].outputs
        about = [graph.values[value].gradient_of for value in outputs] if outputs else list(graph.ops[op].inputs)
        names += [graph.values[value].name for value in about if value != NONE]
    return [name for name in names if name]


def _outputs(graph: Graph, event: Event) -> tuple[int, ...]:
    if event.kind in ("op", "update"):
        return graph.ops[event.ref].outputs
    return (event.ref,) if event.kind == "loss" else ()


def _source(graph: Graph, event: Event) -> list[str]:
    site = site_of(graph, event)
    return [] if site is None else [f"{site.file.replace(chr(92), '/')}:{site.line}"]


def _saved(graph: Graph, event: Event) -> tuple[int, int]:
    """Bytes and number of the tensors that an op's Nodes, or a Node, keep for the backward; each Value counts once."""
    nodes: tuple[int, ...] = ()
    if event.kind == "op":
        nodes = index(graph).nodes_of_op[event.ref]
    elif event.kind == "node":
        nodes = (event.ref,)
    kept: dict[Hashable, int] = {}
    for node in nodes:
        for number, saved in enumerate(graph.nodes[node].saved):
            kept[saved.value if saved.value != NONE else (node, number)] = saved.bytes
    return sum(kept.values()), len(kept)
