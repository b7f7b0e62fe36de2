"""Attention with dropout against its formula, from the mask that was drawn: right ops agree, wrong ones do not."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import gradwalk
from gradwalk.reference.chain import chain
from gradwalk.reference.checking import check
from gradwalk.reference.whole import check_step
from gradwalk.trace import Kept

sys.path.insert(0, str(Path(__file__).parent))
from right import agreeing, each_dtype, largest_of, normal, ops, planted, recorded, sentences

ATTENTION, HEADS = "scaled_dot_product_attention", "multi_head_attention_forward"
NO_MASK = "not checked: attention with dropout has no formula: its mask is not recorded"
BOTH = {"bidirectional": True, "batch_first": True}
SEEN = torch.tensor([[True, False, True], [True, True, False], [False, False, False], [False, True, True]])


def masks(trace):
    return {number: kept for (kind, number), kept in trace.tensors.items() if kind == "mask"}


@each_dtype
def test_attention_with_dropout_agrees_in_all_its_forms(dtype, tmp_path):
    q, k, v = normal(2, 4, 4, 8, dtype=dtype), normal(2, 4, 3, 8, dtype=dtype), normal(2, 4, 3, 8, dtype=dtype)
    few, bias = [normal(2, 2, 3, 8, dtype=dtype) for _ in "kv"], normal(4, 3, dtype=dtype)

    def program():
        made = [
            F.scaled_dot_product_attention(q, k, v, None, 0.3),
            F.scaled_dot_product_attention(q, k, v, SEEN, 0.1),
            F.scaled_dot_product_attention(q, k, v, bias, 0.5, scale=0.7),
            F.scaled_dot_product_attention(q, k, v, dropout_p=0.2, is_causal=True),
            F.scaled_dot_product_attention(q, *few, dropout_p=0.3, enable_gqa=True),
            F.scaled_dot_product_attention(q, k, v, dropout_p=0.9),
            F.scaled_dot_product_attention(q[0, 0], k[0, 0], v[0, 0], dropout_p=0.5),
        ]
        sum(one.float().sin().sum() for one in made).backward()

    trace = agreeing(tmp_path / "run", program, ATTENTION)
    drawn = [masks(trace)[op.id] for op in ops(trace, ATTENTION)]
    assert [(one.dtype, one.data.dtype, one.complete) for one in drawn] == [("bool", np.dtype(bool), True)] * 7
    assert [one.shape for one in drawn] == [(2, 4, 4, 3)] * 6 + [(4, 3)]
    assert all(row.agrees for op in ops(trace, ATTENTION) for row in check(trace, op).verdict.rows)


def test_nothing_is_dropped_and_all_is(tmp_path):
    q = normal(2, 4, 8)
    heads = nn.MultiheadAttention(8, 2, dropout=1.0)

    def program():
        none, all_ = (F.scaled_dot_product_attention(q, q, q, dropout_p=p) for p in (0.0, 1.0))
        (none.sin().sum() + all_.sin().sum() + heads(q, q, q)[0].sin().sum()).backward()

    trace = agreeing(tmp_path / "run", program, ATTENTION, HEADS)
    nothing, everything = ops(trace, ATTENTION)
    assert nothing.id not in masks(trace)
    assert not masks(trace)[everything.id].data.any()
    assert not trace.tensors["value", everything.outputs[0]].data.any()


def test_heads_with_dropout_agree_with_their_weights_and_without(tmp_path):
    heads, first = nn.MultiheadAttention(8, 2, dropout=0.3), nn.MultiheadAttention(8, 4, dropout=0.1, batch_first=True)
    x, y, padding = normal(4, 3, 8), normal(5, 3, 8), torch.tensor([[False] * 5, [False] * 4 + [True], [False] * 5])

    def program():
        made = [
            *heads(x, y, y),
            *heads(x, y, y, average_attn_weights=False),
            *heads(x, y, y, key_padding_mask=padding),
            heads(x, y, y, need_weights=False)[0],
            heads(x, y, y, attn_mask=torch.randn(6, 4, 5), need_weights=False)[0],
            *first(x, x, x, attn_mask=nn.Transformer.generate_square_subsequent_mask(3)),
            *heads(x[:, 0], y[:, 0], y[:, 1]),
            heads(x[:, 0], y[:, 0], y[:, 1], need_weights=False)[0],
        ]
        sum(one.sin().sum() for one in made).backward()

    agreeing(tmp_path / "run", program, HEADS)


@pytest.mark.parametrize("batch", [3, 5], ids=["", "as many sequences as words"])
@pytest.mark.parametrize("dtype", [None, torch.bfloat16, torch.float16], ids=str)
def test_the_layers_of_a_transformer_agree_as_they_are_made(dtype, batch, tmp_path):
    torch.manual_seed(0)
    encoder, decoder = nn.TransformerEncoderLayer(8, 2, 16), nn.TransformerDecoderLayer(8, 2, 16)
    x = torch.randn(5, batch, 8)
    aside = contextlib.nullcontext() if dtype is None else torch.autocast("cpu", dtype)

    def program():
        with aside:
            made = decoder(x, encoder(x), nn.Transformer.generate_square_subsequent_mask(5)).pow(2).sin().mean()
        made.backward()

    trace = agreeing(tmp_path / "run", program, HEADS, "dropout", "layer_norm", "linear", "add")
    assert [op.name for op in trace.graph.ops if op.id in masks(trace)] == [HEADS] * 3
    assert {name for name, _ in sentences(trace)} <= {"full", "ones", "triu"}
    made = chain(trace)
    assert not [one for one in made.restarts if trace.graph.ops[one.op].name == HEADS]
    assert made.complete


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_recurrent_layers_with_dropout_between_them_agree(dtype, kind, tmp_path):
    plain, wide = (kind(5, 3, layers, dropout=0.3, **more) for layers, more in ((2, {}), (3, BOTH)))
    x = normal(6, 4, 5)

    def program():
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            made = [plain(x)[0], wide(x)[0], plain(x[0])[0]]
        sum(one.float().sin().sum() for one in made).backward()

    name = {nn.LSTM: "lstm", nn.GRU: "gru", nn.RNN: "rnn_tanh"}[kind]
    trace = agreeing(tmp_path / "run", program, name)
    assert [kept.shape for kept in masks(trace).values()] == [(1, 6, 4, 3), (2, 4, 6, 6), (1, 4, 1, 3)]
    first = ops(trace, name)[0]
    turned = masks(trace)[first.id]
    data = turned.data.copy()
    data.flat[3 if dtype == torch.float32 else slice(None)] ^= True  # a single one may be less than bfloat16 rounds
    assert check(with_mask(trace, first, replace(turned, data=data)), first).verdict.agrees is False
    for kept, sentence in (
        (None, "layers with dropout between them have no formula: its mask is not recorded"),
        (Kept(turned.data[:, :, :1], "bool", (1, 6, 1, 3)), "has the shape [1, 6, 1, 3], and what it drops of"),
    ):
        assert sentence in check(with_mask(trace, first, kept), first).verdict.sentence


@pytest.mark.parametrize("name", [ATTENTION, HEADS])
def test_a_planted_error_is_found(name, tmp_path):
    q, heads = normal(2, 4, 8), nn.MultiheadAttention(8, 2, dropout=0.3)
    run = {
        ATTENTION: lambda: F.scaled_dot_product_attention(q, q, q, dropout_p=0.3).sin().sum().backward(),
        HEADS: lambda: heads(q, q, q)[0].sin().sum().backward(),
    }[name]
    trace = agreeing(tmp_path / "run", run, name)
    (op,) = ops(trace, name)
    for row in check(trace, op).verdict.rows:
        place, size = largest_of(trace, row.tensor)
        wrong = check(planted(trace, row.tensor, place, 1e-3 * size), op).verdict
        assert wrong.agrees is False, row.symbol
        assert row.symbol in [one.symbol for one in wrong.rows if not one.agrees]
    turned = masks(trace)[op.id]
    data = turned.data.copy()
    data.flat[3] ^= True
    assert check(with_mask(trace, op, replace(turned, data=data)), op).verdict.agrees is False


class Halved(torch.autograd.Function):
    """An attention whose backward forgets that half was dropped."""

    @staticmethod
    def forward(ctx, q, noise):
        ctx.save_for_backward(q, noise)
        return (q @ q.mT).softmax(-1) * noise @ q

    @staticmethod
    def backward(ctx, g):
        q, _ = ctx.saved_tensors
        with torch.enable_grad():
            x = q.detach().requires_grad_()
            return torch.autograd.grad((x @ x.mT).softmax(-1) @ x, x, g)[0], None


def test_a_function_that_forgets_the_mask_in_its_backward_is_not_taken_for_right(tmp_path):
    q, noise = normal(2, 4, 8), (torch.rand(2, 4, 4) > 0.5) * 2.0
    trace = recorded(tmp_path / "run", lambda: Halved.apply(q, noise).sin().sum().backward())
    (op,) = [one for one in trace.graph.ops if one.custom]
    found = check(trace, op).verdict
    assert [row.symbol for row in found.rows if not row.agrees] == ["dL/dq"]
    assert found.agrees is None, "a file alone does not tell a mistake from what is meant"


def with_mask(trace, op, kept):
    others = {key: one for key, one in trace.tensors.items() if key[0] != "mask"}
    return replace(trace, tensors=MappingProxyType(others if kept is None else {**others, ("mask", op.id): kept}))


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [
        (None, NO_MASK.removeprefix("not checked: ")),
        (Kept(np.ones((2, 4, 5), bool), "bool", (2, 4, 5)), "the shape [2, 4, 5], and its weights [2, 4, 4]"),
        (Kept(np.ones((9, 1, 1, 1), bool), "bool", (9, 1, 1, 1)), "the shape [9, 1, 1, 1], and its weights [2, 4, 4]"),
        (Kept(np.ones((2, 4, 4), np.float32), "float32", (2, 4, 4)), "does not hold truth values"),
        (Kept(np.ones((2, 4, 4), object), "bool", (2, 4, 4)), "does not hold truth values"),
        (Kept(np.ones(8, bool), "bool", (2, 4, 4), complete=False), "only a sample of the mask of its dropout is recorded"),
    ],
)
def test_a_mask_that_is_not_there_or_not_of_the_op_is_a_sentence(kept, sentence, tmp_path):
    q = normal(2, 4, 8)
    trace = recorded(tmp_path / "run", lambda: F.scaled_dot_product_attention(q, q, q, dropout_p=0.3).sin().sum().backward())
    (op,) = ops(trace, ATTENTION)
    trace = with_mask(trace, op, kept)
    found = check(trace, op).verdict
    assert found.rows == ()
    assert found.sentence.startswith("not checked: ")
    assert sentence in found.sentence
    (restart,) = chain(trace).restarts
    assert sentence in restart.reason


def test_without_nodes_that_can_be_read_it_is_said_that_the_mask_is_not_recorded(tmp_path):
    q = normal(2, 4, 8)
    ran = []

    def packed(tensor):
        ran.append("pack")
        return tensor

    def program():
        with torch.no_grad():
            F.scaled_dot_product_attention(q, q, q, dropout_p=0.3)
        with torch.autograd.graph.saved_tensors_hooks(packed, lambda tensor: ran.append("unpack") or tensor):
            made = F.scaled_dot_product_attention(q, q, q, dropout_p=0.3)
        before = ran.count("unpack")
        made.sin().sum().backward()
        assert before == 0, "the script's hooks are the script's"

    trace = recorded(tmp_path / "run", program)
    assert not masks(trace)
    assert sentences(trace) == {(ATTENTION, NO_MASK)}


def test_a_recording_without_tensors_says_what_it_said(tmp_path):
    q = normal(2, 4, 8)
    with gradwalk.record(tmp_path / "run", level="structure"):
        F.scaled_dot_product_attention(q, q, q, dropout_p=0.3).sin().sum().backward()
    with gradwalk.open_recording(tmp_path / "run") as recording:
        assert len(recording[0].tensors) == 0
        found = check_step(recording[0])
        assert {verdict.sentence.partition(" of ")[0] for verdict in found.verdicts.values()} <= {"not checked: the elements"}
        assert not found.wrong


def test_a_step_whose_tensors_are_cut_to_samples_has_no_mask(tmp_path):
    q = normal(1, 1, 2200, 4)
    with gradwalk.record(tmp_path / "run"):
        for _ in range(6):
            F.scaled_dot_product_attention(q, q, q, dropout_p=0.3).sin().sum().backward()
    with gradwalk.open_recording(tmp_path / "run") as recording:
        assert masks(recording[0])[0].complete
        assert not masks(recording[5]), "above 64 KB"


@pytest.mark.parametrize("p", [0.0, 0.5])
def test_chances_below_the_normal_numbers_are_not_held_against_an_attention(p, tmp_path):
    q, k, v = normal(1, 4, 33, 32, size=10), normal(1, 4, 64, 32, size=10), normal(1, 4, 64, 32, size=10)
    weights = torch.randn(1, 4, 33, 32)

    def program():
        for _ in range(4):
            (F.scaled_dot_product_attention(q, k, v, dropout_p=p) * weights).sum().backward()

    agreeing(tmp_path / "run", program, ATTENTION)
