"""Mixed precision: autocast's casts, a GradScaler's factor, and the steps that it skips."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gradwalk import tape
from gradwalk.graph_json import graph_json
from gradwalk.recorder import Recorder, scalers
from gradwalk.recording.retention import Keep
from gradwalk.scales import (
    SKIPPED,
    UNSCALE,
    UPDATE,
    as_recorded,
    scale_of_edge,
    scale_of_value,
    scales_in_words,
    unscaled,
)
from gradwalk.show import tape_json
from gradwalk.trace import NONE, Trace

sys.path.insert(0, str(Path(__file__).parent))
from programs import assert_same_bits
from sinks import ListSink

INF_AT = 3


def train(way: str = "plain", *, scaled: bool = True, steps: int = 6) -> dict[str, object]:
    """A small net under bfloat16 autocast; the loss of step 3 is Inf."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, fused=way == "fused")
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=2, enabled=scaled)
    x, y = torch.randn(4, 8), torch.randn(4, 2)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = net(x)
        loss = nn.functional.mse_loss(out.float(), y)
        if step == INF_AT and scaled:
            loss = loss * float("inf")
        losses.append(loss.item())
        if way == "two losses":
            (scaler.scale(loss) / 2 + scaler.scale(loss) / 2).backward()
        else:
            scaler.scale(loss).backward()
        if way == "clipped":
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        scaler.step(optimizer)
        scaler.update()
    state = list(scaler.state_dict().values())
    grads = [parameter.grad for parameter in net.parameters()]
    return {"losses": losses, "parameters": list(net.parameters()), "grads": grads, "scaler": state, "rng": torch.get_rng_state()}


def names(trace: Trace) -> list[str]:
    return [tape.name_of(trace.graph, tape.event_at(trace, i)) for i in range(len(trace.tape))]


@pytest.mark.parametrize("level", ["structure", "statistics"])
@pytest.mark.parametrize("way", ["plain", "clipped", "two losses", "fused"])
def test_recording_changes_no_bit_and_tells_the_factor(record, way, level):
    plain = train(way)
    with record(level=level) as sink:
        recorded = train(way)
    assert_same_bits(recorded, plain)
    assert [trace.scales for trace in sink.traces] == [(s,) for s in (1024.0, 1024.0, 2048.0, 2048.0, 1024.0, 1024.0)]
    assert [trace.loss for trace in sink.traces] == plain["losses"]
    assert len({id(sink.traces[i].graph) for i in (1, 2, 4)}) == 1


@pytest.mark.parametrize("way", ["plain", "fused"])
def test_a_step_is_skipped_whoever_skips_it(record, way):
    with record() as sink:
        train(way)
    steps = [[name for name in names(trace) if name.startswith("SGD.")] for trace in sink.traces]
    assert steps == [["SGD.step"] * 4] * INF_AT + [[f"SGD.{SKIPPED}"]] + [["SGD.step"] * 4] * 2


def test_a_scaler_that_is_off_leaves_no_trace(record):
    with record() as sink:
        train(scaled=False)
    assert {trace.scales for trace in sink.traces} == {()}
    assert not [name for trace in sink.traces for name in names(trace) if "Scaler" in name or SKIPPED in name]
    assert unscaled(sink.traces[0]) is sink.traces[0]
    assert scales_in_words(sink.traces[0]) == ""


def test_unscaling_updating_and_a_skipped_step_are_updates(record):
    with record() as sink:
        train("clipped")
    trace, skipped = sink.traces[1], sink.traces[INF_AT]
    after = names(trace)[names(trace).index(UNSCALE) :]
    assert after[0] == UNSCALE
    assert after[-9:] == ["SGD.step"] * 4 + [UPDATE] + ["zero_grad"] * 4
    assert names(skipped)[-6:] == [f"SGD.{SKIPPED}", UPDATE, *["zero_grad"] * 4]
    assert "SGD.step" not in names(skipped)
    graph = trace.graph
    (unscale,) = [op for op in graph.ops if op.name == UNSCALE]
    (update,) = [op for op in graph.ops if op.name == UPDATE]
    assert {graph.values[value].name for value in unscale.inputs} == {
        f"net.{i}.{n}.grad" for i in (0, 2) for n in ("weight", "bias")
    }
    assert {event.kind for event in graph.events if event.phase == "update" and event.ref == unscale.id} == {"update"}
    assert [trace.values[1, value] for value in (*update.inputs, *update.outputs)] == [1024.0, 2048.0]
    assert graph.sites[update.site].expression == "scaler.update()"


def test_gradients_are_shown_without_the_factor_and_say_so(record):
    with record() as sink:
        train("clipped")
    with record() as plain:
        train(scaled=False)
    trace, other = sink.traces[0], plain.traces[0]
    shown = unscaled(trace)
    assert unscaled(shown) is shown
    assert as_recorded(shown) is trace
    assert scales_in_words(trace) == "gradients scaled by 1024"
    weights = {v.id for v in trace.graph.values if v.name == "net.2.weight"}
    rms = tape.rms_of(trace.gradients), tape.rms_of(shown.gradients), tape.rms_of(other.gradients)
    into = [edge.id for edge in trace.graph.edges if edge.target == NONE and edge.value in weights]
    into_plain = [e.id for e in other.graph.edges if e.target == NONE and other.graph.values[e.value].name == "net.2.weight"]
    assert rms[0][into] == rms[1][into] * 1024
    assert rms[1][into] == rms[2][into_plain]
    assert scale_of_edge(trace, into[0]) == 1024.0
    kept = trace.tensors["gradient", into[0]], shown.tensors["gradient", into[0]]
    assert np.array_equal(kept[0].data, kept[1].data * 1024)
    assert len(shown.tensors) == len(trace.tensors)
    assert shown.loss == other.loss


def test_grads_carry_the_factor_until_they_are_unscaled(record):
    with record() as sink:
        train("clipped")
    trace = sink.traces[1]
    grads = {(v.name, v.version): scale_of_value(trace, v.id) for v in trace.graph.values if v.name == "net.0.weight.grad"}
    assert grads == {("net.0.weight.grad", 0): 1024.0, ("net.0.weight.grad", 1): 1.0, ("net.0.weight.grad", 2): 1.0}
    assert {scale_of_value(trace, v.id) for v in trace.graph.values if v.gradient_of == NONE} == {1.0}
    values = {(v["variable"], v["version"]): v["scale"] for v in graph_json(unscaled(trace), 0)["values"]}
    assert values["net.0.weight.grad", 0] == 1024.0
    (loss,) = [event for event in tape_json(trace) if event["kind"] == "loss"]
    assert loss["scale"] == 1024.0


def test_autocast_shows_in_the_dtypes_and_its_casts_in_the_nodes(record):
    with record() as sink:
        train()
    graph = sink.traces[1].graph
    linear = [op for op in graph.ops if op.name == "linear"]
    assert [graph.values[op.outputs[0]].dtype for op in linear] == ["bfloat16", "bfloat16"]
    assert {graph.values[value].dtype for op in linear for value in op.inputs} == {"float32", "bfloat16"}
    owned = [[node.name for node in graph.nodes if node.op == op.id] for op in linear]
    assert [sorted(set(some)) for some in owned] == [["AddmmBackward0", "TBackward0", "ToCopyBackward0"]] * 2
    assert all(node.op != NONE or node.leaf != NONE for node in graph.nodes)
    assert not [op for op in graph.ops if op.name == "to"]


def test_a_gradient_that_float16_cannot_hold_is_shown_wider(record):
    w = torch.full((4,), 1e-3, dtype=torch.float16, requires_grad=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**15)
    with record(keep=Keep.FULL) as sink:
        scaler.scale((w * 1e-8).float().sum()).backward()
    trace = unscaled(sink.traces[0])
    (edge,) = [edge.id for edge in trace.graph.edges if edge.target == NONE]
    kept = trace.tensors["gradient", edge]
    assert (kept.dtype, kept.data.dtype) == ("float16", np.float32)
    assert kept.data[0] == pytest.approx(1e-8, rel=1e-2)


FUNCTIONS = [name for name, thing in vars(scalers).items() if inspect.isfunction(thing) and thing.__module__ == scalers.__name__]


@pytest.mark.parametrize("call", [1])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_fault_of_ours_never_reaches_the_user(monkeypatch, name, call):
    plain = train("clipped", steps=4)
    original, calls = getattr(scalers, name), [0]

    def faulty(*args, **kwargs):
        calls[0] += 1
        if calls[0] == call:
            raise ZeroDivisionError("injected")
        return original(*args, **kwargs)

    monkeypatch.setattr(scalers, name, faulty)
    if name == "scale_of":
        monkeypatch.setattr("gradwalk.recorder.backward.scale_of", faulty)
    sink = ListSink()
    recorder = Recorder(sink)
    recorder.start()
    try:
        recorded = train("clipped", steps=4)
    finally:
        recorder.stop()
    assert_same_bits(recorded, plain)
    assert ("fault" in sink.kinds) == (calls[0] >= call)
    assert torch.amp.GradScaler.step.__qualname__ == "GradScaler.step", "the wrappers are gone"
