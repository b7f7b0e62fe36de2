"""Functions of one element or of two or three, at kinks too: a line per case."""

from __future__ import annotations

import numpy as np
import torch
from formula_case import between, case, normal, positive

F = torch.nn.functional
KINKS = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0])
APART = np.array([-3.5, -2.2, -0.7, -0.2, 0.3, 0.8, 2.4, 7.0])
ODD = np.array([np.nan, np.inf, -np.inf, 1.5])
ALIKE = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 1.0])
BENDS = ["relu6", "hardsigmoid", "hardswish", "hardshrink", "softshrink", "leaky_relu", "elu", "hardtanh", "celu", "selu"]
PLAIN = ["sin", "cos", "tan", "sinh", "cosh", "asinh", "atan", "exp2", "expm1", "erf", "erfc", "special_expit", "floor", "ceil"]
MORE = ["round", "trunc", "sign", "frac", "mish", "softsign", "tanhshrink", "selu", "relu6", "hardswish", "hardsigmoid"]


def prelu(x, w):
    return F.prelu(x, w)


CASES = [
    *[case(name, normal(3, 4)) for name in (*PLAIN, *MORE)],
    *[case(name, between(-0.9, 0.9, 5)) for name in ("asin", "acos", "atanh")],
    *[case(name, positive(5)) for name in ("log1p", "log2", "log10")],
    *[case(name, KINKS.copy(), smooth=False) for name in (*BENDS, "abs", "relu", "sign", "floor")],
    *[case(name, *ALIKE, smooth=False) for name in ("maximum", "minimum", "max", "min", "fmax", "fmin")],
    *[case(name, normal(3, 4), normal(4)) for name in ("maximum", "minimum", "max", "min", "fmax", "fmin", "logaddexp", "atan2")],
    case("acosh", 1 + positive(5)),
    case("logit", between(0.1, 0.9, 5)),
    case("logit", np.array([0.05, 0.2, 0.5, 0.95]), eps=0.1),
    case("logit", np.array([0.05, 0.35, 0.5, 0.65, 0.95]), eps=0.6),
    case("logit", np.array([0.05, 0.2, 0.5, 0.95]), eps=0.1, hi=0.9, function=lambda x, eps, hi: torch.logit(x, eps)),
    case("round", normal(5), decimals=1, function=lambda x, decimals: torch.round(x, decimals=decimals)),
    case("nan_to_num", ODD, nan=1.0, posinf=2.0, neginf=-2.0, smooth=False),
    case("nan_to_num", normal(4)),
    case("softplus", normal(6)),
    case("softplus", np.array([-2.0, 1.0, 9.0, 30.0]), beta=2.0, threshold=10.0),
    case("leaky_relu", normal(6), negative_slope=0.2),
    case("elu", normal(6), alpha=0.7),
    case("celu", normal(6), alpha=1.3),
    case("hardtanh", APART, min_val=-0.5, max_val=2.0),
    case("log_sigmoid", normal(6), function=F.logsigmoid),
    case("hardshrink", APART, lambd=0.4, function=lambda x, lambd: torch.nn.functional.hardshrink(x, lambd)),
    case("softshrink", APART, lambd=0.4, function=lambda x, lambd: F.softshrink(x, lambd)),
    case("threshold", APART, threshold=0.5, value=-1.0, function=F.threshold),
    case("prelu", normal(2, 3, 4), positive(3), function=prelu),
    case("prelu", normal(6), positive(1), function=prelu),
    case("prelu", np.array([0.0, 1.0, -1.0]), positive(1), function=prelu, smooth=False),
    case("glu", normal(3, 4)),
    case("glu", normal(4, 3), dim=0),
    case("softmin", normal(3, 4), dim=0, function=F.softmin),
    case("clamp", np.array([-1.0, 0.0, 0.5, 1.0, 2.0]), min=0.0, max=1.0, smooth=False),
    case("clamp", normal(3, 4), normal(4), normal(3, 1)),
    case("clamp", normal(3, 4), normal(4)),
    case("clamp_min", normal(6), min=0.3),
    case("clamp_min", normal(3, 4), normal(4)),
    case("clamp_max", normal(6), max=0.3),
    case("clamp_max", normal(3, 4), normal(4)),
    case("div", normal(3, 4), positive(4), rounding_mode="trunc"),
    case("div", normal(3, 4), positive(4), rounding_mode="floor"),
    case("hypot", positive(3, 4), normal(4)),
    case("fmod", np.array([5.3, -5.3, 4.1]), np.array([2.0, 2.0, -1.5])),
    case("remainder", np.array([5.3, -5.3, 4.1]), np.array([2.0, 2.0, -1.5])),
    case("xlogy", positive(3, 4), positive(4)),
    case("xlogy", np.array([0.0, 0.0, 1.0]), np.array([0.0, 2.0, 3.0]), smooth=False),
    case("lerp", normal(3, 4), normal(4), np.array(0.3)),
    case("lerp", normal(3, 4), normal(4), normal(3, 1)),
    case("lerp", normal(3), normal(3), weight=0.3),
    case("addcmul", normal(4), normal(3, 4), normal(3, 1), value=0.5),
    case("addcdiv", normal(4), normal(3, 4), positive(3, 1), value=0.5),
    case("addcdiv", normal(3), normal(3), positive(3)),
    case("float", normal(4), function=lambda x: x.to(torch.float64)),
    case("to", normal(4), dtype="float64", function=lambda x, dtype: x.to(getattr(torch, dtype), copy=True)),
    case("to", normal(4), device="cpu", function=lambda x, device: x.to(device, copy=True)),
    case("type_as", normal(4), normal(2), function=lambda x, y: x.type_as(y).clone()),
    case("copy_", normal(3, 4), normal(4), function=lambda x, y: x.clone().copy_(y)),
    case("fill_", normal(3, 4), np.array(0.5), function=lambda x, v: x.clone().fill_(v)),
    case("sub", normal(3), normal(3), alpha=0.5),
    case("silu", normal(4)),
    case("pow", np.array([0.0, 0.0, -2.0, 3.0]), np.array([0.0, 2.0, 3.0, 0.0]), smooth=False),
    case("square", normal(4)),
]  # fmt: skip
