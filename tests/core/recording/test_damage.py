"""Cut, flipped and overwritten files: what is left is read and right, what is lost is said, nothing raises but RecordingError."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradwalk.recording.format import RecordingError
from gradwalk.recording.reader import DAMAGED, Recording, open_recording
from gradwalk.recording.tables import Asked
from gradwalk.trace import STATISTICS, Kept


@pytest.fixture
def small(folder, writer, trace) -> Path:
    """A closed file of 12 steps in four groups, with tensors on two of them and a source."""
    writer.source("net.py", "y = 1\n")
    for step in range(12):
        kept = {("value", 0): Kept(np.full((4, 3), step, np.float32), "float32", (4, 3))} if step in (2, 9) else {}
        writer.add(replace(trace(step), tensors=kept))
        writer.scalar("lr", step, step / 2)
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
    assert sum(len(tables.places) for tables in recording.tables(0, Asked(gradients=frozenset(STATISTICS)))[1]) <= len(recording)
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


def overwritten(data: bytearray, at: int, by: bytes) -> bytes:
    return bytes(data[:at] + by[: len(data) - at] + data[at + len(by) :])


def swapped(data: bytearray, at: int, other: int) -> bytes:
    at, other = sorted((at // 512 * 512, other // 512 * 512))
    here, there = bytes(data[at : at + 512]), bytes(data[other : other + 512])
    return overwritten(bytearray(overwritten(data, at, there)), other, here) if len(there) == 512 else bytes(data)


# Per kind of damage: data, a place, a size, another place, chance -> what is left.
HURTS = {
    "a flipped bit": lambda d, at, size, other, c: overwritten(d, at, bytes([d[at] ^ 1 << c.randrange(8)])),
    "noise": lambda d, at, size, other, c: overwritten(d, at, c.randbytes(size)),
    "zeros": lambda d, at, size, other, c: overwritten(d, at, bytes(size)),
    "bytes of elsewhere": lambda d, at, size, other, c: overwritten(d, at, bytes(d[other : other + size])),
    "swapped sectors": lambda d, at, size, other, c: swapped(d, at, other),
    "lost bytes": lambda d, at, size, other, c: bytes(d[:at] + d[at + size :]),
    "doubled bytes": lambda d, at, size, other, c: bytes(d[: at + size] + d[at:]),
    "cut": lambda d, at, size, other, c: bytes(d[:at]),
}


def hurt(data: bytes, chance: random.Random) -> bytes:
    """A file with one thing wrong that disks, copies and people do to files, now and then with several."""
    for kind in chance.choices(list(HURTS), k=chance.choice([1, 1, 1, 3, 10])):
        size = chance.choice([1, 16, 512, 512, 4096])
        data = HURTS[kind](bytearray(data), chance.randrange(len(data)), size, chance.randrange(len(data)), chance) or data
    if chance.random() < 0.4:
        data = data[: -chance.randrange(1, 2000)]  # a killed run, damaged later: no index
    return data or b"-"


@pytest.mark.parametrize("seeds", [range(500), pytest.param(range(500, 10_500), marks=pytest.mark.slow)], ids=len)
def test_damaged_files_are_never_silently_wrong(seeds, small, trace, same, tmp_path):
    good, target, opened_, right = small.read_bytes(), tmp_path / "hurt.mcap", 0, 0
    for seed in seeds:
        target.write_bytes(hurt(good, random.Random(seed)))
        recording = opened(target)
        if recording is None:
            continue
        with recording:
            opened_ += 1
            right += check_honest(recording, trace, same)
            look_at_everything(recording)
            check_beside(recording, lambda step: trace(step).loss)
    assert opened_ > 0.95 * len(seeds)
    assert right > 0.4 * 12 * len(seeds)


def check_beside(recording: Recording, make_loss: Callable[[int], float]) -> None:
    """What stands beside the steps is right or not there."""
    assert {(note.kind, note.message, note.step) for note in recording.notes} <= {("mark", "here", 3), ("end", "clean", -1)}
    assert recording.source("net.py") in ("y = 1\n", None)
    assert set(recording.scalars()) <= {"lr"}
    true = [make_loss(step) for step in range(12)]
    assert all(loss in true or np.isnan(loss) for loss in recording.losses())
    for steps, rates in recording.scalars().values():
        assert np.array_equal(rates, steps * 0.5)
    if recording.info.run_id:
        assert (recording.info.run_id, recording.info.program) == ("r1", ("train.py", "--epochs", "3"))


@pytest.mark.parametrize("hits", [30, pytest.param(2000, marks=pytest.mark.slow)])
def test_after_one_hit_of_512_bytes_98_percent_is_readable(hits, folder, writer, trace, same, tmp_path):
    """Each hit on a file of its own: 120 groups of 2 steps, closed by its writer or killed."""
    for step in range(240):
        writer.add(trace(step))
        if step % 2:
            writer.flush()
    writer.close("clean")
    good = writer.path.read_bytes()
    killed, chance, right = good[: good.index(b"gradwalk.index") - 29], random.Random(3), []
    for hit in range(hits):
        data = bytearray(killed if hit % 2 else good)
        at = chance.randrange(len(data) - 512)
        data[at : at + 512] = chance.randbytes(512)
        (tmp_path / "hit.mcap").write_bytes(data)
        with open_recording(tmp_path / "hit.mcap") as recording:
            right.append(check_honest(recording, trace, same) / 240)
    print(f"\nreadable after one hit of 512 bytes: {min(right):.1%} at the least, {np.mean(right):.2%} on average")
    assert np.mean(right) >= 0.98
    assert min(right) >= 0.96


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
