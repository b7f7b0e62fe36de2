"""Every operator of torch's own table (``op_db``), a sample of each, is one op with the right inputs, outputs and Nodes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from gradwalk.recorder.functions import tensors_in
from gradwalk.trace import NONE, Graph

pytest.importorskip("expecttest", reason="torch.testing needs it")

NO_TENSOR = {"item", "allclose", "equal", "broadcast_shapes"}
SEVERAL = {
    "max_pool2d_with_indices_backward": "a helper of torch.testing that runs two",
    "svd_lowrank": "a helper of torch.testing",
    "pca_lowrank": "a helper of torch.testing",
    "linalg.pinv": "a helper of torch.testing (hermitian)",
    "nn.functional.linear_cross_entropy": "runs a backward inside its forward where it works in chunks",
    "ones_like": "its name is that of the seeds below",
    "resize_": "a helper of torch.testing that clones first",
    "zero_": "a helper of torch.testing that clones first",
    "resize_as_": "a helper of torch.testing that clones first",
}
ANOTHER_ORDER = {"where", "nn.functional.embedding", "nn.functional.embedding_bag"}
"""A helper of torch.testing swaps the arguments."""
MORE_OUTPUTS = {"linalg.lstsq", "masked.median"}
"""A helper of torch.testing returns some of the outputs."""
DTYPES = {
    torch.float32: 480,
    torch.complex64: 300,
    torch.bfloat16: 380,
    torch.int64: 250,
    torch.bool: 170,
}
"""Per dtype how many operators are checked at least: the table must not be empty behind our back."""


class Calls(nn.Module):
    """What runs inside a module is a forward, whatever it returns."""

    def forward(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)


@dataclass
class Ran:
    """A sample that ran: the tensors that went in and came out, and what was recorded."""

    name: str
    inputs: list[torch.Tensor]
    outputs: list[torch.Tensor]
    graph: Graph

    @property
    def changed(self) -> list[torch.Tensor]:
        """The outputs that are not an input as it was: ``contiguous`` and the like often have nothing to do."""
        return [tensor for tensor in self.outputs if not any(tensor is other for other in self.inputs)]


def table(dtype: torch.dtype) -> Iterator[tuple[Any, Any, bool]]:
    from torch.testing._internal.common_methods_invocations import op_db

    for info in op_db:
        if dtype not in info.dtypes or info.name.startswith(("jiterator", "torch.ops.aten._flash", "torch.ops.aten._efficient")):
            continue
        grad = info.supports_autograd and dtype in info.backward_dtypes and dtype.is_floating_point | dtype.is_complex
        samples = info.sample_inputs_func(info, "cpu", dtype, grad)  # sample_inputs() looks at the whole stack's source each time
        yield info, next(iter(samples)), grad


def run(record: Any, info: Any, sample: Any) -> Ran | None:
    """Forward and backward of a sample under recording; None where torch itself refuses it."""
    refused = False
    with record() as sink:
        try:
            result = Calls()(info.op, sample.input, *sample.args, **sample.kwargs)
            outputs = list(tensors_in((result,)))
            roots = [tensor for tensor in outputs if tensor.grad_fn is not None]
            if roots:
                torch.autograd.backward(roots, [torch.ones_like(root) for root in roots])
        except (RuntimeError, NotImplementedError):  # ill-defined gradients, kernels that a CPU lacks
            refused = True
    if refused or info.name in SEVERAL:
        return None
    assert len(sink.traces) <= 1, [trace.label for trace in sink.traces]
    inputs = list(tensors_in((sample.input, sample.args, sample.kwargs)))
    graph = sink.traces[0].graph if sink.traces else Graph(0, "", (), (), (), (), ())
    return Ran(info.name, inputs, outputs, graph)


def described(tensors: list[torch.Tensor]) -> list[tuple[Any, str]]:
    return [(() if t.is_nested else tuple(t.shape), str(t.dtype).removeprefix("torch.")) for t in tensors]


def wrong(ran: Ran) -> str:
    """What the record says wrongly of a sample, or nothing."""
    graph = ran.graph
    ops = [op for op in graph.ops if op.name != "ones_like"]
    if not ran.changed and not ops:
        return ""  # it returned what it was given
    if ran.name.startswith("masked.") and len(ops) > 1:
        return ""  # masked reductions are Python functions over several ops, which torch does not announce as one
    if len(ops) != 1:
        return f"ops: {[op.name for op in ops]}"
    (op,) = ops
    inputs = [(graph.values[i].shape, graph.values[i].dtype) for i in op.inputs]
    outputs = [(graph.values[i].shape, graph.values[i].dtype) for i in op.outputs]
    if ran.name not in ANOTHER_ORDER and inputs != described(ran.inputs):
        return f"inputs: {inputs} for {described(ran.inputs)}"
    if ran.name not in MORE_OUTPUTS and outputs != described(ran.changed or ran.outputs):
        return f"outputs: {outputs} for {described(ran.outputs)}"
    strangers = [node.name for node in graph.nodes if node.op == NONE and node.leaf == NONE]
    return f"Nodes without an op: {strangers}" if strangers else ""


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_each_is_one_op_with_its_inputs_outputs_and_nodes(record, dtype):
    torch.manual_seed(0)
    checked, backwards, found = 0, 0, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for info, sample, grad in table(dtype):
            ran = run(record, info, sample)
            if ran is None:
                continue
            checked += 1
            backwards += bool(ran.graph.nodes)
            if said := wrong(ran):
                found[f"{info.name}.{info.variant_test_name}"] = said
            if grad and any(tensor.grad_fn is not None for tensor in ran.outputs):
                assert any(event.kind == "node" for event in ran.graph.events), info.name
    assert not found
    assert checked >= DTYPES[dtype]
    assert backwards >= checked // 2 or not (dtype.is_floating_point or dtype.is_complex)


def test_what_returns_no_tensor_is_no_op(record):
    with record() as sink:
        w = torch.ones(2, requires_grad=True)
        y = w * 2
        assert [y.sum().item(), torch.allclose(y, y), torch.equal(y, y), len(y), y.size(0)] == [4.0, True, True, 2, 2]
        y.sum().backward()
    assert [op.name for op in sink.traces[0].graph.ops] == ["mul", "sum", "sum"]
