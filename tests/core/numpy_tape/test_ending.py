"""Exceptions, switching off, explicit steps, levels, faults of ours, memory."""

from __future__ import annotations

import builtins
import contextlib
import gc
import os
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest

import gradwalk
from gradwalk.numpy_tape import dispatch, records, steps
from gradwalk.numpy_tape.assemble import Assembler
from gradwalk.recording.reader import open_recording

from .conftest import Collecting, lines, two_layers

SMALL = "8, 20, 6, 3"


@contextlib.contextmanager
def given(name, value):
    """A name that every script finds among the built-in ones."""
    setattr(builtins, name, value)
    try:
        yield
    finally:
        delattr(builtins, name)


def failing(before: str, statement: str, at: int = 2, steps: int = 5) -> str:
    return two_layers(steps, SMALL).replace(before, f"    if t == {at}:\n        {statement}\n{before}", 1)


def test_an_op_that_raises_ends_the_step_and_is_its_last_event(scripts):
    ran = scripts.taped(failing("    grad_h_relu", "bad = w1.dot(x)"))
    assert isinstance(ran.error, ValueError)
    assert ran.losses == [float(line.split()[1]) for line in ran.out.splitlines()[:2]]
    (trace,) = ran.sink.failures
    assert not trace.done
    assert (trace.error.kind, trace.error.event) == ("ValueError", len(trace.tape) - 1)
    assert "not aligned" in trace.error.message
    assert lines(trace)[-1].partition(" ")[2] == "dot(w1, x) -> "
    assert trace.loss == float(ran.out.splitlines()[2].split()[1])
    assert "script.py" in trace.error.traceback
    assert "gradwalk" not in trace.error.traceback


def test_any_other_exception_ends_the_step_too(scripts):
    ran = scripts.taped(failing("    grad_h_relu", "raise RuntimeError('no more')"))
    (trace,) = ran.sink.failures
    assert (trace.error.kind, trace.error.message, trace.error.event) == ("RuntimeError", "no more", -1)
    assert lines(trace)[-1].startswith("backward dot(h_relu.T, grad_y_pred) -> grad_w2")


def test_an_exception_after_the_loop_leaves_the_last_step_whole(scripts):
    ran = scripts.taped(two_layers(3, SMALL) + "raise KeyError('late')\n")
    assert len(ran.traces) == 3
    assert ran.sink.failures == []
    assert ran.sink.notes == [("exception", "KeyError: 'late'")]


def test_an_exception_before_the_first_op_is_noted(scripts):
    ran = scripts.taped("import numpy as np\nraise OSError('early')")
    assert (ran.sink.traces, ran.sink.failures, ran.sink.notes) == ([], [], [("exception", "OSError: early")])


def test_the_first_op_of_all_may_raise(scripts):
    ran = scripts.taped("import numpy as np\nnp.ones(3) @ np.ones(4)")
    (trace,) = ran.sink.failures
    assert (len(trace.tape), trace.error.event) == (1, 0)


def test_an_exception_that_the_script_handles_ends_nothing(scripts):
    text = failing(
        "    grad_h_relu", "try:\n            w1.dot(x)\n        except ValueError as error:\n            print(error)"
    )
    ran = scripts.taped(text)
    assert ran.out == scripts.plain(text).out
    assert (len(ran.traces), ran.sink.failures) == (5, [])


def test_the_traceback_is_that_of_the_script(scripts):
    ran = scripts.taped("import numpy as np\ndef f(a):\n    return a @ np.ones(4)\nf(np.ones(3))")
    frames = [frame for frame in traceback.extract_tb(ran.error.__traceback__) if frame.filename.endswith("script.py")]
    assert [frame.name for frame in frames] == ["<module>", "f"]


def test_switched_off_everything_is_plain_and_the_step_so_far_is_kept(scripts):
    text = two_layers(3, SMALL) + "switch()\ny2 = np.zeros(3)\ny3 = w1 + 1\nw1 -= 1\nw1[0] = 5\nprint(w1.sum(), h.mean())\n"
    with given("switch", None):
        ran = scripts.taped(text, prepare=lambda tape: setattr(builtins, "switch", tape.off))
    assert len(ran.traces) == 3
    assert type(ran.names["y2"]) is np.ndarray
    assert type(ran.names["y3"]) is np.ndarray
    assert ran.names["w1"][0, 0] == 5


def test_torch_switches_the_tape_off(tmp_path):
    script = tmp_path / "script.py"
    more = "import torch\nprint(type(np.ones(3)) is type(torch.ones(1).numpy()), (torch.from_numpy(w1).numpy() == w1).all())\n"
    script.write_text(two_layers(3, SMALL) + more, encoding="utf-8")
    command = [sys.executable, "-m", "gradwalk", "run", "--no-window", "--record", str(tmp_path / "run"), str(script)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ran.stdout.splitlines()[-1] == "True True"
    with open_recording(tmp_path / "run") as recording:
        assert [trace.loss for trace in recording][:3] == [float(line.split()[1]) for line in ran.stdout.splitlines()[:3]]


def test_end_step_says_where_steps_end_and_what_their_loss_is(scripts):
    text = "import gradwalk\n" + two_layers(4, SMALL).replace("    loss = ", "    cost = ").replace(
        "print(t, loss)", "print(t, cost)"
    )
    text = text.replace(
        "    w2 -= learning_rate * grad_w2",
        "    w2 -= learning_rate * grad_w2\n    gradwalk.end_step(loss=cost if t % 2 else 7.0)",
    )
    ran = scripts.taped(text.replace("x = np.random", "x = 2 * np.random"))
    costs = [float(line.split()[1]) for line in ran.out.splitlines()]
    assert ran.losses == [7.0, costs[1], 7.0, costs[3]]
    assert len({id(trace.graph) for trace in ran.traces}) <= 2
    assert lines(ran.traces[0])[0] == "forward dot(x, w1) -> h"


def test_end_step_without_a_tape_does_nothing():
    assert gradwalk.end_step() is None
    assert gradwalk.end_step(loss=1.0) is None


def test_every_other_step(scripts):
    ran = scripts.taped(two_layers(6, SMALL), Collecting(every=2))
    printed = [float(line.split()[1]) for line in ran.out.splitlines()]
    assert [(trace.step, trace.loss) for trace in ran.traces] == [(0, printed[0]), (2, printed[2]), (4, printed[4])]


def test_only_the_first_steps_and_then_nothing_more(scripts):
    text = two_layers(6, SMALL) + "plain = type(w1 + 1) is np.ndarray\n"
    ran = scripts.taped(text, Collecting(steps=2))
    assert [trace.step for trace in ran.traces] == [0, 1]
    assert type(ran.names["h"]) is np.ndarray
    assert ran.out == scripts.plain(text).out


def test_structure_alone_has_the_loss_and_no_statistics(scripts):
    ran = scripts.taped(two_layers(3, SMALL), Collecting(level="structure"))
    printed = [float(line.split()[1]) for line in ran.out.splitlines()]
    assert ran.losses == printed
    for trace in ran.traces:
        assert not trace.tensors
        w1 = next(value.id for value in trace.graph.values if value.name == "w1")
        assert trace.values[0, w1] == -1


def test_small_tensors_only_after_the_first_steps(scripts):
    traces = scripts.taped(two_layers(20, "64, 1000, 100, 10")).traces
    sizes = [
        {len(trace.tensors), max((kept.data.nbytes for kept in trace.tensors.values()), default=0) > 64 << 10} for trace in traces
    ]
    assert all(True in step for step in sizes[:3])
    assert False in sizes[19]
    assert len(traces[19].tensors) > 5


def test_a_large_step_keeps_samples(scripts):
    text = "import numpy as np\nx = np.ones((2000, 1000))\nfor i in range(3):\n    x = x + 1\n"
    (trace,) = scripts.taped(text).traces
    complete = [kept.complete for kept in trace.tensors.values()]
    assert complete == [True, False, False, False]
    assert [kept.data.shape for kept in trace.tensors.values() if not kept.complete] == [(1024,)] * 3


class Broken(Collecting):
    def add(self, trace):
        raise OSError("no sink")


def test_faults_of_ours_are_noted_and_after_ten_the_tape_is_off(scripts):
    text = two_layers(30, SMALL)
    ran = scripts.taped(text, Broken())
    assert ran.out == scripts.plain(text).out
    kinds = [kind for kind, _ in ran.sink.notes]
    assert kinds == ["fault"] * 11
    assert ran.sink.notes[0][1] == "NumPy tape: OSError: no sink"
    assert "switched off" in ran.sink.notes[-1][1]
    assert type(ran.names["h"]) is np.ndarray


def test_a_fault_in_one_step_costs_that_step_only(scripts, monkeypatch):
    real, calls = Assembler.assemble, []

    def once(self, *arguments):
        calls.append(1)
        if len(calls) == 2:
            raise ZeroDivisionError("ours")
        return real(self, *arguments)

    monkeypatch.setattr(Assembler, "assemble", once)
    ran = scripts.taped(two_layers(5, SMALL))
    assert [trace.step for trace in ran.sink.traces] == [0, 2, 3, 4]
    assert ran.sink.notes == [("fault", "NumPy tape: ZeroDivisionError: ours")]


class Forgetful(Collecting):
    """Keeps nothing, and counts what is alive."""

    def __init__(self):
        super().__init__()
        self.alive = []

    def add(self, trace):
        if trace.step in (20, 220):
            gc.collect()
            self.alive.append(sum(issubclass(type(thing), records.Slot | records.OpRecord) for thing in gc.get_objects()))


def test_memory_does_not_grow_with_the_steps(scripts):
    ran = scripts.taped(two_layers(230, SMALL), Forgetful())
    early, late = ran.sink.alive
    assert late <= early + 5


def test_memory_does_not_grow_without_an_update(scripts, monkeypatch):
    monkeypatch.setattr(steps, "MOST_OPS", 200)
    text = "import numpy as np\nx, counts = np.ones(3), []\nfor i in range(3000):\n    y = x * 2\n"
    text += "    if i in (500, 2900):\n        counts.append(count())\n"
    with given("count", lambda: sum(issubclass(type(thing), records.OpRecord) for thing in gc.get_objects())):
        ran = scripts.taped(text)
    assert max(ran.names["counts"]) <= 210
    assert ran.traces == []


def test_training_is_found_after_a_long_preparation(scripts, monkeypatch):
    monkeypatch.setattr(steps, "MOST_OPS", 200)
    text = two_layers(4, SMALL).replace("learning_rate", "for i in range(1000):\n    noise = x * 2\nlearning_rate", 1)
    ran = scripts.taped(text)
    assert ran.losses == [float(line.split()[1]) for line in ran.out.splitlines()]


def test_a_pass_that_is_too_long_is_cut_short_and_says_so(scripts, monkeypatch):
    monkeypatch.setattr(steps, "MOST_OPS", 60)
    text = two_layers(4, SMALL).replace(
        "    h = x.dot(w1)", "    h = x.dot(w1)\n    for i in range(100 * (t == 2)):\n        noise = x * 2"
    )
    ran = scripts.taped(text)
    assert [len(trace.graph.ops) for trace in ran.traces] == [21, 21, 60, 21]
    assert [kind for kind, _ in ran.sink.notes] == ["cut short"]


def test_a_forked_child_is_not_recorded(scripts):
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    text = (
        two_layers(3, SMALL)
        + "import os\nchild = os.fork()\nif child:\n    os.waitpid(child, 0)\nelse:\n    tape.close()\n    os._exit(0)\n"
    )
    with given("tape", None):
        ran = scripts.taped(text, prepare=lambda tape: setattr(builtins, "tape", tape))
    assert len(ran.traces) == 3


def test_after_the_end_nothing_is_on():
    assert dispatch.current() is None


def test_the_example_unmodified_through_the_command(tmp_path):
    arguments = ["--seed", "3", "--steps", "40"]
    example = Path(__file__).parents[3] / "examples/numpy_by_hand.py"
    plain = subprocess.run([sys.executable, str(example), *arguments], capture_output=True, text=True, check=True, cwd=tmp_path)
    command = [sys.executable, "-m", "gradwalk", "run", "--no-window", "--record", "run", str(example), *arguments]
    taped = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert taped.stdout == plain.stdout
    with open_recording(tmp_path / "run") as recording:
        assert [f"{i} {loss}" for i, loss in enumerate(recording.losses())] == plain.stdout.splitlines()[:40]
        assert len(recording.graphs) == 1
        assert lines(recording[7])[-1] == "update (update) subtract(w2, -) -> w2.1"


def test_memory_does_not_grow_in_a_pass_that_was_cut_short(scripts, monkeypatch):
    monkeypatch.setattr(steps, "MOST_OPS", 60)
    text = two_layers(3, SMALL) + "x, counts = np.ones(3), []\nfor i in range(3000):\n    x = x + 1\n"
    text += "    if i in (500, 2900):\n        counts.append(count())\n"
    with given("count", lambda: sum(issubclass(type(thing), records.Slot) for thing in gc.get_objects())):
        ran = scripts.taped(text)
    early, late = ran.names["counts"]
    assert late <= early + 5
    assert len(ran.traces) == 3


def test_what_the_script_lets_go_is_freed_within_the_step(scripts):
    text = "import numpy as np, tracemalloc\ntracemalloc.start()\nfor i in range(40):\n    y = np.ones(500_000) * 2\n"
    ran = scripts.taped(text + "peak = tracemalloc.get_traced_memory()[1]\ntracemalloc.stop()\n", Collecting(level="structure"))
    assert ran.names["peak"] < 5 * 500_000 * 8
    assert len(ran.traces[0].graph.ops) == 40
