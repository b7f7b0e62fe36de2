"""More comes than can be written: how much waits, what is left out and in which order, and that it is said."""

from __future__ import annotations

import threading
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from gradwalk.recording import appending, pressure, tensors
from gradwalk.recording.format import MIB
from gradwalk.recording.info import run_info
from gradwalk.recording.reader import open_recording
from gradwalk.recording.room import allowed_size, own_size, scaled
from gradwalk.recording.samples import SAMPLE
from gradwalk.recording.sink import Sink
from gradwalk.recording.writer import Writer
from gradwalk.trace import Kept

TENSORS = {("value", 0): Kept(np.ones((4, 3), np.float32), "float32", (4, 3))}


@pytest.mark.parametrize(
    ("own", "allowed", "share"),
    [
        (1000, 16_000, 32),  # large: the cap
        (100, 16_000, 25),  # a quarter of what it takes
        (1000, 320, 20),  # a sixteenth of what it may take
        (100, 320, 20),
        (10, 16_000, 8),  # never less than the least
        (1000, 16, 8),
        (None, None, 32),  # not a Linux
        (None, 320, 20),
        (100, None, 25),
    ],
)
def test_a_small_process_is_given_less(own, allowed, share):
    unknown = (own and own * MIB, allowed and allowed * MIB)
    assert scaled(32 * MIB, 8 * MIB, *unknown) == share * MIB


def test_this_process_is_smaller_than_what_it_may_take():
    own, allowed = own_size(), allowed_size()
    if own is None or allowed is None:
        pytest.skip("the system does not say")
    assert 10 * MIB < own < allowed


def floats(*counts):
    return {("value", i): Kept(np.arange(count, dtype=np.float32), "float32", (count,)) for i, count in enumerate(counts)}


@pytest.mark.parametrize(
    ("counts", "room", "kept"),
    [
        ((10, 20), 120, (10, 20)),  # all
        ((10, 5000), 4096 + 40, (10, SAMPLE)),  # the large one as a sample
        ((5000, 3000), 3000 * 4 + 4096, (SAMPLE, 3000)),  # the smaller in full
        ((5000, 3000), 3000 * 4 + 4095, (SAMPLE, SAMPLE)),
        ((5000, 3000, 10), 4096 + 40, (None, SAMPLE, 10)),  # not even room for all samples
        ((10, 5000), 39, (None, None)),
        ((10, 0), -1, (None, None)),
        ((SAMPLE,), SAMPLE * 4, (SAMPLE,)),
    ],
)
def test_what_is_kept_of_tensors_where_there_is_little_room(counts, room, kept):
    tensors = floats(*counts)
    found, used, cut = pressure.fitted(tensors, room)
    assert [len(found[key].data) if key in found else None for key in tensors] == list(kept)
    assert used == sum(one.data.nbytes for one in found.values()) <= max(room, 0)
    assert cut == sum(one != count for one, count in zip(kept, counts, strict=True))
    for key, one in found.items():
        assert one.complete == (one.data.size == tensors[key].data.size)
        assert one.shape == tensors[key].shape
        assert one.data[0] == 0 or not one.data.size
        assert not one.complete or one is tensors[key]


@pytest.fixture
def little(monkeypatch):
    """So few bytes may wait."""
    monkeypatch.setattr(pressure, "MOST", 60_000)
    monkeypatch.setattr(pressure, "LEAST", 60_000)


def test_tensors_go_first_then_statistics_then_steps_and_it_is_said(little, folder, trace, disk):
    writer = Writer(folder, run_info())
    disk.full = True
    for step in range(200):
        writer.add(replace(trace(step), tensors=TENSORS))
        writer.scalar("lr", step, 0.5 * step)
    assert writer._waiting.pressure.waiting <= 60_000 * pressure.STEPS // pressure.PARTS + 16 * 400  # numbers stay
    disk.full = False
    writer.close("clean")
    recording = open_recording(folder)
    kept = [read.step for read in recording if read.tensors]
    counted = [read.step for read in recording if np.isfinite(read.values[1]).any()]
    steps = recording.step_numbers().tolist()
    assert 0 < len(kept) < len(counted) < len(steps) < 200
    assert kept == list(range(len(kept)))
    assert counted == list(range(len(counted)))
    lost, losses = recording.scalars()["loss"]
    assert [*steps, *lost.tolist()] == list(range(200))
    assert losses.tolist() == [trace(step).loss for step in lost]
    assert recording.losses().tolist() == [trace(step).loss for step in steps]
    assert recording.scalars()["lr"][0].tolist() == list(range(200))
    assert recording.scalars()["lr"][1].tolist() == [0.5 * step for step in range(200)]
    said = [note.message for note in recording.notes if note.kind == "dropped"]
    left_out = len(steps) - len(kept)
    assert f"{left_out + len(lost)} tensors of {left_out + len(lost)} steps" in said[-1]
    assert f"{len(steps) - len(counted)} steps lost their statistics, {len(lost)} all but their loss" in said[-1]


def test_a_step_that_alone_is_too_much_keeps_samples(little, folder, trace):
    writer = Writer(folder, run_info())
    writer.add(replace(trace(0), tensors=floats(10, 100_000)))
    writer.add(replace(trace(1), tensors=floats(10)))
    writer.close("clean")
    with open_recording(folder) as recording:
        kept = recording[0].tensors
        assert {key: (one.data.size, one.complete) for key, one in kept.items()} == {
            ("value", 0): (10, True),
            ("value", 1): (SAMPLE, False),
        }
        assert kept["value", 1].shape == (100_000,)
        assert recording[1].tensors["value", 0].complete
        assert ["1 tensors of 1 steps" in note.message for note in recording.notes if note.kind == "dropped"] == [True]


def whole(folder):
    """Of each step whether its tensor is there as it came."""
    with open_recording(folder) as recording:
        kept = [read.tensors.get(("value", 0)) for read in recording]
        return [one is not None and one.complete and one.data.tolist() == list(range(100_000)) for one in kept]


def test_a_step_that_was_asked_for_is_written_whole_however_little_may_wait(little, folder, trace):
    sink = Sink(Writer(folder, run_info()), pinned=[range(5, 6)])
    for step in range(8):
        sink.add(replace(trace(step), tensors=floats(100_000)))
        sink.writer.flush()
    sink.close("clean")
    assert [step for step, kept in enumerate(whole(folder)) if kept] == [5]


def test_of_steps_that_were_asked_for_one_waits_in_full(little, folder, trace, disk):
    sink = Sink(Writer(folder, run_info()), level="tensors")
    sink.writer.flush()
    disk.full = True
    for step in range(3):
        sink.add(replace(trace(step), tensors=floats(100_000)))
    disk.full = False
    assert sink.writer.flush()
    sink.add(replace(trace(3), tensors=floats(100_000)))
    sink.close("clean")
    assert whole(folder) == [True, False, False, True]


def test_a_step_that_takes_too_much_of_the_machine_keeps_samples(little, folder, trace, monkeypatch):
    monkeypatch.setattr(pressure, "allowed_size", lambda: 4 * 400_000 - 1)
    writer = Writer(folder, run_info())
    writer.add(replace(trace(0), tensors=floats(100_000)), asked=True)
    writer.close("clean")
    assert whole(folder) == [False]


def test_of_a_tensor_that_no_chunk_can_hold_a_sample_is_kept(folder, trace, monkeypatch):
    monkeypatch.setattr(tensors, "TENSOR_BYTES", 399_999)
    writer = Writer(folder, run_info())
    writer.add(replace(trace(0), tensors=floats(100_000, 99_999)))
    writer.close("clean")
    with open_recording(folder) as recording:
        assert [one.complete for one in recording[0].tensors.values()] == [False, True]
        assert recording[0].tensors["value", 0].data.size == SAMPLE
        assert recording.steps_kept_in_part().tolist() == [0]


def test_the_ring_is_written_whole_however_little_may_wait(little, folder, trace, disk):
    sink = Sink(Writer(folder, run_info()))
    for step in range(60):
        sink.add(replace(trace(step), tensors=floats(10_000)))
        sink.writer.flush()
    disk.full = True
    sink._write_ring()
    assert sink.writer.on_loan() == 8 * 40_000
    disk.full = False
    sink.close("clean")
    assert sink.writer.on_loan() == 0
    with open_recording(folder) as recording:
        kept = [read.step for read in recording if ("value", 0) in read.tensors and read.tensors["value", 0].complete]
    assert kept[-9:] == list(range(51, 60))  # eight in the ring, and the 56th by its number


@pytest.fixture
def blocked(monkeypatch):
    """A disk whose writes do not come back while ``blocked`` is not set; and a writer behind it."""
    go = threading.Event()

    def write_all(fd, parts, length):
        go.wait()
        real(fd, parts, length)

    real = appending._write_all
    go.set()
    monkeypatch.setattr(appending, "_write_all", write_all)
    yield go
    go.set()


def small(trace, step):
    return trace(step)


ENCODING = [tracemalloc.Filter(False, f"*/recording/{name}.py") for name in ("batch", "columns")]
"""What does not wait any more: the columns of the one group that the writer's thread is making a message of."""


def wide(trace, step):
    one = trace(step)
    shapes = dict.fromkeys(range(len(one.graph.values)), (step % 100, 7))
    return replace(one, times=np.full(20_000, 1.0 * step), durations=np.full(20_000, 1.0 * step), shapes=shapes)


def full(trace, step):
    return replace(trace(step), tensors=floats(100, 1_000_000))


@pytest.mark.parametrize(("make", "count"), [(small, 30_000), (wide, 300), (full, 30)])
def test_the_bytes_that_really_wait(make, count, folder, trace, blocked):
    writer = Writer(folder, run_info())
    first = make(trace, 0)
    blocked.clear()
    tracemalloc.start()
    try:
        for step in range(count):
            one = replace(first, step=step, values=first.values + 1, gradients=first.gradients + 1, times=first.times + 1)
            if first.tensors:
                one = replace(one, tensors={key: replace(kept, data=kept.data + 1) for key, kept in first.tensors.items()})
            writer.add(one)
        del one
        held = sum(each.size for each in tracemalloc.take_snapshot().filter_traces(ENCODING).traces)
    finally:
        tracemalloc.stop()
    counted, limit = writer._waiting.pressure.waiting, writer._waiting.pressure.limit
    blocked.set()
    writer.close("clean")
    assert limit // 2 < counted <= limit <= 32 * MIB
    assert held <= limit, f"{held / MIB:.1f} MB wait where {limit / MIB:.1f} may, {counted / MIB:.1f} are counted"
    with open_recording(folder) as recording:
        assert sum(note.kind == "dropped" for note in recording.notes) >= 1
        told = recording.scalars().get("loss", ((), ()))[0]
        assert sorted([*recording.step_numbers().tolist(), *told]) == list(range(count))
