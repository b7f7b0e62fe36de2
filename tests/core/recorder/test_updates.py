"""Every way to update a leaf and to zero a gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from gradwalk import why
from gradwalk.trace import NONE, Op, Trace

Way = Callable[[torch.Tensor], None]


def through_data(w: torch.Tensor) -> None:
    w.data -= 0.1 * w.grad


def through_data_method(w: torch.Tensor) -> None:
    w.data.sub_(0.1 * w.grad)


def through_new_data(w: torch.Tensor) -> None:
    w.data = w.data - 0.1 * w.grad


def through_detach(w: torch.Tensor) -> None:
    w.detach().sub_(0.1 * w.grad)


def under_no_grad(w: torch.Tensor) -> None:
    with torch.no_grad():
        w -= 0.1 * w.grad


def by_add(w: torch.Tensor) -> None:
    with torch.no_grad():
        w.add_(w.grad, alpha=-0.1)


def by_copy(w: torch.Tensor) -> None:
    with torch.no_grad():
        w.copy_(w - 0.1 * w.grad)


def by_view(w: torch.Tensor) -> None:
    with torch.no_grad():
        w.view(-1).sub_(0.1 * w.grad.view(-1))


def by_item(w: torch.Tensor) -> None:
    with torch.no_grad():
        w[:] = w - 0.1 * w.grad


def by_out(w: torch.Tensor) -> None:
    with torch.no_grad():
        torch.sub(w, 0.1 * w.grad, out=w)


UPDATES: dict[Way, str] = {
    through_data: "sub_",
    through_data_method: "sub_",
    through_new_data: "set_data",
    through_detach: "sub_",
    under_no_grad: "sub_",
    by_add: "add_",
    by_copy: "copy_",
    by_view: "sub_",
    by_item: "setitem",
    by_out: "sub",
}


def train(update: Way, zero: Way, steps: int = 4) -> torch.Tensor:
    torch.manual_seed(0)
    w = torch.randn(3, 2, requires_grad=True)
    x = torch.randn(4, 3)
    for _ in range(steps):
        (x.mm(w) ** 2).mean().backward()
        update(w)
        zero(w)
    return w


def none(w: torch.Tensor) -> None:
    w.grad = None


def zeros(w: torch.Tensor) -> None:
    w.grad.zero_()


def deleted(w: torch.Tensor) -> None:
    del w.grad


def by_optimizer(w: torch.Tensor) -> None:
    torch.optim.SGD([w], lr=0.1).zero_grad()


def by_optimizer_to_zeros(w: torch.Tensor) -> None:
    torch.optim.SGD([w], lr=0.1).zero_grad(set_to_none=False)


def by_foreach_optimizer(w: torch.Tensor) -> None:
    torch.optim.SGD([w], lr=0.1, foreach=True).zero_grad(set_to_none=False)


def updates_of(trace: Trace) -> list[Op]:
    return [trace.graph.ops[event.ref] for event in trace.graph.events if event.kind == "update"]


@pytest.mark.parametrize("update", UPDATES, ids=lambda way: way.__name__)
def test_an_update_is_one_event_with_a_new_version(record, update):
    plain = train(update, none)
    with record() as sink:
        recorded = train(update, none)
    assert torch.equal(plain, recorded)
    assert len(sink.traces) == 4
    for trace in sink.traces:
        written, zeroed = updates_of(trace)
        assert (written.name, written.variable, zeroed.name) == (UPDATES[update], "w", "zero_grad")
        before, after = trace.graph.values[written.inputs[0]], trace.graph.values[written.outputs[0]]
        assert (before.name, before.version, before.base) == ("w", 0, NONE)
        assert (after.name, after.version, after.base) == ("w", 1, before.id)
        assert trace.values[0, after.id] == 6
        assert written.phase == "update"
    assert torch.equal(
        torch.from_numpy(sink.traces[-1].tensors["value", updates_of(sink.traces[-1])[0].outputs[0]].data.copy()), plain
    )


@pytest.mark.parametrize("zero", [none, zeros, deleted, by_optimizer, by_optimizer_to_zeros, by_foreach_optimizer])
def test_zeroing_or_dropping_a_gradient_is_an_event(record, zero):
    plain = train(under_no_grad, zero)
    with record() as sink:
        recorded = train(under_no_grad, zero)
    assert torch.equal(plain, recorded)
    for trace in sink.traces:
        zeroed = updates_of(trace)[-1]
        assert (zeroed.name, zeroed.phase) == ("zero_grad", "update")
        assert trace.graph.values[zeroed.inputs[0]].name == "w"
        assert trace.label == ""


def test_dropping_a_gradient_that_is_not_there_is_no_event(record):
    w = torch.ones(2, requires_grad=True)
    with record() as sink:
        w.grad = None
        (w * 2).sum().backward()
    assert [op.name for op in sink.traces[0].graph.ops] == ["mul", "sum"]


def test_zero_grad_of_a_module(record):
    net = nn.Linear(2, 1)
    with record() as sink:
        net(torch.ones(1, 2)).sum().backward()
        net.zero_grad()
    assert [op.name for op in updates_of(sink.traces[0])] == ["zero_grad", "zero_grad"]
    assert sink.traces[0].graph.sites[updates_of(sink.traces[0])[0].site].expression == "net.zero_grad()"


def test_an_optimizer_of_the_users_own_gives_its_own_ops(record):
    class Plain(torch.optim.Optimizer):
        def __init__(self, parameters):
            super().__init__(parameters, {})

        @torch.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p.sub_(0.1 * p.grad)

    w = torch.ones(2, requires_grad=True)
    with record() as sink:
        optimizer = Plain([w])
        (w * 2).sum().backward()
        optimizer.step()
    assert [op.name for op in updates_of(sink.traces[0])] == ["sub_"]


def test_the_closure_of_lbfgs_is_recorded(record):
    def run() -> torch.Tensor:
        w = torch.full((2,), 3.0, requires_grad=True)
        optimizer = torch.optim.LBFGS([w], max_iter=3)

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = (w**2).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        return w

    plain = run()
    with record() as sink:
        assert torch.equal(run(), plain)
    assert len(sink.traces) >= 2
    assert all([op.name for op in trace.graph.ops][:2] == ["pow", "sum"] for trace in sink.traces)


OPTIMIZERS = [
    *((name, {"fused": True}) for name in ("SGD", "Adam", "AdamW", "Adagrad")),
    *((name, {"foreach": foreach}) for name in ("SGD", "AdamW", "RMSprop") for foreach in (True, False)),
    *((name, {}) for name in ("Adadelta", "Adafactor", "Adamax", "ASGD", "NAdam", "RAdam", "Rprop", "Muon")),
]


def test_zeroing_after_the_forward_is_about_the_leaf_of_this_step(record):
    net = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with record() as sink:
        for _ in range(3):
            loss = net(torch.ones(2, 3)).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for trace in sink.traces[1:]:
        graph = trace.graph
        leaves = [value.name for value in graph.values if value.parameter and value.op == NONE]
        assert sorted(leaves) == ["net.bias", "net.weight"]
        assert why.without_gradient(trace) == []
        linear = next(op for op in graph.ops if op.name == "linear")
        assert {op.inputs[0] for op in graph.ops if op.name == "zero_grad"} == set(linear.inputs[1:])


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS, ids=[f"{name}-{settings}" for name, settings in OPTIMIZERS])
def test_every_optimizer_updates_every_parameter_with_a_gradient(record, name, settings):
    w, spare = torch.ones(3, 3, requires_grad=True), torch.ones(3, 3, requires_grad=True)
    optimizer = getattr(torch.optim, name)([w, spare], lr=0.1, **settings)
    with record() as sink:
        for _ in range(3):
            optimizer.zero_grad()
            (w * 2).sum().backward()
            optimizer.step()
    for trace in sink.traces:
        graph, (step, *rest) = trace.graph, updates_of(trace)
        assert (step.name, [graph.values[value].name for value in step.inputs]) == (f"{name}.step", ["w", "w.grad"])
        assert [op.name for op in rest] == ["zero_grad"] * (trace is not sink.traces[-1])
        before, after = (trace.tensors["value", value].data for value in (step.inputs[0], step.outputs[0]))
        assert not (before == after).any()
    assert (sink.traces[-1].tensors["value", updates_of(sink.traces[-1])[0].outputs[0]].data == w.detach().numpy()).all()


def test_clipping_shows_in_the_update(record):
    net = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with record() as sink:
        for _ in range(2):
            net(torch.ones(1, 2)).sum().backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
            optimizer.zero_grad()
    graph = sink.traces[0].graph
    assert [op.name for op in updates_of(sink.traces[0])] == ["SGD.step", "SGD.step", "zero_grad", "zero_grad"]
    assert all(op.phase == "update" for op in graph.ops[3:])
    clipped = [value for value in graph.values if value.gradient_of != NONE and value.version == 1]
    assert len(clipped) == 2


@pytest.mark.parametrize("kernel", ["foreach", "fused"])
def test_an_optimizer_that_updates_all_at_once_gives_an_update_per_parameter(record, kernel):
    net = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(net.parameters(), **{kernel: True})
    with record() as sink:
        for _ in range(2):
            net(torch.ones(4, 3)).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    graph = sink.traces[1].graph
    updates = [op for op in graph.ops if op.name == "AdamW.step"]
    assert [graph.values[op.outputs[0]].name for op in updates] == ["net.weight", "net.bias"]
    for op in updates:
        before, after = (sink.traces[1].values[3, value] for value in (op.inputs[0], op.outputs[0]))
        assert before != after
