"""Arguments of ops that differ from those in the Graph: through a file and back, and what a damaged file may say of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradwalk.recording import batch
from gradwalk.recording.format import MAX_TEXT, Damaged
from gradwalk.recording.info import run_info
from gradwalk.recording.reader import open_recording
from gradwalk.recording.writer import Writer


def test_each_step_of_a_batch_comes_back_with_its_own(folder, trace):
    writer = Writer(folder, run_info())
    given = [{}, {0: (("p", "0.5"), ("dim", "(1, 2)"))}, {}, {1: (), 0: (("p", "schön"),)}]
    for step, arguments in enumerate(given):
        writer.add(replace(trace(step), arguments=arguments))
    writer.close("clean")
    plain = trace(0).graph
    with open_recording(folder) as recording:
        assert {read.graph.id for read in recording} == {recording[0].graph.id}
        for read, arguments in zip(recording, given, strict=True):
            assert [op.arguments for op in read.graph.ops] == [arguments.get(op.id, op.arguments) for op in plain.ops]
            assert (read.graph.key, dict(read.arguments)) == (plain.key, {})


@pytest.mark.parametrize(
    "said",
    [
        [],
        {"1": []},
        {"0": 3},
        {"0": [3]},
        {"0": [[]]},
        {"0": [[0, "p"]]},
        {"0": [["0", "p", "1"]]},
        {"0": [[-1, "p", "1"]]},
        {"0": [[0, "p", 1]]},
        {"0": [[0, "p", "1" * (MAX_TEXT + 1)]]},
    ],
)
def test_what_is_malformed_is_damage(said):
    with pytest.raises(Damaged):
        batch._arguments(said, 1)


def test_arguments_of_an_op_that_is_not_there_are_damage(folder, trace):
    writer = Writer(folder, run_info())
    writer.add(replace(trace(0), arguments={10_000: (("p", "1"),)}))
    writer.close("clean")
    with open_recording(folder) as recording:
        read = recording[0]
        assert read.error is not None
        assert "an op that the graph does not have" in read.error.message
