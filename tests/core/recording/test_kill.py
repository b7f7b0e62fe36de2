"""kill -9, fork, Ctrl-C: whatever was flushed is there and right."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradwalk.recording.reader import open_recording
from gradwalk.recording.samples import sample_indices
from gradwalk.sample import sample_trace
from gradwalk.trace import Kept

CHILD = """
import sys
from dataclasses import replace
from pathlib import Path
from gradwalk.recording.info import run_info
from gradwalk.recording.sink import Sink
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace

sink = Sink(Writer(Path(sys.argv[1]), run_info()))
base = sample_trace()
for step in range(7):
    sink.add(replace(base, step=step, values=base.values + step, loss=float(step)))
"""

SERVER = """
import os, random, sys, time
from dataclasses import replace
from pathlib import Path
import numpy as np
from gradwalk.recording.info import run_info
from gradwalk.recording.sink import Sink
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace
from gradwalk.trace import Kept

base = sample_trace()
large = Kept(np.random.default_rng(0).random(300_000), "float64", (300_000,))  # longer to write than one call may take

def train(folder, seed):
    chance, step = random.Random(seed), 0
    sink = Sink(Writer(Path(folder), run_info(), close_at_exit=False))
    print("begun", os.getpid(), flush=True)
    while True:
        one = replace(base, step=step, values=base.values + step, loss=float(step))
        if seed % 3 == 1 and step % 25 == 7:
            sink.partial(replace(one, done=False, loss=None))
        if seed % 3 == 2 and step % 40 == 0:
            one = replace(one, tensors=dict(base.tensors) | {("value", 1): large})
        sink.add(one)
        if step % 40 == chance.randrange(40) and sink.writer.flush():
            os.write(1, b"%d\\n" % step)
        step += 1
        time.sleep(0.0001)

for line in sys.stdin:
    folder, seed = line.split()
    if os.fork() == 0:
        train(folder, int(seed))
    os.wait()
    print("dead", flush=True)
"""


def check(folder: Path, flushed: int, stock) -> None:
    """Everything up to the step that was flushed is there, everything that is there is right."""
    base = sample_trace()
    with open_recording(folder) as recording:
        done = recording[:-1] if len(recording) and not recording[-1].done else list(recording)
        assert [read.step for read in done] == list(range(len(done)))
        assert len(done) > flushed
        assert (recording.gaps, recording.ended, recording.closed) == ([], None, False)
        losses = recording.losses()
        assert np.array_equal(losses[: len(done)], np.arange(len(done)))
        assert all(graph == base.graph for graph in recording.graphs)
        for read in recording:
            assert read.graph.key == base.graph.key
            assert np.array_equal(read.values, base.values + read.step)
            assert np.array_equal(read.gradients, base.gradients)
            for key in base.tensors.keys() & read.tensors.keys():
                assert key == ("value", 1) or is_of(read.tensors[key], base.tensors[key])
    assert stock(folder / "rank00000.0000.mcap", closed=False) >= bool(done)


def is_of(read: Kept, written: Kept) -> bool:
    """Whether it is the tensor, or a sample of it: training as fast as this is faster than any disk."""
    whole = written.data
    expected = whole if read.complete else whole.reshape(-1)[sample_indices(whole.size)]
    return read.shape == written.shape and np.array_equal(read.data, expected)


def kills(place: Path, seeds: range, stock) -> int:
    """Kill a training per seed at a random moment; gives how many steps were in the files."""
    flushed_steps = 0
    with subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for seed in seeds:
            server.stdin.write(f"{place / str(seed)} {seed}\n".encode())
            server.stdin.flush()
            _, child = server.stdout.readline().split()
            chance = random.Random(seed)
            said = [server.stdout.readline() for _ in range(chance.randrange(3))]
            time.sleep(chance.random() * 0.03)
            os.kill(int(child), signal.SIGKILL)
            said += iter(server.stdout.readline, b"dead\n")
            flushed = int(said[-1]) if said else -1
            check(place / str(seed), flushed, stock)
            flushed_steps += flushed + 1
            shutil.rmtree(place / str(seed))
        server.stdin.close()
    return flushed_steps


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 is POSIX")
@pytest.mark.parametrize("seeds", [range(50), pytest.param(range(50, 1050), marks=pytest.mark.slow)], ids=len)
def test_kill_9_loses_nothing_that_was_flushed(seeds, tmp_path, stock):
    assert kills(tmp_path, seeds, stock) > 10 * len(seeds)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_never_writes(folder, writer, trace, same):
    writer.add(trace(0))
    writer.flush()
    child = os.fork()
    if child == 0:
        try:
            for step in range(1000, 1100):
                writer.add(trace(step))
            writer.note("mark", "from the child")
            assert not writer.flush()
            writer.close("error")
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    writer.add(trace(1))
    writer.close("clean")
    with open_recording(folder) as recording:
        assert [read.step for read in recording] == [0, 1]
        assert [note.kind for note in recording.notes] == ["end"]


FORKS = """
import os, sys
from dataclasses import replace
from pathlib import Path
from gradwalk.recording.info import run_info
from gradwalk.recording.sink import Sink
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace

folder, base = Path(sys.argv[1]), sample_trace()
sink = Sink(Writer(folder, run_info()))
for step in range(800):
    sink.add(replace(base, step=step, values=base.values + step, loss=float(step)))
    if step % 50:
        continue
    child = os.fork()
    if child == 0:  # while the thread is at whatever it is at
        sink.add(replace(base, step=10**6 + step))
        sink.note("mark", "from a child")
        sink.writer.flush()
        own = Sink(Writer(folder.parent / f"child{step}", run_info()))
        own.add(replace(base, step=step))
        own.close("clean")
        sys.exit(sink.close("error"))
    assert os.waitpid(child, 0)[1] == 0
sink.close("clean")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_children_forked_at_random_moments_never_write_and_may_record_themselves(folder, stock):
    subprocess.run([sys.executable, "-c", FORKS, str(folder)], check=True, timeout=60)
    base = sample_trace()
    with open_recording(folder) as recording:
        assert [read.step for read in recording] == list(range(800))
        assert all(np.array_equal(read.values, base.values + read.step) for read in recording)
        assert "mark" not in [note.kind for note in recording.notes]
    for step in range(0, 800, 50):
        with open_recording(folder.parent / f"child{step}") as recording:
            assert ([read.step for read in recording], recording.ended) == ([step], "clean")
    assert stock(folder / "rank00000.0000.mcap") > 0


def test_a_program_that_forgets_to_close_is_closed_at_its_exit(folder):
    subprocess.run([sys.executable, "-c", CHILD, str(folder)], check=True, timeout=60)
    with open_recording(folder) as recording:
        assert (len(recording), recording.ended, recording.closed) == (7, "stopped", True)


def test_closing_twice_and_adding_after_it_is_harmless(folder, writer, trace):
    writer.add(trace(0))
    writer.close("clean")
    writer.add(replace(trace(1)))
    writer.close("error")
    with open_recording(folder) as recording:
        assert (len(recording), recording.ended) == (1, "clean")
