"""Why a Value has no gradient: one program per reason, one line per sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from gradwalk import why
from gradwalk.trace import NONE, Trace

Program = Callable[[torch.Tensor, torch.Tensor], None]
HERE = r"test_why\.py:\d+"


class Twice(torch.autograd.Function):
    """Gives its second input no gradient, and marks its second output as not differentiable."""

    @staticmethod
    def forward(ctx: Any, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        order = a.clone()
        ctx.mark_non_differentiable(order)
        return a * b, order

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor, _: Any) -> tuple[torch.Tensor, None]:
        return grad, None


class Closed(torch.autograd.Function):
    """Reads a tensor that it was not given."""

    secret: torch.Tensor

    @staticmethod
    def forward(ctx: Any, a: torch.Tensor) -> torch.Tensor:
        return a * Closed.secret

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad


def leaves() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((3,), 2.0, requires_grad=True), torch.full((3,), 3.0, requires_grad=True)


def detached(w: torch.Tensor, v: torch.Tensor) -> None:
    h = w * 2
    cut = h.detach()
    after = cut + 1
    loss = (after * v).sum()
    loss.backward()


def under_no_grad(w: torch.Tensor, v: torch.Tensor) -> None:
    with torch.no_grad():
        h = w * 2
        k = h.exp()
    loss = (k * v).sum()
    loss.backward()


def under_inference_mode(w: torch.Tensor, v: torch.Tensor) -> None:
    with torch.inference_mode():
        h = w * 2
    loss = (h.clone() * v).sum()
    loss.backward()


def integers(w: torch.Tensor, v: torch.Tensor) -> None:
    best = (w * 2).argmax()
    mask = w > 1
    loss = (v[best] * mask).sum()
    loss.backward()


def not_differentiable(w: torch.Tensor, v: torch.Tensor) -> None:
    h = torch.histc(w)
    loss = (v * h.sum()).sum()
    loss.backward()


def through_data(w: torch.Tensor, v: torch.Tensor) -> None:
    h = w.data * 2
    loss = (v * h).sum()
    loss.backward()


def another_loss(w: torch.Tensor, v: torch.Tensor) -> None:
    h = v * 2
    aux = (w * 2).sum()
    loss = h.sum()
    loss.backward()
    assert aux.requires_grad


def forward_only(w: torch.Tensor, v: torch.Tensor) -> None:
    loss = (w * v).sum()
    assert loss.requires_grad


def frozen(w: torch.Tensor, v: torch.Tensor) -> None:
    w.requires_grad_(False)
    loss = (w * v).sum()
    loss.backward()


def asked_for_others(w: torch.Tensor, v: torch.Tensor) -> None:
    loss = (w * v).sum()
    torch.autograd.grad(loss, [v])


def only_inputs(w: torch.Tensor, v: torch.Tensor) -> None:
    loss = (w * v).sum()
    loss.backward(inputs=[v])


def returned_none(w: torch.Tensor, v: torch.Tensor) -> None:
    h = w * 1
    y, order = Twice.apply(v, h)
    loss = (y * order).sum()
    loss.backward()


def closure(w: torch.Tensor, v: torch.Tensor) -> None:
    Closed.secret = w
    loss = Closed.apply(v).sum()
    loss.backward()
    del Closed.secret


class Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.spare, self.frozen = nn.Linear(3, 1), nn.Linear(3, 1), nn.Linear(3, 3)
        self.frozen.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.used(self.frozen(x))


NET = Whole()


def unused_parameter(w: torch.Tensor, v: torch.Tensor) -> None:
    loss = NET(torch.ones(2, 3)).sum()
    loss.backward()


CASES: list[tuple[Program, str, str]] = [
    (detached, "w", f"^w requires grad, but its path to loss is cut: detach cuts it off at {HERE}.$"),
    (detached, "h", f"^h requires grad, but its path to loss is cut: detach cuts it off at {HERE}.$"),
    (detached, "cut", f"^cut has no path back to h: detach cuts it off at {HERE}.$"),
    (detached, "after", f"^after has no path back to h: detach cuts it off at {HERE}.$"),
    (detached, "v", "^$"),
    (under_no_grad, "w", f"^w requires grad, but its path to loss is cut: mul ran under no_grad at {HERE}.$"),
    (under_no_grad, "h", f"^h has no path back to w: mul ran under no_grad at {HERE}.$"),
    (under_no_grad, "k", f"^k has no path back to w: mul ran under no_grad at {HERE}.$"),
    (under_inference_mode, "h", f"^h has no path back to w: mul ran under inference_mode at {HERE}.$"),
    (under_inference_mode, "w", f"^w .* loss is cut: mul ran under inference_mode at {HERE}.$"),
    (integers, "best", "^best is int64; only floating point and complex tensors have gradients.$"),
    (integers, "mask", "^mask is bool; only floating point"),
    (integers, "w", f"^w .* its path to loss is cut: gt at {HERE} gives bool, and only floating point"),
    (integers, "mul output", f"^mul output .* loss is cut: argmax at {HERE} gives int64, and only floating point"),
    (not_differentiable, "w", f"^w .* loss is cut: histc is not differentiable at {HERE}.$"),
    (through_data, "w", f"^w .* is cut: mul at {HERE} recorded no Node: it is not differentiable, or w was read through .data.$"),
    (another_loss, "w", "^w requires grad, but loss does not depend on it .aux is made of it, and not used for that.*$"),
    (another_loss, "aux", "^aux requires grad, but nothing in this step uses it.$"),
    (forward_only, "w", "^No gradient of w in this step: no backward.. was recorded in it.$"),
    (frozen, "w", "^w does not require grad .requires_grad is False..$"),
    (asked_for_others, "w", "^w got no gradient: the backward of loss was asked for other tensors only"),
    (only_inputs, "w", "^w got no gradient: the backward of loss was asked for other tensors only"),
    (only_inputs, "v", "^$"),
    (returned_none, "h", f"^h got None: the backward of Twice at {HERE} returned None as the gradient of h.$"),
    (returned_none, "w", "^w got None: .* as the gradient of h, through which w is used.$"),
    (returned_none, "order", f"^order has no path back to v: Twice at {HERE} marks what it returns as not differentiable.$"),
    (returned_none, "v", "^$"),
    (
        closure,
        "secret",
        f"^Closed.secret .* the forward of Closed at {HERE} reads Closed.secret, which was not given",
    ),
    (unused_parameter, "spare.weight", "^spare.weight is never used: no op of this step reads it.$"),
    (unused_parameter, "frozen.weight", "^frozen.weight does not require grad .requires_grad is False..$"),
    (unused_parameter, "used.weight", "^$"),
]


def value_called(trace: Trace, name: str) -> int:
    return next(v.id for v in trace.graph.values if why.value_label(trace.graph, v.id).endswith(name))


@pytest.mark.parametrize("level", ["statistics", "structure"])
@pytest.mark.parametrize(("program", "name", "sentence"), CASES, ids=[f"{case[0].__name__}-{case[1]}" for case in CASES])
def test_the_reason_in_one_sentence(record, program, name, sentence, level):
    w, v = leaves()
    with record(level=level) as sink:
        program(w, v)
    trace = sink.traces[-1]
    told = why.why_no_gradient(trace, value_called(trace, name))
    assert re.search(sentence, told), told


CUTS: list[tuple[Program, list[tuple[str, str, str]]]] = [
    (detached, [("h", "detach", "detach")]),
    (under_no_grad, [("w", "mul", "no_grad")]),
    (under_inference_mode, [("w", "mul", "inference_mode")]),
    (integers, [("mul output", "argmax", "dtype"), ("w", "gt", "dtype")]),
    (returned_none, [("v", "Twice", "custom")]),
    (forward_only, []),
]


@pytest.mark.parametrize(("program", "expected"), CUTS, ids=[program.__name__ for program, _ in CUTS])
def test_the_cuts_of_a_step_have_their_lines(record, program, expected):
    w, v = leaves()
    with record() as sink:
        program(w, v)
    graph = sink.traces[-1].graph
    found = why.cuts(graph)
    assert [(why.value_label(graph, cut.value), graph.ops[cut.op].name, cut.reason) for cut in found] == expected
    for cut in found:
        assert graph.sites[cut.site].file == __file__
        assert re.search(f"^no gradient: .*{HERE}", why.sentence_of(graph, cut))


def test_a_step_lists_its_parameters_without_gradient(record):
    with record() as sink:
        for _ in range(2):
            unused_parameter(*leaves())
    for trace in sink.traces:
        told = {trace.graph.values[value].name: sentence.partition(" ")[2] for value, sentence in why.without_gradient(trace)}
        assert told == {
            "spare.weight": "is never used: no op of this step reads it.",
            "spare.bias": "is never used: no op of this step reads it.",
            "frozen.weight": "does not require grad (requires_grad is False).",
            "frozen.bias": "does not require grad (requires_grad is False).",
        }
        assert trace.values.shape[1] == len(trace.graph.values)


def test_an_unused_parameter_is_a_leaf_that_nothing_reads(record):
    with record() as sink:
        unused_parameter(*leaves())
    graph = sink.traces[0].graph
    (spare,) = [value for value in graph.values if value.name == "spare.weight"]
    assert (spare.role, spare.parameter, spare.requires_grad, spare.op, spare.shape) == ("leaf", True, True, NONE, (1, 3))
    assert not [op for op in graph.ops if spare.id in op.inputs]


def test_updates_and_gradients_are_no_cuts(record):
    w, v = leaves()
    with record() as sink:
        for _ in range(2):
            loss = (w * v).sum()
            loss.backward()
            with torch.no_grad():
                for leaf in (w, v):
                    leaf -= 0.1 * leaf.grad
                    leaf.grad = None
    for trace in sink.traces:
        assert why.cuts(trace.graph) == ()
        assert not [op for op in trace.graph.ops if op.tags]
        assert why.without_gradient(trace) == []
        assert not any(why.why_no_gradient(trace, value.id) for value in trace.graph.values)
