"""Tensor memory: what torch's own allocator gives out and takes back, plain and recorded.

The profiler reports every allocation of torch's CPU allocator, in order. Their running sum is the memory of tensors, whoever made
them: the program, autograd, or the recorder. Copies that wait for the file are NumPy's and are counted apart: they are capped,
which the last test measures.
"""

from __future__ import annotations

import threading
import tracemalloc

import pytest
import torch
from torch import nn

import gradwalk
from gradwalk.recording import appending
from gradwalk.recording.format import MIB
from gradwalk.recording.pressure import MOST
from gradwalk.recording.retention import RING_BYTES
from gradwalk.recording.writer import Writer

STEPS = 5


def wide():
    return nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 512), nn.Tanh(), nn.Linear(512, 16)), torch.randn(
        512, 256
    )


def image():
    return nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 8, 3), nn.Flatten()), torch.randn(
        8, 3, 48, 48
    )


def halves():
    """bfloat16, which NumPy lacks: its statistics and copies need memory of another dtype."""
    net, x = wide()
    return net.bfloat16(), x.bfloat16()


def training(make):
    torch.manual_seed(0)
    net, x = make()
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    for _ in range(STEPS):
        optimizer.zero_grad()
        net(x).float().pow(2).mean().backward()
        optimizer.step()
        with torch.profiler.record_function("the end of a step"):
            pass


def memory_of(run):
    """The peak in bytes, and what was held at the end of each step."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        run()
    events = sorted(profile.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    held, peak, ends = 0, 0, []
    for event in events:
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
        elif event.name() == "the end of a step":
            ends.append(held)
    assert len(ends) == STEPS
    assert peak > MIB
    return peak, ends


@pytest.mark.filterwarnings("ignore:.*rofiler.*")
@pytest.mark.parametrize(
    ("make", "level"),
    [
        (wide, "structure"),
        (wide, "statistics"),
        (image, "statistics"),
        (halves, "statistics"),
    ],
)
def test_peak_and_baseline(make, level, tmp_path):
    training(make)
    plain, plain_ends = memory_of(lambda: training(make))

    def recorded():
        with gradwalk.record(tmp_path / "run", level=level):
            training(make)

    peak, ends = memory_of(recorded)
    assert peak <= 1.05 * plain, f"{peak / plain:.3f} times the plain peak"
    slack = 64 * 1024  # a step's small tensors of ours
    assert all(abs(one - other) <= slack for one, other in zip(ends, plain_ends, strict=True)), (ends, plain_ends)
    assert len(gradwalk.open_recording(tmp_path / "run")) == STEPS


@pytest.fixture
def stuck(monkeypatch):
    """A disk whose writes do not come back before it is set; and the writers that are made."""
    go, writers = threading.Event(), []

    def write_all(fd, parts, length):
        if writers and writers[0].steps > 5:
            go.wait(60)
        real(fd, parts, length)

    def made(self, *args, **kwargs):
        writers.append(self)
        init(self, *args, **kwargs)

    real, init = appending._write_all, Writer.__init__
    monkeypatch.setattr(appending, "_write_all", write_all)
    monkeypatch.setattr(Writer, "__init__", made)
    yield go, writers
    go.set()


def test_ring_and_queue_are_capped_while_the_disk_hangs(stuck, tmp_path):
    """A training goes on while nothing can be written: 64 MB for the ring and 32 MB for the queue are all that it costs."""
    go, writers = stuck
    torch.manual_seed(0)
    net = nn.Sequential(*[nn.Linear(128, 128) for _ in range(8)])
    x = torch.randn(128, 128)
    with gradwalk.record(tmp_path / "run", level="tensors"):
        for step in range(200):  # 2 MB of tensors each
            if step == 5:
                tracemalloc.start()
                before = tracemalloc.get_traced_memory()[0]
            net.zero_grad()
            net(x).pow(2).mean().backward()
        held = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        waiting = writers[0]._waiting.pressure
        assert waiting.waiting > 16 * MIB, "the disk did not hang"
        assert waiting.waiting <= waiting.limit <= MOST == 32 * MIB
        assert held <= waiting.limit + RING_BYTES, f"{held / MIB:.0f} MB"
        go.set()
    with gradwalk.open_recording(tmp_path / "run") as recording:
        assert recording.step_numbers().tolist() == list(range(200))
        said = [note.message for note in recording.notes if note.kind == "dropped"]
        assert "were cut to samples or left out" in said[-1]
