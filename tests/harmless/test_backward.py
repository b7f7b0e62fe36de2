"""Backward: several of them, graphs kept and built, cuts, checkpoints, precision, hooks, custom Functions, threads."""

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
from torch.autograd import Function
from torch.autograd.function import once_differentiable
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


# ---------------------------------------------------------------------- hooks of the user's


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


# ---------------------------------------------------------------------- custom Functions


class Twice(Function):
    """Several outputs, one of them not differentiable; inputs that need no gradient; None materialised."""

    @staticmethod
    def forward(ctx, x, factor, flag):
        ctx.save_for_backward(x)
        ctx.factor = factor
        low = x.argmin()
        ctx.mark_non_differentiable(low)
        return x * factor, x.exp(), low

    @staticmethod
    def backward(ctx, first, second, low):
        (x,) = ctx.saved_tensors
        return (first * ctx.factor + second * x.exp() if ctx.needs_input_grad[0] else None), None, None


class Once(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        return g * ctx.saved_tensors[0].cos()


class Cube(Function):
    """Its backward can be differentiated again, and vmapped."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        return 3 * g * ctx.saved_tensors[0] ** 2


class InPlace(Function):
    @staticmethod
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, g):
        return g * 2


class NoneGradients(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 1, x * 2

    @staticmethod
    def backward(ctx, a, b):
        return b if a is None else a


class EngineInside(Function):
    """Runs a forward and a backward of its own inside."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, g):
        with torch.enable_grad():
            x = ctx.saved_tensors[0].detach().requires_grad_()
            x.sin().backward(g)
        return x.grad


def second_through(function):
    w = randn(3, requires_grad=True)
    (g,) = torch.autograd.grad(function(w).sum(), w, create_graph=True)
    g.sum().backward()
    return w, g


def vmapped_function():
    return torch.vmap(Cube.apply)(randn(2, 3)), differentiate(Cube.apply, randn(3))


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


# ---------------------------------------------------------------------- exceptions that the user handles


class Raises(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, g):
        raise ValueError("mine")


def refused(function, *args):
    try:
        function(*args)
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyboardInterrupt) as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("nothing was raised")


def raise_interrupt(gradient):
    raise KeyboardInterrupt


def handled_errors():
    w, said = randn(3, requires_grad=True), []
    for _ in range(2):
        h = w * 2
        said.append(refused(torch.mm, h, h))
        said.append(refused(h.__getitem__, 7))
        said.append(refused(getattr, h, "nothing"))
        said.append(refused(Raises.apply(h).sum().backward))
        said.append(refused(h.backward))
        said.append(refused(torch.ones(2).sum().backward))
        loss = h.sum()
        loss.backward()
        said.append(refused(loss.backward))
        said.append(refused(nn.Linear(4, 2), h))
        y = w * 3
        y.register_hook(raise_interrupt)
        said.append(refused(y.sum().backward))
        said.append(refused(w.add_, 1))
        y = w.exp()
        y.add_(1)
        said.append(refused(y.sum().backward))
    return w, said


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
    Row("tensor hooks", tensor_hooks, "mul sum"),
    Row("post-accumulate hooks", accumulation_hooks, "mul sum"),
    Row("Node hooks", node_hooks, "exp sin"),
    Row("multi-grad hooks", multi_hooks, "mul sum"),
    Row("module hooks", module_hooks, "linear tanh"),
    Row("global module hooks", global_module_hooks, "linear tanh"),
    Row("backward inside a hook", backward_inside_a_hook, "mul sum"),
    Row("Function with several outputs", lambda: differentiate(lambda x: Twice.apply(x, 3.0, None), randn(3)), "Twice exp"),
    Row("Function with one output used", lambda: differentiate(lambda x: Twice.apply(x, 3.0, None)[1], randn(3)), "Twice"),
    Row("Function once differentiable", lambda: differentiate(Once.apply, randn(3)), "Once"),
    Row("Function differentiable twice", lambda: second_through(Cube.apply), "Cube"),
    Row("Function with setup_context", lambda: differentiate(Cube.apply, randn(3)), "Cube"),
    Row("Function under vmap", vmapped_function, "Cube"),
    Row("Function in place", lambda: differentiate(lambda x: InPlace.apply(x * 1), randn(3)), "InPlace"),
    Row(
        "Function without materialised gradients",
        lambda: differentiate(lambda x: NoneGradients.apply(x)[1], randn(3)),
        "NoneGradients",
    ),
    Row("Function with a backward inside", lambda: differentiate(EngineInside.apply, randn(3)), "EngineInside"),
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


def test_exceptions_that_the_user_handles(harmless):
    harmless(handled_errors, "mul sum exp")
