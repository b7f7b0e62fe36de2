"""Whatever a record may hold comes back from a file to the last bit, in whatever order things are handed over."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradwalk.recording.batch import decode_batch, encode_batch
from gradwalk.recording.columns import reader_of
from gradwalk.recording.graph_code import decode_graph, encode_graph
from gradwalk.recording.info import run_info
from gradwalk.recording.reader import Recording, open_recording
from gradwalk.recording.writer import Writer
from gradwalk.trace import (
    TAGS,
    Edge,
    Event,
    Frame,
    Graph,
    Hook,
    HookKind,
    Kept,
    ModuleCall,
    Node,
    Op,
    Saved,
    Site,
    StepError,
    Trace,
    Value,
)

SETTINGS = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
)
words = st.text(max_size=12)
counts = st.integers(0, 2**40)
shapes = st.lists(counts, max_size=4).map(tuple)
numbers = st.floats(width=64)
tags = st.lists(st.sampled_from(TAGS) | words, max_size=3).map(tuple)
phases = st.sampled_from(["forward", "loss", "backward", "update"])


def ids(many: int) -> st.SearchStrategy[int]:
    return st.integers(-1, many - 1)


def some(many: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.integers(0, many - 1), max_size=3).map(tuple) if many else st.just(())


@st.composite
def graphs(draw: Any) -> Graph:
    """Any Graph whose ids point to something and whose parents come before their children."""
    v, o, n, e, m, s = (draw(st.integers(0, 4)) for _ in range(6))
    saved = st.builds(Saved, words, ids(v), shapes, words, counts, counts)
    frame = st.builds(Frame, words, st.integers(-5, 10**6), words)
    site = st.builds(Site, words, *[st.integers(-1, 10**6)] * 4, words, words, st.lists(frame, max_size=3).map(tuple))
    hook = st.builds(Hook, st.sampled_from(get_args(HookKind)), words, words, counts)
    hooks = st.lists(hook, max_size=2).map(tuple)
    arguments = st.lists(st.tuples(words, words), max_size=2).map(tuple)
    values = [
        Value(i, draw(words), draw(st.sampled_from(["leaf", "input", "result"])), draw(shapes), draw(words), draw(words),
              draw(st.booleans()), draw(ids(o)), draw(counts), draw(counts), draw(ids(i)), draw(ids(i)), hooks=draw(hooks))
        for i in range(v)
    ]  # fmt: skip
    values = [
        replace(value, strides=draw(st.none() | st.tuples(*[st.integers(-(2**40), 2**40)] * len(value.shape))))
        for value in values
    ]
    ops = [
        Op(i, draw(words), draw(phases), draw(some(v)), draw(some(v)), draw(arguments), draw(ids(m)), draw(ids(s)), draw(words),
           draw(ids(i)), draw(st.booleans()), draw(tags))
        for i in range(o)
    ]  # fmt: skip
    nodes = [
        Node(i, draw(words), draw(ids(o)), draw(ids(v)), draw(counts), tuple(draw(st.lists(saved, max_size=2))), draw(hooks))
        for i in range(n)
    ]
    edges = [
        Edge(i, draw(ids(n)), draw(counts), draw(ids(n)), draw(counts), draw(ids(v)), draw(ids(v)), draw(counts),
             draw(st.none() | shapes))
        for i in range(e)
    ]  # fmt: skip
    kinds = [(kind, many) for kind, many in (("op", o), ("update", o), ("loss", v), ("node", n), ("accumulate", n)) if many]
    events = []
    for i in range(draw(st.integers(0, 5)) if kinds else 0):
        kind, many = draw(st.sampled_from(kinds))
        events.append(Event(i, kind, draw(phases), draw(st.integers(0, many - 1)), draw(counts)))
    modules = [ModuleCall(i, draw(words), draw(words), draw(words), draw(ids(i)), draw(hooks)) for i in range(m)]
    parts = (values, ops, nodes, edges, events, modules, [draw(site) for _ in range(s)])
    return Graph(draw(st.integers(-1, 2**40)), draw(words), *map(tuple, parts))


@settings(SETTINGS, max_examples=50)
@given(graph=graphs())
def test_any_graph_comes_back(graph):
    assert decode_graph(encode_graph(graph)) == graph


@st.composite
def traces(draw: Any, graph: Graph, step: int) -> Trace:
    """Any Trace of a Graph."""
    tape = draw(st.lists(st.integers(0, len(graph.events) - 1), max_size=6)) if graph.events else []
    timed = len(tape) if draw(st.booleans()) else 0
    floats = lambda *shape: draw(hnp.arrays(np.float64, shape, elements=numbers))  # noqa: E731
    error = st.builds(StepError, words, words, st.integers(-1, len(tape)), words)
    return Trace(
        step, graph, np.array(tape, np.int32), floats(8, len(graph.values)), floats(8, len(graph.edges)),
        draw(st.none() | numbers), draw(numbers), floats(timed), floats(timed), {},
        draw(st.dictionaries(st.integers(0, len(graph.values) - 1), shapes, max_size=2)) if graph.values else {},
        0, draw(words), draw(st.booleans()), draw(st.none() | error),
        tuple(draw(st.lists(numbers, max_size=3))),
    )  # fmt: skip


def alike(read: Trace, wrote: Trace) -> None:
    """The same to the last bit, NaN equal to NaN, and read-only."""
    for name in ("graph", "step", "shapes", "rank", "label", "done", "error"):
        assert getattr(read, name) == getattr(wrote, name), name
    assert list(map(repr, (read.loss, read.start, *read.scales))) == list(map(repr, (wrote.loss, wrote.start, *wrote.scales)))
    for name in ("tape", "values", "gradients", "times", "durations"):
        a, b = getattr(read, name), getattr(wrote, name)
        assert (a.dtype, a.shape, a.tobytes(), a.flags.writeable) == (b.dtype, b.shape, np.ascontiguousarray(b).tobytes(), False)


@settings(SETTINGS, max_examples=30)
@given(data=st.data(), graph=graphs())
def test_any_trace_comes_back(data, graph):
    wrote = data.draw(traces(graph, data.draw(st.integers(-(2**62), 2**62))))
    block = b"".join(encode_batch([wrote], 0))
    alike(decode_batch(reader_of(block), len(block)).trace(0, graph, {}, 0), wrote)


@dataclass
class Expected:
    """What a file must hold."""

    steps: list[Trace] = field(default_factory=list)
    tensors: dict[int, dict[Any, Kept]] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)
    scalars: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    partial: Trace | None = None

    def promote(self) -> None:
        """A step so far that the training went past without completing it stays as it was."""
        if self.partial is not None:
            self.steps.append(self.partial)
            self.partial = None

    def check(self, recording: Recording, ended: bool) -> None:
        wanted = self.steps + ([self.partial] if self.partial else [])
        assert len(recording) == len(wanted)
        assert recording.step_numbers().tolist() == [trace.step for trace in wanted]
        assert recording.gaps == []
        for read, wrote in zip(recording, wanted, strict=True):
            alike(read, wrote)
            kept = self.tensors.get(read.step, {})
            assert set(read.tensors) == set(kept)
            assert all(read.tensors[key].data.tobytes() == kept[key].data.tobytes() for key in kept)
        losses = [math.nan if trace.loss is None else trace.loss for trace in wanted]
        assert np.array_equal(recording.losses(), losses, equal_nan=True)
        found = {name: list(zip(*map(np.ndarray.tolist, columns), strict=True)) for name, columns in recording.scalars().items()}
        assert {name: list(map(repr, rows)) for name, rows in found.items()} == {
            name: list(map(repr, rows)) for name, rows in self.scalars.items()
        }
        said = [(note.kind, note.message) for note in recording.notes]
        assert said == self.notes + ([("end", "clean")] if ended else [])
        assert {file: recording.source(file) for file in self.sources} == self.sources


def act(data: Any, what: str, writer: Writer, expected: Expected, graph: Graph, step: int) -> None:
    """Do one thing to a writer, and to what is expected of it."""
    if what == "add":
        expected.promote()
        expected.steps.append(data.draw(traces(graph, step)))
        writer.add(expected.steps[-1])
    elif what == "complete" and expected.partial is not None:
        expected.steps.append(data.draw(traces(graph, expected.partial.step)))
        expected.partial = None
        writer.add(expected.steps[-1])
    elif what == "partial":
        expected.promote()
        expected.partial = replace(data.draw(traces(graph, step)), done=False)
        writer.partial(expected.partial)
    elif what == "tensors" and expected.steps:
        of = data.draw(st.sampled_from(expected.steps)).step
        kept = Kept(data.draw(hnp.arrays(np.float32, hnp.array_shapes(max_dims=2, max_side=4))), "float32", ())
        kept = replace(kept, shape=kept.data.shape)
        key = ("value", data.draw(st.integers(0, 3)))
        expected.tensors.setdefault(of, {})[key] = kept
        writer.add_tensors(of, {key: kept})
    elif what == "note":
        expected.notes.append(("mark", data.draw(words)))
        writer.note(*expected.notes[-1], step)
    elif what == "scalar":
        name, value = data.draw(words), data.draw(numbers)
        expected.scalars.setdefault(name, []).append((step, value))
        writer.scalar(name, step, value)
    elif what == "source":
        file, text = data.draw(words), data.draw(st.text(max_size=40))
        expected.sources.setdefault(file, text)
        writer.source(file, text)


WHAT = ["add"] * 4 + ["partial", "complete", "tensors", "note", "scalar", "source", "flush", "flush", "look", "look"]


@settings(SETTINGS, max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(data=st.data(), some_graphs=st.lists(graphs(), min_size=1, max_size=3))
def test_anything_in_any_order_comes_back_live_and_afterwards(data, some_graphs, stock):
    with tempfile.TemporaryDirectory() as place:
        writer, expected, live = Writer(Path(place) / "run", run_info()), Expected(), None
        live = open_recording(writer.folder)
        for step, what in enumerate(data.draw(st.lists(st.sampled_from(WHAT), max_size=25))):
            if what in ("flush", "look"):
                assert writer.flush()
            if what == "look":
                live.poll()
                expected.check(live, ended=False)
            act(data, what, writer, expected, data.draw(st.sampled_from(some_graphs)), step)
        writer.close("clean")
        expected.promote()
        live.poll()
        with open_recording(writer.folder) as afterwards:
            for recording in (live, afterwards):
                expected.check(recording, ended=True)
        live.close()
        stock(writer.path)
