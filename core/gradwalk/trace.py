"""The record: what one training step was, as plain frozen data.

A :class:`Graph` is the structure of a step (stored once per distinct structure), a :class:`Trace` is one step of it: statistics,
kept tensors, the loss and the tape. Ids are small integers: a thing's id is its index in its tuple in the Graph. Nothing here
computes; statistics, labels, checks and layout are functions over the record (see ``tape.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Shape: TypeAlias = tuple[int, ...]
Strides: TypeAlias = tuple[int, ...]
Phase: TypeAlias = Literal["forward", "loss", "backward", "update"]
EventKind: TypeAlias = Literal["op", "loss", "node", "accumulate", "update"]
Role: TypeAlias = Literal["leaf", "input", "result"]
TensorKey: TypeAlias = tuple[Literal["value", "gradient", "mask"], int]
"""A kept tensor: the elements of a Value, the gradient on an Edge, or, of an Op with dropout inside, which elements it kept."""

NONE = -1
"""The id that stands for "no such thing" in every id field."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of the Python stack, innermost last."""

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class Site:
    """Where an op was called: the exact sub-expression. Lines count from 1, columns (UTF-8 characters) from 0."""

    file: str
    line: int
    end_line: int
    column: int
    end_column: int
    expression: str
    function: str
    stack: tuple[Frame, ...] = ()


HookKind: TypeAlias = Literal[
    "hook",
    "post_accumulate_grad_hook",
    "prehook",
    "forward_pre_hook",
    "forward_hook",
    "full_backward_pre_hook",
    "full_backward_hook",
]
"""Which method a hook was given to, without its ``register_``: those of a tensor, of a Node and of a module."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A function of the script that autograd or a module calls. ``line`` counts from 1; 0 where the source is not known."""

    kind: HookKind
    function: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """One call of an ``nn.Module``; ``name`` is ``fc1``, or ``fc1#2`` for its second call in the step."""

    id: int
    name: str
    path: str
    kind: str
    parent: int = NONE
    hooks: tuple[Hook, ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor at one version. An in-place write gives a new Value whose ``base`` is the one before."""

    id: int
    name: str
    role: Role
    shape: Shape
    dtype: str
    device: str = "cpu"
    requires_grad: bool = False
    op: int = NONE
    output: int = 0
    version: int = 0
    base: int = NONE
    gradient_of: int = NONE
    """The Value whose gradient this Value is: for ``w1.grad``, and for ``grad_h`` in a hand-written backward."""
    parameter: bool = False
    """Whether it is an ``nn.Parameter``, frozen or not; one that no op of the step reads is here too."""
    layout: str = ""
    """How it holds its elements, where not as a plain array: ``sparse_coo``, ``nested``, ``quantized``."""
    strides: Strides | None = None
    """How many elements it is from one index of each axis to the next; None where that is not known, or there are none."""
    hooks: tuple[Hook, ...] = ()


TAGS = ("no_grad", "inference_mode", "recomputed", "in backward", "compiled", "collective")
"""What an Op may be tagged with: it ran while grad was off (``no_grad``, ``inference_mode``), again for a checkpoint's backward
(``recomputed``), inside a custom backward or a hook (``in backward``), as one region of ``torch.compile`` (``compiled``), or
between processes (``collective``)."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operation as executed. ``arguments`` are the non-tensor arguments as text, such as ``("min", "0")``."""

    id: int
    name: str
    phase: Phase
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    arguments: tuple[tuple[str, str], ...] = ()
    module: int = NONE
    site: int = NONE
    variable: str = ""
    parent: int = NONE
    """The custom Function, compiled region or transform (an Op) inside which this op ran."""
    custom: bool = False
    """Whether this is a custom ``autograd.Function``."""
    tags: tuple[str, ...] = ()
    """What is special about it: words of :data:`TAGS`."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A tensor that a Node kept from the forward for its backward."""

    name: str
    value: int
    shape: Shape
    dtype: str
    bytes: int
    version: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """A backward node. An AccumulateGrad has ``leaf`` set; in a hand-written backward ``name`` ends in ``(by hand)``."""

    id: int
    name: str
    op: int = NONE
    leaf: int = NONE
    sequence: int = 0
    saved: tuple[Saved, ...] = ()
    hooks: tuple[Hook, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """A gradient on its way: from ``source``'s ``output``-th output to ``target``'s ``input_nr``-th input.

    ``source`` is NONE for the seed (the gradient that ``backward()`` starts with), ``target`` is NONE for the edge from an
    AccumulateGrad to its leaf's ``.grad``. ``value`` is the forward Value whose gradient this is. ``by`` is, in a hand-written
    backward, the Value that holds the gradient.
    """

    id: int
    source: int
    output: int
    target: int
    input_nr: int
    value: int = NONE
    by: int = NONE
    backward: int = 0
    """Which backward of the step, counted from 0."""
    shape: Shape | None = None
    """The gradient's shape where ``value`` does not tell it: inside an op that has several Nodes."""
    none: bool = False
    """Whether the Node ran and gave None here: no gradient."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that ran. ``ref`` is an Op's id (op, update), a Value's (loss), or a Node's (node, accumulate)."""

    id: int
    kind: EventKind
    phase: Phase
    ref: int
    backward: int = 0


@dataclass(frozen=True, slots=True)
class Graph:
    """The structure of a step; ``key`` is a hash of it that leaves sizes out."""

    id: int
    key: str
    values: tuple[Value, ...]
    ops: tuple[Op, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    events: tuple[Event, ...]
    modules: tuple[ModuleCall, ...] = ()
    sites: tuple[Site, ...] = ()

    def __str__(self) -> str:
        return "\n".join(f"{event.id:4d} {event.phase:8s} {event.kind:10s} #{event.ref}" for event in self.events)


STATISTICS = ("count", "min", "max", "sum", "sumsq", "nan", "inf", "zero")
"""The rows of a statistics table. ``count`` is the number of elements; -1 in a count means "was not counted"."""


def empty_table(things: int) -> NDArray[np.float64]:
    """A statistics table ``float64 [len(STATISTICS), things]`` in which nothing was counted."""
    table = np.full((len(STATISTICS), things), np.nan)
    table[[0, 5, 6, 7]] = -1
    return table


@dataclass(frozen=True, slots=True)
class Kept:
    """A tensor's elements. Not ``complete``: ``data`` is a strided one-dimensional sample and ``shape`` says of what.

    ``data`` is read-only. A dtype that NumPy lacks (bfloat16, fp8) is widened to float32 in ``data``; ``dtype`` names the
    original.
    """

    data: NDArray[np.generic]
    dtype: str
    shape: Shape
    complete: bool = True


@dataclass(frozen=True, slots=True)
class StepError:
    """The exception that ended a step. ``event`` is the tape position of the op or Node that raised, or NONE."""

    kind: str
    message: str
    event: int = NONE
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """A recorded tensor next to what the reference gives for it. ``recorded`` and ``expected`` are the elements at ``place``,
    where they are furthest apart by the measure that the verdict goes by.

    ``absolute`` is the largest difference of an element, ``relative`` that over the largest expected absolute value, ``ulps`` the
    difference at ``place`` in units in the last place of ``expected`` in the tensor's dtype. ``off`` is the largest difference
    over what rounding may explain there: the tensor agrees up to 1. All are Inf where shapes, or NaN and Inf, do not agree, and
    0 for a tensor without elements.
    """

    tensor: TensorKey
    symbol: str
    formula: str
    place: Shape
    recorded: float
    expected: float
    absolute: float
    relative: float
    ulps: float
    off: float
    kinks: int = 0
    """Elements left out because the op has no derivative there (ReLU at 0, equal maxima) and what is recorded is a valid one."""

    @property
    def agrees(self) -> bool:
        """Whether rounding explains the difference."""
        return self.off <= 1


Judge: TypeAlias = Literal["formula", "ops inside", "registered formula", "central differences"]
"""What an op was compared with: its formula, those of the ops inside a custom Function, one that the script registered for a
custom Function, or central differences through the Function itself."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check made of one op. ``sentence`` says what could not be compared, and why; without ``rows`` nothing could."""

    op: int
    by: Judge
    rows: tuple[Compared, ...] = ()
    sentence: str = ""

    @property
    def agrees(self) -> bool | None:
        """Whether all that was compared agrees; None where nothing was, or nothing that decides."""
        said = [self.says(row) for row in self.rows]
        return False if False in said else None if None in said or not said else True

    def says(self, row: Compared) -> bool | None:
        """Whether a row agrees. None where a custom Function differs from the ops inside its forward: that is a mistake, or meant
        (straight-through, reversed, clipped), and a file alone does not tell which.
        """
        return row.agrees or (None if self.by == "ops inside" else False)


AGAIN = "its backward, run again on what it had in the step"
"""The formula of a row that holds the gradient which a custom Function gave in the step."""

Arguments: TypeAlias = tuple[tuple[str, str], ...]
"""Arguments that are no tensors, as ``(name, text)``."""

_NOTHING: Mapping[TensorKey, Kept] = MappingProxyType({})
_NO_ARGUMENTS: Mapping[int, Arguments] = MappingProxyType({})
_NO_SHAPES: Mapping[int, Shape] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One step. ``tape[i]`` is the id of the i-th event to run; ``times`` (since ``start``) and ``durations`` are its seconds.

    ``values`` and ``gradients`` are statistics tables (see :data:`STATISTICS`), float64 ``[8, len(graph.values)]`` and
    ``[8, len(graph.edges)]``. ``shapes`` holds only the Values whose shape in this step differs from the Graph's,
    ``strides`` only those whose strides are not what ``strides.expected`` says. ``arguments`` holds, while a step is recorded,
    those of ops whose arguments are others than the Graph's (which are those of the first step of its structure);
    :meth:`told` puts them into the Graph, and what a recording gives is told.
    """

    step: int
    graph: Graph
    tape: NDArray[np.int32]
    values: NDArray[np.float64]
    gradients: NDArray[np.float64]
    loss: float | None = None
    start: float = 0.0
    times: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    durations: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    tensors: Mapping[TensorKey, Kept] = field(default_factory=lambda: _NOTHING)
    shapes: Mapping[int, Shape] = field(default_factory=lambda: _NO_SHAPES)
    rank: int = 0
    label: str = ""
    """What kind of step, where it is not a plain one: ``forward only``, ``micro-batch``."""
    done: bool = True
    error: StepError | None = None
    scales: tuple[float, ...] = ()
    """Per backward of the step the factor of a ``GradScaler`` that its gradients carry; empty where none was at work."""
    verdicts: tuple[Verdict, ...] = ()
    """What was found where this step was checked while it ran."""
    strides: Mapping[int, Strides] = field(default_factory=lambda: _NO_SHAPES)
    arguments: Mapping[int, Arguments] = field(default_factory=lambda: _NO_ARGUMENTS)

    def told(self) -> Trace:
        """The same step with its own arguments in its Graph, whose id and key stay."""
        if not self.arguments:
            return self
        ops = [replace(op, arguments=self.arguments[op.id]) if op.id in self.arguments else op for op in self.graph.ops]
        return replace(self, graph=replace(self.graph, ops=tuple(ops)), arguments=_NO_ARGUMENTS)

    def __str__(self) -> str:
        events = self.graph.events
        return "\n".join(f"{i:4d} {events[e].phase:8s} {events[e].kind:10s} #{events[e].ref}" for i, e in enumerate(self.tape))
