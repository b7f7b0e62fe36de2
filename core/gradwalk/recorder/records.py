"""What the recorder notes while a step runs: mutable, small, never holding a tensor of the user's.

The life of a record, in order: an op, a backward or an update is noted in the log (``steps.py``), the step is cut out of the
log when its end is seen, and ``assemble.py`` turns it into a Trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import torch

from ..callsite import CallSite
from ..trace import Frame, Hook, Kept, Shape, Site, Strides
from .device_times import Timing

Row: TypeAlias = tuple[float, ...]
"""The statistics of one tensor, in the order of ``trace.STATISTICS``."""


class Late(Protocol):
    """Statistics that are still on their way from a device."""

    def row(self) -> Row:
        """The statistics; waits for them."""
        ...


class LateTensor(Protocol):
    """A copy of a tensor that is still on a device."""

    def kept(self) -> Kept:
        """The copy; waits for it."""
        ...


Measured: TypeAlias = "Row | Late"
Copied: TypeAlias = "Kept | LateTensor"


@dataclass(slots=True, eq=False)
class Place:
    """A call site with the stack that led to it; equal places are one object."""

    call: CallSite
    stack: tuple[Frame, ...]
    direct: bool
    """Whether the user's own line called the op, rather than torch code that the user's line called."""
    codes: tuple[object, ...] = ()
    site: Site | None = None
    distributed: bool = False
    """Whether code of ``torch.distributed`` called the op."""


@dataclass(slots=True, eq=False)
class Call:
    """One call of a module."""

    path: str
    name: str
    kind: str
    parent: Call | None
    outermost: Call | None
    """The outermost call of those under way, None for that itself."""
    module: int
    root: Any
    """What is known of the outermost module (``parameters.Root``)."""
    hooks: tuple[Hook, ...] = ()


@dataclass(slots=True, eq=False)
class Scaled:
    """What ``GradScaler.scale`` did to make a Slot: its factor, and the loss before it."""

    factor: Measured
    source: Slot


class Slot:
    """A tensor at one version: what becomes a Value. What most Slots share is a class attribute, so that one is made fast."""

    name = ""
    layout = ""
    """How it holds its elements, where not as a plain array (``trace.Value.layout``)."""
    strides: Strides | None = None
    hooks: tuple[Hook, ...] = ()
    serial = -1
    """The serial number of the record that made it, or -1 for a tensor that came from outside."""
    base: Slot | None = None
    written = False
    """Whether it was made by an in-place write."""
    unwritten = 0
    """How much of its memory nobody has written (``unwritten.Unwritten``)."""
    gradient_of: Slot | None = None
    zeroed = False
    """Whether it is a gradient that has just been zeroed."""
    graded = False
    """Whether a backward has reached this leaf: a write to it is then an update."""
    last_use = -1
    """The serial number of the last record that read it."""
    scaled: Scaled | None = None
    reference: Callable[[], torch.Tensor | None] | None = None
    shared = False
    """Whether NumPy may write to it behind torch's back; it is then measured in every step."""
    followed_in = -1
    """The followed step in which it was last seen (``Running.serial``)."""
    measured: Measured | None = None
    measured_in = -1
    copied: Copied | None = None
    copied_in = -1

    def __init__(self, shape: Shape, dtype: str, device: str, requires_grad: bool, leaf: bool) -> None:
        self.shape = shape
        self.dtype = dtype
        self.device = device
        self.requires_grad = requires_grad
        self.leaf = leaf


Held: TypeAlias = "tuple[Sequence[Any], dict[str, Any]] | None"
"""Positional and named arguments, tensors replaced by a placeholder; None where all are tensors."""


class OpRecord:
    """One op, or one update, that ran."""

    begin = 0.0
    duration = 0.0
    update = False
    place: Place | None = None
    call: Call | None = None
    variable = ""
    parent = -1
    """The custom Function in whose forward, or the region in which, it ran: the serial number at which that began."""
    opened = -1
    """For a custom Function and a region, the serial number at which it began: before the ops inside it."""
    region = False
    """Whether it is a region (``regions.py``)."""
    tags: tuple[str, ...] = ()
    """What is special about it: words of ``trace.TAGS``."""
    function: Any = None
    arguments: Held = None
    """Put into words only for a new Graph, and where they are others than those of its first step."""
    first_sequence = 0
    last_sequence = 0
    """The range of sequence numbers that autograd gave out while it ran."""
    keys: Sequence[tuple[int, int]] = ()
    """Per output its ``(sequence number of grad_fn, output_nr)``; ``(-1, 0)`` for one without."""
    makes_graph = False
    mask: Copied | None = None
    """Which elements it kept, where it has dropout inside (``masks.py``)."""
    pending: Sequence[PendingNode] = ()
    """Its Nodes as they were when it had run; read only while the gate is armed."""
    timing: Timing | None = None
    """Its time on a device."""

    def __init__(self, serial: int, name: str, inputs: tuple[Slot, ...], outputs: tuple[Slot, ...]) -> None:
        self.serial = serial
        self.name = name
        self.inputs = inputs
        self.outputs = outputs

    @property
    def custom(self) -> bool:
        """Whether it is a custom ``autograd.Function``."""
        return self.opened >= 0 and not self.region


@dataclass(frozen=True, slots=True)
class SavedRecord:
    """A saved tensor of a Node. ``place`` is the Value that it is, among the op's inputs and then its outputs, or -1."""

    name: str
    place: int
    shape: Shape
    dtype: str
    bytes: int


@dataclass(frozen=True, slots=True)
class PendingNode:
    """A Node that no backward has reached yet, and what it keeps."""

    name: str
    sequence: int
    saved: Sequence[SavedRecord]


class EdgeRecord:
    """A gradient on its way between two Nodes, given by their places in the walk (-1: none)."""

    slot: Slot | None = None
    measured: Measured | None = None
    copied: Copied | None = None
    shape: Shape | None = None
    """Of a gradient that belongs to no Value of the script."""
    none = False
    """Whether its Node ran and gave no gradient here."""
    seen = (0, 0)
    """The ``id`` and version of the gradient that was measured."""

    def __init__(self, source: int, output: int, target: int, input_nr: int) -> None:
        self.source = source
        self.output = output
        self.target = target
        self.input_nr = input_nr


class NodeRecord:
    """A backward Node as the walk found it."""

    owner: OpRecord | None = None
    leaf: Slot | None = None
    saved: Sequence[SavedRecord] = ()
    hooks: tuple[Hook, ...] = ()
    arriving: EdgeRecord | None = None
    """The one edge that comes in, where it is one."""

    def __init__(self, name: str, sequence: int) -> None:
        self.name = name
        self.sequence = sequence
        self.edges: list[EdgeRecord] = []


@dataclass(slots=True, eq=False)
class BackwardRecord:
    """One backward: its roots, the Nodes it walked, and the order in which they ran."""

    serial: int
    loss: Slot
    seeds: list[EdgeRecord]
    nodes: list[NodeRecord]
    begin: float = 0.0
    duration: float = 0.0
    ran: list[tuple[int, float, float]] = field(default_factory=list)
    """Per Node that ran, in the engine's order: its place in the walk, when it began and ended."""
    timings: list[tuple[int, Timing]] = field(default_factory=list)
    """Of Nodes that ran on a device their times there, by their place in ``ran``."""
    scale: Measured | None = None
    """The factor of a ``GradScaler`` that its gradients carry."""
    unscaled: Measured | None = None
    """The loss without that factor, where it was measured."""
    inside: list[tuple[int, Record]] = field(default_factory=list)
    """What ran inside it, in order: how many Nodes had run before, and the record."""

    def note(self, record: Record) -> None:
        """Something ran inside this backward."""
        self.inside.append((len(self.ran), record))


Record: TypeAlias = OpRecord | BackwardRecord


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that passed through an op or a backward. Never holds the exception, which would hold the user's frames."""

    identity: int
    kind: str
    message: str
    record: Record
    index: int
    """Where in the log an op that raised belongs."""

    def is_of(self, error: BaseException) -> bool:
        """Whether it is of this exception; the ``id`` alone may be that of one that is gone."""
        return (self.identity, self.kind, self.message) == (id(error), type(error).__name__, str(error))
