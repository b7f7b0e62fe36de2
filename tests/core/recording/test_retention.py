"""Which steps keep their tensors, and what the sink makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradwalk.recording.reader import open_recording
from gradwalk.recording.retention import SMALL_BYTES, Keep, Retention, Ring, is_log_spaced
from gradwalk.recording.samples import SAMPLE, sample_indices
from gradwalk.recording.sink import Sink
from gradwalk.refusal import RefusalError
from gradwalk.trace import Kept, StepError, Trace

MB = 1 << 20


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def with_tensor(trace: Trace, elements: int = 12) -> Trace:
    return replace(trace, tensors={("value", 0): Kept(np.full(elements, trace.step, np.float32), "float32", (elements,))})


@pytest.mark.parametrize(("numel", "count"), [(0, 0), (1, 1), (SAMPLE, SAMPLE), (SAMPLE + 1, SAMPLE), (10**9 + 7, SAMPLE)])
def test_a_sample_is_evenly_spread(numel, count):
    places = sample_indices(numel)
    assert len(places) == count
    if count:
        assert places[0] == 0
        assert places[-1] < numel
        gaps = np.diff(places)
        assert count < 2 or gaps.max() - gaps.min() <= 1
        assert count < SAMPLE or places[-1] >= numel - numel // SAMPLE - 1


def test_eight_steps_a_decade_are_log_spaced():
    spaced = [step for step in range(100_000) if is_log_spaced(step)]
    assert {0, 1, 10, 100, 1000, 10_000} <= set(spaced)
    assert [sum(10**k <= step < 10 ** (k + 1) for step in spaced) for k in (2, 3, 4)] == [8, 8, 8]


def test_the_first_steps_and_pinned_ones_are_kept_whatever_was_spent():
    retention = Retention()
    retention.spent(0, 10**12)
    retention.pin(77)
    assert [retention.plan(step) for step in (0, 1, 2, 77)] == [Keep.FULL] * 4
    assert retention.plan(78) is Keep.SMALL


def test_a_step_that_finds_no_room_passes_its_turn_on():
    room = {0: True}
    retention = Retention(has_room=lambda size: size < 10 or room[0])
    assert retention.plan(0) is Keep.FULL
    retention.spent(0, MB)
    room[0] = False
    retention.pin(50)
    assert [retention.plan(step) for step in (1, 2, 10, 11, 50)] == [Keep.SMALL] * 4 + [Keep.FULL]
    assert retention.plan(51) is Keep.SMALL
    assert retention.plan(56) is Keep.SMALL
    room[0] = True
    assert retention.plan(57) is Keep.FULL
    assert retention.plan(58) is Keep.SMALL
    assert retention.thinned == 0


def test_what_was_asked_for_is_beside_the_budget():
    retention = Retention(every_step=True, total=100, pinned=[range(3, 5)])
    retention.pin(7)
    for step in (3, 4, 7):
        retention.spent(step, 10**12)
    assert retention.plan(50) is Keep.FULL


def test_asking_twice_counts_once():
    retention = Retention(every_step=True, total=100)
    retention.spent(0, 1000)
    for _ in range(5):
        assert retention.plan(50) is Keep.SMALL
    assert retention.thinned == 1


def test_more_bytes_a_second_than_the_disk_is_given_wait():
    clock = Clock()
    retention = Retention(clock=clock)
    retention.spent(0, 70 * MB)
    assert retention.plan(100) is Keep.SMALL
    clock.now = 10.0
    assert retention.plan(1000) is Keep.FULL
    assert retention.thinned == 1


def test_the_total_is_not_passed_and_what_is_kept_thins_evenly():
    retention = Retention(every_step=True, total=64 * MB)
    kept = []
    for step in range(20_000):
        if retention.plan(step) is Keep.FULL:
            kept.append(step)
            retention.spent(step, MB)
    assert 40 <= len(kept) <= 65
    assert kept[:30] == list(range(30))
    assert np.all(np.diff(np.diff(kept)) >= -1)
    assert kept[-1] > 5000


def test_the_ring_holds_the_last_steps_within_its_bytes(trace):
    ring = Ring(steps=3, limit=1000)
    for step in range(6):
        ring.push(with_tensor(trace(step)))
    assert [step for step, _, _ in ring.take()] == [3, 4, 5]
    assert ring.take() == []
    for step in range(3):
        ring.push(with_tensor(trace(step), 100))
    assert [(step, size) for step, _, size in ring.take()] == [(1, 400), (2, 400)]


def test_what_the_ring_lent_counts_until_it_is_written(trace):
    lent = 700
    ring = Ring(limit=1000, on_loan=lambda: lent)
    for step in range(3):
        ring.push(with_tensor(trace(step), 50))
    assert [step for step, _, _ in ring.take()] == [2]
    lent = 0
    for step in range(3):
        ring.push(with_tensor(trace(step), 50))
    assert [step for step, _, _ in ring.take()] == [0, 1, 2]


def test_the_ring_leaves_large_tensors_out(trace):
    ring = Ring()
    ring.push(with_tensor(trace(0), SMALL_BYTES))
    assert ring.take() == [(0, {}, 4 * SMALL_BYTES)]


def kept_steps(folder) -> list[int]:
    return [read.step for read in open_recording(folder) if read.tensors]


def test_the_end_writes_the_last_eight_steps(folder, writer, trace):
    sink = Sink(writer)
    for step in range(100):
        sink.add(with_tensor(trace(step)))
    sink.close("clean")
    assert kept_steps(folder) == [0, 1, 2, *(s for s in range(3, 92) if is_log_spaced(s)), *range(92, 100)]
    read = open_recording(folder)[95]
    assert read.tensors["value", 0].data.tolist() == [95.0] * 12


def test_an_exception_writes_the_steps_before_it_at_once(folder, writer, trace, same):
    sink = Sink(writer)
    for step in range(70):
        sink.add(with_tensor(trace(step)))
    failed = replace(with_tensor(trace(70)), done=False, error=StepError("ValueError", "shapes differ", 1, "Traceback"))
    sink.failed(failed)
    recording = open_recording(folder)
    same(recording[-1], failed)
    assert kept_steps(folder)[-9:] == list(range(62, 71))
    assert recording.error is not None
    assert (recording.error.message, recording.error.step) == ("ValueError: shapes differ", 70)


@pytest.mark.parametrize(("row", "word"), [(5, "NaN"), (6, "Inf")])
def test_the_first_nan_or_inf_writes_the_steps_before_it_and_is_said_once(folder, writer, trace, row, word):
    sink = Sink(writer)
    for step in range(80):
        one = with_tensor(trace(step))
        if step >= 66:
            one.values[row, 2] = 3
        sink.add(one)
    writer.flush()
    assert kept_steps(folder)[-9:] == [*range(59, 67), 75]
    notes = [note for note in open_recording(folder).notes if note.kind == "nan"]
    assert [(note.step, note.message) for note in notes] == [
        (66, f"step 66: the first {word} of the run; 3 {word} in the value y")
    ]


def test_a_nan_in_a_gradient_names_whose(folder, writer, trace):
    one = trace(0)
    one.gradients[5, 2] = 1
    Sink(writer).add(one)
    writer.flush()
    assert "1 NaN in the gradient of w" in open_recording(folder).notes[0].message


def test_thinning_is_said_once(folder, writer, trace):
    sink = Sink(writer, level="tensors")
    sink.retention.spent(0, 1 << 40)
    for step in range(20):
        sink.add(with_tensor(trace(step)))
    writer.flush()
    assert [note.kind for note in open_recording(folder).notes] == ["thinned"]


def test_levels(folder, writer):
    assert Sink(writer, level="structure").plan(0) is Keep.NONE
    assert Sink(writer, level="tensors").plan(12_345) is Keep.FULL
    assert Sink(writer).plan(12_345) is Keep.SMALL
    with pytest.raises(ValueError, match="'all' is none of structure, statistics, tensors"):
        Sink(writer, level="all")


def test_every_and_steps(writer):
    sink = Sink(writer, every=3, steps=10)
    assert [step for step in range(30) if sink.wants(step)] == [0, 3, 6, 9]
    with pytest.raises(ValueError, match="1 or more"):
        Sink(writer, every=0)


def test_a_capture_takes_the_next_step_that_has_not_begun(writer):
    sink = Sink(writer, every=5, pinned=[range(40, 51)])
    assert sink.plan(25) is Keep.SMALL
    assert sink.capture() == 25
    assert (sink.plan(25), sink.plan(20), sink.everything(25)) == (Keep.SMALL, Keep.SMALL, False)
    assert (sink.plan(30), sink.everything(30)) == (Keep.FULL, True)
    assert [sink.plan(step) for step in (35, 40, 45, 55)] == [Keep.SMALL, Keep.FULL, Keep.FULL, Keep.SMALL]


def test_a_capture_that_would_never_come_is_refused(folder, writer):
    with pytest.raises(RefusalError, match="structure only"):
        Sink(writer, level="structure").capture()
    sink = Sink(writer, every=5, steps=12)
    assert sink.capture() == -1
    for step in (0, 5, 10):
        sink.plan(step)
    with pytest.raises(RefusalError, match="its first 12 steps only"):
        sink.capture()
