"""A disk that refuses: the file stays whole, the steps are kept and written once there is room, and it is said once."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gradwalk.recording import writer as writing
from gradwalk.recording.format import RecordingError
from gradwalk.recording.info import run_info
from gradwalk.recording.reader import open_recording
from gradwalk.recording.writer import Writer


def test_nothing_is_lost_while_the_disk_is_full(folder, writer, trace, same, disk, stock):
    writer.add(trace(0))
    writer.flush()
    size = writer.path.stat().st_size
    disk.full = True
    for step in range(1, 50):
        writer.add(trace(step))
    assert not writer.flush(0.3)
    assert writer.path.stat().st_size == size
    assert len(open_recording(folder)) == 1
    disk.full = False
    assert writer.flush()
    writer.close("clean")
    assert stock(writer.path) > 0
    recording = open_recording(folder)
    assert len(recording) == 50
    for step, read in enumerate(recording):
        same(read, trace(step))
    said = [note for note in recording.notes if note.kind == "disk"]
    assert len(said) == 1
    assert "No space left on device" in said[0].message
    assert not recording.gaps


def test_closing_on_a_full_disk_gives_up_and_leaves_what_was_written(folder, writer, trace, disk, monkeypatch):
    monkeypatch.setattr(writing, "PATIENCE", 0.2)
    writer.add(trace(0))
    writer.flush()
    disk.full = True
    writer.add(trace(1))
    writer.close("clean")
    recording = open_recording(folder)
    assert [read.step for read in recording] == [0]
    assert (recording.ended, recording.closed) == (None, False)


LIMITED = """
import resource, signal, sys
from dataclasses import replace
from pathlib import Path
from gradwalk.recording.info import run_info
from gradwalk.recording import writer as writing
from gradwalk.sample import sample_trace

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writing.PATIENCE = 0.2
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
writer = writing.Writer(Path(sys.argv[1]), run_info())
base = replace(sample_trace(), tensors={})
flushed = -1
for step in range(1000):
    writer.add(replace(base, step=step, values=base.values * (step + 0.1) ** 0.5, loss=float(step)))
    if step % 20 == 19:
        if not writer.flush(0.3):
            break
        flushed = step
print(flushed, flush=True)
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    writer.flush(10)
writer.close("clean")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="there is no limit on file sizes here")
@pytest.mark.parametrize("room", [[], ["room again"]])
def test_a_real_limit_on_the_file_size(folder, room):
    command = [sys.executable, "-c", LIMITED, str(folder), *room]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    flushed = int(done.stdout)
    with open_recording(folder) as recording:
        assert 20 <= flushed < 900
        assert not recording.gaps
        assert np.array_equal(recording.losses(), np.arange(len(recording)))
        assert len(recording) == flushed + 1 + (20 if room else 0)
        assert recording.closed == bool(room)
        assert [read.step for read in recording] == list(range(len(recording)))


@pytest.fixture
def tiny_disk(tmp_path) -> Iterator[Path]:
    """A file system of 400 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_file_system_that_is_really_full(tiny_disk, trace, same, stock, monkeypatch):
    """Steps until nothing fits; more steps; room again; nothing is missing, and it is said once."""
    monkeypatch.setattr(writing, "RETRY", 0.01)
    writer = Writer(tiny_disk / "run", run_info())
    (tiny_disk / "somebody else").write_bytes(bytes(150_000))
    step = flushed = 0
    while step < 5000:
        writer.add(trace(step))
        step += 1
        if step % 20 == 0:
            if not writer.flush(0.3):
                break
            flushed = step
    assert 20 <= flushed < step < 5000
    with open_recording(writer.folder) as recording:
        assert flushed <= len(recording) < step
        assert not recording.gaps
        same(recording[flushed - 1], trace(flushed - 1))
    for late in range(step, step + 30):
        writer.add(trace(late))
    assert not writer.flush(0.2)
    (tiny_disk / "somebody else").unlink()
    assert writer.flush(10)
    writer.close("clean")
    with open_recording(writer.folder) as recording:
        assert len(recording) == step + 30
        for number, read in enumerate(recording):
            same(read, trace(number))
        assert ["No space left" in note.message for note in recording.notes if note.kind == "disk"] == [True]
        assert (recording.gaps, recording.ended) == ([], "clean")
    assert stock(writer.path) > 0


def as_nobody(act: Callable[[], object]) -> str:
    """What an action says when somebody without rights does it."""
    reading, writing_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)
            act()
            said = "nothing"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing_end, said.encode())
        os._exit(0)
    os.close(writing_end)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become nobody")
def test_no_permission_is_one_clear_error(tmp_path, finished):
    tmp_path.chmod(0o700)
    for act in (lambda: Writer(tmp_path / "run", run_info()), lambda: open_recording(finished)):
        said = as_nobody(act)
        assert said.startswith("RecordingError: ")
        assert "Permission denied" in said


def test_a_file_where_the_folder_should_be_is_one_clear_error(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(RecordingError, match="choose another with --record"):
        Writer(tmp_path / "run", run_info())


def test_a_folder_that_cannot_be_written_leaves_nothing_behind(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(writing, "write_run", refuse)
    with pytest.raises(RecordingError, match="cannot be written: Permission denied"):
        Writer(tmp_path / "run", run_info())
    assert not list((tmp_path / "run").iterdir())
