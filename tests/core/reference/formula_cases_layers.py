"""Layers, pieces and losses over classes: a line per case."""

from __future__ import annotations

import numpy as np
import torch
from formula_case import listed, normal

F = torch.nn.functional
RANDOM = np.random.default_rng(11)

WORDS = np.array([[0, 2, 2], [4, 0, 0]])
LABELS = np.array([0, 2, 4, 2])
POSITIVE = RANDOM.uniform(0.5, 2.0, 5)
MASK = np.array([[True, False, False], [True, True, False], [True, True, True], [True, False, True]])
STATISTICS = [normal(3), RANDOM.uniform(0.5, 2.0, 3)]


def plain_norm(x, w, b, normalized_shape, eps=1e-5):
    return F.layer_norm(x, normalized_shape, w, b, eps)


def groups(x, w, b, num_groups):
    return F.group_norm(x, num_groups, w, b)


def where(c, x, y):
    return torch.where(c, x, y)


def index_select(x, index, dim):
    return torch.index_select(x, dim, index)


CASES = [
    ("where", where, [normal(4, 3) > 0, normal(4, 3), normal(3)], {}),
    ("masked_fill", torch.Tensor.masked_fill, [normal(2, 4, 3), MASK], {"value": 0.5}),
    ("masked_fill", torch.Tensor.masked_fill, [normal(2, 4, 3), MASK, normal()], {}),
    ("cat", listed(torch.cat), [normal(2, 3), normal(1, 3), normal(0, 3)], {}),
    ("cat", listed(torch.cat), [normal(2, 3), normal(2, 1)], {"dim": -1}),
    ("stack", listed(torch.stack), [normal(2, 3), normal(2, 3)], {"dim": 1}),
    ("split", torch.split, [normal(5, 3)], {"split_size_or_sections": 2}),
    ("split", torch.split, [normal(5, 3)], {"split_size_or_sections": [1, 4]}),
    ("split", torch.split, [normal(2, 6)], {"split_size_or_sections": 3, "dim": -1}),
    ("chunk", torch.chunk, [normal(5, 3)], {"chunks": 3}),
    ("unbind", torch.unbind, [normal(2, 3)], {"dim": 1}),
    ("getitem", lambda x, index: x[index], [normal(4, 3)], {"index": (slice(1, None), 0)}),
    ("getitem", lambda x, index: x[index], [normal(4, 3), WORDS[0]], {}),
    ("select", torch.select, [normal(4, 3)], {"dim": -1, "index": 1}),
    ("narrow", torch.narrow, [normal(4, 3)], {"dim": 0, "start": 1, "length": 2}),
    ("narrow", torch.narrow, [normal(4, 3)], {"dim": 1, "start": -1, "length": 1}),
    ("index_select", index_select, [normal(5, 3), WORDS[1]], {"dim": 0}),
    ("expand", lambda x, size: x.expand(size), [normal(3, 1)], {"size": (2, -1, 4)}),
    ("expand_as", lambda x, y: x.expand_as(y), [normal(3, 1), normal(2, 3, 4)], {}),
    ("repeat", lambda x, repeats: x.repeat(repeats), [normal(3, 2)], {"repeats": (2, 1, 3)}),
    ("embedding", F.embedding, [WORDS, normal(5, 3)], {}),
    ("embedding", F.embedding, [WORDS, normal(5, 3)], {"padding_idx": 0}),
    ("embedding", F.embedding, [WORDS, normal(5, 3)], {"scale_grad_by_freq": True}),
    ("layer_norm", plain_norm, [normal(2, 4, 3), normal(3), normal(3)], {"normalized_shape": (3,)}),
    ("layer_norm", plain_norm, [normal(2, 4, 3), normal(4, 3), normal(4, 3)], {"normalized_shape": (4, 3), "eps": 0.1}),
    ("batch_norm", F.batch_norm, [normal(4, 3), *STATISTICS, normal(3), normal(3)], {"training": True}),
    ("batch_norm", F.batch_norm, [normal(4, 3, 2, 2), *STATISTICS, normal(3), normal(3)], {"training": True, "eps": 0.1}),
    ("batch_norm", F.batch_norm, [normal(4, 3, 2), *STATISTICS, normal(3), normal(3)], {}),
    ("group_norm", groups, [normal(2, 6, 3), normal(6), normal(6)], {"num_groups": 2}),
    ("conv1d", F.conv1d, [normal(2, 3, 8), normal(4, 3, 3), normal(4)], {"stride": 2, "padding": 1}),
    ("conv1d", F.conv1d, [normal(2, 3, 8), normal(4, 3, 4)], {"padding": "same"}),
    ("conv1d", F.conv1d, [normal(3, 8), normal(4, 3, 3)], {"dilation": 2, "padding": "valid"}),
    ("conv2d", F.conv2d, [normal(2, 4, 5, 6), normal(6, 2, 3, 2), normal(6)], {"groups": 2, "stride": (2, 1), "padding": (1, 0)}),
    ("conv2d", F.conv2d, [normal(2, 2, 7, 6), normal(3, 2, 3, 3)], {"stride": (2, 2), "dilation": (1, 2)}),
    ("conv3d", F.conv3d, [normal(1, 2, 3, 4, 3), normal(2, 2, 2, 2, 2), normal(2)], {"padding": 1}),
    ("max_pool1d", F.max_pool1d, [normal(2, 3, 7)], {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("max_pool2d", F.max_pool2d, [normal(2, 3, 6, 7)], {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("max_pool2d", F.max_pool2d, [normal(3, 6, 7)], {"kernel_size": (2, 3), "dilation": 2}),
    ("avg_pool1d", F.avg_pool1d, [normal(2, 3, 7)], {"kernel_size": 3, "padding": 1}),
    ("avg_pool2d", F.avg_pool2d, [normal(2, 3, 6, 6)], {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("avg_pool2d", F.avg_pool2d, [normal(2, 3, 6, 6)], {"kernel_size": 3, "padding": 1, "count_include_pad": False}),
    ("avg_pool2d", F.avg_pool2d, [normal(2, 3, 6, 6)], {"kernel_size": 2, "divisor_override": 3}),
    ("adaptive_avg_pool2d", F.adaptive_avg_pool2d, [normal(2, 3, 5, 4)], {"output_size": (3, None)}),
    ("adaptive_avg_pool2d", F.adaptive_avg_pool2d, [normal(2, 3, 5, 4)], {"output_size": 1}),
    ("cross_entropy", F.cross_entropy, [normal(4, 5), LABELS, POSITIVE], {"label_smoothing": 0.1}),
    ("cross_entropy", F.cross_entropy, [normal(4, 5), LABELS, POSITIVE], {"reduction": "sum", "ignore_index": 2}),
    ("cross_entropy", F.cross_entropy, [normal(2, 5, 3), WORDS, POSITIVE], {"ignore_index": 2, "label_smoothing": 0.2}),
    ("cross_entropy", F.cross_entropy, [normal(2, 5, 3), WORDS], {"reduction": "none"}),
    ("cross_entropy", F.cross_entropy, [normal(5), np.asarray(3)], {}),
    ("cross_entropy", F.cross_entropy, [normal(2, 5), RANDOM.dirichlet(np.ones(5), 2), POSITIVE], {"label_smoothing": 0.1}),
    ("nll_loss", F.nll_loss, [normal(2, 5, 3), WORDS, POSITIVE], {}),
    ("tril", torch.tril, [normal(2, 4, 3)], {}),
    ("triu", torch.triu, [normal(4, 3)], {"diagonal": -1}),
    ("var", torch.var, [normal(4, 3)], {"dim": (0,)}),
    ("var", torch.var, [normal(4, 3)], {"dim": (0, 1), "correction": 0, "keepdim": True}),
    ("amax", torch.amax, [np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 3.0]])], {"dim": (1,)}),
    ("max", torch.max, [normal(4, 3)], {}),
    ("max", torch.max, [normal(4, 3)], {"dim": 1}),
    ("max", torch.max, [normal(4, 3)], {"dim": 0, "keepdim": True}),
    ("scaled_dot_product_attention", F.scaled_dot_product_attention, [normal(2, 4, 5), normal(2, 3, 5), normal(2, 3, 6)], {}),
    ("scaled_dot_product_attention", F.scaled_dot_product_attention, [normal(2, 4, 5)] * 3, {"is_causal": True, "scale": 0.3}),
    ("scaled_dot_product_attention", F.scaled_dot_product_attention,
     [normal(2, 4, 5), normal(2, 3, 5), normal(2, 3, 6), MASK], {}),
    ("scaled_dot_product_attention", F.scaled_dot_product_attention,
     [normal(2, 4, 5), normal(2, 3, 5), normal(2, 3, 6), normal(4, 3)], {}),
]  # fmt: skip
