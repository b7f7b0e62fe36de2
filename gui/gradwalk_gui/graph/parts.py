"""What a picture of a Graph is made of before it has positions: cards, lanes and frames. Plain data, no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from gradwalk.trace import NONE

from .category import Category

CardKind: TypeAlias = Literal["op", "leaf", "input", "loss", "node", "module", "tensor", "knot"]
FORWARD, BACKWARD = 0, 1
"""Columns of the arrays that hold both halves."""


@dataclass(frozen=True, slots=True)
class Card:
    """One drawn thing. ``note`` stands beside the title: the variable's name, or a module's class.

    ``ops`` are all forward Ops that the card stands for (a folded module's are many), ``values`` the Values whose shape it shows,
    ``nodes`` its backward Nodes. ``ref`` is the id of what it is: an Op (op, knot), a Value (leaf, input, loss, tensor), a Node
    or a module call.
    """

    kind: CardKind
    ref: int
    title: str
    note: str = ""
    under: str = ""
    """What the backward half is called: the names of its Nodes."""
    category: Category = "other"
    frame: int = NONE
    """Index of the frame that it lies in."""
    ops: tuple[int, ...] = ()
    values: tuple[int, ...] = ()
    nodes: tuple[int, ...] = ()
    forward: bool = True
    backward: bool = True
    """Which halves are drawn."""
    meets: tuple[int, ...] = ()
    """The gradient edges that are added up here, where there are several."""
    strip: tuple[tuple[int, ...], ...] = ()
    """Of a stack's card: per call the Nodes in it."""
    skipped: tuple[int, ...] = ()
    """Views and reshapes of what the op made: ops that are part of the lanes that lead on from here."""


@dataclass(frozen=True, slots=True)
class Lane:
    """From card ``source`` to card ``target``, in the direction of the forward.

    ``op`` is the Op that reads ``value`` here: the forward lane has happened once it ran; ``loss`` says that it is the loss event
    instead. ``edges`` are the gradients that come back. ``through`` marks the lane between a knot and the tensor that it makes:
    the gradient of the tensor goes in when one of ``nodes`` runs.
    """

    source: int
    target: int
    value: int
    op: int = NONE
    loss: bool = False
    forward: bool = True
    edges: tuple[int, ...] = ()
    nodes: tuple[int, ...] = ()
    through: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """An unfolded module call; ``parent`` is a frame's index or NONE, ``depth`` counts the frames around it."""

    module: int
    title: str
    note: str
    parent: int = NONE
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """Cards, lanes and frames; ``flow`` and ``halves`` as in the View."""

    cards: tuple[Card, ...] = ()
    lanes: tuple[Lane, ...] = ()
    frames: tuple[Frame, ...] = ()
    flow: Literal["right", "down"] = "right"
    halves: Literal["both", "forward", "backward"] = "both"
