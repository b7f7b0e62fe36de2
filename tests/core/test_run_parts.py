"""The parts of ``gradwalk run``: import hook, tracebacks, run folders."""

from __future__ import annotations

import builtins
import importlib
import json
import sys
import traceback
from pathlib import Path

import pytest

import gradwalk
from gradwalk.refusal import RefusalError
from gradwalk.run.hooks import ImportGate, ImportHook
from gradwalk.run.pins import read_pins
from gradwalk.run.place import Identity, claim, identity, run_folder
from gradwalk.run.tracebacks import without_us

PACKAGE = Path(gradwalk.__file__).parent


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Two modules that can be imported, ``hooked_a`` (which imports ``hooked_b``)."""
    (tmp_path / "hooked_a.py").write_text("import hooked_b\nVALUE = 1", encoding="utf-8")
    (tmp_path / "hooked_b.py").write_text("", encoding="utf-8")
    (tmp_path / "hooked_bad.py").write_text("1 / 0", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("hooked_a", "hooked_b", "hooked_bad"):
        sys.modules.pop(name, None)


def test_a_hook_is_told_once_when_a_module_is_there(modules):
    told = []
    names = ("hooked_a", "hooked_b", "hooked_bad")
    hook = ImportHook({name: lambda name=name: told.append((name, sys.modules[name])) for name in names})
    hook.install()
    module = importlib.import_module("hooked_a")
    with pytest.raises(ZeroDivisionError):
        importlib.import_module("hooked_bad")
    importlib.reload(module)
    hook.remove()
    assert [name for name, _ in told] == ["hooked_b", "hooked_a"]
    assert told[1][1] is module
    assert type(module.__loader__).__name__ == type(module.__spec__.loader).__name__ == "SourceFileLoader"
    assert hook not in sys.meta_path


def test_a_hook_is_told_at_once_of_what_is_there(modules):
    importlib.import_module("hooked_b")
    told = []
    hook = ImportHook({"hooked_b": lambda: told.append(1)})
    hook.install()
    hook.remove()
    assert told == [1]


def test_a_gate_is_passed_before_the_first_import(modules):
    seen = []
    original = builtins.__import__

    def before():
        seen.append("hooked_a" in sys.modules)
        builtins.__import__ = lambda name, *rest: seen.append(name) or original(name, *rest)

    gate = ImportGate("hooked_a", before)
    gate.install()
    try:
        exec("import json, hooked_b\nfrom hooked_a import VALUE")
        exec("import hooked_a")
    finally:
        gate.remove()
        taken_over, builtins.__import__ = builtins.__import__, original
    assert taken_over is not original
    assert [name for name in seen if name is False or "hooked" in str(name)] == [False, "hooked_a", "hooked_b", "hooked_a"]


def test_a_gate_that_nobody_passes_leaves_nothing():
    original = builtins.__import__
    gate = ImportGate("hooked_a", lambda: None)
    gate.install()
    gate.remove()
    assert builtins.__import__ is original


def frames(error):
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def raising(file, code, **known):
    """Run code as if it stood in ``file``, and give what it raises."""
    with pytest.raises(ValueError) as caught:
        exec(compile(code, str(file), "exec"), known)
    return caught.value


def test_our_frames_and_the_way_to_us_are_taken_out():
    torch_like: dict[str, object] = {}
    exec(
        compile(
            "def backward(self, mode):\n"
            "    if mode is not None:\n"
            "        return dispatch(backward, mode)\n"
            "    raise ValueError('deep')\n",
            "/lib/torch/_tensor.py",
            "exec",
        ),
        torch_like,
    )
    exec(compile("def dispatch(function, mode):\n    return mode(function)\n", "/lib/torch/overrides.py", "exec"), torch_like)
    ours: dict[str, object] = {}
    exec(compile("def handle(function):\n    return function(None, None)\n", str(PACKAGE / "recorder/forward.py"), "exec"), ours)
    script = "def train():\n    backward(None, handle)\ntrain()"
    error = raising("/home/me/train.py", script, backward=torch_like["backward"], handle=ours["handle"])
    assert frames(error)[-6:] == ["<module>", "train", "backward", "dispatch", "handle", "backward"]
    assert frames(without_us(error))[-3:] == ["<module>", "train", "backward"]
    assert "dispatch" not in frames(error)


def test_causes_are_cleaned_too():
    ours = PACKAGE / "run/program.py"
    code = "try:\n    raise ValueError('inner')\nexcept ValueError as error:\n    raise ValueError('outer') from error"
    error = without_us(raising(ours, code))
    assert frames(error.__cause__) == []
    assert all(not frame.filename.startswith(str(PACKAGE)) for frame in traceback.extract_tb(error.__traceback__))


def test_a_new_folder_is_named_after_time_and_script(tmp_path):
    folder = run_folder("/some/two layer.py", Identity("7f3a99"), tmp_path / "runs")
    assert folder.is_dir()
    assert folder.name.startswith("run-2")
    assert folder.name.endswith("Z-two_layer-7f3a")


def test_a_folder_with_a_recording_is_refused_but_for_the_other_ranks(tmp_path):
    first, second = Identity("ab12", 0, 2), Identity("ab12", 1, 2)
    claim(tmp_path, first)
    (tmp_path / "run.json").write_text(json.dumps({"run_id": "ab12"}), encoding="utf-8")
    (tmp_path / "rank00000.0000.mcap").touch()
    claim(tmp_path, second)
    for other in (first, Identity("cd34"), Identity("cd34", 1, 2)):
        with pytest.raises(RefusalError, match="already holds a recording"):
            claim(tmp_path, other)
    (tmp_path / "file").touch()
    with pytest.raises(RefusalError, match="is a file"):
        claim(tmp_path / "file", first)
    with pytest.raises(RefusalError, match="cannot be written"):
        claim(tmp_path / "file" / "below", first)


def test_ranks_that_one_launcher_started_share_a_run(monkeypatch, tmp_path):
    for name, value in {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RANK", "0")
    zero = identity()
    folder = run_folder("train.py", zero, tmp_path)
    monkeypatch.setenv("RANK", "1")
    one = identity()
    assert (zero.run_id, zero.rank, zero.world_size) == (one.run_id, 0, 2)
    assert one.rank == 1
    assert run_folder("train.py", one, tmp_path) == folder
    monkeypatch.delenv("WORLD_SIZE")
    assert identity().run_id != zero.run_id
    assert identity().rank == 0


def test_pinned_steps_are_read():
    assert read_pins("10, 20-30,7-7") == (range(10, 11), range(20, 31), range(7, 8))


@pytest.mark.parametrize("text", ["", "a", "3-", "-3", "5-2", "1,,2", "1 2"])
def test_what_is_no_list_of_steps_is_one_sentence(text):
    with pytest.raises(RefusalError, match="is no list of steps; give numbers"):
        read_pins(text)
