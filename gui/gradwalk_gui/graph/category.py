"""Which family an op belongs to; it chooses the colour of a card's stripe. No Qt."""

from __future__ import annotations

from typing import Literal, TypeAlias

Category: TypeAlias = Literal["input", "leaf", "linear", "activation", "shaping", "loss", "other"]

# fmt: off
LINEAR = frozenset({
    "mm", "matmul", "bmm", "addmm", "addmv", "mv", "dot", "linear", "bilinear", "einsum", "outer", "inner", "tensordot",
    "vdot", "baddbmm", "embedding", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "scaled_dot_product_attention", "multi_head_attention_forward",
})
ACTIVATION = frozenset({
    "relu", "relu_", "clamp", "clamp_", "clip", "maximum", "minimum", "tanh", "sigmoid", "gelu", "silu", "softmax",
    "leaky_relu", "elu", "selu", "softplus", "hardtanh", "where", "dropout", "log_softmax", "logsigmoid", "mish", "glu",
    "prelu", "hardswish", "celu", "relu6", "threshold",
})
SHAPING = frozenset({
    "view", "reshape", "t", "T", "mT", "transpose", "permute", "expand", "expand_as", "cat", "concat", "concatenate", "stack",
    "split", "chunk", "slice", "squeeze", "unsqueeze", "flatten", "unflatten", "index", "select", "getitem", "__getitem__",
    "contiguous", "narrow", "gather", "unbind", "repeat", "swapaxes", "swapdims", "movedim", "pad", "clone", "detach", "to",
    "copy", "astype", "ravel", "broadcast_to", "roll", "tile",
})
# fmt: on
LOSS_WORDS = ("loss", "cross_entropy", "kl_div")


def category_of(op: str) -> Category:
    """The family of an op by its torch or NumPy name; a custom Function is ``other``."""
    name = op.rsplit(".", 1)[-1]
    if name in LINEAR:
        return "linear"
    if name in ACTIVATION:
        return "activation"
    if name in SHAPING:
        return "shaping"
    return "loss" if any(word in name.lower() for word in LOSS_WORDS) else "other"
