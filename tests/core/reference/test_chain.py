"""The whole chain in float64: its numbers are those of the same program in PyTorch and float64, and the errors are rounding."""

from __future__ import annotations

import copy
import re
import weakref
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
import torch
from custom import Swish
from torch import nn
from torch.nn import functional as F

import gradwalk
from gradwalk.recording.samples import sample_indices
from gradwalk.reference.chain import chain, chain_of
from gradwalk.sample import sample_trace
from gradwalk.trace import NONE

EPS = 2.0**-24


class Words(nn.Module):
    """A transformer of one block: embedding, attention by hand and by PyTorch, norms, GELU."""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(11, 8), nn.Embedding(5, 8)
        self.ln1, self.ln2, self.qkv, self.proj = nn.LayerNorm(8), nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)
        self.fc, self.out, self.head = nn.Linear(8, 32), nn.Linear(32, 8), nn.Linear(8, 11, bias=False)

    def forward(self, words):
        x = self.words(words) + self.places(torch.arange(words.shape[1]))
        q, k, v = (part.view(2, 5, 2, 4).transpose(1, 2) for part in self.qkv(self.ln1(x)).split(8, dim=2))
        first = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        scores = (q @ k.transpose(-2, -1)) / 2.0
        hidden = torch.ones(5, 5).tril() == 0
        second = F.softmax(scores.masked_fill(hidden, float("-inf")), dim=-1) @ v
        x = x + self.proj((first + second).transpose(1, 2).contiguous().view(2, 5, 8))
        return self.head(x + self.out(F.gelu(self.fc(self.ln2(x)))))


@pytest.fixture
def recorded(tmp_path):
    """Records the steps of a program, with every tensor."""
    opened = []

    def record(step, steps=1):
        folder = tmp_path / f"run{len(opened)}"
        with gradwalk.record(folder, level="tensors"):
            for number in range(steps):
                step(number)
        opened.append(gradwalk.open_recording(folder))
        return opened[-1]

    yield record
    for recording in opened:
        recording.close()


def gradients(trace, steps=None, place=0):
    """The chain of a step, and the float64 ``.grad`` of each leaf by its name."""
    found = {}

    def heard(key, array):
        edge = trace.graph.edges[key[1]] if key[0] == "gradient" else None
        if edge is not None and edge.target == NONE:
            found[trace.graph.values[edge.value].name] = np.asarray(array)

    return (chain(trace, heard=heard) if steps is None else chain_of(steps, place, heard=heard)), found


def agree(found, module, prefix="net."):
    """Whether gradients are those of a float64 module, to what float64 rounds."""
    wanted = {prefix + name: parameter.grad.numpy() for name, parameter in module.named_parameters()}
    assert set(found) == set(wanted)
    most = max(np.abs(array).max() for array in wanted.values())
    for name, array in wanted.items():
        assert np.abs(found[name] - array).max() <= 1e-12 * max(np.abs(array).max(), 1e-3 * most), name


def errors(trace, made):
    """Per parameter, by name, the relative error of its ``.grad``."""
    edges = trace.graph.edges
    return {trace.graph.values[edges[edge].value].name: one for edge, one in made.gradients.items() if edges[edge].target == NONE}


def test_the_two_layer_net_is_off_by_float32_rounding_alone_and_the_chain_is_pytorch_in_float64(recorded):
    torch.manual_seed(0)
    x, y, first, second = torch.randn(16, 50), torch.randn(16, 4), torch.randn(50, 20), torch.randn(20, 4)

    w1, w2 = (weight.clone().requires_grad_() for weight in (first, second))

    def step(x, y, w1, w2):
        y_pred = x.mm(w1).clamp(min=0).mm(w2)
        loss = (y_pred - y).pow(2).sum()
        loss.backward()

    trace = recorded(lambda _: step(x, y, w1, w2))[0]
    made, found = gradients(trace)
    twins = [tensor.double() for tensor in (x, y)] + [weight.double().requires_grad_() for weight in (first, second)]
    step(*twins)
    for name, wanted in zip(("w1", "w2"), twins[2:], strict=True):
        assert np.abs(found[name] - wanted.grad.numpy()).max() <= 1e-13 * wanted.grad.abs().max()
    assert not made.restarts
    assert not made.sentence
    assert {one.relative for one in errors(trace, made).values()} != {0.0}
    assert all(one.relative < 20 * EPS for one in (*made.gradients.values(), *made.values.values()))
    [loss] = made.losses
    assert made.values[loss].relative == abs(trace.loss - _loss(trace)) / _loss(trace)
    assert made.values[loss].depth == 0
    depth = {trace.graph.values[trace.graph.edges[edge].value].name: one.depth for edge, one in made.gradients.items()}
    assert (depth["loss"], depth["w2"], depth["w1"]) == (0, 4, 6)


def _loss(trace):
    """The loss of the two-layer net in plain float64 NumPy, from the recorded leaves."""
    leaves = {
        value.name: trace.tensors["value", value.id].data.astype(np.float64) for value in trace.graph.values if value.op == NONE
    }
    x, y, w1, w2 = leaves["x"], leaves["y"], leaves["w1"], leaves["w2"]
    return ((np.maximum(x @ w1, 0) @ w2 - y) ** 2).sum()


def test_the_error_of_a_deep_net_grows_with_the_distance_from_the_loss(recorded):
    torch.manual_seed(0)
    layers = [layer for _ in range(30) for layer in (nn.Linear(24, 24), nn.Tanh())]
    for layer in layers[::2]:
        nn.init.orthogonal_(layer.weight, gain=1.2)
    net, x = nn.Sequential(*layers), torch.randn(8, 24)
    twin = copy.deepcopy(net).double()
    trace = recorded(lambda _: net(x).square().mean().backward())[0]
    made, found = gradients(trace)
    twin(x.double()).square().mean().backward()
    agree(found, twin)
    weights = [one for name, one in errors(trace, made).items() if name.endswith("weight")]
    assert sorted(weights, key=lambda one: one.depth) == weights, "30 layers, the last first"
    near, far = ([one.rms for one in part] for part in (weights[:8], weights[-8:]))
    assert np.mean(far) > 1.5 * np.mean(near)
    assert max(far) < 1e-5


def test_an_mlp_with_a_custom_function_batch_norm_and_dropout_from_its_mask(recorded):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.4), nn.Linear(16, 5))
    x, classes = torch.randn(12, 6), torch.randint(0, 5, (12,))
    twin = copy.deepcopy(net).double()
    trace = recorded(lambda _: F.cross_entropy(Swish.apply(net(x)), classes).backward())[0]
    made, found = gradients(trace)
    [dropout] = [op for op in trace.graph.ops if op.name == "dropout"]
    mask = trace.tensors["value", dropout.outputs[0]].data != 0
    h = twin[2](twin[1](twin[0](x.double()))) * torch.from_numpy(mask) / (1 - 0.4)
    z = twin[4](h)
    F.cross_entropy(z * torch.sigmoid(z), classes).backward()
    agree(found, twin)
    assert not made.restarts
    by_name = errors(trace, made)
    assert by_name.pop("net.0.bias").cancelled, "a bias before a batch norm has no gradient but rounding"
    assert all(one.relative < 100 * EPS and not one.cancelled for one in by_name.values())


def test_a_transformer(recorded):
    torch.manual_seed(0)
    net, words = Words(), torch.randint(0, 11, (2, 5))
    twin = copy.deepcopy(net).double()
    trace = recorded(lambda _: F.cross_entropy(net(words).view(-1, 11), words.view(-1)).backward())[0]
    made, found = gradients(trace)
    F.cross_entropy(twin(words).view(-1, 11), words.view(-1)).backward()
    agree(found, twin, "")
    assert not made.restarts
    assert {trace.graph.ops[op].name for op in made.drawn} == {"arange", "ones", "eq", "view"}
    assert all(one.relative < 100 * EPS for one in errors(trace, made).values() if not one.cancelled)


def test_micro_batches_add_up_in_float64(recorded):
    torch.manual_seed(0)
    net, data = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1)), torch.randn(2, 7, 5)
    twin, optimizer = copy.deepcopy(net).double(), torch.optim.SGD(net.parameters(), 0.1)

    def step(number):
        (net(data[number]).square().mean() / 2).backward()
        if number:
            optimizer.step()
            optimizer.zero_grad()

    steps = recorded(step, 2)
    first, found = gradients(steps[0], steps, 0)
    (twin(data[0].double()).square().mean() / 2).backward()
    agree(found, twin)
    both, found = gradients(steps[1], steps, 1)
    (twin(data[1].double()).square().mean() / 2).backward()
    agree(found, twin)
    assert not first.sentence
    assert not both.sentence
    alone, found = gradients(steps[1])
    assert alone.sentence.startswith("what .grad held before this step is taken from the recording (net.2.bias, ")
    assert all(one.relative < 20 * EPS for one in errors(steps[1], alone).values())


def test_under_autocast_and_a_scaler_the_error_is_that_of_bfloat16(recorded):
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 3)), torch.randn(9, 16)
    twin, scaler = copy.deepcopy(net).double(), torch.amp.GradScaler("cpu", init_scale=256.0)

    def step(_):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = net(x).float().square().mean()
        scaler.scale(loss).backward()

    trace = recorded(step)[0]
    made, found = gradients(trace)
    (twin(x.double()).square().mean() * 256).backward()
    if not made.flips:
        agree(found, twin)
    assert all(1e-4 < one.relative < 0.1 for one in errors(trace, made).values())
    unscaled = chain(gradwalk.scales.unscaled(trace))
    assert unscaled.gradients == made.gradients, "the factor is in the recording, whoever takes it out for a view"


def test_cuts_several_backwards_and_what_a_backward_was_asked_for(recorded):
    torch.manual_seed(0)
    w, x = torch.randn(4, 4), torch.randn(4)

    def step(dtype):
        v = w.detach().clone().to(dtype).requires_grad_()
        h = v @ x.to(dtype)
        with torch.no_grad():
            size = h.abs().sum()
        fixed = h.detach() * 2
        z = (h * fixed / size).sum()
        z.backward(retain_graph=True)
        (torch.autograd.grad(z, h, retain_graph=True)[0] * 0).sum()
        (h * h).backward(torch.arange(4.0, dtype=dtype))
        return v.grad

    trace = recorded(lambda _: step(torch.float32))[0]
    stored = [
        edge for edge in trace.graph.edges if edge.target == NONE and not edge.none and ("gradient", edge.id) in trace.tensors
    ]
    heard = {}
    made = chain(trace, heard=heard.__setitem__)
    last = heard["gradient", stored[-1].id]
    wanted = step(torch.float64).numpy()
    assert np.abs(last - wanted).max() <= 1e-13 * np.abs(wanted).max()
    assert len({edge.backward for edge in stored}) == 2
    assert all(one.relative < 20 * EPS for one in made.gradients.values())


def test_an_op_without_a_formula_is_a_place_where_the_chain_begins_again(recorded):
    torch.manual_seed(0)
    w, x = torch.randn(5, requires_grad=True), torch.rand(6, 5)
    trace = recorded(lambda _: (x * w).lgamma().sinc().sum(dim=1).exp().sum().backward())[0]
    made = chain(trace)
    names = [(trace.graph.ops[one.op].name, one.back, one.reason) for one in made.restarts]
    assert names == [("lgamma", False, "there is no formula for lgamma"), ("sinc", False, "there is no formula for sinc")]
    assert errors(trace, made)["w"].relative < 20 * EPS
    ops = {trace.graph.ops[trace.graph.values[value].op].name for value in made.values}
    assert ops == {"mul", "sum", "exp"}, "what was taken from the recording has no error of its own"


def test_a_relu_that_is_on_in_float64_and_was_off_is_told(recorded):
    x = torch.tensor([[1e8, 1.0, -1e8], [1.0, 2.0, 3.0]])
    w = torch.tensor(1.0, requires_grad=True)
    trace = recorded(lambda _: ((x * w).cumsum(1)[:, 2] - 0.5).relu().sum().backward())[0]
    assert not chain(trace).flips, "torch adds up in float64 here"
    trace = recorded(lambda _: (x.mv(torch.ones(3)) * w - 0.5).relu().sum().backward())[0]
    made = chain(trace)
    [mv] = [op for op in trace.graph.ops if op.name == "mv"]
    if trace.tensors["value", mv.outputs[0]].data[0] == 0:  # else this machine adds in another order
        assert [(trace.graph.ops[flip.op].name, flip.elements) for flip in made.flips] == [("relu", 1)]
        assert errors(trace, made)["w"].relative > 0.01


def test_a_comparison_that_comes_out_otherwise_is_told_and_followed_as_it_was(recorded):
    torch.manual_seed(0)
    a, w = torch.tensor(3.0), torch.tensor(1.0 / 3.0, requires_grad=True)
    x = torch.randn(4)
    trace = recorded(lambda _: (torch.where(a * w > 1.0, x, 2 * x) * w).sum().backward())[0]
    made = chain(trace)
    [compared] = [op for op in trace.graph.ops if op.name in ("gt", "__gt__")]
    assert compared.id in made.drawn
    assert float(np.float32(1 / 3)) * 3 > 1
    assert not trace.tensors["value", compared.outputs[0]].data, "float32 rounds it to 1"
    assert [(flip.op, flip.elements) for flip in made.flips] == [(compared.id, 1)]
    assert errors(trace, made)["w"].relative < 20 * EPS


def test_writes_through_views_and_a_backward_of_a_backward_go_on_from_the_record(recorded):
    torch.manual_seed(0)
    w, x = torch.randn(3, 3, requires_grad=True), torch.randn(3)

    def step(_):
        y = (w @ x).tanh() * 0.5
        y[1] = y[0] * 2
        y[:2].mul_(3)
        (g,) = torch.autograd.grad((y * y).sum(), w, create_graph=True)
        (g**2).sum().backward()

    trace = recorded(step)[0]
    made = chain(trace)
    assert made.sentence == "gradients through a backward of a backward go on from the recorded ones"
    assert {trace.graph.ops[one.op].name for one in made.restarts} >= {"mul_"}
    assert all(one.relative < 100 * EPS for one in made.gradients.values())
    assert {trace.graph.values[edge.value].name for edge in trace.graph.edges if edge.id in made.gradients} >= {"w"}


def test_it_says_which_leaf_is_missing_and_what_to_do():
    trace = sample_trace()
    assert not chain(trace).sentence
    none = chain(replace(trace, tensors=MappingProxyType({})))
    todo = "record it with --level tensors, or pin the step: gradwalk run --pin N"
    assert none.sentence == f"not computed: the elements of x are not in step 0 of the recording; {todo}"
    assert not none.values
    assert not none.gradients
    w1 = next(value.id for value in trace.graph.values if value.name == "w1")
    kept = trace.tensors["value", w1]
    part = {**trace.tensors, ("value", w1): replace(kept, data=kept.data.ravel()[:8], complete=False)}
    assert (
        chain(replace(trace, tensors=part)).sentence == f"not computed: only a sample of w1 is in step 0 of the recording; {todo}"
    )


def test_of_a_step_too_large_for_a_recording_it_says_so():
    trace = sample_trace()
    large = {value.id: (1000, *value.shape) for value in trace.graph.values}
    sentence = chain(replace(trace, tensors=MappingProxyType({}), shapes=large)).sentence
    start = "not computed: the elements of x are not in step 0 of the recording; "
    assert re.fullmatch(start + r"a recording takes at most 26 MB of a step, and this one has \d,\d+ MB of tensors", sentence)


def test_from_the_leaves_alone_and_samples_of_the_rest():
    trace = sample_trace()
    whole = chain(trace)
    leaves = {key: kept for key, kept in trace.tensors.items() if key[0] == "value" and trace.graph.values[key[1]].op == NONE}
    made = chain(replace(trace, tensors=leaves))
    assert not made.sentence
    assert not made.gradients, "nothing was recorded to measure them by"
    sampled = {
        key: kept if key in leaves else replace(kept, data=kept.data.ravel()[sample_indices(kept.data.size)], complete=False)
        for key, kept in trace.tensors.items()
    }
    made = chain(replace(trace, tensors=sampled))
    assert set(made.gradients) == set(whole.gradients)
    assert all(one.sampled or kept.data.size <= 1024 for one, kept in _with_kept(trace, made))
    for edge, one in made.gradients.items():
        assert one.relative < 20 * EPS, "a sample is measured at the places that it was taken from"
        assert one.rms < 3 * whole.gradients[edge].rms + EPS


def _with_kept(trace, made):
    return [(one, trace.tensors["gradient", edge]) for edge, one in made.gradients.items()]


def test_a_wrong_gradient_shows_from_where_it_is_on():
    trace = sample_trace()
    mm = [op for op in trace.graph.ops if op.name == "mm"][1]
    edge = next(edge.id for edge in trace.graph.edges if edge.value == mm.inputs[0])
    kept = trace.tensors["gradient", edge]
    wrong = replace(trace, tensors={**trace.tensors, ("gradient", edge): replace(kept, data=kept.data * np.float32(1.01))})
    assert chain(wrong).gradients[edge].relative == pytest.approx(0.01, rel=1e-3)


def test_it_can_be_stopped_and_lets_go_of_what_nothing_needs():
    trace, told, alive, left = sample_trace(), [], [], []

    def heard(key, array):
        if key[0] == "value":
            alive.append(weakref.ref(array) if array.ndim else lambda: None)

    def on(done, all_):
        told.append((done, all_))
        left.append(sum(one() is not None for one in alive))
        return True

    assert chain(trace, on, heard=heard).complete
    assert told == [(done, told[0][1]) for done in range(told[0][1] + 1)]
    assert max(left) >= 4
    assert left[-1] == 0, "the last backward has come through"
    stopped = chain(trace, lambda done, all_: done < 3)
    assert not stopped.complete
    assert len(stopped.values) == 3
    assert not stopped.gradients
