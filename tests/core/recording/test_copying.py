"""A recording that grows on another machine: another process copies it here in pieces, and we follow the copy."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from gradwalk.recording.format import RecordingError
from gradwalk.recording.info import run_info
from gradwalk.recording.reader import open_recording
from gradwalk.recording.writer import Writer

COPY = """
import os, random, sys, time
from pathlib import Path
source, target, way = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
draw = random.Random(0)
aside = target.with_name("." + target.name + ".Qx7")

def append(limit):
    with source.open("rb") as old, target.open("ab") as new:
        old.seek(target.stat().st_size)
        new.write(old.read(limit))

def replace():
    aside.write_bytes(source.read_bytes())
    os.replace(aside, target)

def away():
    append(3000)
    os.rename(target, aside)
    time.sleep(0.01)
    os.rename(aside, target)

def anew():
    data = source.read_bytes()
    with target.open("wb") as file:
        for start in range(0, len(data), 40000):
            file.write(data[start : start + 40000])
            file.flush()
            time.sleep(0.001)

ways = {"pieces": lambda: append(draw.choice([1, 7, 100, 5000])), "replaced": replace, "away": away, "anew": anew}
target.touch()
while not (source.parent / "closed").exists():
    ways[way]()
    time.sleep(0.002)
replace() if way == "replaced" else append(-1)
"""
STEPS = 60


@contextmanager
def written(folder: Path) -> Iterator[Writer]:
    writer = Writer(folder, run_info())
    try:
        yield writer
    finally:
        writer.close("clean")


@pytest.mark.parametrize("way", ["pieces", "replaced", "away", "anew"])
def test_a_copy_that_grows_is_followed_without_loss(way, tmp_path, trace, same):
    here, there = tmp_path / "here", tmp_path / "there"
    with written(there) as writer:
        source = there / "rank00000.0000.mcap"
        here.mkdir()
        (here / "run.json").write_bytes((there / "run.json").read_bytes())
        command = [sys.executable, "-c", COPY, str(source), str(here / source.name), way]
        with subprocess.Popen(command) as copier, open_recording(here) as recording:
            seen, lengths = 0, set()
            for number in range(STEPS):
                writer.add(trace(number))
                writer.flush()
                while number == 0 and not len(recording):
                    recording.poll()
                time.sleep(0.005)
                recording.poll()
                assert len(recording) >= seen
                seen = len(recording)
                assert len(recording.losses()) == seen
                lengths.add(seen)
            writer.close("clean")
            (there / "closed").touch()
            while copier.poll() is None or not recording.closed:
                recording.poll()
            assert copier.returncode == 0
            assert len(lengths) > 5
            with open_recording(there) as whole:
                assert len(recording) == len(whole) == STEPS
                assert np.array_equal(recording.losses(), whole.losses())
                for number in range(0, STEPS, 7):
                    same(recording[number], whole[number])
            assert recording.gaps == []
            assert recording.ended == "clean"


def test_a_step_that_a_copy_does_not_hold_now_comes_back(tmp_path, trace):
    with written(tmp_path / "run") as writer:
        for number in range(4):
            writer.add(trace(number))
        writer.flush()
        file = tmp_path / "run" / "rank00000.0000.mcap"
        copied = tmp_path / file.name
        data = file.read_bytes()
        copied.write_bytes(data)
        with open_recording(copied) as recording:
            assert len(recording) == 4
            copied.write_bytes(data[: len(data) // 3])
            assert not recording.poll()
            assert recording[3].error is not None
            assert len(recording.losses()) == 4
            copied.write_bytes(data)
            assert recording.poll()
            assert recording[3].error is None
            assert np.array_equal(recording.losses(), [trace(number).loss for number in range(4)])
            assert recording.gaps == []


def test_another_recording_in_its_place_is_one_sentence(tmp_path, trace):
    for name in ("one", "two"):
        with written(tmp_path / name) as writer:
            writer.add(trace(0))
            writer.flush()
            (tmp_path / f"{name}.mcap").write_bytes((tmp_path / name / "rank00000.0000.mcap").read_bytes())
    with open_recording(tmp_path / "one.mcap") as recording:
        assert len(recording) == 1
        Path(tmp_path / "two.mcap").replace(tmp_path / "one.mcap")
        with pytest.raises(RecordingError, match="another recording lies in its place now"):
            recording.poll()
