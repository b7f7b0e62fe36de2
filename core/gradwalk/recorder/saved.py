"""Saved tensors: what each Node kept from the forward. Read before the backward frees them, once per structure, never held."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch.autograd.graph import Node

from ..trace import Hook
from .hooks import prehooks
from .records import NodeRecord, OpRecord, SavedRecord, Slot
from .values import Values, dtype_name, shape_of

_PREFIX, _RAW = "_saved_", "_raw_saved_"
_LIMIT = 1024


class SavedTensors:
    """Reads the saved tensors of a structure, and the hooks that run before its Nodes, when it is first seen."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._known: dict[Hashable, list[tuple[list[SavedRecord], tuple[Hook, ...]]]] = {}

    def read(self, nodes: Sequence[Node], records: Sequence[NodeRecord]) -> None:
        """Fill in ``saved`` of the records, and in ``hooks`` those that run before a Node."""
        key = tuple([(record.name, None if record.owner is None else record.owner.place) for record in records])
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _LIMIT:
                self._known.clear()
            pairs = zip(nodes, records, strict=True)
            known = self._known[key] = [(self._templates(node, record), prehooks(node)) for node, record in pairs]
        for record, (saved, hooks) in zip(records, known, strict=True):
            record.saved, record.hooks = saved, hooks

    def _templates(self, node: Node, record: NodeRecord) -> list[SavedRecord]:
        return templates_of(self._values, node, record.owner)


def templates_of(values: Values, node: Node, owner: OpRecord | None) -> list[SavedRecord]:
    """What a Node of an op keeps."""
    slots = _slots(owner)
    return [
        SavedRecord(
            name,
            _place(values, name, tensor, slots, owner),
            shape_of(tensor),
            dtype_name(tensor.dtype),
            _bytes_of(tensor),
        )
        for name, tensor in saved_of(node)
    ]


def _place(values: Values, name: str, tensor: torch.Tensor, slots: Sequence[Slot], owner: OpRecord | None) -> int:
    """Which input or output of the op a saved tensor is: by identity, else by its memory, else -1."""
    slot = values.before(tensor)
    for place, other in enumerate(slots):
        if other is slot:
            return place
    for place, other in enumerate(slots):
        alive = other.reference() if other.reference is not None else None
        if alive is not None and other.shape == shape_of(tensor) and _share_memory(alive, tensor):
            return place
    return len(owner.inputs) if owner is not None and name == "result" and len(owner.outputs) == 1 else -1


def _bytes_of(tensor: torch.Tensor) -> int:
    size = tensor.numel() * tensor.element_size()
    return size if type(size) is int else 0  # symbolic


def _share_memory(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether two tensors begin at the same place in memory; a sparse one has no such place, one without data none of its own."""
    try:
        return first.data_ptr() == second.data_ptr() != 0
    except (RuntimeError, NotImplementedError):
        return False


def _slots(owner: OpRecord | None) -> tuple[Slot, ...]:
    return () if owner is None else (*owner.inputs, *owner.outputs)


def saved_slot(saved: SavedRecord, owner: OpRecord | None) -> Slot | None:
    """The Value that a saved tensor is, where that is known."""
    slots = _slots(owner)
    return slots[saved.place] if 0 <= saved.place < len(slots) else None


def saved_of(node: Node) -> Iterator[tuple[str, torch.Tensor]]:
    """The saved tensors of a Node by name; none of those that are freed or packed by the user's hooks, which must not run."""
    for attribute in _attributes(type(node)):
        if _is_plain(node, _RAW + attribute[len(_PREFIX) :]):
            yield from _tensors(attribute[len(_PREFIX) :], _get(node, attribute))
    if hasattr(type(node), "saved_tensors") and _is_plain(node, "_raw_saved_tensors") and not _clears(node):
        yield from _tensors("saved_tensors", _get(node, "saved_tensors"))


@lru_cache(maxsize=1024)
def _attributes(kind: type[Node]) -> tuple[str, ...]:
    """The names under which Nodes of a type show what they keep."""
    return tuple(attribute for attribute in dir(kind) if attribute.startswith(_PREFIX))


def _clears(node: Node) -> bool:
    return bool(getattr(getattr(node, "_forward_cls", None), "clear_saved_tensors_on_access", False))


def _is_plain(node: Node, raw_name: str) -> bool:
    raw = _get(node, raw_name)
    return raw is not None and all(
        getattr(one, "unpack_hook", raw) is None for one in (raw if isinstance(raw, tuple | list) else (raw,))
    )


def _get(node: Node, attribute: str) -> Any:
    try:
        return getattr(node, attribute, None)
    except RuntimeError:  # freed already, or written since it was saved
        return None


def _tensors(name: str, saved: Any) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(saved, torch.Tensor):
        yield name, saved
    elif isinstance(saved, tuple | list):
        for index, one in enumerate(saved):
            if isinstance(one, torch.Tensor):
                yield f"{name}[{index}]", one
