"""Ctrl-C at any point: exhaustively, between any two instructions of ours, and as a storm of real signals on a real process."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gradwalk.recording.format import RecordingError
from gradwalk.recording.info import run_info
from gradwalk.recording.reader import open_recording
from gradwalk.recording.sink import Sink
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace
from gradwalk.trace import Kept

OURS = (f"gradwalk{os.sep}recording{os.sep}", f"{os.sep}threading.py", f"{os.sep}queue.py")


def interrupted(act: Callable[[], object], at: int, within: tuple[str, ...] = OURS) -> bool:
    """Do something with a KeyboardInterrupt before its ``at``-th instruction; False where it has fewer."""
    left = at

    def trace(frame, event, _):
        nonlocal left
        if not any(part in frame.f_code.co_filename for part in within):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            left -= 1
            if left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def kept(step: int):
    return {("value", 0): Kept(np.full((4, 3), step, np.float32), "float32", (4, 3))}


ACTS = {
    "add": lambda sink, one: sink.add(one),
    "add with tensors": lambda sink, one: sink.add(replace(one, tensors=kept(one.step))),
    "add with a NaN": lambda sink, one: sink.add(replace(one, values=np.full_like(one.values, np.nan))),
    "a step that failed": lambda sink, one: sink.failed(one),
    "a step so far": lambda sink, one: sink.partial(replace(one, done=False)),
    "tensors later": lambda sink, one: sink.add_tensors(one.step - 1, kept(one.step)),
    "beside the steps": lambda sink, one: (sink.note("mark", "x"), sink.scalar("lr", one.step, 1.0), sink.source("a.py", "x")),
    "flush": lambda sink, one: sink.writer.flush(),
}


@pytest.mark.parametrize("what", ACTS)
def test_an_interrupt_between_any_two_instructions(what, folder, trace, same, stock):
    sink = Sink(Writer(folder, run_info()))
    returned: list[int] = []
    step = at = 0
    going = True
    while going:
        at, step = at + 1, step + 2
        going = interrupted(partial(ACTS[what], sink, trace(step)), at)
        sink.add(trace(step + 1))
        returned.append(step + 1)
        assert at % 25 or sink.writer.flush(2.0), f"the writer stands still after an interrupt at instruction {at}"
    assert at > 20
    sink.close("clean")
    with open_recording(folder) as recording:
        assert (recording.ended, recording.closed, recording.gaps) == ("clean", True, [])
        seen = Counter(read.step for read in recording)
        assert set(seen.values()) == {1}
        assert seen.keys() >= set(returned)
        for read in recording:
            if read.step % 2:
                same(replace(read, tensors={}), trace(read.step))
    stock(sink.writer.path)


def test_an_interrupt_between_any_two_instructions_of_closing(tmp_path, trace, stock):
    at, going = 0, True
    while going:
        at += 1
        writer = Writer(tmp_path / str(at), run_info())
        writer.add(trace(0))
        going = interrupted(lambda writer=writer: writer.close("clean"), at)
        writer.close("stopped")
        with open_recording(writer.path) as recording:
            assert ([read.step for read in recording], recording.closed) == ([0], True), at
        stock(writer.path)
    assert at > 20


def what_is_in(folder: Path) -> str:
    try:
        return f"{len(open_recording(folder))} steps"
    except RecordingError as error:
        return "no recording" if "no recording in" in error.what or "no such file or folder" in error.what else error.what


def test_an_interrupt_between_any_two_instructions_of_starting(tmp_path, trace):
    """What is left is no recording, or an empty one; the next run folder is as if nothing had been."""
    at, going, made = 0, True, []
    while going:
        at += 7
        going = interrupted(lambda at=at: made.append(Writer(tmp_path / str(at), run_info())), at, OURS[:1])
        if going:
            assert what_is_in(tmp_path / str(at)) in ("0 steps", "no recording")
    assert at > 200
    made[-1].add(trace(0))
    made[-1].close("clean")
    assert len(open_recording(made[-1].folder)) == 1


STORM = """
import json, signal, sys
from dataclasses import replace
from pathlib import Path
from gradwalk.recording.info import run_info
from gradwalk.recording.sink import Sink
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace

armed, caught, wanted = False, 0, int(sys.argv[2])

def interrupt(*_):
    global armed, caught
    if armed:
        armed, caught = False, caught + 1
        raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupt)
sink, base, step, returned = Sink(Writer(Path(sys.argv[1]), run_info())), sample_trace(), 0, []
print("ready", flush=True)
while caught < wanted:
    try:
        tensors = base.tensors if step % 40 == 0 else {}
        one = replace(base, step=step, values=base.values + step, loss=float(step), tensors=tensors)
        armed = True
        sink.add(one)
        returned.append(step)
        if step % 30 == 0:
            sink.scalar("lr", step, step / 2)
            sink.writer.flush()
        armed = False
    except KeyboardInterrupt:
        pass
    step += 1
for _ in range(3):
    try:
        armed = True
        sink.close("stopped")
        armed = False
    except KeyboardInterrupt:
        pass
sink.close("stopped")
print(json.dumps(returned))
"""


def storm(folder: Path, interrupts: int) -> list[int]:
    """Record under that many Ctrl-C, sent at random moments from outside; gives the steps that were handed over."""
    chance = random.Random(interrupts)
    command = [sys.executable, "-c", STORM, str(folder), str(interrupts)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        while child.poll() is None and not select.select([child.stdout], [], [], chance.random() * 0.0008)[0]:
            child.send_signal(signal.SIGINT)
        out, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    return list(json.loads(out))


@pytest.mark.skipif(os.name == "nt", reason="a process cannot be sent a Ctrl-C from outside here")
@pytest.mark.parametrize("interrupts", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_storm_of_interrupts_loses_and_changes_nothing(interrupts, folder, stock):
    returned, base = storm(folder, interrupts), sample_trace()
    with open_recording(folder) as recording:
        assert (recording.ended, recording.closed, recording.gaps) == ("stopped", True, [])
        steps = recording.step_numbers()
        assert np.all(np.diff(steps) > 0)
        assert set(returned) <= set(steps.tolist())
        assert len(steps) <= len(returned) + interrupts
        assert np.array_equal(recording.losses(), steps)
        for read in recording:
            assert np.array_equal(read.values, base.values + read.step)
            assert np.array_equal(read.gradients, base.gradients)
        scalars = recording.scalars()["lr"]
        assert np.array_equal(scalars[0] / 2, scalars[1])
        assert stock(recording.path / "rank00000.0000.mcap") > 0
