"""Memory that nobody has written yet holds whatever was in it before: that is neither measured nor copied.

``torch.empty`` makes it, and views of it hold it. A write to a part leaves the rest: such a tensor is measured when an op reads
it. One that is read without a single write (torch passes such dummies on for their shape) never is.
"""

from __future__ import annotations

from collections.abc import Container
from enum import IntEnum

import torch

from .records import OpRecord, Slot


class Unwritten(IntEnum):
    """How much of a tensor's memory nobody has written."""

    NOTHING = 0
    SOME = 1
    ALL = 2


_MAKERS = frozenset(("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"))


def mark_unwritten(record: OpRecord, made: list[torch.Tensor], written: Container[int]) -> list[Slot]:
    """Mark what an op made that holds such memory. Gives the inputs that are not to be measured."""
    if record.name in _MAKERS:
        for slot in record.outputs:
            slot.unwritten = Unwritten.ALL
        return []
    worst = max([slot.unwritten for slot in record.inputs], default=0)
    if not worst:
        return []
    # Elements that were written for certain: those of what it gives back. How many an index names is not known.
    whole = 0 if record.name == "setitem" or not made else made[0].numel()
    only_hands_on = True
    for tensor, slot in zip(made, record.outputs, strict=True):
        if id(tensor) in written:
            if slot.base is not None and slot.base.unwritten and tensor.numel() > whole:
                slot.unwritten = Unwritten.SOME
        elif tensor._is_view():
            slot.unwritten = worst
        else:
            only_hands_on = False
    return [slot for slot in record.inputs if slot.unwritten == Unwritten.ALL or (slot.unwritten and only_hands_on)]
