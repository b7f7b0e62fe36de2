"""What a formula does with rounding: which ops are sums of products, which only move elements, and how many terms they add up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal, TypeAlias

import numpy as np

from .calling import Call
from .pool import windows_of
from .registry import Formula, formula_of, formulas

Kind: TypeAlias = Literal["products", "linear", "single", "moves", "function", "other"]
"""``products``: sums of products of two inputs. ``linear``: a sum or mean. ``single``: one correctly rounded operation each.
``moves``: elements are taken over as they are. ``function``: a function of each element. ``other``: anything else."""

TRANSPOSED = "conv_transpose1d conv_transpose2d conv_transpose3d"
CONVOLUTIONS = f"conv1d conv2d conv3d {TRANSPOSED}"
SLOPES = (
    "tanh sigmoid silu gelu softplus elu selu celu mish hardswish hardsigmoid log_sigmoid logsigmoid softsign tanhshrink erf erfc"
    " softshrink hardshrink"
)
"""Functions whose derivative is about 1 at most: what is rounded on the way to them is of the size of their input."""

MEANS = " ".join(f"{what}avg_pool{axes}d" for what in ("", "adaptive_") for axes in (1, 2, 3))
LARGEST = " ".join(f"{what}max_pool{axes}d" for what in ("", "adaptive_") for axes in (1, 2, 3))
"""Pools: of means, and of the largest elements."""

NAMES: Mapping[Kind, str] = {
    "products": f"matmul dot addmm baddbmm linear {CONVOLUTIONS}",
    "linear": f"sum mean {MEANS}",
    "single": "add sub rsub mul div rdiv neg square",
    "moves": "embedding cat stack split chunk unbind getitem select narrow index_select gather take_along_dim expand expand_as"
    " repeat t permute view flatten ravel squeeze unsqueeze copy tril triu where masked_fill relu clamp maximum minimum abs"
    f" max amax min amin {LARGEST} pad flip roll movedim unflatten eq ne lt le gt ge dropout hardtanh"
    " relu6 leaky_relu topk sort to type_as floor ceil trunc round zeros_like ones_like zero_ fill_ full_like new_zeros"
    " new_ones new_full zeros ones full eye tensor logical_and logical_or isfinite all any detach int clamp_min"
    " clamp_max setitem diagonal tile repeat_interleave",
    "function": "pow rpow reciprocal rsqrt exp log sqrt sin cos tan asin acos atan sinh cosh asinh acosh atanh exp2 expm1 log1p"
    f" log2 log10 logit {SLOPES}",
}
CHANCES = "log_softmax cross_entropy logsumexp binary_cross_entropy_with_logits"
"""Logarithms of sums of exponentials: of the size of 1 on their way, however small what comes out."""
SCATTERED = f"getitem index_select embedding gather take_along_dim pad {LARGEST}"
"""Ops whose gradient is added up in the place where it is stored, one part after the other."""
SUMMED_IN_PLACE = "adaptive_avg_pool3d"
"""Ops whose output is added up in its own dtype, by torch on a CPU (``AdaptiveAveragePooling3d.cpp``)."""


@cache
def _computes(names: str) -> frozenset[Any]:
    formulas()
    known = (formula_of(name) for name in names.split())
    return frozenset(formula.compute for formula in known if formula is not None)


def is_one_of(formula: Formula, names: str) -> bool:
    """Whether a formula is that of one of some ops, under whatever name."""
    return formula.compute in _computes(names)


def kind_of(formula: Formula) -> Kind:
    """The kind of a formula."""
    return next((kind for kind, names in NAMES.items() if is_one_of(formula, names)), "other")


def forward_length(call: Call, inputs: Sequence[Any], out: Any) -> int:
    """How many terms an element of the output is the sum of, at most."""
    kind = kind_of(call.formula)
    if kind == "products":
        return _contracted(call.formula, inputs) + 1
    if kind == "linear" and is_one_of(call.formula, "sum mean"):
        return math.ceil(np.size(inputs[0]) / max(np.size(out), 1))
    if is_one_of(call.formula, MEANS):
        return windows_of(call.formula.op, inputs[0], call.named)[0]
    return 1 if kind in ("single", "moves", "function") else _inside(call, inputs)


def gradient_length(call: Call, number: int, inputs: Sequence[Any], out: Any) -> int:
    """How many terms an element of the gradient of the ``number``-th input is the sum of, at most, where no index names a place
    twice.
    """
    kind, size = kind_of(call.formula), max(np.size(inputs[number]), 1)
    ratio = math.ceil(sum(np.size(part) for part in (out if isinstance(out, tuple | list) else (out,))) / size)
    if kind == "products" and call.symbol(number) != "b":
        if is_one_of(call.formula, CONVOLUTIONS) and call.symbol(number) == "X":
            w: tuple[int, ...] = np.shape(inputs[1])
            return int(math.prod(w)) // max(w[0 if is_one_of(call.formula, TRANSPOSED) else 1], 1)
        return ratio * _contracted(call.formula, inputs)
    return max(ratio, _inside(call, inputs)) if kind == "other" else max(ratio, 1)


def divisions(formula: Formula) -> int:
    """How often the share of an element in a mean is divided and rounded: by the size of the window, or by that of each axis."""
    return (int(formula.op[-2]) if formula.op.startswith("adaptive") else 1) if is_one_of(formula, MEANS) else 0


def _contracted(formula: Formula, inputs: Sequence[Any]) -> int:
    """Over how many products the sum of each output element goes."""
    if is_one_of(formula, CONVOLUTIONS):
        w: tuple[int, ...] = np.shape(inputs[1])
        return int(math.prod(w)) // max(w[1 if is_one_of(formula, TRANSPOSED) else 0], 1)
    factor = inputs[1] if is_one_of(formula, "linear addmm baddbmm") else inputs[0]
    return int(np.shape(factor)[-1]) if np.ndim(factor) else 1


def _inside(call: Call, inputs: Sequence[Any]) -> int:
    """How many elements are looked at together: along ``dim`` where that is known, else all."""
    x, dim = inputs[0] if inputs else (), call.named.get("dim")
    if is_one_of(call.formula, "softmax log_softmax") and isinstance(dim, int) and np.ndim(x):
        return int(np.shape(x)[dim])
    if is_one_of(call.formula, "layer_norm"):
        return int(math.prod(call.named.get("normalized_shape", ())))
    if is_one_of(call.formula, "batch_norm instance_norm"):
        return int(np.size(x) / max(np.shape(x)[1], 1))
    if is_one_of(call.formula, "group_norm"):
        return int(np.size(x) / max(np.shape(x)[0] * call.named.get("num_groups", 1), 1))
    own = inputs[:-1] if call.formula.drawn else inputs  # the mask that it drew is not added up
    return max((int(np.size(one)) for one in own), default=1)
