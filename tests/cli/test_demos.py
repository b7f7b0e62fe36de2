"""The examples under Gradwalk: the same output to the last bit, every step recorded, each command's answer about it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtGui import QImage

from gradwalk import open_recording
from gradwalk.cli import main
from gradwalk.tape import event_at, variable_of

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = {"numpy": "numpy_by_hand.py", "autograd": "autograd.py", "function": "custom_function.py", "mlp": "mlp_digits.py"}
STEPS = 70
EVENT_KEYS = {"index", "kind", "name", "module", "variable", "file", "line", "expression", "inputs", "outputs", "grads", "phase"}
OUTPUT_KEYS = {"id", "shape", "dtype", "stats"}
STATS_KEYS = {"min", "max", "mean", "rms", "nan", "inf", "zero"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("demos")


@pytest.fixture(scope="module")
def demo(home):
    """Run a demo once (seed 3, 70 steps): its result, and the folder of its recording."""
    import os

    made = {}
    environment = {**os.environ, "GRADWALK_NO_WINDOW": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

    def run(name):
        if name not in made:
            folder = home / name
            command = [
                sys.executable,
                "-m",
                "gradwalk",
                "demo",
                name,
                "--seed",
                "3",
                "--train-steps",
                str(STEPS),
                "--device",
                "cpu",
            ]
            command += ["--record", str(folder)]
            result = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
            made[name] = result, folder
        return made[name]

    return run


@pytest.fixture
def command(capsys):
    """A command in this process (they need no torch, so a process of their own would only cost time): what it prints."""

    def command(*arguments):
        assert main([str(argument) for argument in arguments]) == 0
        return capsys.readouterr().out

    return command


@pytest.fixture
def ask(demo, command):
    """A command about a demo's recording, its answer read as JSON."""
    return lambda about, name, *arguments: json.loads(command(about, demo(name)[1], *arguments, "--json"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_output_is_that_of_python_and_the_recorded_loss_is_the_printed_one(demo, python, name):
    result, folder = demo(name)
    assert result.returncode == 0, result.stderr
    plain = python(EXAMPLES / SCRIPTS[name], "--seed", "3", "--steps", STEPS, "--device", "cpu")
    assert result.stdout == plain.stdout
    losses = np.array([float(line.split()[1]) for line in plain.stdout.splitlines()[:STEPS]])
    with open_recording(folder) as recording:
        assert recording.ended == "clean"
        assert recording.step_numbers().tolist() == list(range(STEPS))
        np.testing.assert_array_equal(recording.losses(), losses)
        assert recording[7].loss == losses[7]
    if name != "mlp":
        assert 1e7 < losses[0] < 1e8
        assert 1e3 < losses[60] < 3e4


def gradients_of(folder):
    """The gradient of each named value in the first step."""
    with open_recording(folder) as recording:
        trace = recording[0]
        named = [(edge, trace.graph.values[edge.value].name) for edge in trace.graph.edges if edge.value >= 0]
        keys = {name: ("value", edge.by) if edge.by >= 0 else ("gradient", edge.id) for edge, name in named if name}
        return {name: trace.tensors[key].data for name, key in keys.items()}


def test_seeded_programs_have_the_same_gradients_by_hand_and_by_autograd(demo):
    gradients = {name: gradients_of(demo(name)[1]) for name in ("numpy", "autograd", "function")}
    for name in ("w1", "w2", "y_pred"):
        by_hand = gradients["numpy"][name]
        assert by_hand.dtype == np.float64
        for other in ("autograd", "function"):
            scale = np.abs(by_hand).max()
            np.testing.assert_allclose(gradients[other][name] / scale, by_hand / scale, atol=1e-5)


@pytest.mark.parametrize("name", SCRIPTS)
def test_info_in_figures(ask, demo, name):
    about = ask("info", name)
    losses = [float(line.split()[1]) for line in demo(name)[0].stdout.splitlines()[:STEPS]]
    assert about["steps"] == STEPS
    assert about["loss"] == {"first": losses[0], "last": losses[-1], "min": min(losses)}
    assert (about["ranks"], about["device"], about["ended"]) == (1, "cpu", "clean")
    assert about["bytes"] == sum(file.stat().st_size for file in demo(name)[1].glob("*.mcap"))
    with open_recording(demo(name)[1]) as recording:
        graph = recording[-1].graph
        assert (about["graphs"], about["ops"], about["nodes"]) == (len(recording.graphs), len(graph.ops), len(graph.nodes))


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_tape_in_json_has_every_key(ask, name):
    tape = ask("show", name, "--step", "7")
    assert [event["index"] for event in tape] == list(range(len(tape)))
    for event in tape:
        assert event.keys() >= EVENT_KEYS
        assert event["kind"] in ("op", "loss", "node", "accumulate", "update")
        for output in event["outputs"] + event["inputs"]:
            assert output.keys() >= OUTPUT_KEYS
            assert output["stats"] is None or output["stats"].keys() == STATS_KEYS
        for grad in event["grads"]:
            assert grad.keys() >= {"to", "shape", "stats"}
            assert grad["stats"].keys() == STATS_KEYS


def test_the_tape_of_autograd(ask):
    tape = ask("show", "autograd", "--step", "0")
    names = [event["name"] for event in tape]
    assert names[:7] == ["mm", "clamp", "mm", "sub", "pow", "sum", "loss"]
    backward = [event["name"] for event in tape if event["phase"] == "backward"]
    assert backward[:4] == ["SumBackward0", "PowBackward0", "SubBackward0", "MmBackward0"]
    assert sorted(event["variable"] for event in tape if event["kind"] == "accumulate") == ["w1", "w2"]
    first = tape[0]
    assert (first["expression"], Path(first["file"]).name, first["kind"]) == ("x.mm(w1)", "autograd.py", "op")
    assert [value["variable"] for value in first["inputs"]] == ["x", "w1"]
    assert first["outputs"][0]["shape"] == [64, 100]
    assert tape[2]["variable"] == "y_pred"
    assert {"w1", "w2"} <= {event["variable"] for event in tape if event["kind"] == "update"}


def test_the_tape_by_hand(ask):
    tape = ask("show", "numpy", "--step", "1")
    assert [event["variable"] for event in tape if event["phase"] == "forward"][:3] == ["h", "h_relu", "y_pred"]
    backward = {
        event["variable"]: event["gradient_of"] for event in tape if event["phase"] == "backward" and event["gradient_of"]
    }
    assert {name: of["variable"] for name, of in backward.items() if name.startswith("grad_")} == {
        f"grad_{name}": name for name in ("y_pred", "w2", "h_relu", "h", "w1")
    }
    assert {event["variable"] for event in tape if event["kind"] == "update"} == {"w1", "w2"}


def test_the_tape_of_the_module_and_its_optimizer(ask):
    tape = ask("show", "mlp", "--step", "1")
    assert {"fc1", "fc2", "fc3"} <= {event["module"].rpartition(".")[2] for event in tape}
    assert {event["phase"] for event in tape} == {"forward", "loss", "backward", "update"}


def test_adam(gradwalk, tmp_path):
    result = gradwalk("demo", "mlp", "--train-steps", 6, "--record", "run", "--", "--optimizer", "adam")
    assert result.returncode == 0, result.stderr
    with open_recording(tmp_path / "run") as recording:
        assert len(recording) == 6


@pytest.mark.parametrize("name", ["numpy", "autograd"])
def test_what_people_read_fits_a_page(demo, command, name):
    folder = demo(name)[1]
    info = command("info", folder)
    assert f"steps      {STEPS}" in info
    show = command("show", folder, "--step", "-1")
    assert show.startswith(f"step {STEPS - 1}: loss ")
    assert "w1" in show
    assert max(map(len, (info + show).splitlines())) <= 100


def test_exports_of_every_kind(demo, command, qapp, tmp_path):
    folder = demo("autograd")[1]
    for file in ("graph.json", "graph.dot", "graph.svg", "graph.png", "graph.pdf"):
        assert command("export", folder, "--step", "3", "--event", "9", "-o", tmp_path / file) == ""
    for file in ("loss.csv", "loss.png", "loss.svg"):
        assert command("export", folder, "--loss", "-o", tmp_path / file) == ""
    film = ("--phase", "step", "--speed", "5", "--fps", "10", "--size", "640x400", "--theme", "dark")
    assert command("export", folder, "--step", "3", "-o", tmp_path / "flow.gif", *film) == ""
    with Image.open(tmp_path / "flow.gif") as moving:
        assert moving.n_frames > 10
        assert moving.width <= 640
        assert sum(moving.convert("RGB").getpixel((2, 2))) < 150, "dark"
    assert command("export", folder, "--step", "3", "-o", tmp_path / "shapes.svg", "--outlines") == ""
    assert "<text" not in (tmp_path / "shapes.svg").read_text(encoding="utf-8")
    graph = json.loads((tmp_path / "graph.json").read_text(encoding="utf-8"))
    assert (graph["step"], graph["position"]) == (3, 9)
    assert sum(op["done"] for op in graph["ops"]) == 6
    assert sum(node["done"] for node in graph["nodes"]) == 2
    assert "MmBackward0" in (tmp_path / "graph.dot").read_text(encoding="utf-8")
    for file, start in {"graph.svg": b"<", "graph.png": b"\x89PNG", "graph.pdf": b"%PDF", "loss.png": b"\x89PNG"}.items():
        assert (tmp_path / file).read_bytes().startswith(start)
    rows = list(csv.reader((tmp_path / "loss.csv").read_text(encoding="utf-8").splitlines()))
    with open_recording(folder) as recording:
        assert float(rows[-1][-1]) == recording[-1].loss
    assert len(rows) == STEPS + 1


def test_the_exported_picture_follows_its_options(demo, command, qapp, tmp_path):
    folder = demo("autograd")[1]
    pictures = {
        name: command("export", folder, "--step", "0", "-o", tmp_path / f"{name}.svg", *options)
        or (tmp_path / f"{name}.svg").read_bytes()
        for name, options in {
            "plain": (),
            "dark": ("--theme", "dark"),
            "tensors": ("--mode", "tensors"),
            "forward": ("--halves", "forward"),
            "start": ("--event", "0"),
        }.items()
    }
    assert len(set(pictures.values())) == 5
    command("export", folder, "--step", "0", "-o", tmp_path / "one.png", "--scale", "1")
    command("export", folder, "--step", "0", "-o", tmp_path / "three.png", "--scale", "3")
    one, three = QImage(str(tmp_path / "one.png")), QImage(str(tmp_path / "three.png"))
    assert three.width() == pytest.approx(3 * one.width(), abs=3)


def test_pictures_without_a_display(gradwalk, tmp_path):
    result = gradwalk("demo", "numpy", "--train-steps", 20, "--pictures", "out")
    assert result.returncode == 0, result.stderr
    (folder,) = (tmp_path / "out").iterdir()
    names = {"graph.svg", "graph.png", "graph.pdf", "loss.png", "window.png", "run.json", "rank00000.0000.mcap"}
    assert {file.name for file in folder.iterdir()} == names
    assert all(name in result.stderr for name in ("graph.svg", "window.png", "gradwalk open"))
    assert len(result.stdout.splitlines()) == 20


def test_how_much_is_recorded(gradwalk, tmp_path):
    gradwalk("demo", "numpy", "--train-steps", 20, "--every", 5, "--steps", 12, "--level", "structure", "--record", "run")
    with open_recording(tmp_path / "run") as recording:
        assert recording.step_numbers().tolist() == [0, 5, 10]
        assert recording.info.level == "structure"
        assert [variable_of(trace.graph, event_at(trace, 0)) for trace in recording] == ["h", "h", "h"]
    assert gradwalk("show", "run", "--step", "5").returncode == 0


def test_numpy_before_torch_is_no_step(gradwalk, write, tmp_path):
    lines = [
        "import numpy as np",
        "data = np.maximum(np.random.randn(4, 3), 0)",
        "mean = (data - data.mean(0)).sum()",
        "import torch",
    ]
    lines += ["w = torch.ones(3, requires_grad=True)", "for step in range(2):"]
    lines += ["    (torch.from_numpy(data) @ w.double()).sum().backward()", "    w.data -= 0.1 * w.grad", "    w.grad = None"]
    write("train.py", "\n".join(lines))
    result = gradwalk("run", "--record", "run", "train.py")
    assert result.returncode == 0, result.stderr
    with open_recording(tmp_path / "run") as recording:
        assert recording.step_numbers().tolist() == [0, 1]
        assert recording.info.kind == "torch"


NO_CHANGE = "changes no weight; write a name, a place and a number, such as w1[3,2]=0.5"


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (("--lr", "nan"), "gradwalk: the learning rate (--lr) is a finite number, such as 1e-6"),
        (("--set", "w1[3"), f"gradwalk: 'w1[3' {NO_CHANGE}"),
        (
            ("--set", "w1[3,2]=x"),
            f"gradwalk: 'w1[3,2]=x' {NO_CHANGE}",
        ),
    ],
)
def test_a_wrong_change_is_one_sentence_and_makes_no_folder(capsys, tmp_path, wish, sentence):
    assert main(["demo", "numpy", "--no-window", "--record", str(tmp_path / "run"), *wish]) == 2
    assert capsys.readouterr().err.splitlines() == [sentence]
    assert not (tmp_path / "run").exists()


def test_a_demo_can_be_repeated_with_a_change(gradwalk, tmp_path):
    first = gradwalk("demo", "numpy", "--train-steps", 3, "--record", "first")
    with open_recording(tmp_path / "first") as recording:
        program = recording.info.program
    seed = program[program.index("--seed") + 1]
    changed = ("--seed", seed, "--set", "w1[3, 2] = 0.5", "--lr", "2e-6")
    again = gradwalk("demo", "numpy", "--train-steps", 3, "--record", "again", *changed)
    assert first.stdout.split("\n")[0] != again.stdout.split("\n")[0]
    with open_recording(tmp_path / "again") as recording, open_recording(tmp_path / "first") as before:
        assert recording.info.program[-3:] == ("--lr=2e-06", "--set", "w1[3,2]=0.5")
        new, old = recording[0].tensors["value", 1].data, before[0].tensors["value", 1].data
        assert np.argwhere(new != old).tolist() == [[3, 2]]
        assert new[3, 2] == 0.5
        assert recording[0].graph.key == before[0].graph.key
