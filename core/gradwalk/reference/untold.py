"""The arguments of an op as torch takes them: numbers in the dtype in which it computes, and those that come of the dtype."""

from __future__ import annotations

import math

from ..trace import Arguments, Graph, Op
from .rounding import UNIT, largest_of

COMPARED = "eq ne lt le gt ge equal not_equal less less_equal greater greater_equal"
MARGINS = "hinge_embedding_loss margin_ranking_loss multi_margin_loss cosine_embedding_loss triplet_margin_loss"
ROUNDED = frozenset(
    (
        *COMPARED.split(),
        *(f"__{name}__" for name in COMPARED.split()[:6]),
        *("pow", "__pow__", "ipow", "__ipow__", "rpow", "__rpow__", "xlogy", "special_xlogy", "logit", "special_logit"),
        *(
            "fmod",
            "remainder",
            "mod",
            "__mod__",
            "hardshrink",
            "softshrink",
            "hardtanh",
            "clamp",
            "clip",
            "clamp_min",
            "clamp_max",
        ),
        *MARGINS.split(),
    )
)
"""Ops in which a number that is rounded to the dtype makes more than a rounding of the result: it is compared, or a base."""
TO_FLOAT32 = frozenset(("threshold", "_threshold", "softplus", "div", "true_divide", "floor_divide", "floordiv", "__floordiv__"))
"""The same, of which torch computes what is stored in fewer bits in float32, on a CPU."""


def arguments_of(graph: Graph, op: Op) -> Arguments:
    """The arguments of an op, numbers rounded where that counts, with those that it left out and that hang on the dtype."""
    name = op.name if op.name.endswith("__") else op.name.removesuffix("_")
    units = [UNIT[v.dtype] for v in map(graph.values.__getitem__, op.inputs) if v.dtype in UNIT]
    unit = min(units[:1] if name == "hinge_embedding_loss" else units, default=0.0)  # its margin meets the first alone
    if name == "rms_norm" and unit and "eps" not in dict(op.arguments):
        return (*op.arguments, ("eps", str(machine_epsilon(unit))))
    if name == "nan_to_num" and unit:
        given = dict(op.arguments)
        kept = {"posinf": str(largest_of(unit)), "neginf": str(-largest_of(unit))}
        return (*op.arguments, *((key, text) for key, text in kept.items() if key not in given))
    if not unit or name not in ROUNDED | TO_FLOAT32:
        return op.arguments
    told = tuple((key, _told(text, unit if name in ROUNDED else min(unit, UNIT["float32"]))) for key, text in op.arguments)
    eps = dict(told).get("eps")
    return (*told, ("hi", _told(str(1 - float(eps)), unit))) if eps is not None and name.endswith("logit") else told


def machine_epsilon(unit: float) -> float:
    """The ``eps`` of torch's RMSNorm without one, of a dtype with a unit roundoff: the distance from 1 to the next number of the
    dtype in which it computes, float32 for all that is stored in fewer bits (``rms_norm`` in
    aten/src/ATen/native/layer_norm.cpp, ``opmath_t``).
    """
    return 2 * min(unit, UNIT["float32"])


def rounded(number: float, unit: float) -> float:
    """The nearest number of a dtype with a unit roundoff, of two the even one; as if there were none below the normal ones."""
    if not number or not math.isfinite(number):
        return number
    part, exponent = math.frexp(number)
    return math.ldexp(round(part / unit) * unit, exponent)


def _told(text: str, unit: float) -> str:
    try:
        return repr(rounded(float(text), unit))
    except ValueError:
        return text
