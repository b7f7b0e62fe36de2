"""Hooks of the user's: on tensors, Nodes and modules."""

from __future__ import annotations

import itertools

import pytest
import torch
from loops import randn, train
from scenario import Row, rows
from torch import nn


def net(*widths):
    layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.Tanh())]
    return nn.Sequential(*layers)


def tensor_hooks():
    w, seen = randn(3, requires_grad=True), []
    for _ in range(2):
        h = w * 2
        h.register_hook(lambda g: seen.append(g.clone()))
        h.register_hook(lambda g: g * 3)
        handle = w.register_hook(lambda g: g + 1)
        (h * h).sum().backward()
        handle.remove()
    return w, seen


def accumulation_hooks():
    w, seen = randn(3, requires_grad=True), []
    optimizer = torch.optim.SGD([w], 0.1)

    def step(parameter):
        seen.append(parameter.grad.clone())
        optimizer.step()
        optimizer.zero_grad()

    w.register_post_accumulate_grad_hook(step)
    for _ in range(3):
        (w * w).sum().backward()
    return w, seen


def node_hooks():
    w, seen = randn(3, requires_grad=True), []
    for _ in range(2):
        y = w.exp()
        z = y.sin()
        z.grad_fn.register_prehook(lambda g: (g[0] * 2,))
        z.grad_fn.register_hook(lambda inputs, outputs: seen.append((inputs[0].clone(), outputs[0].clone())))
        y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] + 1,))
        z.sum().backward()
    return w, seen


def multi_hooks():
    a, b, seen = randn(3, requires_grad=True), randn(3, requires_grad=True), []
    torch.autograd.graph.register_multi_grad_hook([a, b], lambda g: seen.append([x.clone() for x in g]))
    torch.autograd.graph.register_multi_grad_hook([a, b], lambda g: seen.append(g.clone()), mode="any")
    for _ in range(2):
        (a * b).sum().backward()
    return a, b, seen


def module_hooks():
    model, seen = net(3, 4, 2), []
    model[0].register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    model[0].register_forward_hook(lambda m, args, out: out + 1)
    model[1].register_forward_hook(lambda m, args, kwargs, out: seen.append(out.detach()), with_kwargs=True, always_call=True)
    model[2].register_full_backward_hook(lambda m, gi, go: seen.append(go[0].clone()))
    model[2].register_full_backward_pre_hook(lambda m, go: (go[0] * 0.5,))
    model.register_state_dict_post_hook(lambda m, state, prefix, local: state.update(extra=torch.ones(1)))
    return train(model, randn(2, 3)), seen, model.state_dict()


def global_module_hooks():
    seen = []
    kinds = nn.modules.module
    handles = [
        kinds.register_module_forward_pre_hook(lambda m, args: seen.append(type(m).__name__)),
        kinds.register_module_forward_hook(lambda m, args, out: seen.append(tuple(out.shape))),
        kinds.register_module_full_backward_hook(lambda m, gi, go: seen.append(go[0].clone())),
    ]
    try:
        return train(net(3, 4, 2), randn(2, 3).requires_grad_()), seen
    finally:
        for handle in handles:
            handle.remove()


def backward_inside_a_hook():
    w, v = randn(3, requires_grad=True), randn(3, requires_grad=True)

    def hook(gradient):
        with torch.enable_grad():
            (v * v).sum().backward()

    w.register_hook(hook)
    for _ in range(2):
        (w * w).sum().backward()
    return w, v


TABLE = [
    Row("tensor hooks", tensor_hooks, "mul sum"),
    Row("post-accumulate hooks", accumulation_hooks, "mul sum"),
    Row("Node hooks", node_hooks, "exp sin"),
    Row("multi-grad hooks", multi_hooks, "mul sum"),
    Row("module hooks", module_hooks, "linear tanh"),
    Row("global module hooks", global_module_hooks, "linear tanh"),
    Row("backward inside a hook", backward_inside_a_hook, "mul sum"),
]


@pytest.mark.filterwarnings(
    "ignore:.*create_graph=True.*|.*[Dd]eterminis.*|.*non-full backward.*|.*GradScaler.*|.*lr_scheduler.*:Warning"
)
@rows(TABLE)
def test_same_bits(harmless, row):
    harmless(row.program, row.ops)
