"""Live pause: a training in a second process is held between two events, and goes on as if nothing had been."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time

import numpy as np
import pytest
from held import TWO_LAYERS, after, before, kill_holder, plainly, start_holder

from gradwalk.control import ControlError
from gradwalk.recording.format import RecordingError
from gradwalk.recording.reader import open_recording
from gradwalk.saved import saved_of
from gradwalk.tape import name_of
from gradwalk.watches import Limits
from gradwalk.watches.inplace import inplace


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


def open_recording_when_there(run):
    while True:
        with contextlib.suppress(RecordingError):
            return open_recording(run.run)
        time.sleep(0.01)


def test_tensors_of_a_held_step_come_whole_or_say_why_not(train):
    run = train()
    run.tell("breakpoints", breakpoints=[after("$op(MulBackward0)")])
    run.next("shown")
    with open_recording(run.run) as recording:
        graph = recording[len(recording) - 1].graph
    values = {value.name or f"%{value.id}": value for value in graph.values}
    got = run.tell("fetch", kind="value", number=values["w1"].id)
    assert np.load(got["file"], allow_pickle=False).shape == (6, 5)
    old = next(v for v in graph.values if any(other.base == v.id for other in graph.values) and v.op >= 0)
    with pytest.raises(ControlError, match=r"overwritten by #\d+"):
        run.tell("fetch", kind="value", number=old.id)
    freed = next(v for v in graph.values if v.op >= 0 and graph.ops[v.op].name == "sub")
    with pytest.raises(ControlError, match="freed"):  # pow saved it, and its Node has let go
        run.tell("fetch", kind="value", number=freed.id)
    edge = next(e for e in graph.edges if e.source >= 0 and graph.nodes[e.source].name == "MulBackward0")
    whole = np.load(run.tell("fetch", kind="gradient", number=edge.id)["file"], allow_pickle=False)
    assert whole.shape == (8, 3)
    earlier = next(e for e in graph.edges if e.source >= 0 and graph.nodes[e.source].name == "PowBackward0")
    with pytest.raises(ControlError, match="freed"):
        run.tell("fetch", kind="gradient", number=earlier.id)
    run.tell("continue")
    with pytest.raises(ControlError, match=r"not held|gone on"):
        run.tell("fetch", kind="value", number=0)
    run.tell("detach")
    assert run.end()[0] == 0
    assert not (run.run / "fetched").exists()


KEEPING = """
    import hashlib, sys, time
    import torch
    from torch.utils.checkpoint import checkpoint

    torch.manual_seed(0)
    x, w = torch.randn(4, 3), torch.randn(3, 2, requires_grad=True)
    for step in range(4):
        loss = ((x @ w).relu().exp() + 1).sum() + checkpoint(lambda t: t.sin().cos(), w, use_reentrant=False).sum()
        loss.backward()
        with torch.no_grad():
            w -= 1e-3 * w.grad
            w.grad = None
    print(hashlib.sha256(w.detach().numpy().tobytes()).hexdigest())
"""


def test_a_tensor_that_only_a_node_keeps_can_be_fetched_until_the_node_lets_it_go(train, tmp_path):
    run = train(KEEPING)

    def fetch(name):
        with open_recording(run.run) as recording:
            trace = recording[len(recording) - 1]
        number = next(op.outputs[0] for op in trace.graph.ops if op.name == name)
        return np.load(run.tell("fetch", kind="value", number=number)["file"], allow_pickle=False)

    breakpoints = [after("$op(sum)"), before("$op(ExpBackward0)"), before("$op(ReluBackward0)"), after("sin $tag(recomputed)")]
    run.tell("breakpoints", breakpoints=breakpoints)
    run.next("shown")
    relu = fetch("relu")
    assert np.allclose(fetch("exp"), np.exp(relu))
    with pytest.raises(ControlError, match=r"^%\d+ matmul is freed: nothing holds it any more$"):
        fetch("matmul")
    seen = []
    while len(seen) < 4:
        run.tell("continue")
        held = run.next("shown")
        seen.append(held["name"])
        if held["name"] == "ExpBackward0":
            assert np.allclose(fetch("exp"), np.exp(relu))
        elif held["name"] == "ReluBackward0":
            assert np.array_equal(fetch("relu"), relu)
            with pytest.raises(ControlError, match="exp is freed: nothing"):
                fetch("exp")
        elif held["name"] == "sin":
            with pytest.raises(ControlError, match="add is freed, or kept by a Node that cannot be read"):
                fetch("add")
    assert sorted(seen) == ["ExpBackward0", "ReluBackward0", "sin", "sum"]
    run.tell("detach")
    assert run.end()[:2] == (0, plainly(tmp_path, KEEPING))


CHANGING = """
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    scale = torch.randn(3, requires_grad=True)
    optimizer = torch.optim.SGD([*net.parameters(), scale], lr=0.1)
    for step in range(6):
        optimizer.zero_grad(set_to_none=False)
        h = net(torch.randn(5, 4))
        base = torch.zeros(4, 3)
        rows, turned = base[1:], base.t()
        base[2] = 1.5
        base.mul_(2)
        loss = h.sum() + (scale * rows).sum()
        loss.backward(retain_graph=True)
        loss.backward()
        nn.utils.clip_grad_norm_([scale], 0.01)
        optimizer.step()
        optimizer.zero_grad(set_to_none=step < 2)
        end = loss.detach().cos()
"""


def test_what_was_written_to_behind_its_back_cannot_be_fetched_any_more(train):
    run = train(CHANGING)

    def hold(place, *, held=True):
        run.tell("breakpoints", breakpoints=[place])
        if held:
            run.tell("continue")
        run.next("shown")
        with open_recording(run.run) as recording:
            return recording[len(recording) - 1]

    def said(kind, number):
        with pytest.raises(ControlError) as refused:
            run.tell("fetch", kind=kind, number=number)
        return str(refused.value)

    def fetch(kind, number):
        return np.load(run.tell("fetch", kind=kind, number=number)["file"], allow_pickle=False)

    def at(trace, name):
        events = [name_of(trace.graph, trace.graph.events[event]) for event in trace.tape]
        return len(events) - 1 - events[::-1].index(name)

    trace = hold(after("$op(batch_norm)"), held=False)
    (number,) = [value.id for value in trace.graph.values if value.name.endswith("running_mean")]
    assert said("value", number).endswith(f"running_mean is overwritten by #{at(trace, 'batch_norm')}"), "it counts no version"
    assert fetch("value", next(v.id for v in trace.graph.values if v.name.endswith("1.weight"))).shape == (3,)

    trace = hold(before("$op(SumBackward0)"))
    values = {(value.name, value.version): value.id for value in trace.graph.values}
    written = at(trace, "mul_") - 1
    for name in ("rows", "turned"):
        assert said("value", values[name, 0]) == f"%{values[name, 0]} {name} is overwritten by #{written}"
    assert np.array_equal(fetch("value", values["rows", 1]), [[0, 0, 0], [3, 3, 3], [0, 0, 0]])

    def edge_of_scale(trace, backward=0):
        of_scale = [edge.id for edge in trace.graph.edges if edge.target < 0 and trace.graph.values[edge.value].name == "scale"]
        return of_scale[backward]

    trace = hold(before("$op(AccumulateGrad) scale"))
    assert said("gradient", edge_of_scale(trace)).endswith(" scale is not there yet: its Node has not run")
    trace = hold(after("$op(AccumulateGrad) scale"))
    assert fetch("gradient", edge_of_scale(trace)).tolist() == [3, 3, 3]
    trace = hold(after("$op(AccumulateGrad) scale"))
    first, second = edge_of_scale(trace, 0), edge_of_scale(trace, 1)
    assert said("gradient", first).endswith(f" scale is overwritten by #{len(trace.tape) - 1}")
    assert fetch("gradient", second).tolist() == [6, 6, 6]
    trace = hold(before("$op(SGD.step)"))
    assert said("gradient", edge_of_scale(trace, 1)).endswith(f" scale is overwritten by #{len(trace.tape) - 1}"), "clipped"
    trace = hold(after("$op(cos)"))
    dropped = at(trace, "zero_grad")  # the last of them, of the parameter that comes last
    assert said("gradient", edge_of_scale(trace, 1)).endswith(f" scale is freed: #{dropped} has dropped it")
    run.tell("detach")
    assert run.end()[0] == 0


OVERWRITING = """
    import torch

    calls = []

    def unpack(packed):
        calls.append(packed)
        return packed

    w = torch.ones(5, requires_grad=True)
    for step in range(3):
        h = (w * 2).exp()
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, unpack):
            secret = w.sin()
        if step == 1:
            h.add_(1.0)
        loss = (h.square() + secret).sum()
        assert not calls
        loss.backward()
        calls.clear()
        w.grad = None
"""


def test_an_in_place_write_after_save_is_said_while_the_forward_is_held(train):
    run = train(OVERWRITING)
    run.tell("breakpoints", breakpoints=[after("$op(add_)")])
    run.next("shown")
    with open_recording(run.run) as recording:
        trace = recording[len(recording) - 1]
        assert (trace.step, trace.done, trace.graph.edges) == (1, False, ())
        assert {event.phase for event in trace.graph.events} == {"forward"}
        (alert,) = inplace(trace, Limits())
        writer = len(trace.tape) - 1
        assert (alert.event, alert.step) == (writer, 1)
        line = run.script.read_text(encoding="utf-8").splitlines().index("        h.add_(1.0)") + 1
        assert alert.sentence == (
            f"step 1, forward #{writer} add_ wrote in place to h, train.py:{line}, which ExpBackward0 keeps for its backward, "
            "yet to run: autograd will refuse it, or its gradient will be wrong"
        )
        assert [(row.name, row.nodes) for row in saved_of(trace)] == [("mul", ("MulBackward0",)), ("exp", ("ExpBackward0",))]
        assert [node.name for node in trace.graph.nodes if not node.saved] == ["AddBackward0", "SinBackward0"]
        run.tell("breakpoints", breakpoints=[])
        run.tell("continue")
        code, _, error = run.end()
        assert code == 1
        assert "modified by an inplace operation" in error
        recording.poll()
        (alert,) = inplace(recording[len(recording) - 1], Limits())
        assert "autograd refused to go on" in alert.sentence


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
