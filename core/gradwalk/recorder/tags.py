"""What is special about an op: the words of ``trace.TAGS``."""

from __future__ import annotations

import torch

from .records import OpRecord

_NONE: tuple[str, ...] = ()
_NO_GRAD, _INFERENCE = ("no_grad",), ("inference_mode",)


def tags_of(record: OpRecord) -> tuple[str, ...]:
    """The tags of an op that ran while grad was off.

    Only one that had a path to cut is tagged: an input requires grad. The ops in a custom Function's forward, where grad is
    always off, are not.
    """
    if record.parent >= 0:
        return _NONE
    for slot in record.inputs:
        if slot.requires_grad:
            return _INFERENCE if torch.is_inference_mode_enabled() else _NO_GRAD
    return _NONE
