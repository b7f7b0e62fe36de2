"""Normalisations: ``Y = (X - mean) / sqrt(var + eps)`` over some axes, then a factor and a shift."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .registry import Array, register

BA = "Ba, Kiros and Hinton, Layer Normalization, 2016"
IOFFE = "Ioffe and Szegedy, Batch Normalization, 2015, section 3"
Axes = tuple[int, ...]


def _standard(x: Array, axes: Axes, eps: float) -> tuple[Array, Array]:
    """The standardised X and ``1 / sqrt(var + eps)``; of nothing both are nothing."""
    if not x.size:
        return x, np.asarray(x.sum(axis=axes, keepdims=True))
    centred = x - x.mean(axis=axes, keepdims=True)
    rstd = 1 / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + eps)
    return centred * rstd, rstd


def _standard_vjp(g: Array, x: Array, axes: Axes, eps: float) -> Array:
    """``rstd * (g - mean(g) - Y * mean(g * Y))``."""
    y, rstd = _standard(x, axes, eps)
    if not x.size:
        return np.zeros(x.shape)
    return np.asarray(rstd * (g - g.mean(axis=axes, keepdims=True) - y * (g * y).mean(axis=axes, keepdims=True)))


def _last(x: Array, normalized_shape: Any) -> Axes:
    return tuple(range(x.ndim - len(normalized_shape), x.ndim))


def _leading(x: Array, normalized_shape: Any) -> Axes:
    return tuple(range(x.ndim - len(normalized_shape)))


def _layer_norm(x: Array, w: Any = 1.0, b: Any = 0.0, *, normalized_shape: Any, eps: float = 1e-5) -> Array:
    return np.asarray(_standard(x, _last(x, normalized_shape), eps)[0] * w + b)


def _layer_norm_dx(
    g: Array, z: Array, x: Array, w: Any = 1.0, b: Any = 0.0, *, normalized_shape: Any, eps: float = 1e-5
) -> Array:
    return _standard_vjp(np.asarray(g * w), x, _last(x, normalized_shape), eps)


def _layer_norm_dw(
    g: Array, z: Array, x: Array, w: Any = 1.0, b: Any = 0.0, *, normalized_shape: Any, eps: float = 1e-5
) -> Array:
    y, _ = _standard(x, _last(x, normalized_shape), eps)
    return np.asarray((g * y).sum(axis=_leading(x, normalized_shape)))


def _layer_norm_db(
    g: Array, z: Array, x: Array, w: Any = 1.0, b: Any = 0.0, *, normalized_shape: Any, eps: float = 1e-5
) -> Array:
    return np.asarray(g.sum(axis=_leading(x, normalized_shape)))


register(
    "layer_norm",
    "Z = standard(X) * w + b",
    _layer_norm,
    {
        "X": ("dL/dX = (G - mean(G) - Y * mean(G * Y)) / std, G = dL/dZ * w, Y = standard(X)", _layer_norm_dx),
        "w": ("dL/dw = sum(dL/dZ * standard(X))", _layer_norm_dw),
        "b": ("dL/db = sum(dL/dZ)", _layer_norm_db),
    },
    inputs="X w b",
    source=BA,
)


def _channels(values: Any, x: Array) -> Array:
    """One number per channel, so that it broadcasts over ``[N, C, ...]``."""
    return np.asarray(values) if np.ndim(values) == 0 else np.reshape(values, (-1, *[1] * (x.ndim - 2)))


def _others(x: Array) -> Axes:
    return tuple(axis for axis in range(x.ndim) if axis != 1)


def _batch_standard(x: Array, mean: Any, var: Any, training: bool, eps: float) -> Array:
    """With the batch's own mean and variance while training (or where none are kept), else with those kept."""
    if training or mean is None:
        return _standard(x, _others(x), eps)[0]
    return np.asarray((x - _channels(mean, x)) / np.sqrt(_channels(var, x) + eps))


def _batch_norm(
    x: Array,
    mean: Any = None,
    var: Any = None,
    w: Any = 1.0,
    b: Any = 0.0,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    return np.asarray(_batch_standard(x, mean, var, training, eps) * _channels(w, x) + _channels(b, x))


def _batch_norm_dx(
    g: Array,
    z: Array,
    x: Array,
    mean: Any = None,
    var: Any = None,
    w: Any = 1.0,
    b: Any = 0.0,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    scaled = np.asarray(g * _channels(w, x))
    if training or mean is None:
        return _standard_vjp(scaled, x, _others(x), eps)
    return np.asarray(scaled / np.sqrt(_channels(var, x) + eps))


def _batch_norm_dw(
    g: Array,
    z: Array,
    x: Array,
    mean: Any = None,
    var: Any = None,
    w: Any = 1.0,
    b: Any = 0.0,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    return np.asarray((g * _batch_standard(x, mean, var, training, eps)).sum(axis=_others(x)))


def _batch_norm_db(g: Array, z: Array, x: Array, *rest: Any, **arguments: Any) -> Array:
    return np.asarray(g.sum(axis=_others(x)))


register(
    "batch_norm",
    "Z = standard(X) * w + b",
    _batch_norm,
    {
        "X": ("dL/dX = (G - mean(G) - Y * mean(G * Y)) / std, G = dL/dZ * w, Y = standard(X)", _batch_norm_dx),
        "w": ("dL/dw = sum(dL/dZ * standard(X))", _batch_norm_dw),
        "b": ("dL/db = sum(dL/dZ)", _batch_norm_db),
    },
    inputs="X running_mean running_var w b",
    source=IOFFE,
)


def _group_axes(x: Array, groups: int) -> tuple[tuple[int, ...], Axes]:
    shape = (x.shape[0], groups, math.prod(x.shape[1:]) // groups)
    return shape, (2,)


def _group_standard(x: Array, groups: int, eps: float) -> Array:
    shape, axes = _group_axes(x, groups)
    return _standard(x.reshape(shape), axes, eps)[0].reshape(x.shape)


def _group_norm(x: Array, w: Any = 1.0, b: Any = 0.0, *, num_groups: int, eps: float = 1e-5) -> Array:
    return np.asarray(_group_standard(x, num_groups, eps) * _channels(w, x) + _channels(b, x))


def _group_norm_dx(g: Array, z: Array, x: Array, w: Any = 1.0, b: Any = 0.0, *, num_groups: int, eps: float = 1e-5) -> Array:
    shape, axes = _group_axes(x, num_groups)
    return _standard_vjp(np.reshape(g * _channels(w, x), shape), x.reshape(shape), axes, eps).reshape(x.shape)


def _group_norm_dw(g: Array, z: Array, x: Array, w: Any = 1.0, b: Any = 0.0, *, num_groups: int, eps: float = 1e-5) -> Array:
    return np.asarray((g * _group_standard(x, num_groups, eps)).sum(axis=_others(x)))


register(
    "group_norm",
    "Z = standard(X) * w + b",
    _group_norm,
    {
        "X": ("dL/dX = (G - mean(G) - Y * mean(G * Y)) / std, G = dL/dZ * w, Y = standard(X)", _group_norm_dx),
        "w": ("dL/dw = sum(dL/dZ * standard(X))", _group_norm_dw),
        "b": ("dL/db = sum(dL/dZ)", _batch_norm_db),
    },
    inputs="X w b",
    source="Wu and He, Group Normalization, 2018",
)


def _instance_axes(x: Array) -> Axes:
    return tuple(range(2, x.ndim))


def _instance_standard(x: Array, mean: Any, var: Any, use_input_stats: bool, eps: float) -> Array:
    if use_input_stats:
        return _standard(x, _instance_axes(x), eps)[0]
    return np.asarray((x - _channels(mean, x)) / np.sqrt(_channels(var, x) + eps))


def _instance_norm(
    x: Array, mean: Any = None, var: Any = None, w: Any = 1.0, b: Any = 0.0, use_input_stats: bool = True, momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:  # fmt: skip
    """Each channel of each image by itself."""
    return np.asarray(_instance_standard(x, mean, var, use_input_stats, eps) * _channels(w, x) + _channels(b, x))


def _instance_norm_dx(
    g: Array, z: Array, x: Array, mean: Any = None, var: Any = None, w: Any = 1.0, b: Any = 0.0, use_input_stats: bool = True,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Array:  # fmt: skip
    scaled = np.asarray(g * _channels(w, x))
    if use_input_stats:
        return _standard_vjp(scaled, x, _instance_axes(x), eps)
    return np.asarray(scaled / np.sqrt(_channels(var, x) + eps))


def _instance_norm_dw(
    g: Array, z: Array, x: Array, mean: Any = None, var: Any = None, w: Any = 1.0, b: Any = 0.0, use_input_stats: bool = True,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Array:  # fmt: skip
    return np.asarray((g * _instance_standard(x, mean, var, use_input_stats, eps)).sum(axis=_others(x)))


register(
    "instance_norm",
    "Z = standard(X) * w + b",
    _instance_norm,
    {
        "X": ("dL/dX = (G - mean(G) - Y * mean(G * Y)) / std, G = dL/dZ * w, Y = standard(X)", _instance_norm_dx),
        "w": ("dL/dw = sum(dL/dZ * standard(X))", _instance_norm_dw),
        "b": ("dL/db = sum(dL/dZ)", _batch_norm_db),
    },
    inputs="X running_mean running_var w b",
    source="Ulyanov, Vedaldi and Lempitsky, Instance Normalization, 2016",
)


def _inverse_rms(x: Array, normalized_shape: Any, eps: float | None) -> Array:
    """Without an ``eps`` that of float64, as in torch; what it is of other dtypes tells ``untold.py``."""
    square = (x**2).sum(axis=_last(x, normalized_shape), keepdims=True) / math.prod(normalized_shape)
    return np.asarray(1 / np.sqrt(square + (np.finfo(np.float64).eps if eps is None else eps)))


def _rms_norm(x: Array, w: Any = 1.0, *, normalized_shape: Any, eps: float | None = None) -> Array:
    return np.asarray(x * _inverse_rms(x, normalized_shape, eps) * w)


def _rms_norm_dx(g: Array, z: Array, x: Array, w: Any = 1.0, *, normalized_shape: Any, eps: float | None = None) -> Array:
    scale, axes = _inverse_rms(x, normalized_shape, eps), _last(x, normalized_shape)
    return np.asarray(scale * (g * w) - x * scale**3 * (g * w * x).mean(axis=axes, keepdims=True))


def _rms_norm_dw(g: Array, z: Array, x: Array, w: Any = 1.0, *, normalized_shape: Any, eps: float | None = None) -> Array:
    return np.asarray((g * x * _inverse_rms(x, normalized_shape, eps)).sum(axis=_leading(x, normalized_shape)))


register(
    "rms_norm",
    "Z = X / sqrt(mean(X ** 2) + eps) * w",
    _rms_norm,
    {
        "X": ("dL/dX = (G - Y * mean(G * Y)) / rms, G = dL/dZ * w, Y = X / rms", _rms_norm_dx),
        "w": ("dL/dw = sum(dL/dZ * X / rms)", _rms_norm_dw),
    },
    inputs="X w",
    source="Zhang and Sennrich, Root Mean Square Layer Normalization, 2019",
)


def standard_axes(op: str, x: Array, w: Any, arguments: Mapping[str, Any]) -> tuple[tuple[int, ...], Axes, Any]:
    """Of a norm: the shape in which X is standardised, over which axes, and the factor in a shape that fits X."""
    if op == "layer_norm":
        return x.shape, _last(x, arguments["normalized_shape"]), 1.0 if w is None else w
    factor = 1.0 if w is None else _channels(w, x)
    if op in ("batch_norm", "instance_norm"):
        return x.shape, _others(x) if op == "batch_norm" else _instance_axes(x), factor
    return (*_group_axes(x, arguments["num_groups"]), factor)
