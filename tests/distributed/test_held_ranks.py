"""Live pause of ranks: each has a control path of its own, the others wait in their collective; all end with the same bits."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import time
from pathlib import Path

import pytest

from gradwalk.control import ControlClient, ControlError, file_of
from gradwalk.control_link import ControlLink
from gradwalk.recording.reader import open_recording

PROGRAMS = "plain,ddp"
SCRIPT = Path(__file__).with_name("train.py")


class Ranks:
    """The two ranks of ``train.py``, recorded, and a connection to each that comes before the script has imported torch."""

    def __init__(self, command: list[str], place: Path, environment: dict[str, str]) -> None:
        self.run = place / "run"
        self.process = subprocess.Popen(
            command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.frames: queue.Queue[dict[str, object]] = queue.Queue()
        self.link: ControlLink

    def connect(self, rank: int) -> ControlLink:
        for _ in range(1500):
            with contextlib.suppress(ControlError):
                return ControlLink(self.run, lambda frame: self.frames.put(dict(frame)), lambda: None, rank=rank)
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.02)
        raise AssertionError("the rank never listened")

    def tell(self, command: str, **arguments: object) -> dict[str, object]:
        return self.link.send(command, **arguments).result(20)

    def next(self, event: str = "held") -> dict[str, object]:
        while True:
            frame = self.frames.get(timeout=90)
            if frame["event"] == event:
                return frame

    def lines(self) -> list[str]:
        out, error = self.process.communicate(timeout=90)
        assert self.process.returncode == 0, error
        return sorted(out.splitlines())


@pytest.fixture
def ranks(environment, recorded_command, tmp_path):
    made = []

    def start(held, breakpoints):
        run = Ranks([*recorded_command, PROGRAMS], tmp_path, environment)
        made.append(run)
        run.link = run.connect(held)
        run.tell("breakpoints", breakpoints=breakpoints)
        return run

    yield start
    for one in made:
        one.link.close()
        if one.process.poll() is None:
            one.process.terminate()  # its agent ends the ranks
        one.process.communicate()


@pytest.fixture(scope="module")
def plain(torchrun):
    run = torchrun(PROGRAMS, recorded=False)
    assert run.returncode == 0, run.stderr
    return sorted(run.stdout.splitlines())


def test_rank_1_is_held_before_its_collectives_while_rank_0_waits_and_the_bits_are_the_same(ranks, plain):
    run = ranks(1, [{"text": "$op(all_reduce)"}])
    held = run.next()
    assert (held["when"], held["name"], held["phase"], held["step"]) == ("before", "all_reduce", "update", 0)
    assert (held["rank"], held["ranks"], held["backend"], held["timeout"]) == (1, 2, "gloo", 1800.0)
    assert held["source"].endswith(f":{line_of('dist.all_reduce(parameter.grad)')}")
    run.next("shown")
    with ControlClient(run.run, rank=0) as other:
        time.sleep(0.3)
        assert (other.status()["held"], other.status()["steps"]) == ({}, 0), "it waits for rank 1 in the same collective"
        pids = {other.status()["pid"], run.tell("status")["pid"]}
    assert len(pids) == 2
    with open_recording(run.run, 1) as recording:
        assert (len(recording), recording[0].done) == (1, False)
        assert len(recording[0].tape) == held["position"]
    run.tell("breakpoints", breakpoints=[{"text": "$tag(collective) $phase(bwd)"}])
    run.tell("continue")
    held = run.next()
    assert (held["when"], held["name"], held["phase"], held["step"]) == ("before", "all_reduce", "backward", 4), "the reducer's"
    run.tell("breakpoints", breakpoints=[{"text": "$tag(collective) $value(rms>0)", "when": "after"}])
    run.tell("continue")
    held = run.next()
    assert (held["when"], held["name"], held["step"]) == ("after", "all_reduce", 4)
    assert held["source"].endswith(f":{line_of('dist.all_reduce(total)')}"), "numbers are there when it has arrived"
    run.link.close()  # and so do all ranks when whoever holds one of them is gone
    assert run.lines() == plain
    assert not list(run.run.glob("control*"))
    for rank in (0, 1):
        with open_recording(run.run, rank) as recording:
            assert [trace.done for trace in recording] == [True] * 8


def line_of(text):
    return next(number for number, line in enumerate(SCRIPT.read_text(encoding="utf-8").splitlines(), 1) if text in line)


def test_each_rank_has_a_control_file_of_its_own():
    assert [file_of(rank) for rank in (0, 1, 12)] == ["control.json", "control.rank00001.json", "control.rank00012.json"]
