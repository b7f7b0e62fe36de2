"""Statistics of many steps, read by column: the same numbers as in their Traces, and nothing else is read."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gradwalk
from gradwalk.paths import columns_of, id_of, path_of
from gradwalk.recording.columns import read_column
from gradwalk.recording.reader import open_recording
from gradwalk.recording.tables import Asked, tables_from
from gradwalk.sample import SampleRecording
from gradwalk.scales import unscaled
from gradwalk.trace import NONE, STATISTICS

EVERYTHING = Asked(frozenset(STATISTICS), frozenset(STATISTICS))


@pytest.fixture(scope="module")
def alternating(tmp_path_factory):
    """Nine steps of a net that skips its middle layer in every second step, under a GradScaler."""
    folder = tmp_path_factory.mktemp("tables") / "run"
    torch.manual_seed(0)
    first, middle, last = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4), torch.nn.Linear(4, 1)
    parameters = [*first.parameters(), *middle.parameters(), *last.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with gradwalk.record(folder):
        for step in range(9):
            h = first(torch.randn(3, 4)).relu()
            h = middle(h).relu() if step % 2 else h
            loss = last(h).square().mean()
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    with open_recording(folder) as recording:
        yield recording


def all_tables(recording, asked):
    at, found = 0, []
    while at < len(recording):
        end, tables = tables_from(recording, at, asked)
        assert end > at
        found += tables
        at = end
    return found


def test_tables_hold_the_numbers_of_every_trace(alternating):
    found = all_tables(alternating, EVERYTHING)
    assert len({id(tables.graph) for tables in found}) >= 2, "every second step has another structure"
    assert sorted(np.concatenate([tables.places for tables in found]).tolist()) == list(range(9))
    for tables in found:
        for column, place in enumerate(tables.places.tolist()):
            trace = unscaled(alternating[place])
            assert tables.graph is trace.graph
            assert np.array_equal(tables.values[:, :, column], trace.values, equal_nan=True)
            assert np.array_equal(tables.gradients[:, :, column], trace.gradients, equal_nan=True)


def test_only_what_is_asked_for_is_read(alternating, monkeypatch):
    read = []

    def spy(read_at, header, name):
        read.append(name)
        return read_column(read_at, header, name)

    monkeypatch.setattr("gradwalk.recording.tables.read_column", spy)
    found = all_tables(alternating, Asked(gradients=frozenset(("count", "sumsq"))))
    assert set(read) == {"gradients.count", "gradients.sumsq"}
    assert np.isnan(found[0].values).all()
    assert (found[0].gradients[STATISTICS.index("count")] > 0).any()


def test_any_sequence_of_traces_can_be_read():
    sample = SampleRecording(3)
    found = all_tables(sample, EVERYTHING)
    assert [tables.places.tolist() for tables in found] == [[0], [1], [2]]
    assert np.array_equal(found[2].gradients[:, :, 0], sample[2].gradients, equal_nan=True)


def test_a_damaged_chunk_is_left_out_and_listed(alternating, tmp_path):
    file = tmp_path / "damaged.mcap"
    data = bytearray(next(alternating.path.glob("*.mcap")).read_bytes())
    chunk = alternating._tail.index.chunks[0]
    data[chunk.batches[0].offset + 4] ^= 0xFF
    file.write_bytes(data)
    with open_recording(file) as recording:
        end, found = tables_from(recording, 0, EVERYTHING)
        assert end == chunk.steps
        assert not found
        assert recording.gaps


def test_a_path_finds_the_same_thing_in_another_structure(alternating):
    short, long = alternating[0].graph, alternating[1].graph
    assert short.key != long.key
    for kind, things in (("op", short.ops), ("value", short.values), ("node", short.nodes), ("edge", short.edges)):
        paths = [path_of(short, kind, thing.id) for thing in things]
        assert len(set(paths)) == len(things)
        assert [id_of(short, kind, path) for path in paths] == [thing.id for thing in things]
    weight = next(v for v in short.values if v.parameter and v.role == "leaf" and v.shape == (1, 4))
    there = id_of(long, "value", path_of(short, "value", weight.id))
    assert long.values[there].shape == (1, 4)
    assert long.values[there].name == weight.name
    middle = next(
        node for node in long.nodes if node.leaf != NONE and id_of(short, "node", path_of(long, "node", node.id)) == NONE
    )
    assert long.values[middle.leaf].shape in ((4, 4), (4,))


def test_the_columns_of_a_thing_are_its_output_or_its_gradients(alternating):
    graph = alternating[1].graph
    op = next(op for op in graph.ops if op.name == "relu")
    assert columns_of(graph, "op", op.id).things == op.outputs[:1]
    leaf = next(node for node in graph.nodes if node.leaf != NONE)
    columns = columns_of(graph, "node", leaf.id)
    assert columns.table == "gradients"
    assert {graph.edges[edge].value for edge in columns.things} == {leaf.leaf}
    without = next((op for op in graph.ops if not op.outputs), None)
    assert without is not None
    assert columns_of(graph, "op", without.id) is None
