"""Following a file that grows: from before its first byte, while another process writes, with a torn write at its end."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from gradwalk.recording.format import RecordingError
from gradwalk.recording.info import run_info
from gradwalk.recording.reader import open_recording
from gradwalk.recording.writer import Writer
from gradwalk.trace import Kept, StepError

CHILD = """
import sys, time
from dataclasses import replace
from pathlib import Path
from gradwalk.recording.info import run_info
from gradwalk.recording.sink import Sink
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace

sink = Sink(Writer(Path(sys.argv[1]), run_info(script="child.py")))
base = sample_trace()
for step in range(300):
    sink.add(replace(base, step=step, values=base.values + step, loss=float(step)))
    time.sleep(0.002)
sink.close("clean")
"""


def test_a_run_is_followed_from_start_to_end(folder):
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder)])
    try:
        while not (folder / "run.json").exists():
            time.sleep(0.005)
        recording, lengths, deadline = open_recording(folder), [], time.monotonic() + 60
        while not recording.closed and time.monotonic() < deadline:
            if recording.poll():
                lengths.append(len(recording))
                if len(recording):
                    assert recording[-1].loss == len(recording) - 1
                    assert len(recording.losses()) == len(recording)
            time.sleep(0.01)
        assert (len(recording), recording.ended) == (300, "clean")
        assert len(set(lengths)) > 4
        assert not recording.gaps
        assert np.array_equal(recording.losses(), np.arange(300))
        assert recording.info.script == "child.py"
        assert not recording.poll()
    finally:
        child.kill()
        child.wait()


def test_every_prefix_of_a_growing_file_is_followed(finished, tmp_path, trace, same):
    data = finished.read_bytes()
    target = tmp_path / "growing.mcap"
    target.write_bytes(b"")
    recording, length = open_recording(target), 0
    with target.open("ab", buffering=0) as file:
        while length < len(data):
            file.write(data[length : length + 211])
            length += 211
            before = len(recording)
            assert not recording.poll() or len(recording) >= before
            assert not recording.gaps
    assert recording.closed
    assert recording.info.run_id == "r1"
    for read in recording:
        same(read, trace(read.step))
    assert len(recording) == 60
    assert recording.losses().tolist() == [trace(step).loss for step in range(60)]


def test_a_run_folder_opens_before_there_is_a_file(folder, trace):
    folder.mkdir()
    info = run_info(run_id="early")
    (folder / "run.json").write_text(info.to_json())
    recording = open_recording(folder)
    assert len(recording) == 0
    assert not recording.poll()
    assert recording.info == info
    assert recording.losses().tolist() == []
    writer = Writer(folder, info)
    recording.poll()
    writer.add(trace(0))
    writer.flush()
    assert recording.poll()
    assert recording[0].step == 0
    writer.close("clean")


def test_a_file_that_turns_out_to_be_something_else_is_refused_while_polling(tmp_path):
    target = tmp_path / "x.mcap"
    target.write_bytes(b"")
    recording = open_recording(target)
    target.write_bytes(b"something else entirely, and long enough to tell that it is")
    with pytest.raises(RecordingError, match="not a recording"):
        recording.poll()


def test_a_write_cut_back_while_we_look_is_not_a_gap(writer, trace, same, tmp_path):
    writer.add(trace(0))
    writer.flush()
    first = writer.path.read_bytes()
    writer.add(trace(1))
    writer.close("clean")
    whole = writer.path.read_bytes()
    target = tmp_path / "torn.mcap"
    target.write_bytes(first)
    recording = open_recording(target)
    target.write_bytes(whole[: len(first) + 300])
    assert not recording.poll()
    target.write_bytes(first)
    assert not recording.poll()
    target.write_bytes(whole)
    assert recording.poll()
    assert len(recording) == 2
    assert not recording.gaps
    same(recording[1], trace(1))


def test_a_group_that_was_cut_short_for_good_is_a_gap(writer, trace, same, tmp_path):
    """The writer could neither finish a write nor cut it back, and went on behind it."""
    writer.add(trace(0))
    writer.flush()
    torn = writer.path.stat().st_size
    with writer.path.open("ab") as file:
        file.write(writer.path.read_bytes()[-700:-20])
    writer._file.size = writer.path.stat().st_size
    writer.add(trace(1))
    writer.flush()
    with open_recording(writer.path) as recording:
        assert [read.step for read in recording] == [0, 1]
        assert [gap.start for gap in recording.gaps] == [torn]
        same(recording[1], trace(1))


def test_a_step_so_far_is_seen_at_once_and_then_replaced(folder, writer, graph, trace, same):
    whole = trace(1)
    kept = {("value", 0): Kept(np.ones((4, 3), np.float32), "float32", (4, 3))}
    shorter = replace(graph(), key="so far", edges=(), events=graph().events[:2])
    so_far = replace(whole, graph=shorter, tape=whole.tape[:2], gradients=np.zeros((8, 0)), done=False, tensors=kept, loss=None)
    recording = None
    writer.add(trace(0))
    writer.partial(so_far)
    recording = open_recording(folder)
    assert len(recording) == 2
    same(recording[-1], so_far)
    assert recording.step_numbers().tolist() == [0, 1]
    assert np.isnan(recording.losses()[1])
    longer = replace(so_far, tape=whole.tape[:1])
    writer.partial(longer)
    assert recording.poll()
    same(recording[1], longer)
    writer.add(whole)
    writer.flush()
    assert recording.poll()
    assert len(recording) == 2
    same(recording[1], whole)
    assert not recording[1].tensors
    assert recording.graphs == (graph(),)


def test_a_step_so_far_that_was_never_completed_stays(folder, writer, trace, same):
    so_far = replace(trace(1), done=False, error=StepError("ValueError", "no", 2))
    writer.partial(so_far)
    writer.add(trace(2))
    writer.partial(replace(trace(3), done=False))
    writer.close("error")
    recording = open_recording(folder)
    assert [(read.step, read.done) for read in recording] == [(1, False), (2, True), (3, False)]
    same(recording[0], so_far)


def test_new_facts_about_the_run_arrive(folder, writer, trace):
    recording = open_recording(folder)
    assert recording.info.device == ""
    writer.update_info(device="cuda:0", torch="2.13.0", kind="torch")
    writer.add(trace(0))
    writer.flush()
    assert recording.poll()
    assert (recording.info.device, recording.info.torch, recording.info.kind) == ("cuda:0", "2.13.0", "torch")
    assert open_recording(folder).info == recording.info
    assert '"device": "cuda:0"' in (folder / "run.json").read_text()
