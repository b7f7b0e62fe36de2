"""Losses with every keyword, targets that broadcast, and kinks: a line per case."""

from __future__ import annotations

import numpy as np
import torch
from formula_case import between, case, normal, positive

F = torch.nn.functional
SIGNS = np.array([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]])
FEW = np.array([0.0, 1.0, 3.0, 5.0])


def weighed(name):
    return lambda x, y, w=None, **named: getattr(F, name)(x, y, weight=w, **named)


def with_logits(x, t, w=None, p=None, **named):
    return F.binary_cross_entropy_with_logits(x, t, w, pos_weight=p, **named)


def pair(name, *inputs, **arguments):
    """Each of the three reductions."""
    return [case(name, *inputs, reduction=how, **arguments) for how in ("mean", "sum", "none")]


CASES = [
    *pair("l1_loss", normal(3, 4), normal(3, 4)),
    *pair("smooth_l1_loss", normal(3, 4), normal(3, 4), beta=0.5),
    *pair("huber_loss", normal(3, 4), normal(3, 4), delta=0.5),
    *pair("soft_margin_loss", normal(2, 3), normal(2, 3)),
    *pair("poisson_nll_loss", normal(2, 3), positive(2, 3)),
    *pair("kl_div", normal(2, 3), positive(2, 3)),
    *pair("binary_cross_entropy", between(0.1, 0.9, 2, 3), between(0.1, 0.9, 2, 3)),
    *pair("margin_ranking_loss", normal(2, 3), normal(2, 3), SIGNS, margin=0.3),
    *pair("hinge_embedding_loss", normal(2, 3), SIGNS.astype(int), margin=0.5),
    *pair("cosine_embedding_loss", normal(2, 3), normal(2, 3), np.array([1, -1]), margin=-0.9),
    *pair("triplet_margin_loss", normal(4, 3), normal(4, 3), normal(4, 3)),
    *pair("gaussian_nll_loss", normal(2, 3), normal(2, 3), positive(2, 3)),
    *pair("binary_cross_entropy_with_logits", normal(2, 3), between(0, 1, 2, 3), function=with_logits),
    case("mse_loss", normal(3, 4), normal(3, 4), positive(3, 4), reduction="mean", function=weighed("mse_loss")),
    case("mse_loss", normal(3, 4), normal(3, 4), positive(3, 4).astype(int), reduction="none", function=weighed("mse_loss")),
    case("mse_loss", normal(3, 1), normal(4)),
    case(
        "l1_loss",
        normal(3, 4),
        normal(3, 4),
        np.array([[1, 2, 3, 1]] * 3),
        function=lambda x, y, w: F.l1_loss(x, y, weight=w.double()),
    ),
    case(
        "huber_loss",
        normal(3, 4),
        normal(3, 4),
        np.array([[1, 2, 3, 1]] * 3),
        delta=0.5,
        function=lambda x, y, w, delta: F.huber_loss(x, y, delta=delta, weight=w.double()),
    ),
    case("l1_loss", normal(3, 4), normal(4)),
    case("l1_loss", np.array([1.0, 2.0]), np.array([1.0, 3.0]), smooth=False),
    case("smooth_l1_loss", np.array([1.0, 2.0]), np.array([1.5, 5.0]), beta=0.5, smooth=False),
    case("smooth_l1_loss", normal(3), normal(3), beta=0.0),
    case("huber_loss", np.array([1.0, 2.0]), np.array([1.5, 5.0]), delta=0.5, smooth=False),
    case(
        "binary_cross_entropy",
        np.array([0.0, 1.0, 0.3]),
        np.array([0, 1, 0]) * 1,
        function=lambda x, t: F.binary_cross_entropy(x, t.double()),
        smooth=False,
    ),
    case(
        "binary_cross_entropy",
        between(0.1, 0.9, 2, 3),
        between(0.1, 0.9, 2, 3),
        np.array([1.0, 2.0, 0.5]).astype(int),
        function=lambda x, t, w: F.binary_cross_entropy(x, t, w.double()),
    ),
    case(
        "binary_cross_entropy_with_logits",
        normal(2, 3),
        np.array([[0, 1, 1], [1, 0, 1]]),
        np.array([1, 2, 3]),
        function=lambda x, t, w: with_logits(x, t.double(), w.double()),
    ),
    case(
        "binary_cross_entropy_with_logits",
        normal(2, 3),
        np.array([[0, 1, 1], [1, 0, 1]]),
        np.array([1, 2, 1]),
        np.array([3, 1, 2]),
        function=lambda x, t, w, p: with_logits(x, t.double(), w.double(), p.double()),
    ),
    case("kl_div", normal(2, 3), positive(2, 3), reduction="batchmean"),
    case("kl_div", normal(2, 3), normal(2, 3), reduction="batchmean", log_target=True),
    case("kl_div", normal(3), np.array([0, 1, 0]), function=lambda x, y: F.kl_div(x, y.double()), smooth=False),
    case(
        "poisson_nll_loss",
        positive(4),
        FEW.astype(int),
        log_input=False,
        full=True,
        eps=0.01,
        function=lambda x, t, **named: F.poisson_nll_loss(x, t.double(), **named),
    ),
    case("poisson_nll_loss", normal(4), positive(4) + 1, full=True),
    case("gaussian_nll_loss", normal(2, 3), normal(2, 3), positive(2), full=True, eps=0.01),
    case("gaussian_nll_loss", normal(2, 3), normal(2, 3), positive(2, 1)),
    case(
        "margin_ranking_loss",
        np.array([1.0, 2.0]),
        np.array([1.0, 1.0]),
        np.array([1.0, 1.0]).astype(int),
        margin=0.0,
        smooth=False,
    ),
    case("triplet_margin_loss", normal(4, 3), normal(4, 3), normal(4, 3), margin=2.0, p=1.5, eps=0.01, swap=True),
    case("nll_loss", normal(2, 3), np.array([0, -1]), reduction="sum", ignore_index=-1),
]
