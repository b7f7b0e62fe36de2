"""In-place writes and views: which Value a later reader sees, what it was before, and which op wrote it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gradwalk.trace import NONE, Trace, Value

Write = Callable[[torch.Tensor], object]


def set_row(x: torch.Tensor) -> None:
    x[0] = 3


def set_column(x: torch.Tensor) -> None:
    x[:, 1] = 0


def set_masked(x: torch.Tensor) -> None:
    x[x > 1] = 0


def add_to_a_row(x: torch.Tensor) -> None:
    x[0] += 1


def write_two_views_deep(x: torch.Tensor) -> None:
    x[0][1:].zero_()


def write_a_piece(x: torch.Tensor) -> None:
    first, _ = x.split(1)
    first.mul_(2)


def write_a_diagonal(x: torch.Tensor) -> None:
    torch.diagonal(x).fill_(5)


def write_through_out(x: torch.Tensor) -> None:
    torch.add(torch.ones(3), 1, out=x[0])


WRITES: dict[str, tuple[Write, str]] = {
    "x.add_": (lambda x: x.add_(1), "add_"),
    "x[0].add_": (lambda x: x[0].add_(1), "add_"),
    "x.view(-1).mul_": (lambda x: x.view(-1).mul_(2), "mul_"),
    "x.t().exp_": (lambda x: x.t().exp_(), "exp_"),
    "x.unsqueeze(0).clamp_": (lambda x: x.unsqueeze(0).clamp_(min=1), "clamp_"),
    "x.select.copy_": (lambda x: x.select(0, 1).copy_(torch.ones(3)), "copy_"),
    "x[0] = 3": (set_row, "setitem"),
    "x[:, 1] = 0": (set_column, "setitem"),
    "x[x > 1] = 0": (set_masked, "setitem"),
    "x[0] += 1": (add_to_a_row, "setitem"),
    "x[0][1:].zero_": (write_two_views_deep, "zero_"),
    "x.split()[0].mul_": (write_a_piece, "mul_"),
    "diagonal.fill_": (write_a_diagonal, "fill_"),
    "out=x[0]": (write_through_out, "add"),
    "index_fill_": (lambda x: x.index_fill_(0, torch.tensor([0]), 7), "index_fill_"),
    "scatter_": (lambda x: x.scatter_(1, torch.zeros(2, 1, dtype=torch.long), 9.0), "scatter_"),
}


def value_read_by(trace: Trace, name: str) -> Value:
    """The first input of the last op of this name."""
    op = [op for op in trace.graph.ops if op.name == name][-1]
    return trace.graph.values[op.inputs[0]]


@pytest.mark.parametrize("grad", [True, False], ids=["with grad", "without"])
@pytest.mark.parametrize("name", WRITES)
def test_the_next_reader_sees_what_the_write_made(record, name, grad):
    write, op_name = WRITES[name]
    if grad and name in ("out=x[0]", "x.split()[0].mul_"):
        pytest.skip("torch refuses this where gradients are wanted")

    def go() -> list[torch.Tensor]:
        w = torch.ones(2, 3, requires_grad=True)
        y = w * torch.arange(6.0).view(2, 3)
        x = y if grad else y.detach().clone()
        write(x)
        (x.sinh() * w).sum().backward()
        return [w.grad, x.detach()]

    plain = go()
    with record() as sink:
        recorded = go()
    assert all(torch.equal(one, other) for one, other in zip(recorded, plain, strict=True))
    (trace,) = sink.traces
    seen = value_read_by(trace, "sinh")
    writer, before = trace.graph.ops[seen.op], trace.graph.values[seen.base]
    assert writer.name == op_name
    assert seen.base != NONE
    assert seen.version == before.version + 1 >= 1
    assert before.id in writer.inputs
    assert trace.values[3, seen.id] == pytest.approx(recorded[1].sum().item())  # its statistics are those after the write
    assert all(node.op != NONE for node in trace.graph.nodes if node.leaf == NONE)


def test_a_view_that_was_there_before_a_write_to_its_base_is_seen_anew(record):
    with record() as sink:
        w = torch.ones(2, 3, requires_grad=True)
        x = w * 2
        row = x[0]
        x.mul_(3)
        (row.sinh() * 1).sum().backward()
    seen = value_read_by(sink.traces[0], "sinh")
    assert seen.version == 1
    assert sink.traces[0].values[3, seen.id] == 18


def test_a_leaf_that_is_updated_through_a_view_made_with_grad_is_an_update(record):
    w = torch.ones(2, 3, requires_grad=True)
    with record() as sink:
        for _ in range(2):
            flat = w.view(-1)
            flat.pow(2).sum().backward()
            with torch.no_grad():
                flat.sub_(0.1)
            w.grad = None
    updates = [sink.traces[0].graph.ops[event.ref] for event in sink.traces[0].graph.events if event.kind == "update"]
    assert [op.name for op in updates] == ["sub_", "zero_grad"]
    written = [sink.traces[0].graph.values[value] for value in updates[0].outputs]
    assert [(value.name, value.version) for value in written] == [("flat", 1), ("w", 1)]
