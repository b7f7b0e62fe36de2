"""Whether a filter matches one event that runs now, in a training: the same questions as to a recorded step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..ragged import ragged
from ..trace import STATISTICS
from .columns import Columns, texts_of
from .matching import holds
from .syntax import Filter

Row: TypeAlias = Callable[[], tuple[float, ...]]
"""Gives the statistics of one tensor, in the order of ``STATISTICS``; called only where a filter asks for them, for they may
have to be waited for."""


@dataclass(frozen=True, slots=True)
class OneEvent:
    """What is known of an event."""

    name: str
    phase: str
    kind: str
    labels: tuple[str, ...] = ()
    """What else it may be called: its op, what its result is assigned to."""
    module: str = ""
    source: str = ""
    """``file:line``, or ""."""
    dtypes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    saved: tuple[int, int] = (0, 0)
    """Bytes and number of its saved tensors."""
    seconds: float = float("nan")
    outputs: Sequence[Row] = ()
    edges: Sequence[Row] = ()
    """Of the gradients that it sends."""


def matches_one(asked: Filter, event: OneEvent) -> bool:
    """Whether a filter matches an event."""
    columns = Columns(
        names=texts_of([[event.name]]),
        labels=texts_of([[name for name in (event.name, *event.labels) if name]]),
        phases=texts_of([[event.phase]]),
        kinds=texts_of([[event.kind]]),
        modules=texts_of([[event.module]]),
        sources=texts_of([[event.source.replace("\\", "/")] if event.source else []]),
        dtypes=texts_of([event.dtypes]),
        devices=texts_of([event.devices]),
        tags=texts_of([event.tags]),
        outputs=ragged([range(len(event.outputs))]),
        edges=ragged([range(len(event.edges))]),
        saved=np.array([event.saved], dtype=np.int64).T,
    )
    return bool(holds(asked, _Numbers(event), columns)[0])


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The numbers of one event."""

    event: OneEvent

    @property
    def values(self) -> NDArray[np.float64]:
        return _table(self.event.outputs)

    @property
    def gradients(self) -> NDArray[np.float64]:
        return _table(self.event.edges)

    @property
    def seconds(self) -> NDArray[np.float64]:
        return np.array([self.event.seconds])

    @property
    def checks(self) -> NDArray[np.int8]:
        return np.zeros(1, np.int8)  # a step is checked when it has run


def _table(rows: Sequence[Row]) -> NDArray[np.float64]:
    table: NDArray[np.float64] = np.array([row() for row in rows], dtype=np.float64).reshape(-1, len(STATISTICS)).T
    return table
