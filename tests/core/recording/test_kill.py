"""kill -9, fork, Ctrl-C: whatever was flushed is there and right."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradwalk.recording.reader import open_recording
from gradwalk.sample import sample_trace

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
for step in range(10**9):
    sink.add(replace(base, step=step, values=base.values + step, loss=float(step)))
    if step % 50 == 49 and sink.writer.flush():
        print(step, flush=True)
"""


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True)


def check(folder: Path, flushed: int) -> None:
    base = sample_trace()
    with open_recording(folder) as recording:
        assert len(recording) > flushed
        assert not recording.gaps
        assert recording.ended is None
        assert np.array_equal(recording.losses(), np.arange(len(recording)))
        for read in recording:
            assert read.graph == base.graph
            assert np.array_equal(read.values, base.values + read.step)
        assert np.array_equal(recording[0].tensors["value", 0].data, base.tensors["value", 0].data)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is POSIX")
@pytest.mark.parametrize("seed", range(5))
def test_kill_9_loses_nothing_that_was_flushed(seed, folder):
    child = start(folder)
    assert child.stdout is not None
    flushed = int(child.stdout.readline())
    time.sleep(random.Random(seed).random() * 0.3)
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().split()
    child.wait()
    child.stdout.close()
    check(folder, int(rest[-1]) if rest else flushed)


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


def test_a_program_that_forgets_to_close_is_closed_at_its_exit(folder):
    code = CHILD.replace("10**9", "7")
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, timeout=60)
    with open_recording(folder) as recording:
        assert (len(recording), recording.ended, recording.closed) == (7, "stopped", True)


def test_closing_twice_and_adding_after_it_is_harmless(folder, writer, trace):
    writer.add(trace(0))
    writer.close("clean")
    writer.add(replace(trace(1)))
    writer.close("error")
    with open_recording(folder) as recording:
        assert (len(recording), recording.ended) == (1, "clean")
