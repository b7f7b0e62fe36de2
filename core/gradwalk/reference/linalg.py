"""Products of matrices, with the VJPs of Giles (2008)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .registry import Array, register, unbroadcast

GILES = "Giles, Collected Matrix Derivative Results for Forward and Reverse Mode AD, 2008, 2.2.1"


def transposed(x: Array) -> Array:
    """The last two axes swapped; a vector stays as it is."""
    return x if x.ndim < 2 else np.swapaxes(x, -1, -2)


def _matmul_dx(g: Array, z: Array, x: Array, w: Array) -> Array:
    if x.ndim == 1 and w.ndim == 1:
        return np.asarray(g * w)
    columns = w[:, None] if w.ndim == 1 else w
    rows = g[..., None] if w.ndim == 1 else g
    product = (rows[..., None, :] if x.ndim == 1 else rows) @ transposed(columns)
    return unbroadcast(product[..., 0, :] if x.ndim == 1 else product, x.shape)


def _matmul_dw(g: Array, z: Array, x: Array, w: Array) -> Array:
    if x.ndim == 1 and w.ndim == 1:
        return np.asarray(g * x)
    rows = x[None, :] if x.ndim == 1 else x
    columns = g[..., None] if w.ndim == 1 else g
    product = transposed(rows) @ (columns[..., None, :] if x.ndim == 1 else columns)
    return unbroadcast(product[..., 0] if w.ndim == 1 else product, w.shape)


register(
    "mm matmul bmm mv __matmul__",
    "Z = X @ W",
    np.matmul,
    {"X": ("dL/dX = dL/dZ @ W.T", _matmul_dx), "W": ("dL/dW = X.T @ dL/dZ", _matmul_dw)},
    inputs="X W",
    source=GILES,
)


def _dot(x: Any, w: Any) -> Array:
    return np.asarray(np.dot(x, w))


def _dot_dx(g: Array, z: Array, x: Array, w: Array) -> Array:
    if not np.ndim(x) or not np.ndim(w):
        return unbroadcast(np.asarray(g * w), np.shape(x))
    if w.ndim == 1:
        return np.asarray(g[..., None] * w)
    others = tuple(axis for axis in range(w.ndim) if axis != w.ndim - 2)
    return np.tensordot(g, w, (tuple(range(x.ndim - 1, g.ndim)), others))


def _dot_dw(g: Array, z: Array, x: Array, w: Array) -> Array:
    if not np.ndim(x) or not np.ndim(w):
        return unbroadcast(np.asarray(g * x), np.shape(w))
    rows = tuple(range(x.ndim - 1))
    return np.asarray(np.moveaxis(np.tensordot(x, g, (rows, rows)), 0, max(w.ndim - 2, 0)))


register(
    "dot",
    "Z = X @ W",
    _dot,
    {"X": ("dL/dX = dL/dZ @ W.T", _dot_dx), "W": ("dL/dW = X.T @ dL/dZ", _dot_dw)},
    inputs="X W",
    source=f"{GILES}; numpy.dot for the axes: the last of X with the last but one of W",
)


def _addmm(b: Array, x: Array, w: Array, beta: float = 1, alpha: float = 1) -> Array:
    return np.asarray(beta * b + alpha * (x @ w))


register(
    "addmm",
    "Z = b + X @ W",
    _addmm,
    {
        "b": ("dL/db = sum_rows(dL/dZ)", lambda g, z, b, x, w, beta=1, alpha=1: unbroadcast(beta * g, b.shape)),
        "X": ("dL/dX = dL/dZ @ W.T", lambda g, z, b, x, w, beta=1, alpha=1: alpha * g @ w.T),
        "W": ("dL/dW = X.T @ dL/dZ", lambda g, z, b, x, w, beta=1, alpha=1: alpha * x.T @ g),
    },
    inputs="b X W",
    source=GILES,
)


def _linear(x: Array, w: Array, b: Array | float = 0.0) -> Array:
    return np.asarray(x @ w.T + b)


def _linear_dw(g: Array, z: Array, x: Array, w: Array, b: Any = 0.0) -> Array:
    rows = math.prod(x.shape[:-1])
    return np.asarray(g.reshape(rows, w.shape[0]).T @ x.reshape(rows, w.shape[1]))


register(
    "linear",
    "Z = X @ W.T + b",
    _linear,
    {
        "X": ("dL/dX = dL/dZ @ W", lambda g, z, x, w, b=0.0: g @ w),
        "W": ("dL/dW = dL/dZ.T @ X", _linear_dw),
        "b": ("dL/db = sum_rows(dL/dZ)", lambda g, z, x, w, b: unbroadcast(g, np.shape(b))),
    },
    inputs="X W b",
    source=GILES,
)


def _added(b: Array, x: Array, w: Array, beta: float = 1, alpha: float = 1) -> Array:
    return np.asarray(beta * b + alpha * (x @ w))


def _added_db(g: Array, z: Array, b: Array, x: Array, w: Array, beta: float = 1, alpha: float = 1) -> Array:
    return unbroadcast(np.asarray(beta * g), np.shape(b))


def _added_dx(g: Array, z: Array, b: Array, x: Array, w: Array, beta: float = 1, alpha: float = 1) -> Array:
    return alpha * _matmul_dx(g, z, x, w)


def _added_dw(g: Array, z: Array, b: Array, x: Array, w: Array, beta: float = 1, alpha: float = 1) -> Array:
    return alpha * _matmul_dw(g, z, x, w)


register(
    "baddbmm addmv baddbmm_ addmv_",
    "Z = beta * B + alpha * X @ W",
    _added,
    {
        "B": ("dL/dB = beta * dL/dZ", _added_db),
        "X": ("dL/dX = alpha * dL/dZ @ W.T", _added_dx),
        "W": ("dL/dW = alpha * X.T @ dL/dZ", _added_dw),
    },
    inputs="B X W",
    source=GILES,
)
register(
    "outer ger",
    "Z = outer(X, W)",
    np.outer,
    {"X": ("dL/dX = dL/dZ @ W", lambda g, z, x, w: g @ w), "W": ("dL/dW = dL/dZ.T @ X", lambda g, z, x, w: g.T @ x)},
    inputs="X W",
    source=GILES,
)
register(
    "trace",
    "z = sum(diagonal(X))",
    lambda x: np.asarray(np.trace(x)),
    {"X": ("dL/dX = dL/dz * eye", lambda g, z, x: g * np.eye(*x.shape))},
    inputs="X",
    source=f"{GILES}; 2.1",
)


def _terms(equation: Any, xs: tuple[Array, ...]) -> tuple[list[str], str]:
    """The letters of each tensor's axes and of the output's; an ellipsis becomes capital letters that are not in use."""
    text = ",".join(equation) if isinstance(equation, tuple) else equation
    left, arrow, right = text.replace(" ", "").partition("->")
    parts = left.split(",")
    free = [c for c in "ZYXVUTSRQPONMLKJIHGFEDCBA" if c not in text]
    spans = [x.ndim - len(part.replace("...", "")) if "..." in part else 0 for part, x in zip(parts, xs, strict=True)]
    dots = "".join(free[: max(spans, default=0)])
    terms = [part.replace("...", dots[len(dots) - span :]) for part, span in zip(parts, spans, strict=True)]
    letters = "".join(parts).replace(".", "")
    once = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    return terms, right.replace("...", dots) if arrow else dots + once


def _einsum(*xs: Array, equation: Any) -> Array:
    terms, out = _terms(equation, xs)
    return np.asarray(np.einsum(f"{','.join(terms)}->{out}", *xs))


def _einsum_vjp(g: Array, z: Array, *xs: Array, equation: Any) -> list[Array]:
    """Each tensor's gradient is the einsum of dL/dZ with all the others; along axes that it alone has, the same everywhere."""
    terms, out = _terms(equation, xs)
    made = []
    for number, (x, term) in enumerate(zip(xs, terms, strict=True)):
        others = [(xs[i], terms[i]) for i in range(len(xs)) if i != number]
        letters = "".join(dict.fromkeys(term))
        shared = "".join(c for c in letters if c in out or any(c in other for _, other in others))
        inputs = ",".join([out, *(other for _, other in others)])
        part = np.einsum(f"{inputs}->{shared}", g, *(other for other, _ in others))
        dx = np.zeros(x.shape)
        diagonal = np.einsum(f"{term}->{letters}", dx)
        spread = np.expand_dims(part, tuple(i for i, c in enumerate(letters) if c not in shared))
        stretched = tuple(i for i, size in enumerate(diagonal.shape) if size == 1 and spread.shape[i] != 1)
        diagonal[...] = spread.sum(axis=stretched, keepdims=True)
        made.append(dx)
    return made


register(
    "einsum",
    "Z = einsum(equation, X)",
    _einsum,
    {"X": ("dL/dX = einsum(dL/dZ with the others)", _einsum_vjp)},
    inputs="X",
    source="a sum of products is linear in each of its factors",
)


def _tensordot(x: Array, y: Array, dims: Any = 2) -> Array:
    return np.tensordot(x, y, dims if isinstance(dims, int) else (list(dims[0]), list(dims[1])))


def _contracted(x: Array, y: Array, dims: Any) -> tuple[list[int], list[int]]:
    if isinstance(dims, int):
        return list(range(x.ndim - dims, x.ndim)), list(range(dims))
    return [d % x.ndim for d in dims[0]], [d % y.ndim for d in dims[1]]


def _tensordot_dx(g: Array, z: Array, x: Array, y: Array, dims: Any = 2) -> Array:
    """dL/dZ times Y over the axes that Y kept, the axes of X back in their order."""
    of_x, of_y = _contracted(x, y, dims)
    kept_x = [d for d in range(x.ndim) if d not in of_x]
    kept_y = [d for d in range(y.ndim) if d not in of_y]
    made = np.tensordot(g, y, (list(range(len(kept_x), g.ndim)), kept_y))
    summed = [of_x[of_y.index(d)] for d in sorted(of_y)]
    return np.transpose(made, np.argsort([*kept_x, *summed]))


def _tensordot_dy(g: Array, z: Array, x: Array, y: Array, dims: Any = 2) -> Array:
    of_x, of_y = _contracted(x, y, dims)
    turned = np.moveaxis(g, range(x.ndim - len(of_x), g.ndim), range(y.ndim - len(of_y)))
    return _tensordot_dx(turned, z, y, x, (of_y, of_x))


register(
    "tensordot",
    "Z = tensordot(X, Y)",
    _tensordot,
    {
        "X": ("dL/dX = tensordot(dL/dZ, Y)", _tensordot_dx),
        "Y": ("dL/dY = tensordot(dL/dZ, X)", _tensordot_dy),
    },
    inputs="X Y",
    source="a sum of products is linear in each of its factors",
)


def _inner(x: Array, y: Array) -> Array:
    return np.asarray(np.inner(x, y))


def _inner_dx(g: Array, z: Array, x: Array, y: Array) -> Array:
    return np.asarray(np.tensordot(g, y, (list(range(x.ndim - 1, g.ndim)), list(range(y.ndim - 1)))))


def _inner_dy(g: Array, z: Array, x: Array, y: Array) -> Array:
    rows = list(range(x.ndim - 1))
    return np.asarray(np.tensordot(g, x, (rows, rows)))


register(
    "inner vdot",
    "Z = inner(X, Y)",
    _inner,
    {"X": ("dL/dX = dL/dZ @ Y", _inner_dx), "Y": ("dL/dY = dL/dZ.T @ X", _inner_dy)},
    inputs="X Y",
    source=GILES,
)


def _bilinear(x: Array, y: Array, w: Array, b: Any = 0.0) -> Array:
    return np.asarray(np.einsum("...i,oij,...j->...o", x, w, y) + b)


def _bilinear_dw(g: Array, z: Array, x: Array, y: Array, w: Array, b: Any = 0.0) -> Array:
    rows = [part.reshape(-1, part.shape[-1]) for part in (g, x, y)]
    return np.asarray(np.einsum("no,ni,nj->oij", *rows))


register(
    "bilinear",
    "Z = X @ W @ Y.T + b",
    _bilinear,
    {
        "X": ("dL/dX = dL/dZ @ W @ Y.T", lambda g, z, x, y, w, b=0.0: np.einsum("...o,oij,...j->...i", g, w, y)),
        "Y": ("dL/dY = dL/dZ @ X @ W", lambda g, z, x, y, w, b=0.0: np.einsum("...o,oij,...i->...j", g, w, x)),
        "W": ("dL/dW = sum(dL/dZ * outer(X, Y))", _bilinear_dw),
        "b": ("dL/db = sum_rows(dL/dZ)", lambda g, z, x, y, w, b: unbroadcast(g, np.shape(b))),
    },
    inputs="X Y W b",
    source=GILES,
)
