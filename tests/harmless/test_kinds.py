"""Kinds of tensors: dtypes, sizes, layouts, subclasses, transforms; and what else may stand between a program and its ops."""

from __future__ import annotations

import copy

import pytest
import torch
from loops import differentiate, randn, train
from scenario import Row, rows
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

KINDS = (torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.complex128)
WHOLE = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool)
EIGHTH = (torch.float8_e4m3fn, torch.float8_e5m2)


class Tagged(torch.Tensor):
    """A subclass that keeps its class through ops."""


class Logged(torch.Tensor):
    """A subclass that handles torch functions itself."""

    calls = 0

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        Logged.calls += 1
        return super().__torch_function__(func, types, args, kwargs or {})


class Wrapped(torch.Tensor):
    """A wrapper subclass: no memory of its own, ops reach it below autograd."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype, device=inner.device)

    def __init__(self, inner):
        self.inner = inner

    def __tensor_flatten__(self):
        return ["inner"], None

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        def unwrap(thing):
            return thing.inner if isinstance(thing, Wrapped) else thing

        result = func(*map(unwrap, args), **(kwargs or {}))
        return Wrapped(result) if isinstance(result, torch.Tensor) else result


class CountFunctions(TorchFunctionMode):
    """A mode of the user's."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


class CountDispatches(TorchDispatchMode):
    """A mode of the user's, below autograd: what it sees must be what it would have seen."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def of_kind(kind):
    return differentiate(lambda w: ((w * w).sum(), w.abs(), w[0] + w.mean()), randn(3, 2).to(kind))


def whole(kind):
    numbers = torch.tensor([0, 1, 1]).to(kind)
    return numbers + numbers, differentiate(lambda w: (w * numbers, w[numbers.bool()], numbers.sum() * w), randn(3))


def eighth(kind):
    small = randn(4).to(kind)
    return small, small.float(), differentiate(lambda w: w.to(kind).float() * 2 + small.float(), randn(4))


def complex_parts(z):
    return z.real, z.imag, z.conj(), torch.view_as_real(z), z.angle(), z.abs(), (z @ z.mH).real, torch.polar(z.abs(), z.angle())


def lazy_conjugates():
    z = torch.randn(3, dtype=torch.complex64)
    return (
        z.conj(),
        z.conj().imag,
        z.conj().resolve_conj(),
        torch._neg_view(randn(3)),
        differentiate(lambda w: (w * z.conj()).abs(), randn(3)),
    )


def empty():
    return differentiate(
        lambda w: (w.sum(), torch.cat([w, w[:0]]), w.view(0, 1) @ torch.ones(1, 2), w.reshape(0)), torch.empty(0)
    )


def sparse():
    w = randn(3, 2, requires_grad=True)
    grid = torch.eye(3).to_sparse()
    rows_ = torch.eye(3).to_sparse_csr()
    (torch.sparse.mm(grid, w).sum() + (rows_ @ w).pow(2).sum()).backward()
    v = torch.eye(3).to_sparse().requires_grad_()
    (v * 2).to_dense().sum().backward()
    return w, grid.coalesce() * 2, rows_, v, torch.sparse.sum(grid, 0)


def nested(layout):
    parts = [randn(2, 3, requires_grad=True), randn(1, 3, requires_grad=True)]
    for _ in range(2):
        joined = torch.nested.as_nested_tensor(parts, layout=layout)
        out = torch.nested.to_padded_tensor(nn.functional.gelu(joined * 2), 0.0)
        out.sum().backward()
    return parts, out


def quantized():
    whole_numbers = torch.quantize_per_tensor(randn(4), 0.1, 0, torch.qint8)
    fake = differentiate(lambda w: torch.fake_quantize_per_tensor_affine(w, 0.1, 0, -128, 127), randn(4))
    return whole_numbers, whole_numbers.dequantize(), torch.max(whole_numbers), fake


def on_meta():
    model = nn.Linear(3, 2, device="meta")
    model(torch.empty(4, 3, device="meta")).sum().backward()
    return model, model.weight.grad, differentiate(lambda w: w * torch.empty(2, device="meta").numel(), randn(2))


def subclass(kind):
    w = nn.Parameter(randn(3, 3))
    x = randn(2, 3).as_subclass(kind)
    for _ in range(2):
        y = (x @ w).relu()
        y.sum().backward()
    return y, w, x[0], copy.copy(x) + 1, Logged.calls * 0


def wrapper():
    x = Wrapped(randn(3)).requires_grad_()
    for _ in range(2):
        y = x * 2 + 1
        y.sum().backward()
    return x, y


def per_sample():
    model, x, y = nn.Linear(3, 2), randn(4, 3), randn(4, 2)
    weights = dict(model.named_parameters())

    def loss(params, one, target):
        return (torch.func.functional_call(model, params, (one,)) - target).pow(2).sum()

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(weights, x, y)
    return gradients, train(model, x)


def transforms():
    def f(x):
        return (x.sin() * x).sum()

    x = randn(3)
    found = [torch.func.grad(f)(x), torch.func.jacrev(torch.sin)(x), torch.func.jacfwd(torch.sin)(x), torch.func.hessian(f)(x)]
    found += [
        *torch.func.vjp(torch.sin, x)[1](x),
        *torch.func.jvp(f, (x,), (x,)),
        torch.vmap(torch.dot)(randn(2, 3), randn(2, 3)),
    ]
    found += [torch.vmap(lambda v: v + torch.randn(3), randomness="different")(randn(2, 3))]
    return found, differentiate(lambda w: torch.vmap(lambda v: v * v)(w), randn(2, 3))


def forward_mode():
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(randn(3), randn(3))
        parts = torch.autograd.forward_ad.unpack_dual(dual.exp() * 2)
    return parts.primal, parts.tangent, differentiate(torch.exp, randn(3))


def ensemble():
    models = [nn.Linear(3, 2) for _ in range(3)]
    params, buffers = torch.func.stack_module_state(models)
    out = torch.vmap(lambda p, b, x: torch.func.functional_call(models[0], (p, b), (x,)), in_dims=(0, 0, None))(
        params, buffers, randn(4, 3)
    )
    out.sum().backward()
    return out, params


def under(mode, kind=torch.float32):
    with mode:
        found = train(nn.Linear(3, 2).to(kind), randn(4, 3).to(kind))
    return found, getattr(mode, "seen", None)


def inside_our_mode():
    mode = CountFunctions()
    with mode:
        found = train(nn.Linear(3, 2), randn(4, 3))
        count = mode.count
    return found, count


def default_device_and_dtype():
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("cpu")
    try:
        with torch.device("cpu"):
            return train(nn.Linear(3, 2), randn(4, 3))
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


def faked():
    with torch._subclasses.FakeTensorMode():
        model = nn.Linear(3, 2)
        shape = model(torch.empty(4, 3)).shape
    return list(shape), train(nn.Linear(3, 2), randn(4, 3))


def profiled():
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        found = train(nn.Linear(3, 2), randn(4, 3))
    return found, "aten::addmm" in {event.key for event in profile.key_averages()}


def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        return differentiate(lambda w: torch.zeros(2).index_add(0, torch.tensor([0, 0, 1]), w), randn(3))
    finally:
        torch.use_deterministic_algorithms(False)


def traced_graph():
    model = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(3, 4), nn.ReLU()))
    return train(model, randn(2, 3)), model.code


def forked_random():
    w = randn(3)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        noise = randn(3)
    return noise, differentiate(lambda v: v * noise + torch.rand(3), w)


def mkldnn():
    packed = randn(2, 3).to_mkldnn()
    return packed.to_dense(), differentiate(lambda w: w * 2, randn(3))


TABLE = [
    *[Row(str(kind), lambda kind=kind: of_kind(kind), "mul sum abs getitem") for kind in KINDS],
    *[Row(str(kind), lambda kind=kind: whole(kind), "mul sum getitem") for kind in WHOLE],
    *[Row(str(kind), lambda kind=kind: eighth(kind), "to float mul") for kind in EIGHTH],
    Row(
        "parts of complex numbers",
        lambda: differentiate(complex_parts, torch.randn(3, 3, dtype=torch.complex64)),
        "real imag conj angle polar",
    ),
    Row("lazy conjugates and negatives", lazy_conjugates, "mul abs"),
    Row("no elements", empty, "sum cat view"),
    Row("no dimensions", lambda: differentiate(lambda w: w * 2 + w.exp().view(1).sum(), randn(())), "mul exp view"),
    Row("one-element batch of zero-size", lambda: train(nn.Linear(3, 2), randn(0, 3), loss=torch.sum), "linear sum"),
    Row("broadcast of an expanded leaf", lambda: differentiate(lambda w: w.expand(4, 3) * 2, randn(1, 3)), "expand mul"),
    Row(
        "channels last",
        lambda: differentiate(lambda w: w.contiguous(memory_format=torch.channels_last) * 2, randn(1, 2, 3, 3)),
        "contiguous mul",
    ),
    Row("sparse", sparse, "sum mul to_dense"),
    Row("nested", lambda: nested(torch.strided), "gelu mul sum"),
    Row("nested, jagged", lambda: nested(torch.jagged), "gelu mul sum"),
    Row("quantized", quantized, "fake_quantize_per_tensor_affine"),
    Row("meta", on_meta, "linear sum mul"),
    Row("a plain subclass", lambda: subclass(Tagged), "matmul relu sum"),
    Row("a subclass with torch functions", lambda: subclass(Logged), "matmul relu sum"),
    Row("a wrapper subclass", wrapper, "mul add sum"),
    Row("vmap of grad", per_sample, "linear"),
    Row("grad, jacrev, jacfwd, hessian, vjp, jvp", transforms, "pow mean"),
    Row("an ensemble by vmap", ensemble, "sum"),
    Row("forward-mode derivatives", forward_mode, "exp"),
    Row("under a dispatch mode", lambda: under(CountDispatches()), "linear"),
    Row("bfloat16 under a dispatch mode", lambda: under(CountDispatches(), torch.bfloat16), "linear"),
    Row("under a function mode", inside_our_mode, "linear"),
    Row("under a default device and dtype", default_device_and_dtype, "linear"),
    Row("under anomaly detection", lambda: under(torch.autograd.detect_anomaly()), "linear"),
    Row("under a flop counter", lambda: under(FlopCounterMode(display=False)), "linear"),
    Row("under the profiler", profiled, "linear"),
    Row("under deterministic algorithms", deterministic, "index_add"),
    Row("beside fake tensors", faked, "linear"),
    Row("a graph of torch.fx", traced_graph, "linear relu"),
    Row("under a forked random state", forked_random, "mul rand"),
    Row("mkldnn", mkldnn, "mul"),
]


@pytest.mark.filterwarnings(
    "ignore:.*nested tensors.*|.*[Qq]uantiz.*|.*Anomaly.*|.*[Ss]parse.*|.*ComplexHalf.*|.*[Pp]rofiler.*|.*torch.jit.*:Warning"
)
@pytest.mark.parametrize("level", ["statistics", "tensors"])
@rows(TABLE)
def test_same_bits(harmless, row, level):
    harmless(row.program, row.ops, level)
