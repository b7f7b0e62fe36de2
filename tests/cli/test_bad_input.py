"""Bad input: one clear sentence, exit code 2, nothing lost; the script's own exit code passes through."""

from __future__ import annotations

import shutil

import pytest

from gradwalk import open_recording

TRAIN = """
import sys
import torch
w = torch.ones(3, requires_grad=True)
def train(steps, fail_at=-1):
    for step in range(steps):
        h = w * 2
        if step == fail_at:
            h = h @ torch.ones(4, 4)
        loss = (h * h).sum()
        loss.backward()
        with torch.no_grad():
            w.sub_(0.01 * w.grad)
        w.grad = None
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A recording of three steps, made once."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("recorded")
    (folder / "train.py").write_text(TRAIN + "train(3)", encoding="utf-8")
    command = [sys.executable, "-m", "gradwalk", "run", "--no-window", "--record", "run", "train.py"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "run"


def refused(result):
    """The one sentence of a refusal."""
    assert result.returncode == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("gradwalk: ")
    return lines[0]


def test_scripts_and_folders_that_will_not_do(gradwalk, write, tmp_path, recorded):
    write("script.py", "print('never')")
    write("empty/nothing.txt", "")
    assert "there is no script missing.py" in refused(gradwalk("run", "missing.py"))
    assert "no __main__.py" in refused(gradwalk("run", "empty"))
    assert "--pin '5-2' is no list of steps" in refused(gradwalk("run", "--pin", "5-2", "script.py"))
    before = sorted((file.name, file.stat().st_mtime_ns) for file in recorded.iterdir())
    assert "already holds a recording" in refused(gradwalk("run", "--record", recorded, "script.py"))
    assert sorted((file.name, file.stat().st_mtime_ns) for file in recorded.iterdir()) == before
    assert "is a file" in refused(gradwalk("run", "--record", "script.py", "script.py"))
    assert "cannot be written" in refused(gradwalk("run", "--record", "/proc/none/of/this", "script.py"))
    assert not (tmp_path / "gradwalk-runs").exists()


@pytest.mark.parametrize(
    "arguments", [("run",), ("run", "--level", "much", "x.py"), ("run", "--bogus", "x.py"), ("fly",), ("demo", "x")]
)
def test_a_wrong_command_line_exits_with_2(gradwalk, arguments):
    result = gradwalk(*arguments)
    assert result.returncode == 2
    assert "Error: " in result.stderr


@pytest.mark.parametrize("number", ["nan", "inf", "-1"])
def test_a_tolerance_is_a_number(gradwalk, recorded, number):
    for command in ("compare", "diff"):
        result = gradwalk(command, recorded, recorded, "--tolerance", number)
        assert (result.returncode, result.stdout) == (2, "")
        assert "'--tolerance'" in result.stderr


def test_a_window_without_a_display_is_refused(gradwalk, recorded, environment):
    environment.pop("QT_QPA_PLATFORM", None)
    assert "there is no display" in refused(gradwalk())
    assert "there is no display" in refused(gradwalk("open", recorded))


def test_recordings_that_cannot_be_read(gradwalk, tmp_path, write, recorded):
    write("text.mcap", "this is no recording")
    write("folder/other.txt", "")
    newer = shutil.copytree(recorded, tmp_path / "newer")
    for file in newer.iterdir():
        file.write_bytes(file.read_bytes().replace(b'"format": "1.', b'"format": "9.'))
    for path, said in {"missing": "missing", "text.mcap": "text.mcap", "folder": "folder", "newer": "newer Gradwalk"}.items():
        assert said in refused(gradwalk("info", path))
    for command in (("show", "missing", "--step", "0"), ("export", "missing", "--step", "0", "-o", "x.svg"), ("open", "missing")):
        assert "missing" in refused(gradwalk(*command))


def test_a_recording_that_is_cut_short_opens_as_far_as_it_goes(gradwalk, tmp_path, recorded):
    cut = shutil.copytree(recorded, tmp_path / "cut")
    file = cut / "rank00000.0000.mcap"
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)
    result = gradwalk("info", cut)
    assert result.returncode == 0
    assert "not yet, or it was killed" in result.stdout


def test_exports_that_cannot_be(gradwalk, tmp_path, recorded):
    def export(*arguments):
        return refused(gradwalk("export", recorded, *arguments))

    said = export("--step", "0", "-o", "graph.bmp")
    assert all(ending in said for ending in (".svg", ".png", ".pdf", ".dot", ".json", ".gif", ".apng", ".webp", ".mp4"))
    assert "--scale is for .png" in export("--step", "0", "-o", "graph.svg", "--scale", "2")
    assert "--outlines is for .svg" in export("--step", "0", "-o", "graph.pdf", "--outlines")
    assert "--phase is for .gif .apng .webp .mp4, not for graph.png" in export(
        "--step", "0", "-o", "graph.png", "--phase", "step"
    )
    assert "--event is for" in export("--step", "0", "-o", "flow.gif", "--event", "3")
    assert "--fps is for" in export("--loss", "-o", "loss.png", "--fps", "20")
    assert "such as 1280x800" in export("--step", "0", "-o", "flow.gif", "--size", "large")
    assert "at least 160 × 160 pixels" in export("--step", "0", "-o", "flow.gif", "--size", "100x100")
    assert "cannot be written" in export("--step", "0", "-o", "no/such/folder/flow.gif")
    said = export("--loss", "-o", "loss.pdf")
    assert all(ending in said for ending in (".png", ".svg", ".csv"))
    assert "--step N" in export("-o", "graph.svg")
    assert "--event goes with --step" in export("--loss", "--event", "3", "-o", "loss.csv")
    assert "step 3 is not in the recording, which holds 3: 0 to 2" in export("--step", "3", "-o", "graph.json")
    assert "--event goes from 0 to" in export("--step", "0", "--event", "999", "-o", "graph.json")
    assert "cannot be written" in export("--step", "0", "-o", "no/such/folder/graph.json")
    assert "cannot be written" in export("--step", "0", "-o", "/dev/full/graph.json")
    assert "cannot be written" in export("--step", "0", "-o", "no/such/folder/graph.svg")
    assert "cannot be written" in export("--step", "0", "-o", "no/such/folder/graph.dot")
    assert "cannot be written" in export("--loss", "-o", "no/such/folder/loss.svg")
    with open_recording(recorded) as recording:
        assert len(recording) == 3


def test_no_cuda_where_cuda_is_asked(gradwalk, tmp_path):
    assert "CPU only" in refused(gradwalk("demo", "numpy", "--device", "cuda"))
    result = gradwalk("demo", "autograd", "--device", "cuda", env={"CUDA_VISIBLE_DEVICES": ""})
    assert "there is no CUDA device" in refused(result)
    assert not (tmp_path / "gradwalk-runs").exists()


@pytest.mark.parametrize(
    ("call", "steps", "done"), [("train(0); 1 / 0", 0, None), ("train(5, 2)", 3, False), ("train(2); 1 / 0", 2, True)]
)
def test_a_script_that_raises_is_recorded_up_to_there(gradwalk, python, write, tmp_path, call, steps, done):
    write("train.py", TRAIN + call)
    result = gradwalk("run", "--record", "run", "train.py")
    said = "".join(line for line in result.stderr.splitlines(keepends=True) if not line.startswith("gradwalk: "))
    assert (result.returncode, result.stdout) == (1, "")
    assert "core/gradwalk" not in said
    if done is False:
        assert said == python("train.py").stderr
    with open_recording(tmp_path / "run") as recording:
        assert recording.ended == "error"
        assert recording.error.message.startswith("RuntimeError: " if done is False else "ZeroDivisionError: ")
        if steps:
            assert len(recording) == steps
            last = recording[steps - 1]
            assert last.done is done
        if done is False:
            assert last.error.kind == "RuntimeError"
            assert last.graph.ops[last.graph.events[last.tape[-1]].ref].name in ("mul", "matmul", "__matmul__")


def test_scripts_in_which_nothing_is_trained(gradwalk, write):
    write("plain.py", "print('hello')")
    result = gradwalk("run", "plain.py")
    assert (result.returncode, result.stdout) == (0, "hello\n")
    assert "nothing was recorded: the script used neither PyTorch nor NumPy" in result.stderr
    write("forward.py", "import torch, sys\nw = torch.ones(3, requires_grad=True)\nprint((w * 2).sum().item())\nsys.exit(3)")
    result = gradwalk("run", "forward.py")
    assert (result.returncode, result.stdout) == (3, "6.0\n")
    assert "no backward() seen" in result.stderr


def test_an_unexpected_end_of_the_pipe_is_quiet(recorded, tmp_path, environment):
    import subprocess
    import sys

    command = f"{sys.executable} -m gradwalk show {recorded} --step 0 --json | head -1"
    result = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("[\n", "")


def test_ranks_share_a_folder_and_a_later_run_is_refused(gradwalk, write, tmp_path):
    write("train.py", "import numpy, os\nprint(os.environ['RANK'])")
    ranks = [{"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29517"} for rank in (0, 1)]
    for rank in ranks:
        result = gradwalk("run", "--record", "run", "train.py", env=rank)
        assert (result.returncode, result.stdout) == (0, f"{rank['RANK']}\n"), result.stderr
    assert "already holds a recording" in refused(gradwalk("run", "--record", "run", "train.py", env=ranks[0]))
    with open_recording(tmp_path / "run") as recording:
        assert (recording.ranks, recording.info.world_size) == ((0, 1), 2)
