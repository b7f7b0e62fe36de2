"""What is no recording is refused with one clear sentence; other versions are told apart; ranks join one folder."""

from __future__ import annotations

import io
import json
import signal
import struct
import subprocess
import sys
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from mcap.writer import Writer as StockWriter

from gradwalk.recording import batch, ending, groups, mcap
from gradwalk.recording import format as fmt
from gradwalk.recording.access import Access
from gradwalk.recording.columns import Block
from gradwalk.recording.format import Channel, RecordingError
from gradwalk.recording.info import RunInfo, run_info
from gradwalk.recording.reader import open_recording
from gradwalk.recording.scan import Scan
from gradwalk.recording.sync import HEAD, Entry, Sync, pack_sync, read_sync
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace


def stock_file() -> bytes:
    out = io.BytesIO()
    writer = StockWriter(out)
    writer.start()
    writer.finish()
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.mcap", None, "no such file or folder"),
        ("notes.txt", b"", "is empty"),
        ("notes.txt", b"hello", "not a recording"),
        ("photo.mcap", b"\x89PNG\r\n\x1a\n" + bytes(5000), "not a recording"),
        ("robot.mcap", stock_file(), "an MCAP file, but not one that Gradwalk recorded"),
    ],
)
def test_a_path_that_is_no_recording(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingError, match=says) as caught:
        open_recording(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_folder(tmp_path):
    with pytest.raises(RecordingError, match="no recording in this folder; give a run folder"):
        open_recording(tmp_path)


@pytest.mark.parametrize("size", range(len(fmt.MAGIC) + mcap.RECORD.size + 1))
def test_a_file_that_has_only_just_begun_opens_without_steps(size, finished, tmp_path):
    start = tmp_path / "start.mcap"
    start.write_bytes(finished.read_bytes()[:size])
    with open_recording(start) as recording:
        assert len(recording) == 0


def test_a_folder_of_run_folders_names_the_newest(tmp_path):
    for name in ("run-1", "run-2"):
        Writer(tmp_path / name, run_info()).close("clean")
    with pytest.raises(RecordingError, match="holds 2 run folders, such as run-2"):
        open_recording(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": 3}', '{"format": "x.y"}', '{"format": "1.0", "rank": "one"}', "[" * 100_000]
)
def test_a_damaged_run_json(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RecordingError, match=r"run\.json"):
        open_recording(tmp_path)


def test_a_damaged_run_json_does_not_hide_the_recording(finished):
    (finished.parent / "run.json").write_text("{")
    assert len(open_recording(finished.parent)) == 60
    assert open_recording(finished.parent).info.run_id == "r1"


def test_the_run_json_itself_may_be_opened(finished):
    assert len(open_recording(finished.parent / "run.json")) == 60


def test_a_folder_that_holds_a_recording_is_refused(folder, writer, finished):
    before = finished.read_bytes()
    with pytest.raises(RecordingError, match="already holds a recording"):
        Writer(folder, run_info())
    with pytest.raises(RecordingError, match="already holds a recording"):
        Writer(folder, replace(writer.info))
    assert finished.read_bytes() == before


def test_another_rank_of_the_same_run_joins(folder, writer, trace):
    other = Writer(folder, replace(writer.info, rank=1, world_size=2))
    writer.add(trace(0))
    other.add(trace(7))
    other.update_info(device="cuda:1")
    writer.close("clean")
    other.close("clean")
    assert open_recording(folder).ranks == (0, 1)
    assert [open_recording(folder, rank)[0].step for rank in (0, 1)] == [0, 7]
    assert [open_recording(folder, rank)[0].rank for rank in (0, 1)] == [0, 1]
    assert open_recording(folder, 1).rank == 1
    assert open_recording(folder, 1).info.device == "cuda:1"
    assert json.loads((folder / "run.json").read_text())["device"] == ""
    with pytest.raises(RecordingError, match="no rank 5 in this recording; ranks: 0, 1"):
        open_recording(folder, 5)


RANK = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from gradwalk.recording.info import run_info
from gradwalk.recording.sink import Sink
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace

folder, run, rank, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
base = sample_trace()
sys.stdin.readline()
sink = Sink(Writer(folder, run_info(run_id=run, rank=rank, world_size=8)))
for step in range(steps):
    sink.add(replace(base, step=step, rank=rank, values=base.values + step * 10 + rank, loss=float(step)))
    if rank == 3 and step == steps // 2 and sink.writer.flush():
        os.kill(os.getpid(), signal.SIGKILL)
    if step % 50 == 0:
        sink.writer.update_info(device=f"cuda:{rank}")
sink.close("clean")
"""


def started_at_once(folder, runs: list[tuple[str, int]], steps: int = 0) -> list[int]:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(folder), run, str(rank), str(steps)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for run, rank in runs
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"go\n")
        child.stdin.close()
    return [child.wait() for child in children]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="one of them is killed with kill -9")
def test_eight_processes_write_one_run_folder_and_one_of_them_dies(folder, stock):
    codes = started_at_once(folder, [("one", rank) for rank in range(8)], steps=150)
    assert codes == [0, 0, 0, -signal.SIGKILL, 0, 0, 0, 0]
    assert open_recording(folder).ranks == tuple(range(8))
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []
    base = sample_trace()
    for rank in range(8):
        with open_recording(folder, rank) as recording:
            assert len(recording) == 150 if rank != 3 else 76 <= len(recording) < 150
            assert (recording.gaps, recording.rank, recording.info.run_id) == ([], rank, "one")
            assert recording.info.device == f"cuda:{rank}"
            assert recording.ended == ("clean" if rank != 3 else None)
            for step, read in enumerate(recording):
                assert (read.step, read.rank, read.loss) == (step, rank, step)
                assert np.array_equal(read.values, base.values + step * 10 + rank)
        assert stock(folder / f"rank{rank:05d}.0000.mcap", closed=rank != 3) > 0


def test_of_two_runs_that_start_at_once_in_one_folder_one_is_refused(folder):
    codes = started_at_once(folder, [("one", 0), ("two", 1)])
    assert sorted(codes) == [0, 1]
    assert open_recording(folder).info.run_id == ("one" if codes[0] == 0 else "two")


def test_a_command_line_of_ten_thousand_words_does_not_hide_the_run(folder, trace):
    program = ("train.py", *(f"data/{number:05d}.jpg" for number in range(10_000)))
    writer = Writer(folder, run_info(run_id="long", program=program))
    writer.add(trace(0))
    writer.close("clean")
    with open_recording(writer.path) as recording:
        assert (len(recording), recording.gaps, recording.info.run_id) == (1, [], "long")
        assert recording.info.program[:2] == program[:2]
        assert recording.info.program[-1] == f"... ({10_001 - len(recording.info.program) + 1:,} more)"


def test_run_info_survives_json_and_ignores_what_is_new():
    info = run_info(script="a.py", program=("a.py", "x"), started=12.5, steps_planned=500)
    assert RunInfo.from_json(info.to_json()) == info
    assert RunInfo.from_json(json.dumps(json.loads(info.to_json()) | {"colour": "red"})) == info


def as_version(path, version: tuple[int, int], *, signed: bool = True) -> None:
    """Make a file look as if it had been written by another version, sync records and all."""
    data = path.read_bytes()
    recording = open_recording(path)
    start = 8 + len(mcap.header(fmt.PROFILE, f"gradwalk {ending.__version__}"))
    info = recording.info
    text = f"{version[0]}.{version[1]}"
    entries = ending.signed(text, replace(info, format=text).to_json())
    made = data[:start] + mcap.metadata(fmt.PROFILE, entries if signed else entries | {"crc": "0"})
    made += ending._channels() + mcap.channel(99, "weather", "x")
    for sync in scanned(path):
        content = sync.size - 9
        moved = sync._replace(offset=len(made), version=version)
        made += mcap.record(fmt.Opcode.SYNC, pack_sync(moved) if sync.entries else bytes(content))
        made += data[sync.chunk : sync.end]
    path.write_bytes(made)


def scanned(path) -> list[Sync]:
    return Scan(Access(path)).advance()


def test_a_newer_minor_version_opens_and_says_what_was_skipped(finished, trace, same):
    as_version(finished, (1, 7))
    made = bytearray(finished.read_bytes())
    block = Block(sky="blue")
    group = groups.Group([groups.Message(Channel.EVENT, block.parts(), 1)])
    placed = groups.place(group, len(made))
    sync = bytearray(placed.sync)
    struct.pack_into("<H", sync, HEAD.size, 99)
    head = mcap.record(fmt.Opcode.SYNC, resigned(bytes(sync)))
    made += head + b"".join(placed.parts)[len(head) :]
    made += mcap.record(fmt.Opcode(0x80), b"").replace(b"\x80", b"\x9a", 1)
    finished.write_bytes(made)
    recording = open_recording(finished)
    assert len(recording) == 60
    same(recording[33], trace(33))
    assert recording.skipped == [f"written in format 1.7, newer than {fmt.VERSION}", "1 messages on the channel 'weather'"]
    assert not recording.gaps


def resigned(content: bytes) -> bytes:
    return content[:-4] + struct.pack("<I", crc32(content[:-4]))


def test_columns_that_are_new_are_skipped_and_named(folder, writer, trace, same, monkeypatch):
    def add(self, name, array, code, **kw):
        real(self, name, array, code, **kw)
        if name == "step":
            real(self, "mood", array, code, **kw)

    real = batch.Block.add
    monkeypatch.setattr(batch.Block, "add", add)
    writer.add(trace(0))
    writer.flush()
    recording = open_recording(folder)
    same(recording[0], trace(0))
    assert recording.skipped == ["the column 'mood' of steps"]


@pytest.mark.parametrize("signed", [True, False])
def test_a_newer_major_version_is_refused_with_both_versions(finished, signed):
    as_version(finished, (2, 1), signed=signed)
    with pytest.raises(RecordingError, match=r"format 2\.1, and this Gradwalk reads up to 1\.x; open it with a newer Gradwalk"):
        open_recording(finished)


def test_a_run_folder_of_a_newer_major_version_is_refused(folder, finished):
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(run | {"format": "3.0"}))
    with pytest.raises(RecordingError, match=r"format 3\.0"):
        open_recording(folder)


def test_a_file_of_this_version_has_nothing_to_skip(finished):
    assert open_recording(finished).skipped == []


def test_further_segments_are_named(finished):
    (finished.parent / "rank00000.0001.mcap").write_bytes(b"")
    assert open_recording(finished).skipped == ["the further file rank00000.0001.mcap"]


def test_an_entry_is_what_the_sync_record_says():
    entry = Entry(1, 0, 88, 12, -1, 2**40, 3)
    sync = Sync(1000, 9 + len(pack_sync(Sync(0, 0, 0, 0, 0, 0, 0, (entry,)))), 100, 5, 7, 2**40, 3, (entry,))
    assert read_sync(pack_sync(sync), 1000) == sync
