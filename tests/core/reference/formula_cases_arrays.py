"""Products, reductions, order, indices and moved elements: a line per case."""

from __future__ import annotations

import numpy as np
import torch
from formula_case import case, listed, normal

from gradwalk.reference.arguments import HOLE

F = torch.nn.functional
RANDOM = np.random.default_rng(5)
NAMES = np.array([[0, 2, 2], [1, 0, 0]])
ROWS = np.array([0, 2, 2])
TRUE = np.array([[True, False, True, False], [False, False, True, True], [True, True, False, False]])
SOLVABLE = normal(2, 3, 3) + 3 * np.eye(3)
DISTINCT = RANDOM.permutation(24).astype(float).reshape(2, 3, 4)
WITH_ZERO = np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 1.0], [1.5, 2.0, -1.0]])


def read(x, *tensors, index=None):
    """``x[index]``, its tensors filled in."""
    left = iter(tensors)
    full = tuple(next(left) if part is HOLE else part for part in (index if isinstance(index, tuple) else (index,)))
    return x[full if isinstance(index, tuple) else full[0]]


def write(x, *rest, index=None, value=None):
    """``x`` with ``x[index]`` written over by a number or by the last tensor."""
    left = iter(rest)
    full = tuple(next(left) if part is HOLE else part for part in (index if isinstance(index, tuple) else (index,)))
    z = x.clone()
    z[full] = next(left) if value is None else value
    return z


def along(name):
    """A torch function that wants the axis before the index."""
    return lambda x, index, *v, dim, **named: getattr(torch, name)(x, dim, index, *v, **named)


def symmetric(x, upper=False):
    return torch.linalg.cholesky((x + x.mT) / 2, upper=upper)


def all_of_sort(x, **named):
    return tuple(torch.sort(x, **named))


POSITIVE_DEFINITE = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
S = slice
CASES = [
    case("baddbmm", normal(3, 5), normal(2, 3, 4), normal(2, 4, 5), beta=0.5, alpha=2.0),
    case("baddbmm", normal(2, 3, 5), normal(2, 3, 4), normal(2, 4, 5)),
    case("addmv", normal(3), normal(3, 4), normal(4), beta=0.5, alpha=2.0),
    case("outer", normal(3), normal(4)),
    case("inner", normal(2, 3), normal(4, 3)),
    case("inner", normal(3), normal(3)),
    case("trace", normal(3, 4)),
    case("bmm", normal(2, 3, 4), normal(2, 4, 5)),
    case("mv", normal(3, 4), normal(4)),
    case("tensordot", normal(2, 3, 4), normal(3, 4, 5), dims=2),
    case("tensordot", normal(2, 3, 4), normal(4, 5, 2), dims=((0, 2), (2, 0))),
    case("bilinear", normal(4, 2), normal(4, 3), normal(5, 2, 3), normal(5)),
    case("bilinear", normal(2, 4, 2), normal(2, 4, 3), normal(5, 2, 3)),
    *[
        case("einsum", *xs, equation=equation, function=lambda *xs, equation: torch.einsum(equation, *xs))
        for equation, *xs in (
            ("ij,jk->ik", normal(2, 3), normal(3, 4)), ("ij,jk", normal(2, 3), normal(3, 4)), ("ii->i", normal(3, 3)),
            ("bhid,bhjd->bhij", normal(2, 2, 3, 4), normal(2, 2, 5, 4)), ("...ij,jk->...ik", normal(2, 3, 4), normal(4, 5)),
            ("ij->", normal(2, 3)), ("i,j,k->ijk", normal(2), normal(3), normal(4)), ("ij,ij->i", normal(2, 3), normal(2, 3)),
            ("...i,...i->...", normal(2, 1, 3), normal(4, 3)), ("ii,i->", normal(3, 3), normal(3)),
        )
    ],
    case("linalg_inv", SOLVABLE, function=torch.linalg.inv),
    case("linalg_det", SOLVABLE, function=torch.linalg.det),
    case("logdet", POSITIVE_DEFINITE),
    case("linalg_slogdet", SOLVABLE, function=torch.linalg.slogdet),
    case("linalg_solve", SOLVABLE, normal(2, 3, 4), function=torch.linalg.solve),
    case("linalg_solve", SOLVABLE, normal(2, 3), function=torch.linalg.solve),
    case("linalg_solve", SOLVABLE[0], normal(3), function=torch.linalg.solve),
    case("linalg_solve", SOLVABLE, normal(3, 4), function=torch.linalg.solve),
    case("linalg_cholesky", POSITIVE_DEFINITE, function=symmetric),
    case("linalg_cholesky", POSITIVE_DEFINITE, upper=True, function=symmetric),
    # reductions
    case("var", normal(4, 3), dim=1, unbiased=False),
    case("var", normal(4, 3), dim=0, correction=2, keepdim=True),
    case("std", normal(4, 3)),
    case("std", normal(4, 3), dim=(0, 1), unbiased=False),
    case("std", normal(4, 3), dim=-1, correction=0, keepdim=True),
    case("std", np.array([[1.0, 1.0], [1.0, 2.0]]), dim=1, smooth=False),
    case("var_mean", normal(4, 3), dim=1, correction=0, keepdim=True),
    case("var_mean", normal(4, 3), dim=0, unbiased=False),
    case("std_mean", normal(4, 3), dim=1, correction=0, keepdim=True),
    case("std_mean", normal(4, 3), dim=0, unbiased=False),
    case("amax", normal(4, 3), dim=(0, 1), keepdim=True),
    case("tril", normal(4, 3), diagonal=1),
    case("mean", normal(4, 3), dim=(0,), keepdim=True),
    case("prod", normal(4, 3)),
    case("prod", WITH_ZERO, dim=1, keepdim=True),
    case("prod", WITH_ZERO, dim=0),
    case("prod", WITH_ZERO),
    case("cumsum", normal(4, 3), dim=0),
    case("cumsum", normal(4, 3), dim=-1),
    case("cumprod", WITH_ZERO, dim=1),
    case("cumprod", normal(4, 3), dim=0),
    case("logsumexp", normal(4, 3) * 300, dim=1),
    case("logsumexp", normal(4, 3), dim=(0, 1), keepdim=True),
    case("amin", normal(4, 3), dim=(1,), keepdim=True),
    case("amax", normal(4, 3), dim=1),
    case("amin", np.array([[1.0, 1.0, 2.0]]), dim=1, smooth=False),
    case("min", normal(4, 3)),
    case("min", np.array([1.0, 1.0, 2.0]), smooth=False),
    case("min", normal(4, 3), dim=0, keepdim=True),
    case("min", normal(4, 3), dim=-1),
    case("max", np.array([[1.0, 2.0, 2.0], [0.0, 0.0, 0.0]]), dim=1, smooth=False),
    case("sort", DISTINCT, dim=1, descending=True, function=all_of_sort),
    case("sort", np.array([2.0, 1.0, 2.0, 1.0]), stable=True, function=all_of_sort, smooth=False),
    case("topk", DISTINCT, k=2),
    case("topk", DISTINCT, k=2, dim=0),
    case("topk", DISTINCT, k=3, dim=1, largest=False, sorted=True),
    case("kthvalue", DISTINCT, k=2),
    case("kthvalue", DISTINCT, k=2, dim=1, keepdim=True),
    case("median", DISTINCT),
    case("median", DISTINCT, dim=-1),
    case("median", DISTINCT, dim=1, keepdim=True),
    case("cummax", normal(3, 5), dim=1),
    case("cummin", normal(3, 5), dim=0),
    case("cummax", np.array([1.0, 1.0, 0.0, 2.0, 2.0]), dim=0, smooth=False),
    # indices
    *[
        case("getitem", normal(3, 4, 5), *tensors, index=index, function=read)
        for index, *tensors in (
            ((S(None), HOLE), ROWS), ((HOLE, S(None), HOLE), ROWS, ROWS),
            ((0, S(None), HOLE), ROWS), ((HOLE, HOLE), ROWS, ROWS - 2),
            ((..., HOLE), NAMES), ((None, HOLE), NAMES), ((S(None, None, 2), 1, None), ), (-1, ), ((..., S(1, -1)), ), (None, ),
            ((S(None), [0, 2]), ), ([0, 2, 2], ), ((HOLE, None, S(3, 0, None)), ROWS), ((HOLE, 0, HOLE), NAMES, ROWS),
            ((S(None), HOLE), TRUE[:, 0].repeat(2)[:4]), ((HOLE, HOLE), TRUE[0, :3], np.array([1, 3])),
        )
    ],
    case("getitem", normal(3, 4), TRUE, function=lambda x, m: x[m]),
    case("getitem", normal(3, 4, 2), TRUE, function=lambda x, m: x[m]),
    case("getitem", normal(3, 4), np.array(1), function=lambda x, i: x[i]),
    case("getitem", normal(3, 4), index=(TRUE[:, 0], S(None)), function=lambda x, index: x[torch.tensor(index[0]), index[1]]),
    case("setitem", normal(3, 4), index=(S(None), S(1, None)), value=0.5, function=write),
    case("setitem", normal(3, 4), normal(3, 3), index=(S(None), S(1, None)), function=write),
    case("setitem", normal(3, 4), normal(4), index=1, function=write),
    case("setitem", normal(3, 4), np.array([2, 0]), normal(4), index=HOLE, function=write),
    case("setitem", normal(3, 4), TRUE, normal(), index=HOLE, function=write),
    case("gather", normal(4, 3), NAMES, dim=0, function=along("gather")),
    case("gather", normal(3, 4), NAMES, dim=-1, sparse_grad=False, function=along("gather")),
    case("take_along_dim", normal(2, 3), NAMES, dim=1),
    case("take_along_dim", normal(2, 3), NAMES[0]),
    case("take", normal(2, 3), NAMES - 1),
    case("scatter", normal(4, 3), np.array([[0, 2, 1]]), normal(1, 3), dim=0, function=along("scatter")),
    case("scatter", normal(4, 3), np.array([[0, 2, 1]]), value=0.5, dim=0, function=along("scatter")),
    case("scatter_add", normal(4, 3), NAMES, normal(2, 3), dim=0, function=along("scatter_add")),
    case("index_add", normal(4, 3), ROWS, normal(3, 3), dim=0, alpha=2.0, function=along("index_add")),
    case("index_copy", normal(4, 3), np.array([2, 0]), normal(4, 2), dim=1, function=along("index_copy")),
    case("index_fill", normal(4, 3), np.array([2, 0]), np.array(0.5), dim=1, function=along("index_fill")),
    case("index_fill", normal(4, 3), np.array([2, 0]), value=0.5, dim=-1, function=along("index_fill")),
    case("index_select", normal(4, 3), ROWS, dim=-1, function=along("index_select")),
    case("masked_select", normal(3, 4), TRUE),
    case("masked_select", normal(4), TRUE),
    case("masked_scatter", normal(3, 4), TRUE, normal(10)),
    # moved elements
    case("pad", normal(2, 3, 4), pad=(1, 2)),
    case("pad", normal(2, 3, 4), pad=(1, -1, 0, 2), value=0.5),
    case("pad", normal(2, 2, 4, 5), pad=(1, 2, 3, 0), mode="reflect"),
    case("pad", normal(2, 3, 4), pad=(1, 2), mode="replicate"),
    case("pad", normal(2, 2, 4, 5), pad=(1, 2, 2, 0), mode="circular"),
    case("roll", normal(3, 4), shifts=2),
    case("roll", normal(3, 4), shifts=(1, -1), dims=(0, 1)),
    case("flip", normal(3, 4), dims=(0, -1)),
    case("fliplr", normal(3, 4)),
    case("flipud", normal(3, 4)),
    case("rot90", normal(3, 4), k=3, dims=(1, 0)),
    case("tile", normal(3, 2), dims=(2, 1, 2)),
    case("diagonal", normal(3, 4, 2), offset=1, dim1=1, dim2=0),
    case("diag", normal(3, 4), diagonal=-1),
    case("diag", normal(3), diagonal=1),
    case("pixel_shuffle", normal(2, 8, 3, 2), upscale_factor=2),
    case("pixel_unshuffle", normal(2, 2, 4, 6), downscale_factor=2),
    case("repeat_interleave", normal(2, 3), repeats=2),
    case("repeat_interleave", normal(2, 3), repeats=2, dim=1, output_size=6),
    case("repeat_interleave", normal(3, 2), ROWS, dim=0),
    case("unfold", normal(2, 7), dimension=1, size=3, step=2, function=torch.Tensor.unfold),
    case("unfold", normal(5, 3), dimension=-2, size=2, step=1, function=torch.Tensor.unfold),
    case("unfold", normal(2, 3, 6, 5), kernel_size=(2, 3), stride=2, padding=1, function=F.unfold),
    case("unfold", normal(3, 6, 5), kernel_size=2, dilation=2, function=F.unfold),
    case("fold", normal(2, 12, 9), output_size=(6, 6), kernel_size=2, stride=2, padding=0),
    case("fold", normal(4, 16), output_size=(4, 4), kernel_size=2, dilation=2, padding=1),
    case("movedim", normal(2, 3, 4), source=0, destination=-1),
    case("movedim", normal(2, 3, 4), source=(0, 1), destination=(2, 0)),
    case("swapaxes", normal(2, 3, 4), axis0=0, axis1=2),
    case("swapaxes", normal(2, 3, 4), dim0=0, dim1=1, function=torch.swapdims),
    case("mT", normal(2, 3, 4), function=lambda x: x.mT),
    case("unflatten", normal(2, 6), dim=-1, sizes=(2, 3)),
    case("view_as", normal(2, 6), normal(3, 4), function=lambda x, y: x.view_as(y)),
    case("view", normal(2, 6), size=(3, -1), function=lambda x, size: x.view(size)),
    case("ravel", normal(2, 3)),
    case("flatten", normal(2, 3, 4), start_dim=0, end_dim=1),
    case("squeeze", normal(1, 3, 1), dim=(0, 1)),
    case("chunk", normal(3, 5), chunks=2, dim=1),
    case("unbind", normal(2, 3)),
    case("split", normal(5, 3), split_size=2, dim=1, function=lambda x, split_size, dim: x.split(split_size, dim)),
    case("split", normal(5, 3), split_sizes=(2, 3), function=lambda x, split_sizes: torch.split(x, split_sizes)),
    case("cat", normal(2, 3), normal(2, 1), axis=1, function=listed(torch.cat)),
    case("stack", normal(2, 3), normal(2, 3), axis=-1, function=lambda *xs, axis: torch.stack(xs, axis)),
]  # fmt: skip
