"""Backward: several of them, graphs kept and built, cuts, checkpoints, precision, threads."""

from __future__ import annotations

import gc
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from loops import differentiate, randn, train
from scenario import Row, rows
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential


def net(*widths):
    layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.Tanh())]
    return nn.Sequential(*layers)


# ---------------------------------------------------------------------- several backwards


def two_losses():
    model, x = net(3, 4, 2), randn(5, 3)
    for _ in range(2):
        out = model(x)
        out[:, 0].sum().backward(retain_graph=True)
        out[:, 1].pow(2).sum().backward()
    return model, out


def kept_graph():
    w = randn(3, requires_grad=True)
    loss = (w * w).sum()
    for _ in range(3):
        loss.backward(retain_graph=True)
    return w, loss


def second_derivatives():
    model, x = net(3, 4, 1), randn(2, 3, requires_grad=True)
    for _ in range(2):
        (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
        (slope.pow(2).sum() + model(x).mean()).backward()
    return model, x, slope


def gradients_by_hand():
    model, x = net(3, 4, 2), randn(5, 3)
    for _ in range(2):
        gradients = torch.autograd.grad(model(x).sum(), list(model.parameters()))
        with torch.no_grad():
            for p, g in zip(model.parameters(), gradients, strict=True):
                p -= 0.1 * g
    return model, gradients


def some_gradients():
    a, b, c = (randn(3, requires_grad=True) for _ in range(3))
    loss = (a * b).sum()
    found = torch.autograd.grad(loss, [a, c], allow_unused=True, retain_graph=True)
    many = torch.autograd.grad(a * b, [a], torch.eye(3), is_grads_batched=True)
    torch.autograd.backward([(a * b).sum(), a.prod()], inputs=[a])
    (a * b).backward(torch.ones(3))
    return found, many, a, b, c


def hessian_vector():
    w, v = randn(3, requires_grad=True), randn(3)
    (g,) = torch.autograd.grad(w.pow(3).sum(), w, create_graph=True)
    (h,) = torch.autograd.grad(g, w, v)
    whole = torch.autograd.functional.hessian(lambda x: x.pow(3).sum(), w.detach())
    return (
        w,
        h,
        whole,
        torch.autograd.functional.jacobian(torch.tanh, w.detach()),
        torch.autograd.functional.hvp(torch.sum, w.detach(), v),
    )


def checked_gradients():
    w = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    right = torch.autograd.gradcheck(torch.tanh, w), torch.autograd.gradgradcheck(torch.tanh, w)
    return right, w


def accumulated():
    model = net(3, 4, 2)
    optimizer = torch.optim.Adam(model.parameters())
    for i in range(6):
        (model(randn(4, 3)).pow(2).mean() / 3).backward()
        if i % 3 == 2:
            optimizer.step()
            optimizer.zero_grad(set_to_none=i > 3)
    return model, optimizer


def from_an_edge():
    w = randn(3, requires_grad=True)
    y = w * 2
    edge = torch.autograd.graph.get_gradient_edge(y)
    z = (y * y).sum()
    del y
    found = torch.autograd.grad(z, [edge])
    torch.autograd.backward((w * 3).sum())
    return w, found


def retained():
    w = randn(3, requires_grad=True)
    h = w * 2
    h.retain_grad()
    (h * h).sum().backward()
    return w, h, h.grad


# ---------------------------------------------------------------------- cuts


def cuts():
    model, x = net(3, 4), randn(2, 3)
    for _ in range(2):
        with torch.no_grad():
            first = model(x)
        with torch.inference_mode():
            second = model(x)
        with torch.set_grad_enabled(False):
            third = model(x)
        (model(first[:, :3]) * second.clone() + third + model(x).detach()).sum().backward()
    return model, first, second, third


@torch.no_grad()
def evaluated(model, x):
    model.eval()
    out = [model(x) for _ in range(3)]
    model.train()
    with torch.enable_grad():
        return out, model(x).sum()


def trained_and_evaluated():
    model = nn.Sequential(net(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    kept = []
    for _ in range(2):
        kept.append(train(model, randn(4, 3), steps=1))
        out, loss = evaluated(model, randn(4, 3))
        loss.backward()
        kept += out
    return kept


# ---------------------------------------------------------------------- checkpoints, precision, saved tensors


class Dropping(nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.a, self.drop, self.b, self.settings = nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 2), settings

    def forward(self, x):
        return self.b(checkpoint(lambda t: self.drop(torch.tanh(self.a(t))), x, **self.settings))


def checkpointed(**settings):
    return train(Dropping(**settings), randn(3, 4).requires_grad_())


def nested_checkpoints():
    inner = Dropping(use_reentrant=False)
    model = nn.Sequential(inner, nn.Linear(2, 2))
    return train(CheckpointAll(model), randn(3, 4))


class CheckpointAll(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return checkpoint(self.model, x, use_reentrant=False)


def checkpointed_sequential():
    parts, x = nn.Sequential(*[nn.Linear(4, 4) for _ in range(4)]), randn(2, 4)
    for _ in range(2):
        checkpoint_sequential(parts, 2, x, use_reentrant=False).sum().backward()
    return parts


def mixed_precision(scaler):
    model, scale = net(3, 4, 2), torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for i in range(4):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            out = model(randn(4, 3))
            loss = out.float().pow(2).mean() * (float("inf") if i == 2 else 1)
        if not scaler:
            loss.backward()
            optimizer.step()
            continue
        scale.scale(loss).backward()
        scale.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scale.step(optimizer)
        scale.update()
    return model, out, scale.state_dict()


def packed_saved_tensors():
    w, seen = randn(3, requires_grad=True), []

    def pack(t):
        seen.append(("pack", tuple(t.shape)))
        return t.numpy().copy() if not t.requires_grad else t

    def unpack(t):
        seen.append(("unpack", tuple(t.shape)))
        return t if isinstance(t, torch.Tensor) else torch.from_numpy(t)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = (w.exp() * w).sin()
    y.sum().backward()
    with torch.autograd.graph.save_on_cpu():
        (w * w).sum().backward()
    return w, y, seen


def saved_may_be_written():
    w = randn(3, requires_grad=True)
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        y = w * 2
        z = y.sin()
        y.mul_(3)
        z.sum().backward()
    return w, y


# ---------------------------------------------------------------------- threads


def in_threads(work):
    model, x = net(3, 4, 2), randn(5, 3)
    threads = [threading.Thread(target=work, args=(model, x[i : i + 1])) for i in range(3)]
    for thread in threads:
        thread.start()
        thread.join()  # one at a time: sums of floats depend on their order
    return model


def from_a_pool():
    w = randn(4, 3)

    def work(i):
        leaf = w[i].clone().requires_grad_()
        (leaf * leaf).sum().backward()
        return leaf.grad

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(work, range(4)))
    return found, differentiate(lambda v: v * 2, randn(3))


def dropped_graphs():
    w = randn(3, requires_grad=True)
    for _ in range(3):
        (w * 2).exp()
        gc.collect(0)
        (w * 3).sum().backward()
    return w


TABLE = [
    Row("two losses through one graph", two_losses, "linear getitem sum"),
    Row("retain_graph", kept_graph, "mul sum"),
    Row("create_graph", second_derivatives, "linear tanh pow"),
    Row("autograd.grad", gradients_by_hand, "linear tanh"),
    Row("allow_unused, batched, inputs=, gradient=", some_gradients, "mul sum prod"),
    Row("hessian-vector products", hessian_vector, "pow sum"),
    Row("gradcheck", checked_gradients, "tanh"),
    Row("accumulation", accumulated, "linear tanh zero_grad Adam.step"),
    Row("a gradient edge", from_an_edge, "mul sum"),
    Row("retain_grad", retained, "mul sum"),
    Row("no_grad, inference_mode, detach", cuts, "linear mul clone"),
    Row("evaluation between steps", trained_and_evaluated, "linear batch_norm dropout"),
    Row("checkpoint, reentrant", lambda: checkpointed(use_reentrant=True), "linear"),
    Row("checkpoint", lambda: checkpointed(use_reentrant=False), "linear tanh dropout"),
    Row(
        "checkpoint that leaves the random state",
        lambda: checkpointed(use_reentrant=False, preserve_rng_state=False, determinism_check="none"),
        "linear",
    ),
    Row("a checkpoint inside a checkpoint", nested_checkpoints, "linear"),
    Row("checkpoint_sequential", checkpointed_sequential, "linear"),
    Row("autocast", lambda: mixed_precision(scaler=False), "linear float"),
    Row("autocast and GradScaler", lambda: mixed_precision(scaler=True), "linear float"),
    Row("saved tensors packed", packed_saved_tensors, "exp mul sin"),
    Row("saved tensors written", saved_may_be_written, "sin mul_"),
    Row("backward in threads", lambda: in_threads(lambda m, x: m(x).sum().backward()), "linear tanh"),
    Row("autograd.grad in threads", lambda: in_threads(lambda m, x: train(m, x, steps=1)), "linear tanh"),
    Row("a pool of threads", from_a_pool, "mul sum"),
    Row("graphs dropped without a backward", dropped_graphs, "mul sum"),
]


@pytest.mark.filterwarnings(
    "ignore:.*create_graph=True.*|.*[Dd]eterminis.*|.*non-full backward.*|.*GradScaler.*|.*lr_scheduler.*:Warning"
)
@rows(TABLE)
def test_same_bits(harmless, row):
    harmless(row.program, row.ops)
