"""Ops outside of modules: in place, views, out=, indexing, linear algebra, randomness, NumPy beside torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from loops import differentiate, randn
from scenario import Row, rows


def on(function, *shapes):
    """The function of random leaves of these shapes."""
    return differentiate(function, *[randn(*shape) for shape in shapes])


def in_place(x):
    y = x * 2
    y += 1
    y.mul_(3).clamp_(min=0)
    y[0] = 5
    y[:, 1] *= 2
    return y


def writes_to_views(x):
    y = x.clone()
    column, row = y[:, 0], y.view(-1)[1:3]
    column.add_(1)
    row.mul_(2)
    y.t().sub_(0.5)
    return y, column, row


def out_arguments():
    w, a, into, low, where = (
        randn(3, 2, requires_grad=True),
        randn(2, 3),
        torch.empty(2, 2),
        torch.empty(2),
        torch.empty(2).long(),
    )
    for _ in range(3):
        with torch.no_grad():
            torch.mm(a, w, out=into)
            torch.add(into, 1, out=into)
            torch.min(into, 0, out=(low, where))
        (a @ w * into * low).sum().backward()
    return w, into, low, where


def set_items(x):
    y = torch.zeros(4, 3)
    y[torch.tensor([0, 2])] = x
    y[1, ...] = x[0]
    y[y > 1] = 0.5
    y[-1:, ::2] = x[:1, ::2]
    return y


def updates_by_hand():
    w, seen = randn(3, requires_grad=True), []
    for i in range(4):
        (w * w).sum().backward()
        seen.append(w.grad.clone())
        if i == 0:
            w.data -= 0.1 * w.grad.data
        elif i == 1:
            w.data = w.data - 0.1 * w.grad
        elif i == 2:
            w.detach().sub_(w.grad, alpha=0.1)
        else:
            with torch.no_grad():
                w.copy_(w - 0.1 * w.grad)
        w.grad.zero_()
    return w, seen


def memory_surgery():
    x = torch.zeros(4)
    y = x.view(2, 2)
    x.resize_(6)
    x[4:] = 1
    z = torch.empty(0).set_(x.untyped_storage(), 1, (2, 2), (2, 1))
    z.fill_(3)
    return x, y, z, on(lambda w: w * z, (2, 2))


def swapped():
    a, b = torch.ones(2), torch.zeros(2)
    found = on(lambda w: w * a, (2,))
    torch.utils.swap_tensors(a, b)
    return a, b, found, on(lambda w: w * a, (2,))


def random_writes():
    x = torch.empty(5)
    kinds = [x.normal_().clone(), x.uniform_().clone(), x.exponential_().clone(), x.bernoulli_(0.5).clone(), x.random_(9).clone()]
    own = torch.Generator().manual_seed(3)
    kinds += [torch.randn(3, generator=own), torch.rand_like(x), torch.randperm(5), torch.multinomial(torch.ones(4), 3)]
    return kinds, own.get_state(), on(lambda w: w + torch.randn_like(w) * torch.rand(3).bernoulli(), (3,))


def numpy_beside():
    array = np.random.rand(3).astype(np.float32)
    x = torch.from_numpy(array)
    found = on(lambda w: w * x, (3,))
    array += 1
    out = (x * 2).numpy()
    out[0] = 9
    w = randn(3, requires_grad=True)
    (w * torch.as_tensor(out)).sum().backward()
    return found, x, out, w, np.asarray(w.detach()), torch.utils.dlpack.from_dlpack(x)


def leaves_python():
    x = torch.arange(6.0).view(2, 3).requires_grad_()
    scalars = [
        x.sum().item(),
        x.tolist(),
        len(x),
        2.0 in x,
        int(x[0, 1].detach()),
        str(x),
        f"{x.sum().item():.1f}",
        x.size(),
        hash(x) == id(x),
    ]
    if x.sum() > 1 and all(bool(row.sum() > 0) for row in x):
        scalars.append([row.max().item() for row in x])
    (x * len(scalars)).sum().backward()
    return scalars, x


def loops_over(x):
    state = torch.zeros(3)
    for row in x:
        state = torch.tanh(state + row)
        if state.sum() > 0:
            state = state * 0.5
    while state.norm() > 0.1:
        state = state / 2
    return state


def where_and_masks(x):
    return torch.where(x > 0, x, -x), x.masked_fill(x < 0, 0.0), x.masked_select(x > 0), x.masked_scatter(x > 0, x * 2)


def scatters(x):
    index = torch.tensor([[0, 1, 1], [1, 0, 0]])
    base = torch.zeros(2, 3)
    return (
        base.scatter(1, index, x),
        base.scatter_add(1, index, x),
        base.scatter_reduce(1, index, x, "amax"),
        x.gather(1, index),
        torch.zeros(2, 3).index_add(0, torch.tensor([0, 0]), x),
        x.index_select(1, torch.tensor([2, 0])),
        torch.zeros(2, 3).index_put((torch.tensor([0, 1]),), x, accumulate=True),
        x.take(torch.tensor([5, 0])),
    )


def gumbel(x):
    return F.gumbel_softmax(x, hard=True), F.dropout(x, 0.5), F.feature_alpha_dropout(x, 0.5)


def distributions(mean, scale):
    normal = torch.distributions.Normal(mean, F.softplus(scale))
    bits = torch.distributions.Bernoulli(logits=mean)
    other = torch.distributions.Normal(0.0, 1.0)
    return normal.rsample(), bits.log_prob(bits.sample()), torch.distributions.kl_divergence(normal, other), normal.entropy()


TABLE = [
    Row(
        "arithmetic",
        lambda: on(lambda x, y: 2 * x - y / 3 + x % 2 - (-y) ** 2 + 1 / (x * x + 1), (2, 3), (3,)),
        "mul rdiv neg pow remainder",
    ),
    Row("einsum", lambda: on(lambda a, b, c: torch.einsum("bij,bjk,k->bi", a, b, c), (2, 3, 4), (2, 4, 5), (5,)), "einsum"),
    Row(
        "matrix products",
        lambda: on(lambda a, b: (a @ b, torch.bmm(a, b), torch.baddbmm(a @ b, a, b), a.matmul(b[0])), (2, 3, 4), (2, 4, 3)),
        "matmul bmm baddbmm",
    ),
    Row("in place", lambda: on(in_place, (3, 4)), "add_ mul_ clamp_ setitem"),
    Row("writes to views", lambda: on(writes_to_views, (3, 4)), "view add_ mul_ sub_"),
    Row("out=", out_arguments, "mm add min"),
    Row(
        "views",
        lambda: on(
            lambda x: (
                x.t(),
                x.T,
                x.reshape(6),
                x[None],
                x.expand(2, 2, 3),
                x.unfold(1, 2, 1),
                x.as_strided((2,), (1,)),
                x.movedim(0, 1),
                x.diagonal(),
            ),
            (2, 3),
        ),
        "t T expand unfold as_strided",
    ),
    Row(
        "splitting and joining",
        lambda: on(
            lambda x: (torch.cat(x.split(2)), torch.stack(x.unbind(1)), torch.vstack(x.chunk(2)), x.tensor_split(2)), (4, 3)
        ),
        "cat split stack unbind vstack chunk",
    ),
    Row(
        "indexing",
        lambda: on(lambda x: (x[0], x[:, 1:], x[..., -1], x[[0, 2]], x[x > 0], x[torch.tensor([1]), 2], x[None, 0]), (3, 4)),
        "getitem gt",
    ),
    Row("item assignment", lambda: on(set_items, (2, 3)), "setitem zeros"),
    Row("scatter and gather", lambda: on(scatters, (2, 3)), "scatter scatter_add gather index_select take"),
    Row("where and masks", lambda: on(where_and_masks, (3, 3)), "where masked_fill masked_select"),
    Row("loops over data", lambda: on(loops_over, (4, 3)), "tanh"),
    Row(
        "reductions",
        lambda: on(
            lambda x: (
                x.sum(0),
                x.mean(),
                x.var(1),
                x.std(),
                x.prod(),
                x.norm(),
                x.max(1),
                x.amin(0),
                x.logsumexp(0),
                x.median(),
                x.nanmean(),
            ),
            (3, 4),
        ),
        "sum var prod max logsumexp median",
    ),
    Row(
        "sorting",
        lambda: on(lambda x: (x.sort(1), x.topk(2), x.argsort(), x.kthvalue(2), x.cummax(0), torch.unique(x.detach())), (3, 4)),
        "sort topk argsort cummax",
    ),
    Row(
        "cumulative",
        lambda: on(
            lambda x: (x.cumsum(0), x.cumprod(1), x.logcumsumexp(0), x.diff(), x.flip(0), x.roll(1), x.repeat(2, 1)), (3, 4)
        ),
        "cumsum cumprod diff flip roll repeat",
    ),
    Row(
        "linear algebra",
        lambda: on(
            lambda x: (
                torch.linalg.inv(x @ x.T + torch.eye(3)),
                torch.linalg.svdvals(x),
                torch.linalg.qr(x),
                torch.linalg.cholesky(x @ x.T + torch.eye(3)),
                torch.linalg.det(x),
            ),
            (3, 3),
        ),
        "linalg_inv linalg_svdvals linalg_qr",
    ),
    Row(
        "eigenvalues and solving",
        lambda: on(lambda x: (torch.linalg.eigh(x + x.T)[0], torch.linalg.solve(x, x.T), torch.matrix_exp(x)), (3, 3)),
        "linalg_eigh linalg_solve",
    ),
    Row(
        "fourier",
        lambda: on(
            lambda x: (
                torch.fft.rfft(x),
                torch.fft.ifft(torch.fft.fft2(x)).real,
                torch.stft(x.reshape(-1), 8, window=torch.ones(8), return_complex=True),
            ),
            (4, 8),
        ),
        "fft_rfft fft_fft2 stft",
    ),
    Row(
        "special functions",
        lambda: on(
            lambda x: (
                torch.special.erfcx(x),
                torch.lgamma(x.abs() + 1),
                torch.special.i0e(x),
                torch.digamma(x.abs() + 1),
                torch.sinc(x),
            ),
            (5,),
        ),
        "special_erfcx lgamma digamma",
    ),
    Row(
        "bilinear sampling",
        lambda: on(lambda x, g: F.grid_sample(x, g.tanh(), align_corners=False), (1, 2, 4, 4), (1, 3, 3, 2)),
        "grid_sample",
    ),
    Row(
        "attention by hand",
        lambda: on(lambda q: F.scaled_dot_product_attention(q, q, q, is_causal=True, dropout_p=0.1), (2, 3, 4)),
        "scaled_dot_product_attention",
    ),
    Row(
        "padding",
        lambda: on(
            lambda x: (F.pad(x, (1, 1)), F.pad(x, (1, 1), "circular"), torch.nn.utils.rnn.pad_sequence(list(x))), (2, 3, 4)
        ),
        "pad",
    ),
    Row("randomness", random_writes, "randn_like bernoulli"),
    Row("stochastic functions", lambda: on(gumbel, (4, 5)), "gumbel_softmax dropout"),
    Row("distributions", lambda: on(distributions, (3,), (3,)), "softplus"),
    Row("updates by hand", updates_by_hand, "sub_ set_data copy_"),
    Row("set_, resize_", memory_surgery, "mul"),
    Row("swap_tensors", swapped, "mul"),
    Row("numpy beside torch", numpy_beside, "mul"),
    Row("to python and back", leaves_python, "mul"),
    Row(
        "copies and casts",
        lambda: on(
            lambda x: (
                x.clone(),
                x.double(),
                x.to(torch.float64).to("cpu"),
                x.contiguous(),
                x.type_as(x),
                x.detach(),
                x.half().float(),
                x.long(),
            ),
            (2, 3),
        ),
        "clone to double",
    ),
    Row(
        "made from nothing",
        lambda: on(
            lambda x: (
                x * torch.arange(3) + torch.linspace(0, 1, 3) + torch.full((3,), 2.0) + torch.tensor([1, 2, 3]) + x.new_ones(3)
            ),
            (3,),
        ),
        "arange linspace full",
    ),
    Row(
        "a tensor many times",
        lambda: on(lambda x: torch.cat([x, x, x]) + x.repeat(3) * torch.stack((x, x, x)).view(-1), (3,)),
        "cat stack",
    ),
    Row(
        "tensors inside containers",
        lambda: on(
            lambda x, y: (
                torch.block_diag(x, y),
                torch.cartesian_prod(x, y),
                torch.meshgrid(x, y, indexing="ij"),
                torch.broadcast_tensors(x, y),
            ),
            (3,),
            (3,),
        ),
        "block_diag cartesian_prod",
    ),
    Row(
        "gradients of integers' neighbours",
        lambda: on(
            lambda x: (x.round(), x.floor(), x.sign(), x.ceil() + x.frac(), torch.bucketize(x, torch.tensor([0.0]))), (4,)
        ),
        "round floor frac",
    ),
    Row(
        "nan and infinity",
        lambda: on(lambda x: (x / 0, (-x.abs()).sqrt(), torch.log(x * 0), torch.nan_to_num(x / 0)), (3,)),
        "div sqrt log nan_to_num",
    ),
    Row(
        "foreach",
        lambda: on(lambda x, y: torch._foreach_add(torch._foreach_mul([x, y], 2.0), [y, x]), (3,), (3,)),
        "_foreach_mul _foreach_add",
    ),
]


@pytest.mark.filterwarnings("ignore:.*non-contiguous|.*does not have a deterministic")
@rows(TABLE)
def test_same_bits(harmless, row):
    harmless(row.program, row.ops)
