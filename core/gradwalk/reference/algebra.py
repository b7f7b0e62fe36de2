"""Inverse, determinant, solutions of linear systems; all over the last two axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .linalg import GILES, transposed
from .registry import Array, register, unbroadcast


def _eye(x: Array) -> Array:
    return np.eye(x.shape[-1])


def _column(g: Any) -> Array:
    """A number per matrix, to be multiplied with the matrices."""
    return np.asarray(g)[..., None, None]


def _inverse_vjp(g: Array, z: Array, x: Array) -> Array:
    return -transposed(z) @ g @ transposed(z)


register(
    "linalg_inv inverse",
    "Z = inv(X)",
    np.linalg.inv,
    {"X": ("dL/dX = -Z.T @ dL/dZ @ Z.T", _inverse_vjp)},
    inputs="X",
    source=GILES,
)
register(
    "linalg_det det",
    "z = det(X)",
    lambda x: np.asarray(np.linalg.det(x)),
    {"X": ("dL/dX = dL/dz * z * inv(X).T", lambda g, z, x: _column(g * z) * transposed(np.linalg.inv(x)))},
    inputs="X",
    source=f"{GILES}; 2.2.4",
)
register(
    "logdet",
    "z = log(det(X))",
    lambda x: np.asarray(np.log(np.linalg.det(x))),
    {"X": ("dL/dX = dL/dz * inv(X).T", lambda g, z, x: _column(g) * transposed(np.linalg.inv(x)))},
    inputs="X",
    source=f"{GILES}; 2.2.4",
)


def _slogdet(x: Array) -> tuple[Array, Array]:
    sign, logarithm = np.linalg.slogdet(x)
    return np.asarray(sign), np.asarray(logarithm)


register(
    "linalg_slogdet slogdet",
    "z = log(abs(det(X)))",
    _slogdet,
    {"X": ("dL/dX = dL/dz * inv(X).T", lambda g, z, x: _column(g[1]) * transposed(np.linalg.inv(x)))},
    inputs="X",
    source=f"{GILES}; 2.2.4",
)


def _is_vector(a: Array, b: Array) -> bool:
    """Whether B holds vectors, not matrices, as torch and NumPy 1 tell it."""
    return b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1])


def _solved(a: Array, b: Array) -> Array:
    return np.asarray(np.linalg.solve(a, b), dtype=np.float64)


def _solve(a: Array, b: Array) -> Array:
    return _solved(a, b[..., None])[..., 0] if _is_vector(a, b) else _solved(a, b)


def _solve_db(g: Array, z: Array, a: Array, b: Array) -> Array:
    return unbroadcast(_vector_db(g, a) if _is_vector(a, b) else _solved(transposed(a), g), b.shape)


def _vector_db(g: Array, a: Array) -> Array:
    return _solved(transposed(a), g[..., None])[..., 0]


def _solve_da(g: Array, z: Array, a: Array, b: Array) -> Array:
    if _is_vector(a, b):
        return unbroadcast(-_vector_db(g, a)[..., None] @ z[..., None, :], a.shape)
    return unbroadcast(-_solved(transposed(a), g) @ transposed(z), a.shape)


register(
    "linalg_solve",
    "Z = inv(A) @ B",
    _solve,
    {"A": ("dL/dA = -inv(A).T @ dL/dZ @ Z.T", _solve_da), "B": ("dL/dB = inv(A).T @ dL/dZ", _solve_db)},
    inputs="A B",
    source=f"{GILES}; 2.3.1",
)


def _cholesky(x: Array, upper: bool = False) -> Array:
    """Of a symmetric X (of another one: of its symmetric part)."""
    z = np.asarray(np.linalg.cholesky((x + transposed(x)) / 2), dtype=np.float64)
    return transposed(z) if upper else z


def _cholesky_vjp(g: Array, z: Array, x: Array, upper: bool = False) -> Array:
    """Phi takes the lower triangle and halves the diagonal; X is symmetric, and so is its gradient."""
    low, lowered = (transposed(z), transposed(g)) if upper else (z, g)
    inner = np.tril(transposed(low) @ lowered) * (1 - _eye(x) / 2)
    inverse = np.asarray(np.linalg.inv(low), dtype=np.float64)
    made = transposed(inverse) @ inner @ inverse
    return (made + transposed(made)) / 2


register(
    "linalg_cholesky cholesky",
    "Z = cholesky(X), Z @ Z.T = X",
    _cholesky,
    {"X": ("dL/dX = symmetric(inv(Z).T @ Phi(Z.T @ dL/dZ) @ inv(Z))", _cholesky_vjp)},
    inputs="X",
    source="Murray, Differentiation of the Cholesky decomposition, 2016, equation 10",
)
