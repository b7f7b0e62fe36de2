"""Which events a filter matches: on a small net with modules, recorded from torch, and on one of thousands of ops."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from effort import calls
from torch import nn

from gradwalk import open_recording, record, tape
from gradwalk.builder import GraphBuilder
from gradwalk.filter import matches, parse
from gradwalk.reference.whole import check_step
from gradwalk.trace import Trace, empty_table


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        self.head = nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(x)).view(-1)


@pytest.fixture(scope="module")
def trace(tmp_path_factory) -> Iterator[Trace]:
    """One step, of which the logarithm of zero makes -Inf, and its backward Inf."""
    folder = tmp_path_factory.mktemp("filtered") / "run"
    torch.manual_seed(0)
    net, x = Net(), torch.randn(16, 4)
    with record(folder):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        out = net(x)
        loss = out.pow(2).mean() + (out * 0).log().clamp(min=0).sum()
        loss.backward()
        optimizer.step()
    with open_recording(folder) as recording:
        yield recording[0]


def names(trace: Trace, text: str) -> list[str]:
    found = matches(parse(text), trace)
    assert found.shape == trace.tape.shape
    return [tape.name_of(trace.graph, tape.event_at(trace, int(i))) for i in np.flatnonzero(found)]


def test_names(trace):
    assert names(trace, "+linear $phase(fwd)") == ["linear", "linear"]
    assert names(trace, "relu") == ["relu", "ReluBackward0"]
    assert names(trace, "linear $kind(node)") == ["AddmmBackward0", "TBackward0"] * 2
    assert names(trace, "$op(relu)") == ["relu"]
    assert names(trace, "*Backward?") == names(trace, "$kind(node)")
    assert set(names(trace, "head.weight")) >= {"AccumulateGrad", "SGD.step"}
    assert len(names(trace, "")) == len(trace.tape)


def test_modules_phases_and_sources(trace):
    inside = names(trace, "$module(encoder) $phase(fwd)")
    assert inside == ["linear", "relu"] == names(trace, "$module(encoder.*) $phase(forward)")
    assert names(trace, "$module(encoder.1)") == ["relu", "ReluBackward0"]
    assert names(trace, "$phase(loss)") == ["loss"] == names(trace, "$kind(loss)")
    assert set(names(trace, "$phase(update)")) == {"SGD.step"}
    assert names(trace, "$phase(loss, update)") == ["loss", *names(trace, "$phase(update)")]
    everything = names(trace, "$src(test_matching.py)")
    assert {"linear", "pow", "log", "PowBackward0"} <= set(everything)
    line = next(site.line for site in trace.graph.sites if "log()" in site.expression)
    assert {"log", "mul", "LogBackward0"} <= set(names(trace, f"$src(test_matching.py:{line})"))
    assert names(trace, "$src(matching.py)") == []
    assert names(trace, "$tag(no_grad)") == []
    assert names(trace, "$dtype(float16)") == []
    assert len(names(trace, "$dtype(float*) $device(cpu)")) > 10


def test_figures(trace):
    index = tape.index(trace.graph)
    for text, asked in (
        ("$grad(rms>0.01)", lambda stats: stats.rms > 0.01),
        ("$grad(absmax<=0.5, zeros<0.1)", lambda s: max(abs(s.min), abs(s.max)) <= 0.5 and s.zero / s.count < 0.1),
        ("$grad(norm>=0.1)", lambda stats: stats.norm >= 0.1),
        ("$grad(mean<0)", lambda stats: stats.mean < 0),
        ("$grad()", lambda stats: True),
    ):
        expected = [
            any(s is not None and asked(s) for s in (tape.stats_of(trace.gradients, e) for e in index.edges_of_event[event]))
            for event in trace.tape.tolist()
        ]
        assert matches(parse(text), trace).tolist() == expected, text
        assert sum(expected) > 0
    assert names(trace, "$value(min=-inf)") == ["log"] == names(trace, "$inf() $phase(fwd)")
    assert names(trace, "$nan() $phase(fwd)") == []
    assert "LogBackward0" in names(trace, "$inf() | $nan()")
    assert names(trace, "$saved() $kind(op) $module(encoder.1)") == ["relu"]
    kept = sum(saved.bytes for node in trace.graph.nodes for saved in node.saved if node.name == "ReluBackward0")
    assert "relu" in names(trace, f"$saved(bytes={kept}, tensors=1)")
    assert len(names(trace, "$time(s>=0)")) == len(trace.tape)
    assert names(trace, "$time(s>1000)") == []


def test_logic(trace):
    every, relu = set(range(len(trace.tape))), matches(parse("relu"), trace)
    assert set(np.flatnonzero(matches(parse("-relu"), trace))) == every - set(np.flatnonzero(relu))
    both = matches(parse("relu | $phase(loss)"), trace)
    assert (both == (relu | matches(parse("$phase(loss)"), trace))).all()
    assert not matches(parse("relu $phase(loss)"), trace).any()
    assert (matches(parse("-(relu | linear)"), trace) == matches(parse("-relu -linear"), trace)).all()


def test_what_was_not_counted_meets_no_condition():
    build = GraphBuilder()
    build.add_event("op", "forward", build.add_op("mm", (), (build.add_value((2,), "float32"),)))
    trace = Trace(0, build.freeze(), np.zeros(1, np.int32), empty_table(1), empty_table(0))
    for field in ("rms", "max", "count", "nan", "zeros", "norm"):
        assert not matches(parse(f"$value({field}!=5)"), trace).any()
    assert matches(parse("$value()"), trace).all()


def test_a_step_of_three_thousand_ops_is_filtered_with_a_few_calls_for_each_op():
    build, things = GraphBuilder(), 3000
    value = build.add_value((4,), "float32")
    for number in range(things):
        out = build.add_value((4,), "float32")
        build.add_event("op", "forward", build.add_op(("mm", "add", "view")[number % 3], (value,), (out,), variable=f"h{number}"))
        value = out
    table = np.full((8, things + 1), 1.0)
    table[5] = 0
    table[4] = np.arange(things + 1)
    trace = Trace(0, build.freeze(), np.arange(things, dtype=np.int32), table, empty_table(0))
    asked = parse("+mm -view $phase(fwd) $value(rms>10) | $grad(rms<1e-7) | $nan()")
    expected = [number for number in range(things) if number % 3 == 0 and math.sqrt(number + 1) > 10]
    assert np.flatnonzero(matches(asked, trace)).tolist() == expected
    assert calls(lambda: matches(asked, trace)) < 6 * things


def test_what_checks_found(trace):
    assert names(trace, "$check()") == []
    found = check_step(trace).verdicts
    power = next(op.id for op in trace.graph.ops if op.name == "pow")
    rows = tuple(replace(row, off=2.0) if row.tensor[0] == "gradient" else row for row in found[power].rows)
    checked = replace(trace, verdicts=tuple({**found, power: replace(found[power], rows=rows)}.values()))
    assert names(checked, "$check(differs) pow") == ["PowBackward0"], "the Node whose gradients are wrong, and not its op"
    assert "pow" in names(checked, "$check(agrees)")
    assert names(checked, "$check(agrees, none) $phase(update)") == []
    assert names(checked, "$check(differs, agrees, none)") == names(checked, "$check()")
    assert len(names(checked, "$check()")) > 10
