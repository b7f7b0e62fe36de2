# ruff: noqa: PT012 (the recording ends with the exception)
"""A step that raises is kept up to the op that raised; the user's exception passes unchanged."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gradwalk import tape
from gradwalk.trace import NONE


class Wrong(torch.autograd.Function):
    """Raises in its backward."""

    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, gradient):
        raise ValueError("wrong on purpose")


def failing_op(i: int) -> None:
    if i == 2:
        torch.ones(2, 3).mm(torch.ones(4, 5))


def train(raise_at) -> None:
    w = torch.ones(3, 1, requires_grad=True)
    for i in range(5):
        h = torch.ones(2, 3).mm(w)
        raise_at("forward", i, h)
        loss = h.sum()
        loss.backward()
        raise_at("after backward", i, h)
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
        raise_at("after update", i, h)


def test_in_an_op_of_the_forward(record):
    def raise_at(where, i, h):
        if where == "forward" and i == 2:
            h.mm(torch.ones(7, 7))

    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes"), record() as sink:
        train(raise_at)
    assert [trace.step for trace in sink.traces] == [0, 1]
    (failed,) = sink.failures
    assert (failed.step, failed.done, failed.error.kind) == (2, False, "RuntimeError")
    event = tape.event_at(failed, failed.error.event)
    op = failed.graph.ops[event.ref]
    assert (op.name, op.outputs, failed.graph.sites[op.site].expression) == ("mm", (), "h.mm(torch.ones(7, 7))")
    assert [o.name for o in failed.graph.ops] == ["ones", "mm", "ones", "mm"]
    assert "mat1 and mat2 shapes" in failed.error.message
    assert "raise_at" in failed.error.traceback
    assert [trace.step for trace in sink.partials] == [2]


def test_in_the_first_op_of_a_step_leaves_the_step_before_complete(record):
    w = torch.ones(3, 1, requires_grad=True)
    with pytest.raises(RuntimeError), record() as sink:
        for x in (torch.ones(2, 3), torch.ones(2, 3), torch.ones(2, 9)):
            x.mm(w).sum().backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
            w.grad = None
    assert [trace.done for trace in sink.traces] == [True, True]
    (failed,) = sink.failures
    assert (failed.step, [op.name for op in failed.graph.ops], failed.error.event) == (2, ["mm"], 0)


def test_in_a_module(record):
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2))
    with pytest.raises(RuntimeError), record() as sink:
        net(torch.ones(2, 3))
    (failed,) = sink.failures
    event = tape.event_at(failed, failed.error.event)
    assert (tape.name_of(failed.graph, event), tape.module_of(failed.graph, event)) == ("linear", "net.1")


def test_in_the_backward(record):
    w = torch.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match="wrong on purpose"), record() as sink:
        for _ in range(2):
            (Wrong.apply(w * 2) * 3).sum().backward()
    assert sink.traces == []
    (failed,) = sink.failures
    event = tape.event_at(failed, failed.error.event)
    assert (event.kind, failed.graph.nodes[event.ref].name) == ("node", "WrongBackward")
    assert [tape.name_of(failed.graph, tape.event_at(failed, i)) for i in range(len(failed.tape))][-3:] == [
        "SumBackward0",
        "MulBackward0",
        "WrongBackward",
    ]


def test_a_second_backward_through_a_freed_graph(record):
    w = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="second time"), record() as sink:
        loss = (w * w).sum()
        loss.backward()
        loss.backward()
    assert sink.failures[0].error.kind == "RuntimeError"


@pytest.mark.parametrize(("where", "complete"), [("forward", 2), ("after backward", 2), ("after update", 3)])
def test_between_ops(record, where, complete):
    def raise_at(here, i, h):
        if here == where and i == 2:
            raise KeyError("mine")

    with pytest.raises(KeyError), record() as sink:
        train(raise_at)
    assert [trace.step for trace in sink.traces] == list(range(complete))
    if where == "after update":
        assert not sink.failures
        assert sink.kinds == ["exception"]
    else:
        assert (sink.failures[0].step, sink.failures[0].error.event, sink.failures[0].error.kind) == (2, NONE, "KeyError")


def test_an_exception_that_the_script_handles_leaves_the_step_whole(record):
    def raise_at(where, i, h):
        if where == "forward":
            with pytest.raises(RuntimeError):
                h.mm(torch.ones(7, 7))

    with record() as sink:
        train(raise_at)
    assert [trace.done for trace in sink.traces] == [True] * 5
    assert len({id(trace.graph) for trace in sink.traces}) == 1
    assert not sink.failures


def test_a_custom_function_that_raises_in_its_forward(record):
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.mm(torch.ones(9, 9))

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    w = torch.ones(2, 2, requires_grad=True)
    with pytest.raises(RuntimeError), record() as sink:
        Bad.apply(w * 1).sum().backward()
    failed = sink.failures[0]
    event = tape.event_at(failed, failed.error.event)
    assert failed.graph.ops[event.ref].name == "mm"


def test_system_exit_is_no_error_of_the_step(record):
    w = torch.ones(2, requires_grad=True)
    with pytest.raises(SystemExit), record() as sink:
        (w * 2).sum().backward()
        raise SystemExit(3)
    assert [trace.done for trace in sink.traces] == [True]
    assert not sink.failures
