"""Held: tensors of the step under way come whole, or it is said why they cannot; in-place writes after a save are told."""

from __future__ import annotations

import numpy as np
import pytest
from held import after, before, plainly

from gradwalk.control import ControlError
from gradwalk.recording.reader import open_recording
from gradwalk.saved import saved_of
from gradwalk.tape import name_of
from gradwalk.watches import Limits
from gradwalk.watches.inplace import inplace


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
