"""Collectives in one process that is all of its group; several processes are in ``tests/distributed``."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import _functional_collectives as functional


@pytest.fixture(autouse=True)
def _group(tmp_path):
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def row():
    return torch.arange(4.0)


CALLS = {
    "all_reduce": lambda t, out: dist.all_reduce(t),
    "all_reduce, maximum": lambda t, out: dist.all_reduce(t, op=dist.ReduceOp.MAX),
    "all_reduce, waited for": lambda t, out: dist.all_reduce(t, async_op=True).wait(),
    "broadcast": lambda t, out: dist.broadcast(t, src=0),
    "reduce": lambda t, out: dist.reduce(t, dst=0),
    "all_gather": lambda t, out: dist.all_gather([out], t),
    "all_gather_into_tensor": lambda t, out: dist.all_gather_into_tensor(out, t),
    "reduce_scatter_tensor": lambda t, out: dist.reduce_scatter_tensor(out, t),
    "gather": lambda t, out: dist.gather(t, [out], dst=0),
    "scatter": lambda t, out: dist.scatter(out, [t], src=0),
    "all_to_all_single": lambda t, out: dist.all_to_all_single(out, t),
    "barrier": lambda t, out: dist.barrier(),
}


def net_step(extra):
    w = torch.ones(3, 1, requires_grad=True)
    for _ in range(2):
        loss = torch.ones(2, 3).mm(w).sum()
        extra()
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    return w


def collectives(trace):
    return [op for op in trace.graph.ops if "collective" in op.tags]


@pytest.mark.filterwarnings("ignore:.*is deprecated:FutureWarning")
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", CALLS)
def test_each_is_an_op_with_what_it_sends_and_what_arrives(record, name, mode):
    def call():
        with mode():
            given, out = row(), torch.full((4,), 7.0)
            CALLS[name](given, out)

    with record() as sink:
        net_step(call)
    (op,) = collectives(sink.traces[1])
    values, known = sink.traces[1].graph.values, [sink.traces[1].values[:, value] for value in (*op.inputs, *op.outputs)]
    assert (op.name, dict(op.arguments)["ranks"]) == (name.partition(",")[0], "1")
    if name == "barrier":
        assert not known
        return
    assert [tuple(values[value].shape) for value in (*op.inputs, *op.outputs)] == [(4,), (4,)]
    np.testing.assert_array_equal(known[1], known[0])
    assert known[0][3] == row().sum()


def test_an_asynchronous_one_is_measured_when_it_has_been_waited_for(record):
    def call():
        given = row()
        work = dist.all_reduce(given, async_op=True)
        work.wait()
        given.mul_(2)

    with record() as sink:
        net_step(call)
    (op,) = collectives(sink.traces[1])
    assert sink.traces[1].values[3, op.outputs[0]] == row().sum()


def test_functional_ones_are_seen_too(record):
    with record() as sink:
        net_step(lambda: functional.all_reduce(row(), "sum", dist.group.WORLD) + 1)
    assert [op.name for op in collectives(sink.traces[1])] == ["all_reduce"]


def test_a_sum_of_gradients_is_between_the_backward_and_the_update(record):
    w = torch.ones(3, 1, requires_grad=True)
    with record() as sink:
        for _ in range(2):
            torch.ones(2, 3).mm(w).sum().backward()
            dist.all_reduce(w.grad)
            with torch.no_grad():
                w -= 0.1 * w.grad
            w.grad = None
    graph = sink.traces[1].graph
    (op,) = collectives(sink.traces[1])
    assert [graph.values[value].name for value in (*op.inputs, *op.outputs)] == ["w.grad", "w.grad"]
    assert op.outputs[0] in [value for other in graph.ops for value in other.inputs]


def test_in_a_backward_it_stands_among_the_nodes(record):
    def hook(gradient):
        dist.all_reduce(gradient)

    w = torch.ones(3, 1, requires_grad=True)
    with record() as sink:
        for _ in range(2):
            h = torch.ones(2, 3).mm(w)
            h.register_hook(hook)
            h.sum().backward()
            w.grad = None
    trace = sink.traces[1]
    (op,) = collectives(trace)
    assert op.tags == ("in backward", "collective")
    kinds = [(event.kind, event.phase) for event in (trace.graph.events[number] for number in trace.tape)]
    assert kinds[3:] == [
        ("loss", "loss"),
        ("node", "backward"),  # SumBackward0
        ("op", "backward"),
        ("node", "backward"),  # MmBackward0
        ("accumulate", "backward"),
        ("update", "update"),
    ]
    assert np.all(np.diff(trace.times) >= 0)


def test_the_reducer_of_ddp_is_seen(record):
    net = nn.parallel.DistributedDataParallel(nn.Linear(3, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with record() as sink:
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.ones(4, 3)).sum().backward()
            optimizer.step()
    trace = sink.traces[-1]
    (op,) = [op for op in collectives(trace) if op.phase == "backward"]
    assert (op.name, tuple(trace.graph.values[op.outputs[0]].shape)) == ("all_reduce", (8,))
    np.testing.assert_array_equal(trace.values[:, op.inputs[0]], trace.values[:, op.outputs[0]])


def test_data_parallel_falls_through_to_the_module_on_the_cpu(record):
    def train():
        torch.manual_seed(0)
        net = nn.DataParallel(nn.Linear(3, 2))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            net(torch.ones(4, 3)).sum().backward()
            optimizer.step()
        return list(net.parameters())

    plain = train()
    with record() as sink:
        recorded = train()
    assert all(map(torch.equal, recorded, plain))
    assert [module.path for module in sink.traces[1].graph.modules] == ["net", "net.module"]
    assert not collectives(sink.traces[1])


def test_nothing_of_ours_stays(record):
    wait = dist.Work.wait
    with record():
        assert dist.Work.wait is not wait
        net_step(lambda: dist.all_reduce(row()))
    assert dist.Work.wait is wait
    given = row()
    dist.all_reduce(given)
    assert torch.equal(given, row())


def test_what_a_collective_raises_is_the_users(record):
    with pytest.raises(RuntimeError, match="size") as plain:
        dist.all_gather([torch.ones(3)], row())
    with record() as sink, pytest.raises(RuntimeError, match="size") as recorded:
        dist.all_gather([torch.ones(3)], row())
    assert str(recorded.value) == str(plain.value)
    assert not sink.kinds or sink.kinds == ["no-backward"]
