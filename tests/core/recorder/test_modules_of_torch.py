"""Modules and idioms with ops of their own kind: recurrent nets, attention, embeddings, einsum, scatter, control flow, dtypes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gradwalk.trace import NONE


def made(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.constant_(parameter, 0.1)
    return module


X = torch.linspace(-1, 1, 24).view(2, 3, 4)
LSTM, GRU, RNN, CELL = made(nn.LSTM(4, 5, 2)), made(nn.GRU(4, 5)), made(nn.RNN(4, 5)), made(nn.LSTMCell(4, 5))
ATTENTION = made(nn.MultiheadAttention(4, 2, batch_first=True))
ENCODER = made(nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True))
BAG, SPARSE = made(nn.EmbeddingBag(6, 4)), made(nn.Embedding(6, 4, sparse=True))
W = torch.ones(4, 4, requires_grad=True)
IDS = torch.tensor([0, 2, 2])


def packed() -> torch.Tensor:
    sequence = pack_padded_sequence(X, [3, 2], batch_first=True)
    return pad_packed_sequence(GRU(sequence)[0], batch_first=True)[0]


def cells() -> torch.Tensor:
    state = None
    for x in X.unbind(1):
        state = CELL(x, state)
    return state[0]


def branches() -> torch.Tensor:
    h = X @ W
    return h.relu() if h.sum() > 0 else h.tanh()


def scattered() -> torch.Tensor:
    return torch.zeros(4, 4).scatter(0, torch.zeros(1, 4, dtype=torch.long), W[:1]).gather(1, torch.zeros(4, 1, dtype=torch.long))


CASES: dict[str, tuple[Callable[[], torch.Tensor], list[str]]] = {
    "LSTM": (lambda: LSTM(X)[0], ["zeros", "zeros", "lstm"]),
    "GRU, packed": (packed, ["_pack_padded_sequence", "gru", "_pad_packed_sequence"]),
    "RNN": (lambda: RNN(X)[0], ["zeros", "rnn_tanh"]),
    "LSTMCell": (cells, ["unbind", "zeros", "lstm_cell", "lstm_cell", "lstm_cell"]),
    "attention": (lambda: ATTENTION(X, X, X)[0], ["multi_head_attention_forward"]),
    "sdpa": (lambda: nn.functional.scaled_dot_product_attention(X @ W, X, X), ["matmul", "scaled_dot_product_attention"]),
    "encoder layer": (lambda: ENCODER(X), ["multi_head_attention_forward", "layer_norm", "linear", "relu", "layer_norm"]),
    "EmbeddingBag": (lambda: BAG(IDS, torch.tensor([0, 2])), ["embedding_bag"]),
    "sparse embedding": (lambda: SPARSE(IDS), ["embedding"]),
    "einsum": (lambda: torch.einsum("bij,jk->bik", X, W), ["einsum"]),
    "scatter, gather": (scattered, ["scatter", "gather"]),
    "where": (lambda: torch.where(X > 0, X @ W, torch.tensor(0.0)), ["gt", "matmul", "where"]),
    "control flow": (branches, ["matmul", "sum", "gt", "tanh"]),
    "complex": (lambda: torch.fft.rfft(X @ W).abs(), ["matmul", "fft_rfft", "abs"]),
    "bfloat16": (lambda: (X.bfloat16() @ W.bfloat16()).float(), ["bfloat16", "bfloat16", "matmul", "float"]),
    "zero size": (lambda: (X[:0] @ W).sum() + W.sum(), ["getitem", "matmul", "sum", "sum", "add"]),
    "linalg": (lambda: torch.linalg.norm(X @ W, dim=-1), ["matmul", "linalg_norm"]),
    "special": (lambda: torch.special.expit(X @ W), ["matmul", "special_expit"]),
    "out=": (lambda: torch.mul(X.sum(), 2, out=torch.empty(())) * W, ["sum", "mul", "mul"]),
    "split, cat": (lambda: torch.cat((X @ W).split(1)), ["matmul", "split", "cat"]),
    "autocast": (lambda: _cast(lambda: X @ W), ["matmul"]),
}


def _cast(call: Callable[[], torch.Tensor]) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return call()


@pytest.mark.parametrize("name", CASES)
def test_its_ops_are_recorded_and_own_its_nodes(record, name):
    call, names = CASES[name]
    plain = call()
    with record() as sink:
        result = call()
        result.sum().backward()
    assert torch.equal(result, plain)
    (trace,) = sink.traces
    graph = trace.graph
    recorded = [op.name for op in graph.ops][:-1]  # the last is the sum
    kept = iter(recorded)
    assert all(any(name == other for other in kept) for name in names), recorded
    assert set(recorded) <= {*names, "index_select", "select", "getitem", "zeros", "ones", "transpose", "linear", "tensor", "add"}
    strangers = [node.name for node in graph.nodes if node.op == NONE and node.leaf == NONE]
    assert not strangers
    assert any(event.kind == "accumulate" for event in graph.events)
