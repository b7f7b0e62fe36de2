"""Live pause: a training in a second process is held between two events, and goes on as if nothing had been."""

from __future__ import annotations

import signal
import subprocess
import time

import numpy as np
import pytest
from held import TWO_LAYERS, after, before, kill_holder, open_recording_when_there, plainly, start_holder

from gradwalk.control import ControlError
from gradwalk.recording.reader import open_recording
from gradwalk.tape import name_of


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return plainly(tmp_path_factory.mktemp("plain"))


def test_breakpoints_hold_in_forward_and_backward_and_the_training_ends_with_the_same_bits(train, plain):
    run = train()
    run.tell("breakpoints", breakpoints=[before("$op(mm)|$op(matmul)"), after("$op(PowBackward0)")])
    seen = [run.next("held")]
    for _ in range(5):
        run.tell("continue")
        seen.append(run.next("held"))
    line = run.script.read_text(encoding="utf-8").splitlines().index("    h = MyReLU.apply(x @ w1)") + 1
    assert [(one["when"], one["name"]) for one in seen[:3]] == [
        ("before", "matmul"), ("before", "matmul"), ("after", "PowBackward0")
    ]  # fmt: skip
    assert seen[0]["source"] == f"{run.script}:{line}"
    assert seen[0]["why"] == "breakpoint $op(mm)|$op(matmul)"
    assert seen[2]["phase"] == "backward"
    assert [one["step"] for one in seen] == [0, 0, 0, 0, 1, 1], "before the first op of a step it is not known to begin one"
    run.tell("breakpoints", breakpoints=[])
    run.tell("continue")
    code, out, _ = run.end()
    assert (code, out) == (0, plain)


def test_every_event_of_a_step_can_be_stopped_at_and_the_step_so_far_is_in_the_recording(train, plain):
    run = train()
    run.tell("breakpoints", breakpoints=[before("$op(MyReLU)")])
    first = run.next("shown")
    run.tell("breakpoints", breakpoints=[])
    names, positions = [], []
    with open_recording(run.run) as recording:
        for _ in range(18):
            run.tell("next-event")
            held = run.next("shown")
            names.append(held["name"])
            positions.append(held["position"])
            recording.poll()
            trace = recording[len(recording) - 1]
            assert (trace.step, len(trace.tape), trace.done) == (held["step"], held["position"], False)
    assert first["name"] == "MyReLU"
    assert names[:8] == ["clamp", "MyReLU", "matmul", "mul_", "sub", "pow", "sum", "SumBackward0"]
    assert names[8:] == [
        *("PowBackward0", "SubBackward0", "MulBackward0", "MmBackward0", "AccumulateGrad"),
        *("ge", "mul", "MyReLUBackward", "MmBackward0", "AccumulateGrad"),
    ]
    assert positions == sorted(set(positions))
    run.tell("detach")
    assert run.end()[:2] == (0, plain)
    with open_recording(run.run) as recording:
        assert [recording[step].done for step in range(len(recording))] == [True] * 12


def test_it_is_held_inside_the_backward_of_a_custom_function(train, plain):
    run = train()
    run.tell("breakpoints", breakpoints=[before("$op(ge)"), after("$op(ge)")])
    line = run.script.read_text(encoding="utf-8").splitlines().index("        return grad_output * (input >= 0)") + 1
    for when in ("before", "after", "before", "after"):
        held = run.next("shown")
        assert (held["when"], held["name"], held["phase"]) == (when, "ge", "backward")
        assert held["source"] == f"{run.script}:{line}"
        with open_recording(run.run) as recording:
            trace = recording[len(recording) - 1]
            ops = [one.name for one in trace.graph.ops if "in backward" in one.tags]
            assert (trace.step, len(trace.tape), trace.done) == (held["step"], held["position"], False)
            assert ops == (["ge"] if when == "after" else [])
        run.tell("continue")
    run.tell("detach")
    assert run.end()[:2] == (0, plain)


def line_of(run, text):
    return next(at for at, line in enumerate(run.script.read_text(encoding="utf-8").splitlines(), 1) if text in line)


def places_held_at(run, breakpoints, count, *, held=False):
    """Where the next holds are, as ``(when, name, phase, line)``; the position is that in the recording. It is left held at the
    last of them: breakpoints that are changed while it runs on may come too late for the next place. ``held``: it is held now.
    """
    run.tell("breakpoints", breakpoints=breakpoints)
    seen = []
    while len(seen) < count:
        if held or seen:
            run.tell("continue")
        at = run.next("shown")
        with open_recording(run.run) as recording:
            trace = recording[len(recording) - 1]
            assert (trace.step, len(trace.tape)) == (at["step"], at["position"])
        seen.append((at["when"], at["name"], at["phase"], int(at["source"].rpartition(":")[2])))
    return seen


@pytest.mark.parametrize("text", ["$src(train.py:{step})", "$op(SGD.step)", "$kind(update) $op(*.step) w2", "$phase(update) SGD"])
def test_it_is_held_before_an_optimizers_step(train, plain, text):
    run = train()
    line = line_of(run, "optimizer.step()")
    seen = places_held_at(run, [before(text.format(step=line))], 2)
    assert seen == [("before", "SGD.step", "update", line)] * 2
    run.tell("detach")
    assert run.end()[:2] == (0, plain)


@pytest.mark.parametrize("to_none", ["", "set_to_none=False"])
def test_it_is_held_before_and_after_gradients_are_zeroed(train, tmp_path, to_none):
    script = TWO_LAYERS.replace("zero_grad()", f"zero_grad({to_none})")
    plain = plainly(tmp_path, script)
    run = train(script)
    line = line_of(run, "optimizer.zero_grad")
    sides = [("before", "zero_grad", "update", line), ("after", "zero_grad", "update", line)]
    each = 1 if to_none else 2  # gradients that are dropped are dropped one by one
    assert places_held_at(run, [before(f"$src(train.py:{line})"), after("$op(zero_grad)")], 4 * each) == sides * 2 * each
    assert places_held_at(run, [before("$op(zero_grad) w2")], 1, held=True) == sides[:1]
    run.tell("detach")
    assert run.end()[:2] == (0, plain)


@pytest.mark.parametrize("asked", [["$phase(loss)"], ["$kind(loss) loss $src(train.py:{line})", "$op(loss)"]])
def test_it_is_held_before_a_backward_begins_and_before_its_first_node(train, plain, asked):
    run = train()
    line = line_of(run, "loss = ")
    first, last = asked[0].format(line=line), asked[-1].format(line=line)
    seen = places_held_at(run, [before(first), after(last), before("$op(SumBackward0)")], 6)
    expected = [("before", "loss", "loss", line), ("after", "loss", "loss", line), ("before", "SumBackward0", "backward", line)]
    assert seen == expected * 2
    assert places_held_at(run, [after("$phase(loss) $value(max>0)")], 1, held=True) == [("after", "loss", "loss", line)]
    run.tell("detach")
    assert run.end()[:2] == (0, plain)


def test_what_an_op_makes_is_like_holds_after_it_and_before_a_node(train):
    run = train()
    run.tell("pause")
    run.next("shown")
    for unknown in ("$dtype(float32)", "mm $device(cpu)"):
        with pytest.raises(ControlError, match="only known after it: let this breakpoint stop after the event"):
            run.tell("breakpoints", breakpoints=[before(unknown)])
    breakpoints = [after("$dtype(float32) $op(sum)"), before("$kind(node) $device(cpu) $saved(tensors>0)")]
    seen = [(one[0], one[1]) for one in places_held_at(run, breakpoints, 2, held=True)]
    assert seen == [("after", "sum"), ("before", "PowBackward0")]
    run.tell("detach")
    assert run.end()[0] == 0


DRAWN = """
    import torch

    torch.manual_seed(0)
    w = torch.randn(3, 2, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=1e-3)
    for step in range(12):
        x = torch.randn(4, 3)
        loss = (x @ w).pow(2).sum()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            size = loss.abs()
"""


def test_what_runs_first_of_the_next_step_is_its_forward(train):
    run = train(DRAWN)
    breakpoints = [after("$phase(update)"), after("$op(randn)")]
    seen = [(name, phase) for _, name, phase, _ in places_held_at(run, breakpoints, 8)]
    assert seen[-6:] == [("SGD.step", "update"), ("abs", "update"), ("randn", "forward")] * 2
    assert places_held_at(run, breakpoints[1:], 1, held=True)[0][1:3] == ("randn", "forward")
    with open_recording(run.run) as recording:
        trace = recording[len(recording) - 1]
    phases = [(name_of(trace.graph, event), event.phase) for event in trace.graph.events]
    assert phases[-3:] == [("SGD.step", "update"), ("abs", "update"), ("randn", "forward")]
    run.tell("detach")
    assert run.end()[0] == 0


BY_HAND_IN_TORCH = """
    import hashlib, sys, time
    import torch

    torch.manual_seed(0)
    x, w = torch.randn(8, 6), torch.randn(6, 5, requires_grad=True)
    for step in range(12):
        (x @ w).pow(2).sum().backward()
        with torch.no_grad():
            w -= 1e-3 * w.grad
            w.grad.zero_()
        time.sleep(0.01)
    print(hashlib.sha256(w.detach().numpy().tobytes()).hexdigest())
"""


def test_it_is_held_before_an_update_that_is_written_by_hand(train, tmp_path):
    run = train(BY_HAND_IN_TORCH)
    update, zero = line_of(run, "w -= "), line_of(run, "w.grad.zero_()")
    seen = places_held_at(run, [before("$kind(update)")], 4)
    assert seen == [("before", "sub_", "update", update), ("before", "zero_grad", "update", zero)] * 2
    run.tell("detach")
    assert run.end()[:2] == (0, plainly(tmp_path, BY_HAND_IN_TORCH))


def test_a_condition_on_numbers_holds_after_the_event_that_meets_it(train):
    run = train()
    run.tell("pause")
    run.next("shown")
    with pytest.raises(ControlError, match="only known after it"):
        run.tell("breakpoints", breakpoints=[before("$grad(rms>1)")])
    run.tell("breakpoints", breakpoints=[after("$phase(bwd) $grad(absmax>1e-9) $op(Acc*)")])
    run.tell("continue")
    held = run.next("shown")
    assert held["name"] == "AccumulateGrad"
    with open_recording(run.run) as recording:
        trace = recording[len(recording) - 1]
    assert trace.gradients[2][-1] > 0 or np.nanmax(np.abs(trace.gradients[1:3])) > 1e-9
    run.tell("breakpoints", breakpoints=[after("$grad(rms>1e30)")])
    run.tell("continue")
    assert run.end()[0] == 0, "a condition that never holds never holds the training"


def test_a_step_that_is_followed_is_held_in_the_next_one(train, tmp_path):
    steps = "150"  # it must not have ended before it is asked to wait, on a busy machine either
    run = train(TWO_LAYERS, steps)
    with open_recording_when_there(run) as recording:
        while len(recording) < 6:
            recording.poll()
            time.sleep(0.005)
    run.tell("pause")
    held = run.next("held")
    assert held["step"] >= 6
    run.tell("next-step")
    again = run.next("held")
    assert again["step"] == held["step"] + 1
    run.tell("detach")
    assert run.end()[:2] == (0, plainly(tmp_path, TWO_LAYERS, steps))


def test_an_app_that_is_killed_while_it_holds_lets_the_training_go_on(train, plain):
    run = train()
    holder = start_holder(run, "$op(sum)")
    assert run.next("held")["name"] == "sum"
    with pytest.raises(subprocess.TimeoutExpired):
        run.process.wait(0.5)
    kill_holder(holder)
    assert run.end()[:2] == (0, plain)


def test_ctrl_c_and_stop_end_a_training_that_is_held(train):
    run = train()
    run.tell("breakpoints", breakpoints=[before("$op(sum)")])
    run.next("held")
    run.tell("stop")
    code, _, error = run.end()
    assert code in (-signal.SIGINT, 130)
    assert "KeyboardInterrupt" in error
    with open_recording(run.run) as recording:
        assert recording.ended == "stopped"


def test_steps_that_are_not_wanted_are_looked_at_while_a_breakpoint_is_set(train, plain):
    run = train(options=("--every", "5"))
    run.tell("breakpoints", breakpoints=[before("$op(sum)")])
    steps = []
    for _ in range(4):
        steps.append(run.next("held")["step"])
        run.tell("continue")
    assert steps == [0, 1, 2, 3]
    run.tell("detach")
    assert run.end()[:2] == (0, plain)


def test_breakpoints_that_make_no_sense_are_refused_with_a_sentence(train):
    run = train()
    run.tell("pause")
    run.next("held")
    for wrong in ("mm", [1], [{"text": "$op(", "when": "before"}], [{"text": "mm", "when": "during"}], [{"text": "  "}]):
        with pytest.raises(ControlError) as refused:
            run.tell("breakpoints", breakpoints=wrong)
        assert str(refused.value)[0].islower() or str(refused.value)[0] == "a"
    with pytest.raises(ControlError, match="what to fetch"):
        run.tell("fetch", kind="module", number=1)
    with pytest.raises(ControlError, match="no value 10000"):
        run.tell("fetch", number=10000)
    run.tell("detach")
    assert run.end()[0] == 0
