"""Views: a write to one is a write to the tensor that it is a view of."""

from __future__ import annotations

from collections.abc import Container

import torch

from .values import Values


def with_bases(
    values: Values, read: list[torch.Tensor], made: list[torch.Tensor], written: Container[int]
) -> tuple[list[torch.Tensor], list[torch.Tensor], Container[int]]:
    """What an op read, made and wrote (by ``id``), with the known bases of the views that it wrote to: these it made anew."""
    bases = {}
    for tensor in made:
        base = tensor._base if id(tensor) in written and tensor._is_view() else None
        if base is not None and id(base) not in written and values.before(base) is not None:
            bases[id(base)] = base
    if not bases:
        return read, made, written
    read = read + [base for key, base in bases.items() if not any(base is tensor for tensor in read)]
    return read, made + list(bases.values()), {id(tensor) for tensor in made if id(tensor) in written} | bases.keys()
