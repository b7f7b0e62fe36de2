"""What goes into a recording comes out: bit for bit, in order, whatever its shape."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradwalk.recording.batch import decode_batch, encode_batch
from gradwalk.recording.columns import reader_of
from gradwalk.recording.format import Note
from gradwalk.recording.graph_code import decode_graph, encode_graph
from gradwalk.recording.info import run_info
from gradwalk.recording.reader import open_recording
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace
from gradwalk.trace import Kept, StepError, Trace


def written(traces: list[Trace]) -> list[Trace]:
    with tempfile.TemporaryDirectory() as place:
        writer = Writer(Path(place) / "run", run_info())
        for trace in traces:
            writer.add(trace)
        writer.close("clean")
        with open_recording(writer.folder) as recording:
            assert not recording.gaps
            assert not recording.notes[:-1]
            return [replace(trace, tensors=dict(trace.tensors)) for trace in recording]


def test_the_sample_comes_back_with_its_graph_and_tensors(same):
    traces = [sample_trace(step) for step in range(3)]
    for read, trace in zip(written(traces), traces, strict=True):
        same(read, trace)


@pytest.mark.parametrize(
    "change",
    [
        {"loss": None},
        {"loss": float("nan")},
        {"label": "forward only"},
        {"done": False, "error": StepError("ValueError", "schlecht \ud800", 2, "Traceback ...")},
        {"shapes": {0: (9, 3), 3: ()}},
        {"times": np.zeros(0), "durations": np.zeros(0)},
        {"tape": np.array([1, 0], np.int32)},
        {"tape": np.zeros(0, np.int32)},
        {"strides": {0: (9, -3), 2: (0, 1)}},
        {"step": 2**40},
    ],
)
def test_every_field_of_a_trace_comes_back(change, trace, same):
    traces = [trace(0), replace(trace(1), **change), trace(2**41)]
    for read, wrote in zip(written(traces), traces, strict=True):
        same(read, wrote)


def test_steps_of_different_graphs_come_back_in_the_order_in_which_they_ran(graph, trace, same):
    graphs = [graph("a", 0), graph("b", 1), graph("c", 2)]
    traces = [trace(step * 3, graphs[step * 7 % 3]) for step in range(200)]
    for read, wrote in zip(written(traces), traces, strict=True):
        same(read, wrote)


def test_a_graph_is_stored_once_however_many_equal_objects_come(folder, writer, graph, trace):
    for step in range(20):
        writer.add(trace(step, graph()))
    writer.close("clean")
    recording = open_recording(folder)
    assert recording.graphs == (graph(),)
    assert all(read.graph is recording.graphs[0] for read in recording)


def test_graphs_with_one_key_but_other_sizes_stay_apart(folder, writer, graph, trace):
    small = graph()
    large = replace(small, values=(replace(small.values[0], shape=(99, 3)), *small.values[1:]))
    assert small.key == large.key
    writer.add(trace(0, small))
    writer.add(trace(1, large))
    writer.flush()
    assert [read.graph for read in open_recording(folder)] == [small, large]


def test_losses_steps_scalars_notes_and_sources(finished, trace):
    recording = open_recording(finished)
    assert recording.losses().tolist() == [trace(step).loss for step in range(60)]
    assert recording.step_numbers().tolist() == list(range(60))
    steps, rates = recording.scalars()["lr"]
    assert steps.tolist() == list(range(60))
    assert rates.tolist() == [0.1 * step for step in range(60)]
    assert [(note.kind, note.message, note.step) for note in recording.notes] == [("mark", "here", 59), ("end", "clean", -1)]
    assert isinstance(recording.notes[0], Note)
    assert recording.source("net.py") == "y = x.mm(w)\n"
    assert recording.source("other.py") is None
    assert recording.ended == "clean"
    assert recording.error is None
    assert recording.info.program == ("train.py", "--epochs", "3")
    assert recording.bytes == finished.stat().st_size


def test_a_recording_is_a_sequence(finished):
    recording = open_recording(finished.parent)
    assert [recording[i].step for i in (0, -1, 59, -60)] == [0, 59, 59, 0]
    assert [trace.step for trace in recording[10:14]] == [10, 11, 12, 13]
    with pytest.raises(IndexError, match="no step 60"):
        recording[60]
    with pytest.raises(IndexError):
        recording[-61]


def test_a_tensor_is_decoded_only_when_asked_for(folder, writer, trace, monkeypatch):
    data = np.arange(12, dtype=np.float32).reshape(4, 3)
    writer.add(replace(trace(0), tensors={("value", 0): Kept(data, "float32", (4, 3))}))
    writer.flush()
    read = open_recording(folder)[0]
    decoded = []
    monkeypatch.setattr("gradwalk.recording.tensors.read_column", lambda *_: decoded.append(1))
    assert set(read.tensors) == {("value", 0)}
    assert not decoded


def test_tensors_that_come_later_join_their_step(folder, writer, trace):
    first = Kept(np.ones(3, np.float32), "float32", (3,))
    second = Kept(np.arange(5, dtype=np.int64), "int64", (700,), complete=False)
    writer.add(replace(trace(4), tensors={("value", 0): first}))
    writer.add(trace(5))
    writer.flush()
    writer.add_tensors(4, {("gradient", 1): second})
    writer.flush()
    recording = open_recording(folder)
    assert set(recording[0].tensors) == {("value", 0), ("gradient", 1)}
    assert not recording[0].tensors["gradient", 1].complete
    assert recording[0].tensors["gradient", 1].shape == (700,)
    assert not recording[1].tensors
    assert recording[0].tensors.get(("value", 9)) is None


def test_steps_of_five_thousand_ops_read_one_by_one(folder, writer, trace, graph, same):
    base = graph()
    wide = replace(
        base, values=tuple(replace(base.values[0], id=i, op=-1) for i in range(6000)), ops=(), nodes=(), edges=(), events=()
    )
    traces = [replace(trace(step, wide), tape=np.zeros(0, np.int32)) for step in range(6)]
    for one in traces:
        writer.add(one)
    writer.close("clean")
    recording = open_recording(folder)
    for read, wrote in zip(recording, traces, strict=True):
        same(read, wrote)


def test_much_at_once_is_split_into_groups_that_read(folder, writer):
    for number in range(5):
        writer.source(f"{number}.py", f"{number}" * (9 << 20))
    for number in range(10_000):
        writer.note("mark", f"{number}")
    writer.close("clean")
    recording = open_recording(folder)
    assert [note.message for note in recording.notes[:-1]] == [str(number) for number in range(10_000)]
    assert [recording.source(f"{number}.py") == f"{number}" * (9 << 20) for number in range(5)] == [True] * 5


finite_or_not = st.floats(width=64, allow_nan=True, allow_infinity=True, allow_subnormal=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), steps=st.integers(1, 7))
def test_any_tables_keep_every_bit(data, steps, trace, same):
    graph = trace(0).graph
    traces = []
    for step in range(steps):
        values = data.draw(hnp.arrays(np.float64, (8, len(graph.values)), elements=finite_or_not))
        shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, max_side=2**20))
        traces.append(replace(trace(step), values=values, shapes={1: shape}))
    parts = b"".join(encode_batch(traces, 0))
    batch = decode_batch(reader_of(parts), len(parts))
    for row, wrote in enumerate(traces):
        same(batch.trace(row, graph, {}, 0), wrote)


names = st.text(max_size=20)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=names, file=names, line=st.integers(-5, 10**9), key=names)
def test_any_names_in_a_graph_come_back(name, file, line, key, graph):
    made = graph(name)
    site = replace(made.sites[0], file=file, line=line, expression=name)
    made = replace(made, key=key, sites=(site,))
    assert decode_graph(encode_graph(made)) == made


def test_the_sample_graph_comes_back():
    graph = sample_trace().graph
    assert decode_graph(encode_graph(graph)) == graph
