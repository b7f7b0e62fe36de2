"""Cut, flipped and overwritten files: what is left is read and right, what is lost is said, nothing raises but RecordingError."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradwalk.recording.format import RecordingError
from gradwalk.recording.reader import DAMAGED, Recording, open_recording
from gradwalk.trace import Kept


@pytest.fixture
def small(folder, writer, trace) -> Path:
    """A closed file of 12 steps in four groups, with tensors on two of them and a source."""
    writer.source("net.py", "y = 1\n")
    for step in range(12):
        kept = {("value", 0): Kept(np.full((4, 3), step, np.float32), "float32", (4, 3))} if step in (2, 9) else {}
        writer.add(replace(trace(step), tensors=kept))
        if step % 3 == 2:
            writer.flush()
    writer.note("mark", "here", 3)
    writer.close("clean")
    return writer.path


def look_at_everything(recording: Recording) -> None:
    recording.losses()
    recording.step_numbers()
    recording.scalars()
    recording.source("net.py")
    assert all(graph.key for graph in recording.graphs)
    assert isinstance(recording.skipped, list)
    for trace in recording:
        for key in trace.tensors:
            trace.tensors.get(key)


def check_honest(recording: Recording, trace, same) -> int:
    """Every step is right to the bit or says that it is damaged; gives how many are right."""
    right = 0
    for read in recording:
        if read.label == DAMAGED:
            assert recording.gaps
            assert read.error is not None
            continue
        same(read, trace(read.step))
        right += 1
        for key in read.tensors:
            kept = read.tensors.get(key)
            assert kept is None or np.array_equal(kept.data, np.full((4, 3), read.step, np.float32))
    return right


def opened(path: Path) -> Recording | None:
    try:
        return open_recording(path)
    except RecordingError:
        return None


def steps_of(recording: Recording) -> list[int]:
    return [trace.step for trace in recording if trace.label != DAMAGED]


def test_a_file_cut_anywhere_keeps_what_comes_before(small, tmp_path, trace, same):
    whole, before = small.read_bytes(), 0
    target = tmp_path / "cut.mcap"
    for length in [*range(0, len(whole), 97), len(whole)]:
        target.write_bytes(whole[:length])
        with open_recording(target) as recording:
            right = check_honest(recording, trace, same)
            assert steps_of(recording) == list(range(right))
            assert right >= before
            before = right
            assert not recording.gaps or length == len(whole)
    assert before == 12


@pytest.mark.parametrize("seed", range(150))
def test_flipped_bits_are_never_silently_wrong(seed, small, trace, same, tmp_path):
    chance = random.Random(seed)
    data = bytearray(small.read_bytes())
    for _ in range(chance.choice([1, 1, 1, 3, 30])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    if chance.random() < 0.5:
        del data[-chance.randrange(2000) :]  # a killed run, damaged later: no index
    target = tmp_path / "flipped.mcap"
    target.write_bytes(data)
    recording = opened(target)
    if recording is None:
        return
    with recording:
        check_honest(recording, trace, same)
        look_at_everything(recording)
        if recording.info.run_id:
            assert recording.info.program == ("train.py", "--epochs", "3")


@pytest.mark.parametrize("indexed", [True, False])
def test_a_damaged_sector_costs_only_what_was_in_it(indexed, folder, writer, trace, same):
    for step in range(400):
        writer.add(trace(step))
        if step % 4 == 3:
            writer.flush()
    writer.close("clean")
    data = bytearray(writer.path.read_bytes())
    start = len(data) // 2
    data[start : start + 512] = random.Random(0).randbytes(512)
    writer.path.write_bytes(data if indexed else data[: data.index(b"gradwalk.index") - 29])
    with open_recording(writer.path) as recording:
        assert check_honest(recording, trace, same) >= 0.98 * 396
        assert recording.gaps
        assert all(gap.end - gap.start < 8000 for gap in recording.gaps)


def test_the_first_copy_of_a_graph_may_be_lost(small, trace, same):
    data = bytearray(small.read_bytes())
    recording = open_recording(small)
    first, second = recording._tail.index.graphs[0]
    data[first.offset + 20 : first.offset + 40] = bytes(20)
    small.write_bytes(data)
    with open_recording(small) as recording:
        assert check_honest(recording, trace, same) == 12
    data[second.offset + 20 : second.offset + 40] = bytes(20)
    small.write_bytes(data)
    with open_recording(small) as recording:
        assert check_honest(recording, trace, same) == 0
        assert len(recording) == 12
        assert not recording.graphs
        assert recording.losses().tolist() == [trace(step).loss for step in range(12)]


def test_a_damaged_step_says_so_and_keeps_its_number_and_loss(small, trace):
    place = open_recording(small)._tail.index.chunks[1].batches[0]
    data = bytearray(small.read_bytes())
    data[place.offset + place.length - 5] ^= 255
    small.write_bytes(data)
    with open_recording(small) as recording:
        read = recording[4]
        assert (read.step, read.loss, read.done, read.label) == (4, trace(4).loss, False, DAMAGED)
        assert read.error is not None
        assert "damaged" in read.error.message
        assert read.graph == trace(4).graph or not read.graph.values
        assert [(gap.first_step, gap.steps) for gap in recording.gaps] == [(3, 3)]


def test_a_damaged_tensor_is_as_if_it_had_not_been_kept(small):
    recording = open_recording(small)
    place = recording._tail.index.tensors[9][0]
    data = bytearray(small.read_bytes())
    data[place.offset + place.length - 1] ^= 1
    small.write_bytes(data)
    with open_recording(small) as recording:
        tensors = recording[9].tensors
        assert set(tensors) == {("value", 0)}
        assert tensors.get(("value", 0)) is None
        with pytest.raises(RecordingError, match="the value tensor 0 is damaged"):
            tensors["value", 0]
        assert len(recording.gaps) == 1


def test_a_damaged_start_is_still_a_recording(small, trace, same):
    data = bytearray(small.read_bytes())
    data[:300] = bytes(300)
    small.write_bytes(data)
    with open_recording(small) as recording:
        assert check_honest(recording, trace, same) == 12
        assert recording.info.run_id == "r1"  # from run.json


def test_a_torn_write_that_could_not_be_cut_back_is_passed_over(small, tmp_path, trace, same):
    data = small.read_bytes()
    with open_recording(small) as recording:
        chunks = recording._tail.index.chunks
        start = chunks[2].batches[0].offset
    target = tmp_path / "torn.mcap"
    target.write_bytes(data[: start + 40])
    with open_recording(target) as recording:
        assert steps_of(recording) == list(range(6))
