"""Which cards and frames have a mark of the check against the reference. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradwalk.trace import NONE
from gradwalk.verdicts import Mark, mark_of

from ..verdicts import Verdicts
from .frames import up_from
from .scene import Scene
from .when import fixed_of

Marks = NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class CheckMarks:
    """Per card and per frame its :class:`Mark`, int8: that of its op; of a module that of all in it.

    A frame has a cross for an op that differs inside it, and nothing else.
    """

    cards: Marks
    frames: Marks
    of: Verdicts

    @property
    def any(self) -> bool:
        """Whether there is a mark to be seen."""
        return bool(self.cards.any() or self.frames.any())


@lru_cache(maxsize=4)
def marks_in(scene: Scene, verdicts: Verdicts) -> CheckMarks:
    """The marks of a scene (cached)."""
    graph = scene.graph
    ops = np.zeros(len(graph.ops), np.int8)
    for op, verdict in verdicts.by_op.items():
        if op < len(ops):
            ops[op] = mark_of(graph, verdict)
    return CheckMarks(_cards(scene, ops), _frames(scene, ops), verdicts)


def _cards(scene: Scene, ops: Marks) -> Marks:
    if not ops.any():
        return np.zeros(len(scene.picture.cards), np.int8)
    fixed = fixed_of(scene)
    held = fixed.spans[0]
    marks = ops[held.flat]
    worst, least = held.reduced(np.maximum, marks, 0), held.reduced(np.minimum, marks, 0)
    agrees = held.reduced(np.maximum, (marks == Mark.AGREES).astype(np.int8), 0) > 0
    whole = np.where(agrees, Mark.AGREES, Mark.NO_REFERENCE)
    made = np.where(worst == Mark.DIFFERS, Mark.DIFFERS, np.where(least == Mark.UNKNOWN, Mark.UNKNOWN, whole)).astype(np.int8)
    made[fixed.tensors] = Mark.UNKNOWN
    return made


def _frames(scene: Scene, ops: Marks) -> Marks:
    graph = scene.graph
    wrong = {call for op in np.flatnonzero(ops == Mark.DIFFERS).tolist() for call in up_from(graph, graph.ops[op].module)}
    wrong.discard(NONE)
    return np.array([Mark.DIFFERS if frame.module in wrong else Mark.UNKNOWN for frame in scene.picture.frames], np.int8)
