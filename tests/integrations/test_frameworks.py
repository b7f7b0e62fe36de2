"""HuggingFace's Trainer and Lightning as their users write them, with ``gradwalk run`` and with the callbacks. No downloads."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradwalk.recording.reader import open_recording

FRAMEWORKS = ("transformers", "lightning")
SCRIPTS = {name: Path(__file__).with_name(f"train_with_{name}.py") for name in FRAMEWORKS}
PARAMETERS = ["net.0.bias", "net.0.weight", "net.2.bias", "net.2.weight"]
EVALUATION = {"transformers": ["forward only"], "lightning": ["forward only"] * 2}
"""The steps of one evaluation: of one batch, and of two."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run the script of a framework: what it printed last, standard error, and the folder in which it ran."""
    hidden = ("RANK", "WORLD_SIZE", "GRADWALK_PARENT_PID", "DISPLAY", "WAYLAND_DISPLAY")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    quiet = {"OMP_NUM_THREADS": "1", "GRADWALK_NO_WINDOW": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

    def run(framework, *arguments, recorded=False):
        pytest.importorskip(framework)
        folder = tmp_path_factory.mktemp(framework)
        ours = ["-m", "gradwalk", "run", "--no-window", "--record", "out"] if recorded else []
        command = [sys.executable, *ours, str(SCRIPTS[framework]), *arguments]
        done = subprocess.run(
            command, cwd=folder, env={**kept, **quiet}, capture_output=True, text=True, timeout=120, check=False
        )
        return done, folder

    return run


@pytest.fixture(scope="module", params=FRAMEWORKS)
def runs(request, run):
    """One script, which trains plainly, with accumulation, with the callback, and into an exception: plain and recorded."""
    name = request.param
    return name, run(name), run(name, recorded=True)


def printed(done):
    lines = [line for line in done.stdout.splitlines() if line.startswith("trained ")]
    assert done.returncode == 0, done.stderr
    assert len(lines) == 4
    return lines


def test_the_parameters_are_the_same_bits(runs):
    _, (plain, _), (recorded, _) = runs
    assert printed(recorded) == printed(plain)


def test_one_step_per_training_step_and_evaluations_are_forward_only(runs):
    name, _, (done, folder) = runs
    printed(done)
    with open_recording(folder / "out") as recording:
        labels = [trace.label for trace in recording]
        evaluation = EVALUATION[name]
        plain, accumulated = ["", "", *evaluation], ["micro-batch"] * 4 + evaluation
        assert labels[: len(plain) + len(accumulated)] == plain + accumulated
        training = [trace for trace in recording if trace.label != "forward only"][:6]
        for position, trace in enumerate(training):
            graph = trace.graph
            assert trace.loss is not None
            assert {"net.0", "net.2"} <= {module.path.partition(".")[2] for module in graph.modules}
            updated = [graph.values[op.outputs[0]].name for op in graph.ops if op.name.endswith(".step")]
            assert sorted(name[name.index("net.") :] for name in updated) == ([] if position in (2, 4) else PARAMETERS)
        assert [note.kind for note in recording.notes] == ["end"]
        assert not (folder / "cut").exists()  # the callbacks changed nothing


@pytest.mark.parametrize(("kind", "ended", "labels"), [("callback", "clean", ["", ""]), ("raises", "error", [""])])
def test_the_callback_records_the_training(runs, kind, ended, labels):
    _, (done, folder), _ = runs
    printed(done)
    with open_recording(folder / kind) as recording:
        assert recording.ended == ended
        assert [trace.label for trace in recording if trace.label != "forward only"][: len(labels)] == labels
        assert len([trace for trace in recording if trace.loss is not None and trace.done]) == len(labels)
        assert (recording.info.level, recording.info.kind) == ("structure", "torch")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_missing_framework_is_one_sentence(framework):
    hide = "import sys; sys.modules.update(dict.fromkeys(['transformers', 'lightning', 'pytorch_lightning'])); "
    code = hide + f"import gradwalk.integrations.{framework}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last == f"ImportError: gradwalk.integrations.{framework} needs the package {framework}, which cannot be imported"


def test_gradwalk_alone_imports_no_framework():
    code = "import gradwalk, gradwalk.integrations, sys; sys.exit('transformers' in sys.modules or 'lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert importlib.util.find_spec("gradwalk.integrations.lightning") is not None
