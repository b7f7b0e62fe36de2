"""Parameters that no op of a step read: they have no Slot, and are in the Graph all the same.

They are looked for once per structure, when its Graph is built: what was called is part of a structure's signature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from ..builder import GraphBuilder
from .hooks import of_tensor
from .numbering import Numbers
from .records import Slot
from .values import describe

_MOST = 20_000
"""Parameters after which no more are added: a Graph has a limit of its own."""


def is_parameter(slot: Slot) -> bool:
    """Whether a Slot is a version of an ``nn.Parameter`` that is alive."""
    return slot.reference is not None and isinstance(slot.reference(), nn.Parameter)


def add_unused_parameters(build: GraphBuilder, numbers: Numbers, name_of: Callable[[torch.Tensor], str]) -> None:
    """Add a leaf that no op reads for each parameter of the modules called in the step that the step did not touch."""
    seen = {id(tensor) for slot in numbers.slots if slot.reference is not None and (tensor := slot.reference()) is not None}
    for parameter in _parameters(numbers):
        if id(parameter) in seen:
            continue
        if len(build.values) >= _MOST:
            return
        seen.add(id(parameter))
        slot = describe(parameter, name_of(parameter))
        build.add_value(
            slot.shape,
            slot.dtype,
            name=slot.name,
            role="leaf" if slot.leaf else "input",
            device=slot.device,
            requires_grad=slot.requires_grad,
            parameter=True,
            strides=slot.strides,
            hooks=of_tensor(parameter),
        )


def _parameters(numbers: Numbers) -> Iterable[torch.Tensor]:
    roots = {id(call.root): call.root for call in numbers.calls}
    for root in roots.values():
        module = root.module()
        if module is not None:
            yield from module.parameters()
