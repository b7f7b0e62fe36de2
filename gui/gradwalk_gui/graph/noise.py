"""Which ops only look at a tensor in another way: noise where the question is how gradients flow. No Qt."""

from __future__ import annotations

from gradwalk.trace import Op

VIEWS = frozenset(
    (
        "view",
        "view_as",
        "reshape",
        "reshape_as",
        "flatten",
        "unflatten",
        "ravel",
        "squeeze",
        "unsqueeze",
        "transpose",
        "t",
        "T",
        "mT",
        "H",
        "mH",
        "permute",
        "movedim",
        "moveaxis",
        "swapaxes",
        "swapdims",
        "expand",
        "expand_as",
        "broadcast_to",
        "contiguous",
        "chunk",
        "split",
        "unbind",
        "select",
        "narrow",
        "__getitem__",
        "getitem",
    )
)


def is_view(op: Op) -> bool:
    """Whether an op gives nothing but views, or a copy in another order, of what it reads; an in-place one does not."""
    return op.name in VIEWS and not op.custom and not op.tags
