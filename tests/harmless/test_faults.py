"""No fault of ours reaches the user: every function of the recorder raises, on each of its calls in a small but rich program."""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading

import pytest
import torch
from bits import assert_same_facts, facts, outcome
from faults import Faults, forget
from torch import nn
from torch.overrides import _len_torch_function_stack
from torch.utils.checkpoint import checkpoint

import gradwalk
from gradwalk.gate import Breakpoint, Wish
from gradwalk.run.recorded import RunRecording

BOUNDARY = frozenset(
    f"recorder.{name}"
    for name in [
        "state.State.guarded",
        "state.State.hold",
        "state.State._unseen",
        "state.State.fault",
        "forward.ForwardMode.__torch_function__",
        "forward.ForwardMode._kind",
        "ops.OpCall.__init__",
        "forward.ForwardMode._follow",
        "forward.ForwardMode._come",
        "forward.ForwardMode._run",
        "forward.ForwardMode._go_slowly",
        "forward.ForwardMode._tell",
        "forward.ForwardMode._raised",
        "forward.ForwardMode._differs",
        "forward.ForwardMode._follow_access",
        "forward.ForwardMode._told",
        "quick.QuickFollower.meets",
        "quick.QuickFollower.meets_named",
        "quick.QuickFollower.gets",
        "quick.QuickFollower.passes_quickly",
        "quick.QuickFollower.reads",
        "quick.QuickFollower.drops",
        "quick.QuickFollower.calls",
        "rest.Rest.backward",
        "rest.Rest.settle",
        "rest.Rest.wake",
        "stepping.OptimizersUnwatched.end",
        "engine.EngineRun.look",
        "follower.Follower.expects",
        "follower.Follower.took",
        "running.Opening.__init__",
        "backward.Backward._run_followed",
        "engine.EngineRun.arrived",
        "engine.EngineRun._lose",
        "engine.EngineRun.unhook",
        "inside.InsideMode.__torch_function__",
        "backward.Backward._before_node",
        "backward.Backward._after_node",
        "backward._unhook",
        "modules.ModuleCalls._before",
        "modules.ModuleCalls._after",
        "updates.OptimizerSteps._before",
        "updates.OptimizerSteps._after",
        "swapping._Weakrefs.__init__",
        "swapping._Weakrefs.__getattr__",
        "swapping._Weakrefs.getweakrefs",
        "transforms.Transforms._run",
        "scalers.GradScalers._before",
        "collectives.Collectives._before",
        "tracing.without_modes",
        "tracing._replace",
        "recorder.Recorder.start",
        "recorder.Recorder.stop",
        "recorder.Recorder._detach",
        "insist.insist",
        "kept.KeptTensors.__del__",
    ]
)
"""What torch and the user call, and what catches: these functions call the others and must not let their faults through."""

AT_ONCE = 9
"""Faults in one run; after the tenth recording would be off."""


class Half(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x / 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient / 2


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.fc, self.drop, self.out = (
            nn.Embedding(5, 4, sparse=True),
            nn.Linear(4, 4),
            nn.Dropout(0.5),
            nn.Linear(4, 2),
        )

    def forward(self, ids):
        h = self.fc(self.words(ids))
        h[0] = 1.5
        h = checkpoint(lambda t: Half.apply(self.drop(t)).clamp_(min=-1), h, use_reentrant=False)
        return self.out(h)


def rich():
    """Modules, a Function, a checkpoint, views and writes, several backwards, hooks, dtypes, a thread, NaN."""
    net, w, seen = Net(), torch.randn(3, requires_grad=True), []
    optimizer = torch.optim.SGD([*net.fc.parameters(), *net.out.parameters()], lr=0.1, momentum=0.9)
    w.register_hook(lambda gradient: seen.append(gradient.clone()))
    for i in range(2):
        optimizer.zero_grad(set_to_none=i == 0)
        loss = net(torch.randint(0, 5, (3,))).pow(2).mean()
        loss.backward(retain_graph=True)
        loss.backward()
        optimizer.step()
        (slope,) = torch.autograd.grad((w * w).sum(), w, create_graph=True)
        (slope * slope.detach()).sum().backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
            seen.append(net.out(torch.ones(1, 4)))
        w.data = w.data * 2
        w.grad = None
        seen.append((w.to(torch.bfloat16).float() / 0).sum() if i else w.detach().numpy().copy())
    thread = threading.Thread(target=lambda: (w * 3).sum().backward())
    thread.start()
    thread.join()
    return net, w, seen, optimizer


def repeating():
    """Steps that are followed, of modules, an optimizer, and by hand."""
    net, w = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(2, requires_grad=True)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for _ in range(6):
        optimizer.zero_grad()
        parts = (net(torch.randn(5, 3)) * w).split(1, dim=1)
        (parts[0] - parts[1]).pow(2).mean().backward()
        optimizer.step()
        with torch.no_grad():
            w -= 0.1 * w.grad
            w.grad.zero_()
    return net, w, optimizer


class Draws(torch.autograd.Function):
    """Draws, counts its calls, and writes to a table of its class."""

    calls, table = 0, torch.ones(2)

    @staticmethod
    def forward(ctx, x):
        Draws.calls += 1
        Draws.table.mul_(2)
        ctx.factor = torch.rand(())
        return x * ctx.factor

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.factor


def checked():
    """Steps that are checked while they run."""
    Draws.calls, Draws.table = 0, torch.ones(2)
    w = torch.randn(3, requires_grad=True)
    for _ in range(2):
        Draws.apply(w * w).sum().backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    return w, Draws.calls, Draws.table, Draws.table._version, torch.rand(2)


def held():
    """Steps that are held before and after every event, with the step so far written each time."""
    recording = RunRecording.active
    if recording is not None:
        gate = recording.gate
        gate.told = lambda frame: gate.go_on(Wish.EVENT) if frame["event"] == "shown" else None
        gate.set_breakpoints([Breakpoint("$op(*)")])
    net, w = nn.Linear(3, 2), torch.randn(2, requires_grad=True)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        checkpoint(lambda t: Half.apply(t) * w, net(torch.ones(1, 3)), use_reentrant=False).sum().backward()
        optimizer.step()
        with torch.no_grad():
            w.sub_(0.1 * w.grad)
        w.grad = None
    return net, w, optimizer


def raising():
    """A step that an exception of the user's ends."""
    w = torch.randn(3, requires_grad=True)
    for i in range(2):
        (w * w).sum().backward()
        with torch.no_grad():
            w -= w.grad
        w.grad = None
        if i == 0:
            with contextlib.suppress(RuntimeError):
                torch.mm(w, w)
        else:
            (w * 2).mm(torch.ones(7, 7))
    return w


def patched():
    """Everything of torch and Python that the recorder touches while it runs."""
    modules, optimizers = torch.nn.modules.module, sys.modules["torch.optim.optimizer"]
    return (
        _len_torch_function_stack(),
        torch.autograd._engine_run_backward,
        threading.Thread._bootstrap_inner,
        "apply" in torch.autograd.function._SingleLevelFunction.__dict__,
        torch.utils.weakref,
        torch.autograd.profiler.record_function.__exit__,
        torch.jit._trace._trace_impl,
        torch.export.export,
        *[dict(table) for name, table in sorted(vars(modules).items()) if name.startswith("_global") and isinstance(table, dict)],
        *[
            dict(table)
            for name, table in sorted(vars(optimizers).items())
            if name.startswith("_global") and isinstance(table, dict)
        ],
    )


def ended(program):
    """What a program gives back, or the exception that it ends with."""
    try:
        return program()
    except RuntimeError as error:
        return [str(error), torch.ones(1)]


class Bench:
    """Runs a program with faults in it; says what did not fire."""

    def __init__(self, program, folder, faults):
        self.program, self.folder, self.faults = program, folder, faults
        self.plain = list(facts(outcome(lambda: ended(program))))
        self.before = patched()
        self.number = itertools.count()
        self.cold = True
        """Whether what our modules have cached is forgotten before each run."""

    def calls(self, choose, *, cold):
        """The calls that are to raise, of a run that finds the caches empty or filled."""
        self.cold = cold
        self.run()
        return {(name, n) for name, count in self.faults.calls.items() for n in choose(count)}

    def fire(self, calls, *, cold):
        """Make each of these calls raise, a few in one run; gives back those that were never reached."""
        self.cold, left = cold, sorted(calls)
        for at_once in (AT_ONCE, AT_ONCE, 3, 1):  # one fault may keep another from being reached
            left = [call for plan in spread(left, at_once) for call in self.run(plan)]
        return left

    def run(self, plan=frozenset()):
        if self.cold:
            forget()
        self.faults.begin(plan)

        def recorded():
            steps = range(2) if self.program is checked else ()
            with gradwalk.record(self.folder / str(next(self.number)), check_steps=steps):
                return self.program()

        found = outcome(lambda: ended(recorded))
        assert patched() == self.before, f"left behind after {sorted(plan)}"
        try:
            assert_same_facts(list(facts(found)), self.plain)
        except AssertionError as difference:
            raise AssertionError(f"{difference} with faults in {sorted(plan)}") from None
        return plan - self.faults.fired


def some(count):
    """Which of so many calls: the first, and one past the middle."""
    return sorted({1, count // 2 + 1})


def first(count):
    """The same of a program that takes long: the first."""
    return [1]


def spread(calls, at_once):
    """The calls that are to raise, in as many plans as it takes with so many in each."""
    plans = -(-len(calls) // at_once)
    return [frozenset(calls[i::plans]) for i in range(plans)]


@pytest.mark.parametrize(
    ("program", "choose"),
    [
        pytest.param(rich, some, id="a training"),
        pytest.param(repeating, some, id="a training that repeats"),
        pytest.param(raising, some, id="a training that raises"),
        pytest.param(checked, some, id="a training that is checked"),
        pytest.param(held, first, id="a training that is held"),
        pytest.param(rich, lambda count: range(1, count + 1), id="every call", marks=pytest.mark.slow),
    ],
)
def test_every_function_raises(program, choose, tmp_path, capfd):
    faults = Faults(BOUNDARY)
    with faults.installed():
        bench = Bench(program, tmp_path, faults)
        first, later = bench.calls(choose, cold=True), bench.calls(choose, cold=False)
        assert faults.names >= BOUNDARY, f"not there any more: {sorted(BOUNDARY - faults.names)}"
        assert len({name for name, _ in later}) > 150
        known = {name for name, _ in later}
        missed = bench.fire(later, cold=False) + bench.fire({call for call in first if call[0] not in known}, cold=True)
    assert not missed
    assert "the script goes on (Injected" in capfd.readouterr().err
