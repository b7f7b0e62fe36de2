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
from ..trace import Frame, Kept, Shape, Site

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


class Slot:
    """A tensor at one version: what becomes a Value. What most Slots share is a class attribute, so that one is made fast."""

    name = ""
    serial = -1
    """The serial number of the record that made it, or -1 for a tensor that came from outside."""
    base: Slot | None = None
    written = False
    """Whether it was made by an in-place write."""
    gradient_of: Slot | None = None
    zeroed = False
    """Whether it is a gradient that has just been zeroed."""
    graded = False
    """Whether a backward has reached this leaf: a write to it is then an update."""
    last_use = -1
    """The serial number of the last record that read it."""
    reference: Callable[[], torch.Tensor | None] | None = None
    shared = False
    """Whether NumPy may write to it behind torch's back; it is then measured in every step."""
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


class OpRecord:
    """One op, or one update, that ran."""

    begin = 0.0
    duration = 0.0
    update = False
    place: Place | None = None
    call: Call | None = None
    variable = ""
    parent = -1
    """The custom Function in whose forward it ran: the serial number at which that began."""
    opened = -1
    """For a custom Function, the serial number at which it began: before the ops inside it."""
    function: Any = None
    arguments: tuple[Sequence[Any], dict[str, Any]] | None = None
    """The positional and named arguments, tensors replaced by a placeholder; put into words only for a new Graph."""
    first_sequence = 0
    last_sequence = 0
    """The range of sequence numbers that autograd gave out while it ran."""
    keys: Sequence[tuple[int, int]] = ()
    """Per output its ``(sequence number of grad_fn, output_nr)``; ``(-1, 0)`` for one without."""
    makes_graph = False
    tags: tuple[str, ...] = ()

    def __init__(self, serial: int, name: str, inputs: tuple[Slot, ...], outputs: tuple[Slot, ...]) -> None:
        self.serial = serial
        self.name = name
        self.inputs = inputs
        self.outputs = outputs

    @property
    def custom(self) -> bool:
        """Whether it is a custom ``autograd.Function``."""
        return self.opened >= 0


@dataclass(frozen=True, slots=True)
class SavedRecord:
    """A saved tensor of a Node. ``place`` is the Value that it is, among the op's inputs and then its outputs, or -1."""

    name: str
    place: int
    shape: Shape
    dtype: str
    bytes: int


class EdgeRecord:
    """A gradient on its way between two Nodes, given by their places in the walk (-1: none)."""

    slot: Slot | None = None
    measured: Measured | None = None
    copied: Copied | None = None
    shape: Shape | None = None
    """Of a gradient that belongs to no Value of the script."""
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
    inside: list[tuple[int, OpRecord]] = field(default_factory=list)
    """The ops that ran in it, each with the number of Nodes that it stands after."""

    def in_order(self) -> list[tuple[int, float, float] | OpRecord]:
        """The Nodes that ran and the ops inside, in the order in which they ran."""
        if not self.inside:
            return list(self.ran)
        order, begin = list[tuple[int, float, float] | OpRecord](), 0
        for position, op in sorted(self.inside, key=lambda part: part[0]):
            order += [*self.ran[begin:position], op]
            begin = position
        return [*order, *self.ran[begin:]]


Record: TypeAlias = OpRecord | BackwardRecord


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that passed through an op or a backward. Never holds the exception, which would hold the user's frames."""

    identity: int
    kind: str
    record: Record
    index: int
    """Where in the log an op that raised belongs."""
