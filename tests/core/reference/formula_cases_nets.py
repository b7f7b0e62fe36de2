"""More layers: lengths, norms, transposed and pooled images, attention with all its keywords, recurrent layers."""

from __future__ import annotations

from unittest import mock

import numpy as np
import torch
from formula_case import RANDOM, case, normal, positive

F = torch.nn.functional
SEEN = np.array([[True, False, False], [True, True, False], [False, False, False], [True, False, True]])
KEPT = np.random.default_rng(7).random((2, 4, 4, 3)) > 0.3
STATISTICS = [normal(3), positive(3)]


def rms(x, w=None, *, normalized_shape, eps=None):
    return F.rms_norm(x, normalized_shape, w, eps)


def groups(x, w=None, b=None, *, num_groups, eps=1e-5):
    return F.group_norm(x, num_groups, w, b, eps)


def layer(x, w=None, b=None, *, normalized_shape, eps=1e-5):
    return F.layer_norm(x, normalized_shape, w, b, eps)


def dropped(q, k, v, mask, kept, dropout_p, is_causal=False, scale=None, enable_gqa=False):
    """Attention that keeps what is told, written with torch's own functions."""
    times = q.shape[-3] // k.shape[-3] if enable_gqa else 1
    k, v = (x.repeat_interleave(times, -3) if times > 1 else x for x in (k, v))
    scores = q @ k.mT * (q.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        scores = scores.masked_fill(~torch.ones(scores.shape[-2:], dtype=torch.bool).tril(), -torch.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    empty = (scores == -torch.inf).all(-1, keepdim=True)
    p = scores.masked_fill(empty, 0.0).softmax(-1).masked_fill(empty, 0.0)
    return (p * kept / (1 - dropout_p) if dropout_p < 1 else p * 0.0) @ v


def heads_dropped(q, k, v, w, b, u, c, padding, mask, kept, **named):
    """Attention of heads by torch itself, whose dropout keeps what is told."""

    def dropout(weights, p):
        return weights * kept.reshape(weights.shape) / (1 - p)

    def attention(q, k, v, mask, p, _):
        return dropped(q, k, v, mask, kept, p)

    with mock.patch.object(F, "dropout", dropout), mock.patch.object(F, "scaled_dot_product_attention", attention):
        return heads(q, k, v, w, b, u, c, padding, mask, **named)


def heads(q, k, v, w, b, u, c, padding=None, mask=None, **named):
    made = F.multi_head_attention_forward(
        q,
        k,
        v,
        q.shape[-1],
        named.pop("num_heads"),
        w,
        b,
        None,
        None,
        named.pop("add_zero_attn", False),
        named.pop("dropout_p", 0.0),
        u,
        c,
        key_padding_mask=padding,
        attn_mask=mask,
        **named,
    )
    return made if made[1] is not None else made[0]


def projections(size):
    return [normal(3 * size, size), normal(3 * size), normal(size, size), normal(size)]


def weights(inside, hidden, gates, *, layers=1, directions=1, biases=True):
    found = []
    for number in range(layers):
        for _ in range(directions):
            width = inside if number == 0 else hidden * directions
            found += [normal(gates * hidden, width), normal(gates * hidden, hidden)]
            found += [normal(gates * hidden), normal(gates * hidden)] if biases else []
    return [0.5 * w for w in found]


def recurrent(name):
    def run(x, *rest, **named):
        states = 2 if name == "lstm" else 1
        settings = {"has_biases": True, "num_layers": 1, "dropout": 0.0, "train": False, "bidirectional": False, **named}
        if x.ndim == 2:
            settings.pop("batch_first", None)
        hx = rest[0] if states == 1 else tuple(rest[:states])
        if x.ndim == 2:  # as torch.nn.LSTM does for a sequence without a batch
            hx = hx.unsqueeze(1) if states == 1 else tuple(h.unsqueeze(1) for h in hx)
            made = getattr(torch, name)(x.unsqueeze(1), hx, list(rest[states:]), **settings, batch_first=False)
            return tuple(part.squeeze(1) for part in made)
        settings.setdefault("batch_first", False)
        return getattr(torch, name)(x, hx, list(rest[states:]), **settings)

    return run


def cell(name):
    function = getattr(torch, f"{name}_cell")
    if name == "lstm":
        return lambda x, h, c, *weights: function(x, (h, c), *weights)
    return function


def average(x, kernel_size, divisor_override):
    """``avg_pool1d`` with the divisor that only the pools of images take."""
    return F.avg_pool2d(x.unsqueeze(-2), (1, kernel_size), divisor_override=divisor_override).squeeze(-2)


def recurrent_dropped(name):
    """Layers one by one by torch, with what is kept of each for the next."""

    def run(x, *rest, kept, num_layers, dropout, bidirectional=False, has_biases=True, batch_first=False, train=True):
        count, lines, made = 2 if name == "lstm" else 1, 2 if bidirectional else 1, []
        hx, weights = rest[:count], rest[count:]
        read, noise = x.transpose(0, 1) if batch_first else x, torch.tensor(kept).double() / (1 - dropout)
        for layer in range(num_layers):
            own, each = slice(layer * lines, (layer + 1) * lines), lines * (4 if has_biases else 2)
            first = tuple(h[own].contiguous() for h in hx)
            out, *last = getattr(torch, name)(
                read,
                first if count > 1 else first[0],
                list(weights[layer * each : (layer + 1) * each]),
                has_biases=has_biases,
                num_layers=1,
                dropout=0.0,
                train=False,
                bidirectional=bidirectional,
                batch_first=False,
            )
            made.append(last)
            read = out * noise[layer] if layer < num_layers - 1 else out
        return (read.transpose(0, 1) if batch_first else read, *(torch.cat(parts) for parts in zip(*made, strict=True)))

    return run


def states(name, lines, batch, hidden):
    return [normal(lines, batch, hidden) for _ in range(2 if name == "lstm" else 1)]


GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
ATTENTION = "scaled_dot_product_attention"
IMAGE = np.random.default_rng(2).standard_normal((1, 2, 6, 5))
CASES = [
    *[
        case("norm", normal(3, 4), p=p, dim=dim, keepdim=keep)
        for p, dim, keep in (
            (2, 1, False),
            (1, (0, 1), True),
            (3.5, -1, True),
            (float("inf"), 1, False),
            (0.5, 0, False),
            ("fro", None, False),
        )
    ],
    case("norm", np.array([[0.0, 0.0], [3.0, 4.0]]), p=2, dim=1, smooth=False),
    case("linalg_vector_norm", normal(3, 4), ord=3, dim=1, keepdim=True, function=torch.linalg.vector_norm),
    case("linalg_vector_norm", normal(3, 4), ord=float("-inf"), dim=1, function=torch.linalg.vector_norm),
    case("linalg_vector_norm", np.array([[1.0, 1.0, -1.0]]), ord=float("inf"), function=torch.linalg.vector_norm, smooth=False),
    case("linalg_vector_norm", normal(3, 4), ord=0, function=torch.linalg.vector_norm),
    case("linalg_norm", normal(3, 4), function=torch.linalg.norm),
    case("linalg_norm", normal(3, 4), ord=1, dim=1, keepdim=True, function=torch.linalg.norm),
    case("linalg_matrix_norm", normal(2, 3, 4), ord="fro", dim=(0, 2), keepdim=True, function=torch.linalg.matrix_norm),
    case("normalize", normal(3, 4)),
    case("normalize", normal(3, 4), p=1.0, dim=0, eps=3.0),
    case("normalize", normal(3, 4), p=3.0, dim=(0, 1)),
    case("cosine_similarity", normal(3, 4), normal(3, 4)),
    case("cosine_similarity", normal(2, 3, 4), normal(4), dim=-1, eps=1e-6),
    case("pairwise_distance", normal(3, 4), normal(4), p=3.0, eps=0.1, keepdim=True),
    case("dist", normal(3, 4), normal(4), p=3.0),
    case("cdist", normal(2, 3, 4), normal(2, 5, 4), p=1.0),
    case("cdist", normal(3, 4), normal(5, 4)),
    case("_weight_norm", normal(3, 4), positive(3, 1), function=torch._weight_norm),
    case("_weight_norm", normal(3, 4), positive(1, 4), dim=1, function=torch._weight_norm),
    case("instance_norm", normal(2, 3, 5), None, None, positive(3), normal(3), eps=0.1),
    case("instance_norm", normal(2, 3, 4, 2)),
    case("instance_norm", normal(2, 3, 5), *STATISTICS, positive(3), normal(3), use_input_stats=False, momentum=0.3),
    case("rms_norm", normal(2, 3, 4), positive(4), normalized_shape=(4,), function=rms),
    case("rms_norm", normal(2, 3, 4), normalized_shape=(3, 4), eps=0.1, function=rms),
    case("layer_norm", normal(2, 3, 4), normalized_shape=(3, 4), function=layer),
    case("layer_norm", normal(2, 3, 4), positive(4), normalized_shape=(4,), function=layer),
    case("group_norm", normal(2, 6), num_groups=3, eps=0.1, function=groups),
    case("batch_norm", normal(4, 3), None, None, training=True, momentum=0.0, function=F.batch_norm),
    case("batch_norm", normal(4, 3, 2), *STATISTICS, training=False, momentum=0.3, eps=0.1, function=F.batch_norm),
    case("dropout", normal(3, 4), np.eye(3, 4), p=0.25, training=True, function=lambda x, mask, p, training: x * mask / (1 - p)),
    case("dropout", normal(3, 4), np.eye(3, 4), training=False, function=lambda x, mask, training: x + 0),
    case("conv_transpose1d", normal(2, 3, 5), normal(3, 4, 3), normal(4), stride=2, padding=1, output_padding=1),
    case("conv_transpose2d", normal(2, 4, 3, 4), normal(4, 3, 2, 3), normal(6), stride=(2, 1), padding=(0, 1), groups=2),
    case("conv_transpose2d", normal(4, 3, 4), normal(4, 2, 2, 2), dilation=2),
    case("conv_transpose3d", normal(1, 2, 2, 3, 2), normal(2, 2, 2, 2, 2), stride=2),
    case("max_pool3d", normal(1, 2, 4, 4, 5), kernel_size=2, stride=(2, 1, 2), padding=(0, 1, 0)),
    case("max_pool1d", np.array([[[1.0, 1.0, 0.0, 2.0, 2.0, 2.0]]]), kernel_size=3, smooth=False),
    case("max_pool2d", normal(1, 2, 6, 6), kernel_size=3, stride=1, dilation=(1, 2)),
    case("avg_pool3d", normal(1, 2, 4, 4, 5), kernel_size=2, stride=2, ceil_mode=True, padding=1, count_include_pad=False),
    case("avg_pool3d", normal(1, 2, 4, 4, 4), kernel_size=2, divisor_override=3),
    case("max_pool1d", normal(2, 3, 8), kernel_size=2, stride=3, dilation=2, ceil_mode=True),
    case("max_pool3d", normal(1, 1, 5, 4, 4), kernel_size=2, dilation=(2, 1, 1), ceil_mode=True),
    case("avg_pool1d", normal(2, 3, 8), kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
    case("avg_pool1d", normal(2, 3, 8), kernel_size=3, divisor_override=2, function=average),
    case("adaptive_avg_pool1d", normal(2, 3, 7), output_size=3),
    case("adaptive_avg_pool3d", normal(1, 2, 4, 3, 5), output_size=(2, None, 3)),
    case("adaptive_max_pool1d", normal(2, 3, 7), output_size=3),
    case("adaptive_max_pool2d", normal(2, 3, 5, 4), output_size=(3, 2)),
    case("adaptive_max_pool3d", normal(1, 2, 4, 3, 5), output_size=2),
    case("interpolate", normal(1, 2, 3, 4), scale_factor=2),
    case("interpolate", normal(1, 2, 5, 4), size=(3, 7), mode="nearest-exact"),
    case("interpolate", normal(1, 2, 5), size=8, mode="linear", align_corners=True),
    case("interpolate", normal(1, 2, 5, 4), scale_factor=(1.5, 0.7), mode="bilinear", align_corners=False),
    case("interpolate", normal(1, 2, 5, 4), scale_factor=1.3, mode="bilinear", recompute_scale_factor=True, antialias=False),
    case("interpolate", normal(1, 1, 3, 2, 4), size=(4, 3, 2), mode="trilinear"),
    case("interpolate", IMAGE, size=(9, 3), mode="bicubic", align_corners=True),
    case("interpolate", IMAGE, scale_factor=(1.5, 0.7), mode="bicubic"),
    case("interpolate", IMAGE, size=(4, 3), mode="area"),
    *[
        case("interpolate", IMAGE, size=size, mode=mode, antialias=True, align_corners=corners)
        for size in ((3, 9), (2, 5))
        for mode in ("bilinear", "bicubic")
        for corners in (False, True)
    ],
    case(ATTENTION, normal(2, 4, 3, 5), normal(2, 2, 6, 5), normal(2, 2, 6, 4), enable_gqa=True),
    case(ATTENTION, normal(1, 4, 3, 5), normal(1, 2, 3, 5), normal(1, 2, 3, 4), enable_gqa=True, is_causal=True, dropout_p=0.0),
    case(ATTENTION, normal(2, 4, 4, 5), normal(2, 1, 3, 5), normal(2, 1, 3, 5), SEEN, enable_gqa=True, scale=0.4),
    case(ATTENTION, normal(2, 3, 4, 5), normal(2, 3, 3, 5), normal(2, 3, 3, 6), normal(1, 3, 4, 3)),
    case(ATTENTION, normal(2, 4, 5), normal(2, 3, 5), normal(2, 3, 6), SEEN),
    case("multi_head_attention_forward", *[normal(3, 2, 4) for _ in "qkv"], *projections(4), num_heads=2, function=heads),
    case(
        "multi_head_attention_forward",
        normal(3, 2, 4),
        *[normal(5, 2, 4)] * 2,
        *projections(4),
        np.array([[0.0, 0.0, 0.0, 0.0, -1.0]] * 2),
        normal(4, 3, 5),
        num_heads=2,
        need_weights=False,
        function=heads,
    ),
    case(
        "multi_head_attention_forward",
        *[normal(3, 2, 4)] * 3,
        *projections(4),
        np.array([[False, False, True]] * 2),
        num_heads=2,
        average_attn_weights=False,
        training=True,
        add_zero_attn=False,
        dropout_p=0.0,
        is_causal=False,
        use_separate_proj_weight=False,
        function=heads,
    ),
    case(
        "multi_head_attention_forward",
        *[normal(3, 4)] * 3,
        *projections(4),
        None,
        np.triu(np.ones((3, 3), bool), 1),
        num_heads=4,
        function=heads,
    ),
    *[
        case(name, normal(4, 2, 3), *states(name, 1, 2, 5), *weights(3, 5, GATES[name]), function=recurrent(name))
        for name in GATES
    ],
    *[
        case(
            name,
            normal(2, 3, 3),
            *states(name, 4, 2, 4),
            *weights(3, 4, GATES[name], layers=2, directions=2),
            num_layers=2,
            bidirectional=True,
            batch_first=True,
            dropout=0.5,
            train=False,
            function=recurrent(name),
        )
        for name in GATES
    ],
    *[
        case(
            name,
            normal(3, 2),
            *[state[:, 0] for state in states(name, 1, 1, 4)],
            *weights(2, 4, GATES[name], biases=False),
            has_biases=False,
            function=recurrent(name),
        )
        for name in GATES
    ],
    *[
        case(
            f"{name}_cell",
            normal(2, 3),
            *[state[0] for state in states(name, 1, 2, 5)],
            *weights(3, 5, gates),
            function=cell(name),
        )
        for name, gates in GATES.items()
    ],
    *[
        case(ATTENTION, normal(2, 4, 4, 5), normal(2, 4, 3, 5), normal(2, 4, 3, 6), mask, KEPT, function=dropped, **named)
        for mask, named in (
            (None, {"dropout_p": 0.3}),
            (SEEN, {"dropout_p": 0.5, "scale": 0.4}),
            (normal(4, 4, 3), {"dropout_p": 0.1}),
            (None, {"dropout_p": 0.2, "is_causal": True}),
            (None, {"dropout_p": 1.0}),
        )
    ],
    case(
        ATTENTION,
        normal(2, 4, 4, 5),
        *[normal(2, 2, 3, 5) for _ in "kv"],
        None,
        KEPT,
        dropout_p=0.3,
        enable_gqa=True,
        function=dropped,
    ),
    *[
        case(
            "multi_head_attention_forward",
            *rows,
            *projections(4),
            padding,
            mask,
            kept,
            num_heads=2,
            dropout_p=0.3,
            function=heads_dropped,
            **named,
        )
        for rows, padding, mask, kept, named in (
            ([normal(4, 2, 4), *[normal(3, 2, 4)] * 2], None, None, KEPT[:, :2], {}),
            ([normal(4, 2, 4), *[normal(3, 2, 4)] * 2], None, normal(4, 4, 3), KEPT[:, :2].reshape(4, 4, 3), {}),
            ([normal(4, 2, 4), *[normal(3, 2, 4)] * 2], np.eye(2, 3) > 0, None, KEPT[:, :2], {"average_attn_weights": False}),
            ([normal(4, 2, 4), *[normal(3, 2, 4)] * 2], None, SEEN < 0, KEPT[:, :2], {"need_weights": False}),
            ([normal(4, 4), *[normal(3, 4)] * 2], None, None, KEPT[0, :2], {"training": True}),
        )
    ],
    *[
        case(
            name,
            normal(3, 4, 2),
            *states(name, 2, 3, 2),
            *weights(2, 2, GATES[name]),
            *weights(2, 2, GATES[name]),
            num_layers=2,
            dropout=0.3,
            train=True,
            batch_first=True,
            kept=RANDOM.random((1, 4, 3, 2)) > 0.3,
            function=recurrent_dropped(name),
        )
        for name in GATES
    ],
]
