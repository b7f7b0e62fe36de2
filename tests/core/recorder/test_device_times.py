"""Times by a device's events, with events that stand for a GPU's."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from gradwalk import tape
from gradwalk.recorder import Recorder
from gradwalk.recorder.device_times import DeviceTimes, Timing

sys.path.insert(0, str(Path(__file__).parent))
from programs import assert_same_bits, autograd_net, function_net
from sinks import ListSink


class Event:
    """An event of a device on which each mark comes a millisecond after the one before."""

    made = 0
    clock = 0

    def __init__(self) -> None:
        Event.made += 1
        self.at = -1
        self.waited = False

    def record(self) -> None:
        Event.clock += 1
        self.at, self.waited = Event.clock, False

    def synchronize(self) -> None:
        self.waited = True

    def elapsed_time(self, other: Event) -> float:
        assert self.waited
        assert other.waited
        return float(other.at - self.at)


@pytest.fixture
def device(monkeypatch):
    """The CPU as a device that is timed."""
    Event.made = Event.clock = 0
    monkeypatch.setattr("gradwalk.recorder.device_times.at_work", lambda: True)
    monkeypatch.setattr("gradwalk.recorder.device_times.is_timed", lambda device: True)
    monkeypatch.setattr("gradwalk.recorder.device_times.cuda_event", Event)
    monkeypatch.setattr("torch.cuda.is_current_stream_capturing", lambda: False)
    monkeypatch.setattr(DeviceTimes.__init__, "__defaults__", (Event,))


@pytest.mark.parametrize("program", [autograd_net, function_net])
def test_ops_and_nodes_have_the_times_of_the_device(record, device, program):
    with record() as sink:
        recorded = program()
    assert_same_bits(recorded, program())
    trace = sink.traces[2]
    kinds = [tape.event_at(trace, place).kind for place in range(len(trace.tape))]
    timed = [place for place, kind in enumerate(kinds) if kind in ("op", "node", "accumulate")]
    marks = trace.durations[timed] * 1e3
    assert len(timed) > 12
    assert np.allclose(marks, np.round(marks))
    assert np.median(marks) == pytest.approx(1)
    nodes = np.diff(trace.times[[place for place in timed if kinds[place] != "op"]]) * 1e3
    assert np.allclose(nodes, np.round(nodes))
    assert (np.diff(trace.times) >= 0).all()
    assert Event.made < Event.clock, "events are used again"


def test_without_a_device_nothing_is_marked(record, monkeypatch):
    monkeypatch.setattr(DeviceTimes, "mark", lambda self: pytest.fail("marked"))
    with record() as sink:
        autograd_net(2)
    assert len(sink.traces) == 2


def test_two_streams_whose_clocks_cross_give_no_negative_times():
    events = [Event() for _ in range(4)]
    for event, at in zip(events, (5, 9, 3, 4), strict=True):
        event.at = at
    timings = [(0, Timing(events[0], events[1])), (2, Timing(events[2], events[3]))]
    begins, durations = DeviceTimes(Event).read(timings, np.array([10.0, 10.5, 11.0]), np.array([1.0, 1.0, 1.0]))
    assert durations.tolist() == [4e-3, 1.0, 1e-3]
    assert begins.tolist() == [10.0, 10.0, 10.0]  # what the CPU told stands between those of the device


def test_nothing_is_marked_while_a_graph_is_captured(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_current_stream_capturing", lambda: True)
    times = DeviceTimes(Event)
    assert times.mark() is None
    assert times.since(None) is None


@pytest.mark.parametrize("name", ["mark", "since", "read"])
def test_a_fault_of_ours_never_reaches_the_user(monkeypatch, device, name):
    def broken(self, *arguments):
        raise RuntimeError("an illegal memory access was encountered")

    plain = autograd_net()
    monkeypatch.setattr(DeviceTimes, name, broken)
    sink = ListSink()
    recorder = Recorder(sink)
    recorder.start()
    try:
        recorded = autograd_net()
    finally:
        recorder.stop()
    assert_same_bits(recorded, plain)
    assert "fault" in sink.kinds


def test_a_slow_host_does_not_move_what_the_device_ran(device):
    times = DeviceTimes()
    timings = []
    for place in (1, 3, 4):
        mark = times.mark()
        timings.append((place, times.since(mark)))
    host = np.array([0.0, 1.0, 7.0, 7.5, 8.0, 9.0])  # the loss stands between an op and the Nodes
    begins, durations = times.read(timings, host, np.full(6, 0.5))
    apart = np.array([event.at for _, timing in timings for event in (timing.begin,)]) / 1e3
    assert begins[[1, 3, 4]] == pytest.approx(1.0 + apart - apart[0])
    assert (begins[0], begins[5]) == (0.0, 9.0)
    assert begins[1] <= begins[2] <= begins[3]
    assert durations[[0, 2, 5]].tolist() == [0.5, 0.5, 0.5]
