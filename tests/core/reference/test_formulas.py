"""Every formula in three ways: against torch's float64, central differences, and as the transpose of torch's forward mode.

The cases are in ``formula_cases.py``; that none of the registry is left out, no keyword either, is a test too.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from gradwalk.reference.registry import formula_of, formulas, unbroadcast

sys.path.insert(0, str(Path(__file__).parent))
from formula_case import Case, Ran, normal, outputs, same_as_torch
from formula_cases import ALL
from formula_cases_basic import CASES, NUMPY_CASES

__all__ = ["CASES", "NUMPY_CASES"]

WITH_VJP = [one for one in ALL if formula_of(one.name).vjps]
NO_DERIVATIVE = {"padding_idx", "scale_grad_by_freq"}
"""Arguments of the embedding that change the gradient and not the forward."""
IN_FLOAT32 = {"hardsigmoid": 1e-6, "celu": 1e-6}
"""Ops whose backward in torch holds a constant in float32 whatever the dtype: relative tolerances for them."""
pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Using a target size:UserWarning"),
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss:UserWarning"),
    pytest.mark.filterwarnings("ignore:The operator .* does not have a mathematically:UserWarning"),
]


def named(cases):
    return [f"{one.name}-{number}" for number, one in enumerate(cases)]


def differentiable(one):
    return one.smooth and not NO_DERIVATIVE & set(one.arguments)


SMOOTH = [one for one in WITH_VJP if differentiable(one)]
NUMPY = [Case(*one) for one in NUMPY_CASES]


@pytest.mark.parametrize("one", WITH_VJP, ids=named(WITH_VJP))
def test_forward_and_every_vjp_equal_torch(one):
    assert same_as_torch(one, rtol=IN_FLOAT32.get(one.name, 1e-9))


@pytest.mark.parametrize("one", [*SMOOTH, *NUMPY], ids=named([*SMOOTH, *NUMPY]))
def test_every_vjp_equals_central_differences(one):
    ran, step = Ran(one), 1e-6
    for i, gradient in zip(ran.wanted, ran.gradients(), strict=True):
        direction = np.asarray(normal(*np.shape(ran.inputs[i])))
        ahead, behind = (
            ran.weighed(*ran.inputs[:i], ran.inputs[i] + move * direction, *ran.inputs[i + 1 :]) for move in (step, -step)
        )
        np.testing.assert_allclose((gradient * direction).sum(), (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-6)


COMPOSED = {
    "cdist": lambda x, y, p=2.0: torch.linalg.vector_norm(x[..., :, None, :] - y[..., None, :, :], p, -1),
    "soft_margin_loss": lambda x, t, reduction="mean": getattr(F.softplus(-x * t), reduction, lambda: F.softplus(-x * t))(),
}
"""For the ops that torch has no forward mode of: the same of ops that have one."""


def pushed_forward(of_wanted, inputs, directions):
    """J v by torch's forward mode; where an op has none, as the derivative of J^T u by u, along v."""
    with sdpa_kernel(SDPBackend.MATH):
        try:
            return torch.func.jvp(of_wanted, inputs, directions)[1]
        except (NotImplementedError, RuntimeError):
            return torch.autograd.functional.jvp(of_wanted, inputs, directions)[1]


@pytest.mark.parametrize("one", SMOOTH, ids=named(SMOOTH))
def test_every_vjp_is_the_transpose_of_torchs_forward_mode(one):
    """``<J v, u> = <v, J^T u>``: J v is torch's, J^T u the formula's."""
    ran = Ran(one)
    function = COMPOSED.get(one.name, one.function)
    tensors = [None if x is None else torch.tensor(np.asarray(x)) for x in ran.inputs]
    directions = tuple(torch.tensor(np.asarray(normal(*np.shape(ran.inputs[i])))) for i in ran.wanted)

    def of_wanted(*moved):
        every = list(tensors)
        for i, tensor in zip(ran.wanted, moved, strict=True):
            every[i] = tensor
        return tuple(z for z in outputs(function(*every, **one.arguments)) if z.is_floating_point())

    pushed = pushed_forward(of_wanted, tuple(tensors[i] for i in ran.wanted), directions)
    ahead = sum((z.numpy() * g).sum() for z, g in zip(pushed, ran.incoming, strict=False))
    back = sum((d.numpy() * g).sum() for d, g in zip(directions, ran.gradients(), strict=True))
    np.testing.assert_allclose(back, ahead, rtol=IN_FLOAT32.get(one.name, 1e-9), atol=1e-11)


@pytest.mark.parametrize("one", NUMPY, ids=named(NUMPY))
def test_numpy_ops_compute_what_numpy_computes(one):
    np.testing.assert_allclose(
        formula_of(one.name).compute(*one.inputs, **one.arguments), one.function(*one.inputs, **one.arguments), rtol=1e-12
    )


def the_same(formula):
    """What names of one registration share."""
    return formula.compute, tuple(formula.vjps.values())


def test_no_formula_is_left_out_of_the_three_ways():
    for cases in (WITH_VJP, SMOOTH):
        tested = {}
        for one in cases:
            tested.setdefault(the_same(formula_of(one.name)), set()).update(Ran(one).symbols[i] for i in Ran(one).wanted)
        left_out = {
            name: set(formula.vjps) - tested.get(the_same(formula), set())
            for name, formula in formulas().items()
            if formula.vjps and set(formula.vjps) - tested.get(the_same(formula), set())
        }
        assert not left_out


IN_NUMPY_ONLY = {"axis", "keepdims", "axes", "ddof", "order"}
NO_NUMBER = {"inplace", "sparse", "others", "src"}
"""Keywords that change no number."""
REGISTERED_FOR_THE_CALL_ALONE = {"embed_dim_to_check", "norm_type"}
"""Keywords that torch gives and the mathematics does not need."""


def keywords(formula):
    """The keywords that the functions of a formula take besides its tensors."""
    found = set()
    for function, first in [(formula.compute, 0), *((vjp, 2) for vjp in formula.vjps.values())]:
        if inspect.isfunction(function):
            parameters = list(inspect.signature(function).parameters.values())[first:]
            kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
            symbols = parameters[: len(formula.inputs)] if not any(p.kind == kinds[0] for p in parameters) else parameters[:1]
            taken = {p.name for p in symbols if p.kind != inspect.Parameter.KEYWORD_ONLY and p.default is inspect.Parameter.empty}
            found |= {p.name for p in parameters if p.kind not in kinds and p.name not in taken}
    return found


def test_every_keyword_of_every_formula_is_in_a_case():
    used = {}
    for one in [*ALL, *NUMPY]:
        formula = formula_of(one.name)
        ran = Ran(one)
        if inspect.isfunction(formula.compute):
            bound = inspect.signature(formula.compute).bind(*ran.inputs, **ran.arguments)
            names = set(bound.arguments) | set(bound.arguments.get("named", {})) | set(ran.arguments)
        else:
            names = set()
        used.setdefault(the_same(formula), set()).update(names)
    unused = {}
    for name, formula in formulas().items():
        if formula.vjps:
            rest = keywords(formula) - used[the_same(formula)] - IN_NUMPY_ONLY - NO_NUMBER - REGISTERED_FOR_THE_CALL_ALONE
            if rest:
                unused[name] = rest
    assert not unused


@pytest.mark.parametrize("alias", ["sub_", "add_", "mul_", "div_", "relu_", "clamp_", "addmm_", "isub", "iadd", "__sub__"])
def test_in_place_and_operator_names_have_the_formula_of_their_op(alias):
    plain = formula_of(alias.strip("_").removeprefix("i"))
    assert plain is not None
    assert (formula_of(alias).forward, formula_of(alias).compute) == (plain.forward, plain.compute)


@pytest.mark.parametrize("theme", ["loss", "activations", "moves"])
def test_any_theme_may_be_imported_first(theme):
    script = f"import gradwalk.reference.{theme}; from gradwalk.reference.registry import formula_of; assert formula_of('mm')"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_every_formula_shows_what_it_computes():
    assert len(formulas()) > 400
    for name, formula in formulas().items():
        assert formula.forward.startswith(f"{formula.output} = "), name
        assert set(formula.vjps) == {symbol for symbol, _ in formula.gradients} <= set(formula.inputs), name
        for symbol, text in formula.gradients:
            assert text.startswith((f"dL/d{symbol} = ", f"dL/d{symbol}[")), name
        assert formula.source, name


def test_an_unknown_op_has_no_formula():
    assert formula_of("MyReLU") is None


def test_unbroadcast_sums_the_stretched_axes():
    assert unbroadcast(np.ones((2, 4, 3)), (4, 1)).tolist() == [[6.0]] * 4
