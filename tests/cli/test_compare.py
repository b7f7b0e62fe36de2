"""``gradwalk compare`` as it is typed; ``gradwalk demo compare`` is run by the window in tests/gui/test_side_by_side.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from gradwalk import open_recording
from gradwalk.cli import main


def test_exit_code_1_where_something_is_apart(three, capsys):
    paths = [str(folder) for folder in three]
    assert main(["compare", *paths]) == 0
    capsys.readouterr()
    assert main(["compare", *paths, "--tolerance", "1e-9"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith("first apart by more than 1e-09: step 0, ")
    assert said[0].startswith("step 0: ")
    assert main(["compare", paths[1], paths[2], "--step", "-1", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["step"], data["first"], data["columns"]) == (19, None, ["autograd", "custom_function"])
    with open_recording(three[1]) as recording:
        loss = next(row for row in data["rows"] if row["label"] == "loss")
        assert loss["cells"][0]["number"] == recording[19].loss


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{0}"], "compare takes two or three recordings, not 1: gradwalk compare A B [C]"),
        (["{0}"] * 4, "compare takes two or three recordings, not 4: gradwalk compare A B [C]"),
        (["{0}", "nowhere"], "nowhere: there is no such file or folder; give a run folder or an .mcap file in one"),
        (["{0}", "{1}", "--step", "99"], "step 99 is not in all of the recordings, which have 20 in common: 0 to 19"),
        (["{0}", "{1}", "--rank", "3"], "there is no rank 3 in this recording; ranks: 0"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(three, capsys, arguments, sentence):
    assert main(["compare", *(argument.format(*three) for argument in arguments)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.strip().endswith(sentence)
    assert len(told.err.splitlines()) == 1


def test_too_many_beside_and_pictures_are_refused(three, capsys):
    beside = [word for folder in three for word in ("--beside", str(folder))]
    assert main(["open", str(three[0]), *beside]) == 2
    assert "at most 2 recordings stand beside the one that is opened, not 3" in capsys.readouterr().err
    assert main(["demo", "compare", "--pictures", "out"]) == 2
    assert "--pictures goes with one example" in capsys.readouterr().err


def test_the_program_that_runs_ends_with_the_demo(tmp_path, environment):
    command = [
        sys.executable,
        "-m",
        "gradwalk",
        "demo",
        "compare",
        "--train-steps",
        "1000000",
        "--record",
        str(tmp_path / "three"),
    ]
    demo = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not list(tmp_path.glob("three/numpy/*.mcap")) and time.monotonic() < until:
        time.sleep(0.05)
    children = subprocess.run(["ps", "--ppid", str(demo.pid), "-o", "pid="], capture_output=True, text=True, check=False).stdout
    (child,) = map(int, children.split())
    demo.terminate()
    assert demo.wait(30) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
