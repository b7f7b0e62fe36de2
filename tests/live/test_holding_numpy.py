"""Live pause of a program in NumPy whose backward pass is written by hand: held between two ops, and the same bits after."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from held import BY_HAND, after, before, kill_holder, plainly, start_holder

from gradwalk.control import ControlError
from gradwalk.recording.reader import open_recording
from gradwalk.tape import event_at, name_of

STEP = [
    *("dot", "maximum", "dot", "subtract", "square", "sum", "subtract", "multiply", "transpose", "dot", "transpose", "dot"),
    *("copy", "less", "setitem", "transpose", "dot", "multiply", "subtract", "multiply", "subtract"),
]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return plainly(tmp_path_factory.mktemp("plain"), BY_HAND)


def line_of(run, text):
    return next(number for number, line in enumerate(run.script.read_text(encoding="utf-8").splitlines(), 1) if text in line)


def test_it_is_held_by_op_line_and_condition_in_forward_and_backward_and_ends_with_the_same_bits(train, plain):
    run = train(BY_HAND)
    backward = f"$src(train.py:{line_of(run, 'grad_h_relu = ')}) $op(dot)"
    run.tell("breakpoints", breakpoints=[before("$op(maximum)"), after(backward)])
    seen = [run.next("held")]
    for _ in range(3):
        run.tell("continue")
        seen.append(run.next("held"))
    assert [(one["when"], one["name"], one["phase"], one["step"]) for one in seen] == [
        ("before", "maximum", "forward", 0), ("after", "dot", "backward", 0),
        ("before", "maximum", "forward", 1), ("after", "dot", "backward", 1),
    ]  # fmt: skip
    assert seen[0]["source"] == f"{run.script}:{line_of(run, 'np.maximum')}"
    assert (seen[2]["position"], seen[3]["position"]) == (1, STEP.index("dot", 10) + 2), "the loss is an event, too"
    run.tell("breakpoints", breakpoints=[after("$phase(bwd) $grad(rms>1e-9)"), before("$phase(update)")])
    run.tell("continue")
    held = run.next("held")
    assert (held["when"], held["name"], held["source"]) == ("after", "copy", f"{run.script}:{line_of(run, 'grad_h =')}")
    run.tell("breakpoints", breakpoints=[before("$phase(update)")])
    run.tell("continue")
    assert run.next("held")["source"] == f"{run.script}:{line_of(run, 'w1 -=')}"
    run.tell("breakpoints", breakpoints=[after("$value(rms>1e30)")])
    run.tell("continue")
    assert run.end()[:2] == (0, plain), "a condition that never holds never holds the program"


def test_next_event_and_next_step_and_the_step_so_far_is_in_the_recording(train, plain):
    run = train(BY_HAND)
    run.tell("breakpoints", breakpoints=[after("$op(maximum)")])
    assert run.next("held")["step"] == 0
    run.tell("breakpoints", breakpoints=[])
    run.tell("next-step")
    run.next("held")
    first = run.next("shown")
    assert (first["name"], first["step"], first["position"], first["why"]) == ("dot", 1, 1, "next step")
    names = [first["name"]]
    with open_recording(run.run) as recording:
        for _ in range(len(STEP) - 1):
            run.tell("next-event")
            held = run.next("shown")
            names.append(held["name"])
            recording.poll()
            trace = recording[len(recording) - 1]
            assert (trace.step, len(trace.tape), trace.done) == (1, held["position"], False)
            last = next(e for e in reversed([event_at(trace, i) for i in range(len(trace.tape))]) if e.kind != "loss")
            assert (name_of(trace.graph, last), last.phase) == (held["name"], held["phase"])
        leaves = [value.name for value in trace.graph.values if value.role == "leaf"]
        assert (names, sorted(set(leaves))) == (STEP, ["w1", "w2"])
        whole, former = trace, recording[0]
        assert (whole.loss is not None, former.done) == (True, True)
        assert [event.phase for event in whole.graph.events] == [event.phase for event in former.graph.events]
        assert len(whole.graph.edges) == len(former.graph.edges)
    run.tell("detach")
    assert run.end()[:2] == (0, plain)
    with open_recording(run.run) as recording:
        assert [recording[step].done for step in range(len(recording))] == [True] * 12


def test_arrays_of_a_held_step_come_whole_or_say_why_not(train, plain):
    run = train(BY_HAND)
    run.tell("breakpoints", breakpoints=[before("$op(multiply) $phase(update)")])
    run.next("held")
    run.tell("continue")
    run.next("held")
    run.next("shown")
    with open_recording(run.run) as recording:
        graph = recording[len(recording) - 1].graph
    values = {(value.name, value.version): value for value in graph.values}

    def fetched(kind, number):
        return np.load(run.tell("fetch", kind=kind, number=number)["file"], allow_pickle=False)

    assert fetched("value", values["h", 0].id).shape == (8, 5)
    assert fetched("value", values["loss", 0].id).shape == ()
    grad_h = fetched("value", values["grad_h", 1].id)
    assert (grad_h[fetched("value", values["h", 0].id) < 0] == 0).all()
    edge = next(edge for edge in graph.edges if edge.by == values["grad_w1", 0].id)
    assert fetched("gradient", edge.id).shape == (6, 5)
    with pytest.raises(ControlError, match=f"overwritten by #{len(STEP) - 6}"):
        run.tell("fetch", kind="value", number=values["grad_h", 0].id)
    freed = next(op.outputs[0] for op in graph.ops if op.name == "square")
    with pytest.raises(ControlError, match="freed"):
        run.tell("fetch", kind="value", number=freed)
    with pytest.raises(ControlError, match="no gradient 10000"):
        run.tell("fetch", kind="gradient", number=10_000)
    run.tell("detach")
    assert run.end()[:2] == (0, plain)


def test_steps_that_are_not_wanted_are_looked_at_while_a_breakpoint_is_set(train, plain):
    run = train(BY_HAND, options=("--every", "5"))
    run.tell("breakpoints", breakpoints=[after("$op(maximum) $value(rms>0)")])
    steps = []
    for _ in range(4):
        steps.append(run.next("held")["step"])
        run.tell("continue")
    assert steps == [0, 1, 2, 3]
    run.tell("detach")
    assert run.end()[:2] == (0, plain)


def test_whoever_holds_it_is_killed_and_it_goes_on(train, plain):
    run = train(BY_HAND)
    holder = start_holder(run, "$op(setitem)")
    assert run.next("held")["name"] == "setitem"
    assert run.process.poll() is None
    kill_holder(holder)
    assert run.end()[:2] == (0, plain)


def test_stop_ends_it_while_it_is_held(train):
    run = train(BY_HAND)
    run.tell("pause")
    run.next("held")
    run.tell("stop")
    code, _, error = run.end()
    assert code in (-signal.SIGINT, 130)
    assert "KeyboardInterrupt" in error
