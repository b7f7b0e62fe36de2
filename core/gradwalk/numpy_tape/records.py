"""What the tape notes while the program runs: storages, the values in them, and the ops of the pass that is under way."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..statistics import Row
from ..trace import Kept, Shape, Strides
from .names import is_member
from .places import Place

MOST_NAMES = 8
SHAPE_ONLY = frozenset(("zeros_like", "ones_like", "empty_like", "full_like"))
"""Ops that read no elements."""
BEFORE = -1
"""The moment of what was there before the tape saw it."""


class Storage:
    """Memory that arrays (an array and its views) share, or a scalar.

    Moments count the ops of the run. ``born``: the op that made it, or the one before it was made; ``version``: how often it was
    written; ``read``: the first op of the pass that read it; ``root`` and ``owner``: weak references to the plain array
    that owns the memory and to the array on the tape that others look into.
    """

    __slots__ = ("born", "owner", "read", "root", "version")

    def __init__(self, born: int, root: Any = None) -> None:
        self.born = born
        self.root = weakref.ref(root) if isinstance(root, np.ndarray) else None
        self.owner: weakref.ref[Any] | None = None
        self.version = 0
        self.read = BEFORE

    def is_in(self, root: Any) -> bool:
        """Whether this is the memory that a plain array owns."""
        return self.root is not None and self.root() is root


@dataclass(slots=True, eq=False)
class Slot:
    """A value at one version: what becomes a Value of the record. ``base`` is the version before, within the pass.

    ``depth`` says how many of the script's functions deep the name was found: a name further out is the better one, unless it is
    a plain variable in place of a member (``self.w1``). ``aliases`` are all names that it went by.
    """

    storage: Storage
    shape: Shape
    dtype: str
    name: str = ""
    depth: int = 0
    base: Slot | None = None
    version: int = 0
    """That of the storage when this was made."""
    maker: OpRecord | None = None
    printed: bool = False
    aliases: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    """How many bytes it is from one index of each axis to the next."""
    itemsize: int = 1
    unwritten: int = 0
    """How much of its memory nobody has written (``unwritten.py``)."""

    @property
    def strides(self) -> Strides | None:
        """The same in elements, None where they do not come out even (a field of a structured array)."""
        if any(step % self.itemsize for step in self.steps):
            return None
        return tuple([step // self.itemsize for step in self.steps])

    def rename(self, name: str, depth: int) -> None:
        """Take a name, unless the one that is there is better."""
        if name and name not in self.aliases and len(self.aliases) < MOST_NAMES:
            self.aliases = (*self.aliases, name)
        if name and (not self.name or (depth < self.depth and is_member(name) >= is_member(self.name))):
            self.name, self.depth = name, depth


@dataclass(slots=True, eq=False)
class OpRecord:
    """An op as executed. ``arguments`` are the positional and named ones that are no arrays, still as objects."""

    name: str
    place: Place
    moment: int
    inputs: list[Slot] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """Per input what it is called in the op's expression, or an empty string."""
    outputs: list[Slot] = field(default_factory=list)
    variable: str = ""
    arguments: tuple[tuple[str, Any], ...] = ()
    begin: float = 0.0
    duration: float = 0.0
    writes: list[tuple[Slot, Slot]] = field(default_factory=list)
    """In-place writes: pairs of the value before and after."""
    rebound: Slot | None = None
    """The value whose name the result takes over: ``w = w - rate * grad_w``."""
    updates: bool = False
    """Whether it updates a leaf, as far as can be told at the time."""
    counted: bool = False
    """Whether the result takes over the name of a plain number: ``a -= rate * grad_a`` for the first time."""


@dataclass(slots=True)
class Measured:
    """The statistics of a value, and its elements where they are kept."""

    row: Row
    kept: Kept | None = None
