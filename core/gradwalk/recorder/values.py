"""Which Value a tensor is: by identity and version, through weak references.

A tensor is looked up by its ``id``, which is its own for as long as its weak reference lives. A door to a leaf (its ``.data``)
shares its entry, so that a write through one is seen through all. A write that no hook saw (an optimizer's fused kernel)
is recognised by the tensor's version counter.
"""

from __future__ import annotations

import weakref

import torch

from ..trace import Shape, Strides
from .records import Slot


class _Entry:
    """A living tensor. ``behind`` is the leaf whose storage it writes to; a *door* (``w.data``) is that leaf by another name."""

    __slots__ = ("behind", "door", "reference", "slot", "version")

    def __init__(self, reference: weakref.ref[torch.Tensor], slot: Slot, version: int) -> None:
        self.reference = reference
        self.slot = slot
        self.version = version
        self.behind: _Entry | None = None
        self.door = False


_WITH_PLAIN_SIZES = frozenset((torch.Tensor, torch.nn.Parameter))
_DTYPES: dict[torch.dtype, str] = {}
_DEVICES: dict[torch.device, str] = {}


def dtype_name(dtype: torch.dtype) -> str:
    """``float32`` for ``torch.float32``."""
    name = _DTYPES.get(dtype)
    if name is None:
        name = _DTYPES[dtype] = str(dtype).removeprefix("torch.")
    return name


def _device_name(device: torch.device) -> str:
    name = _DEVICES.get(device)
    if name is None:
        name = _DEVICES[device] = str(device)
    return name


def version_of(tensor: torch.Tensor) -> int:
    """The version counter, 0 for an inference tensor, which has none."""
    try:
        return tensor._version
    except RuntimeError:
        return 0


def shape_of(tensor: torch.Tensor) -> Shape:
    """The sizes; none where there is no one shape (a nested tensor) or none yet (a lazy module's parameter)."""
    try:
        shape = tuple(tensor.shape)
    except RuntimeError:
        return ()
    if (type(tensor) in _WITH_PLAIN_SIZES and not tensor.is_meta) or all(type(size) is int for size in shape):
        return shape
    return ()  # symbolic sizes


def strides_of(tensor: torch.Tensor, shape: Shape) -> Strides | None:
    """The strides of a tensor of this shape, None where it has none (a sparse one) or they are no numbers yet."""
    try:
        strides = tensor.stride()
    except (RuntimeError, NotImplementedError):
        return None
    if type(tensor) in _WITH_PLAIN_SIZES or all(type(step) is int for step in strides):
        return strides if len(strides) == len(shape) else None
    return None


def describe(tensor: torch.Tensor, name: str = "") -> Slot:
    """A new Slot for a tensor."""
    shape = shape_of(tensor)
    dtype, device, grad = tensor.dtype, tensor.device, tensor.requires_grad
    leaf = grad and tensor.is_leaf
    if leaf and tensor._is_view() and _views_a_leaf(tensor):  # made under no_grad from a leaf: no gradient comes here
        grad = leaf = False
    slot = Slot(shape, _DTYPES.get(dtype) or dtype_name(dtype), _DEVICES.get(device) or _device_name(device), grad, leaf)
    if name:
        slot.name = name
    slot.strides = strides_of(tensor, shape)
    if tensor.layout is not torch.strided or tensor.is_nested or tensor.is_quantized:
        slot.layout = layout_of(tensor)
        slot.strides = slot.strides if tensor.layout is torch.strided and not tensor.is_nested else None
    return slot


def _views_a_leaf(view: torch.Tensor) -> bool:
    """Whether what a view views requires grad itself; ``torch.arange(6.0).view(2, 3).requires_grad_()`` is a leaf of its own."""
    return view._base is not None and view._base.requires_grad


def layout_of(tensor: torch.Tensor) -> str:
    """How a tensor holds its elements, where not as a plain array: ``sparse_csr``, ``nested``, ``quantized``."""
    if tensor.is_nested:
        return "nested"
    if tensor.is_quantized:
        return "quantized"
    return "" if tensor.layout is torch.strided else str(tensor.layout).removeprefix("torch.")


def is_foreign(tensor: torch.Tensor) -> bool:
    """Whether the memory of a CPU tensor is not torch's own (``from_numpy``)."""
    try:
        return tensor.device.type == "cpu" and not tensor.untyped_storage().resizable()
    except (RuntimeError, NotImplementedError):
        return False


class Values:
    """The tensors that were seen and are alive."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, tensor: torch.Tensor) -> Slot | None:
        """The current Slot of a tensor, or None for one that was never seen."""
        entry = self._entries.get(id(tensor))
        if entry is None or entry.reference() is None:
            return None
        if entry.door and entry.behind is not None:
            return entry.behind.slot
        version = version_of(tensor)
        if version != entry.version:
            entry.version = version
            entry.slot = _next(entry.slot, tensor)
        return entry.slot

    def before(self, tensor: torch.Tensor) -> Slot | None:
        """The Slot as it was known, whatever has been written since; for the input of a write that has just happened."""
        entry = self._entry(tensor)
        return None if entry is None else entry.slot

    def was_written(self, tensor: torch.Tensor) -> bool | None:
        """Whether a known tensor was written since it was last looked at; None for an unknown one."""
        entry = self._entries.get(id(tensor))
        if entry is None or entry.reference() is None:
            return None
        return version_of(tensor) != entry.version

    def written_leaves(self) -> list[torch.Tensor]:
        """The leaves that wait for an update and were written without a hook that saw it."""
        found = []
        for entry in self._entries.values():
            if entry.slot.graded and not entry.door:
                tensor = entry.reference()
                if tensor is not None and version_of(tensor) != entry.version:
                    found.append(tensor)
        return found

    def put(self, tensor: torch.Tensor, slot: Slot) -> Slot:
        """From now on the tensor is this Slot."""
        slot.reference = reference = weakref.ref(tensor)
        self._entries[id(tensor)] = _Entry(reference, slot, version_of(tensor))
        return slot

    def put_again(self, tensor: torch.Tensor, slot: Slot, version: int) -> None:
        """The tensor was this Slot when it had this version."""
        slot.reference = reference = weakref.ref(tensor)
        self._entries[id(tensor)] = _Entry(reference, slot, version)

    def write(self, tensor: torch.Tensor) -> Slot:
        """The new Slot of a known tensor that has just been written, for every door to it."""
        self._entries[id(tensor)].version = version_of(tensor)
        entry = self._entry(tensor)
        assert entry is not None
        entry.slot = slot = _next(entry.slot, tensor)
        return slot

    def alias(self, door: torch.Tensor, tensor: torch.Tensor) -> None:
        """``door`` is another name of ``tensor`` (its ``.data``, which has a version counter of its own)."""
        entry = self._entry(tensor)
        if entry is not None:
            new = self._entries[id(door)] = _Entry(weakref.ref(door), entry.slot, version_of(door))
            new.behind, new.door = entry, True

    def link(self, door: torch.Tensor, leaf: torch.Tensor) -> None:
        """``door`` is a tensor of its own over the storage of ``leaf``: its ``detach()``, or a view of it."""
        self._entries[id(door)].behind = self._entry(leaf)

    def leaf_behind(self, door: torch.Tensor) -> torch.Tensor:
        """The leaf that a write to ``door`` writes to, or ``door`` itself."""
        entry = self._entries.get(id(door))
        leaf = entry.behind.reference() if entry is not None and entry.behind is not None and not entry.door else None
        return door if leaf is None else leaf

    def share(self, tensor: torch.Tensor) -> None:
        """From now on the tensor may be written without its version counter telling."""
        entry = self._entry(tensor)
        if entry is not None:
            entry.slot.shared = True

    def same(self, first: torch.Tensor, second: torch.Tensor) -> bool:
        """Whether two known tensors are one, under two names."""
        one = self._entry(first)
        return one is not None and one is self._entry(second)

    def settle(self, tensor: torch.Tensor) -> None:
        """Take the version counter as it stands: what was written is already on record."""
        entry = self._entries.get(id(tensor))
        if entry is not None:
            entry.version = version_of(tensor)

    def forget_dead(self) -> None:
        """Drop the entries of tensors that are gone."""
        self._entries = {key: entry for key, entry in self._entries.items() if entry.reference() is not None}

    def _entry(self, tensor: torch.Tensor) -> _Entry | None:
        """The entry of a living tensor, for a door that of what is behind it."""
        entry = self._entries.get(id(tensor))
        if entry is None or entry.reference() is None:
            return None
        return entry.behind if entry.door else entry


def _next(old: Slot, tensor: torch.Tensor) -> Slot:
    """The Slot after ``old``. A ``.data`` door says nothing of the leaf behind it, so what ``old`` knew of that stays."""
    slot = Slot(old.shape, old.dtype, old.device, old.requires_grad, old.leaf)
    slot.name, slot.base, slot.written, slot.graded = old.name, old, True, old.graded
    slot.gradient_of, slot.reference, slot.shared = old.gradient_of, old.reference, old.shared
    slot.layout, slot.strides, slot.hooks = old.layout, old.strides, old.hooks
    if not old.leaf:
        slot.shape, slot.requires_grad = shape_of(tensor), tensor.requires_grad
        slot.strides = strides_of(tensor, slot.shape) if old.strides is not None else None
    return slot
