"""The same promises on a GPU: bit-identical, complete, without a sync per op, one transfer a step, the device's own times."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from conftest import recording
from programs import assert_same_bits, autograd_net, function_net, mlp
from torch import nn

import gradwalk
from gradwalk import tape
from gradwalk.control import ControlClient
from gradwalk.scales import SKIPPED, UNSCALE
from gradwalk.trace import NONE, Trace

DEVICE = "cuda"
State = dict[str, Any]


def on_device(program: Callable[[], State]) -> State:
    """Run a program whose tensors are made on the device; what it gives back is on the CPU."""
    with torch.device(DEVICE):
        return {name: at_home(value) for name, value in program().items()}


def at_home(thing: Any) -> Any:
    if isinstance(thing, torch.Tensor):
        return thing.detach().cpu()
    return [at_home(one) for one in thing] if isinstance(thing, list) else thing


def transformer(steps: int = 4, *, fused: bool = True) -> State:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.1, batch_first=True)
    net = nn.Sequential(nn.Embedding(50, 64), nn.TransformerEncoder(layer, 3, enable_nested_tensor=False), nn.Linear(64, 50))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=fused)
    tokens = torch.randint(0, 50, (4, 32))
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(tokens).flatten(0, 1), tokens.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return {"losses": losses, "parameters": list(net.parameters())}


def amp(steps: int = 5) -> State:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 8))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler(DEVICE, init_scale=1024.0, growth_interval=2)
    x, y = torch.randn(32, 64), torch.randn(32, 8)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        with torch.autocast(DEVICE, dtype=torch.float16 if DEVICE == "cuda" else torch.bfloat16):
            out = net(x)
        loss = nn.functional.mse_loss(out.float(), y)
        if step == 3:
            loss = loss * float("inf")
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.detach())
    return {"losses": losses, "parameters": list(net.parameters())}


def two_streams(steps: int = 4) -> State:
    """Two branches of a net, each on a stream of its own."""
    torch.manual_seed(0)
    left, right, head = nn.Linear(256, 256), nn.Linear(256, 256), nn.Linear(256, 1)
    parameters = [*left.parameters(), *right.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.01)
    side = torch.cuda.Stream()
    x = torch.randn(64, 256)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        side.wait_stream(torch.cuda.current_stream())
        a = left(x).relu()
        with torch.cuda.stream(side):
            b = right(x).tanh()
        torch.cuda.current_stream().wait_stream(side)
        b.record_stream(torch.cuda.current_stream())
        loss = head(a * b).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return {"losses": losses, "parameters": parameters}


PROGRAMS: dict[str, Callable[[], State]] = {
    "autograd": autograd_net,
    "function": function_net,
    "mlp": partial(mlp, torch.optim.SGD, lr=0.1, momentum=0.9),
    "adam foreach": partial(mlp, torch.optim.Adam, lr=0.01, foreach=True),
    "transformer": transformer,
    "transformer foreach": partial(transformer, fused=False),
    "amp": amp,
    "two streams": two_streams,
}


def steps_of(program: Callable[[], State], level: str = "statistics") -> list[Trace]:
    with recording(level=level) as sink:
        on_device(program)
    assert sink.traces
    return sink.traces


@pytest.mark.parametrize("level", ["structure", "statistics", "tensors"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_recording_changes_no_bit(name, level):
    plain = on_device(PROGRAMS[name])
    with recording(level=level) as sink:
        recorded = on_device(PROGRAMS[name])
    assert_same_bits(recorded, plain)
    assert all(trace.done for trace in sink.traces)


@pytest.mark.parametrize("name", PROGRAMS)
def test_statistics_are_those_of_the_kept_tensors(name):
    checked = 0
    for trace in steps_of(PROGRAMS[name])[:3]:
        for (kind, index), kept in trace.tensors.items():
            stats = tape.stats_of(trace.values if kind == "value" else trace.gradients, index)
            data = kept.data.astype(np.float64)
            if stats is None or not kept.complete or not data.size or not np.isfinite(data).all():
                continue
            assert (stats.count, stats.min, stats.max, stats.zero) == (data.size, data.min(), data.max(), (data == 0).sum())
            assert stats.rms == pytest.approx(np.sqrt(np.square(data).mean()), rel=1e-4, abs=1e-30)
            checked += 1
    assert checked > 20


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_op_and_gradient_has_statistics(name):
    trace = steps_of(PROGRAMS[name])[1]
    measured = [v.id for v in trace.graph.values if v.op != NONE and v.dtype.startswith(("float", "bfloat"))]
    assert measured
    assert (trace.values[0, measured] >= 0).all()
    given = [edge.id for edge in trace.graph.edges if not edge.none]
    assert (trace.gradients[0, given] >= 0).all()


def test_times_are_those_of_the_device():
    """A large product takes far longer on the device than it takes to launch."""

    def heavy(steps: int = 4) -> State:
        w = torch.randn(4096, 4096, requires_grad=True)
        x = torch.randn(4096, 4096)
        for _ in range(steps):
            x.mm(w).sum().backward()
            w.grad = None
        return {}

    trace = steps_of(heavy, "structure")[-1]
    durations = {tape.name_of(trace.graph, tape.event_at(trace, i)): trace.durations[i] for i in range(len(trace.tape))}
    assert durations["mm"] > 5e-4
    assert durations["MmBackward0"] > 5e-4
    assert (np.diff(trace.times) >= 0).all()


def test_no_op_waits_for_the_device():
    """torch raises on every synchronizing call while the steps run."""

    def quiet() -> State:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, foreach=True)
        x = torch.randn(32, 64)
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(6):
                optimizer.zero_grad()
                net(x).square().mean().backward()
                optimizer.step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return {}

    traces = steps_of(quiet)
    assert len(traces) == 6
    assert all(trace.loss is not None for trace in traces)


@pytest.mark.parametrize(("text", "waits"), [("$op(mm)", False), ("$op(matmul) $value(rms>1e9)", True)])
def test_a_condition_on_numbers_waits_for_the_device_and_one_on_names_does_not(tmp_path, text, waits):
    a, heard = torch.randn(64, 64, device=DEVICE), []
    with gradwalk.record(tmp_path / "run"):
        for step in range(6):
            if step == 2:
                with ControlClient(tmp_path / "run") as client:
                    client.send("breakpoints", breakpoints=[{"text": text, "when": "after"}])
                    heard.append(trained_once(a))
            else:
                heard.append(trained_once(a))
    assert heard == [False, False, waits, False, False, False], "only while the breakpoint is set"


def trained_once(a: torch.Tensor) -> bool:
    """A step; whether anything in it waited for the device."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            w = torch.ones(64, 64, device=DEVICE, requires_grad=True)
            (a @ w).sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return any("synchronizing" in str(one.message) for one in said)


def test_a_scaler_is_told_and_a_skipped_step_shows():
    traces = steps_of(amp)
    assert [trace.scales for trace in traces] == [(1024.0,), (1024.0,), (2048.0,), (2048.0,), (1024.0,)]
    names = [[op.name for op in trace.graph.ops] for trace in traces]
    assert all(UNSCALE in there for there in names)
    assert [f"SGD.{SKIPPED}" in there for there in names] == [False, False, False, True, False]
    assert traces[3].loss == float("inf")


def test_capturing_a_cuda_graph_is_left_alone():
    def captured() -> State:
        torch.manual_seed(0)
        x, w = torch.randn(8, 8), torch.randn(8, 8)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                y = x.mm(w).relu()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = x.mm(w).relu()
        graph.replay()
        return {"y": y}

    plain = on_device(captured)
    with recording():
        recorded = on_device(captured)
    assert_same_bits(recorded, plain)


def test_memory_comes_back_after_each_step():
    def allocated() -> State:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        x = torch.randn(64, 512)
        seen = []
        for _ in range(30):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
            torch.cuda.synchronize()
            seen.append(torch.cuda.memory_allocated())
        return {"seen": seen}

    plain = max(on_device(allocated)["seen"][10:])
    with recording():
        seen = on_device(allocated)["seen"]
    assert max(seen[20:]) <= max(seen[8:14])
    assert max(seen[20:]) <= plain * 1.05 + (64 << 20)  # the ring


@pytest.mark.parametrize("name", ["autograd", "function"])
def test_the_demos_train_on_the_device(tmp_path, name):
    command = [sys.executable, "-m", "gradwalk", "demo", name, "--device", DEVICE, "--no-window", "--train-steps", "20"]
    subprocess.run([*command, "--record", str(tmp_path / "run")], check=True, timeout=300)
    about = subprocess.run(
        [sys.executable, "-m", "gradwalk", "info", str(tmp_path / "run"), "--json"], check=True, capture_output=True, timeout=60
    )
    info = json.loads(about.stdout)
    assert (info["steps"], info["device"].partition(":")[0]) == (20, DEVICE)
