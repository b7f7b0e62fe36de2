"""A recording in a few figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .show import number_json
from .trace import Graph, Trace
from .verdicts_in_words import checked_json


class Info(Protocol):
    """What is asked of a recording."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Trace: ...
    def losses(self) -> NDArray[np.float64]:
        """The loss of every step."""

    @property
    def graphs(self) -> Sequence[Graph]:
        """The distinct structures."""


def loss_json(recording: Info) -> dict[str, Any] | None:
    """``first``, ``last`` and ``min`` (over the steps whose loss is a number), or None where no step has a loss."""
    steps = len(recording)
    losses = recording.losses()
    known = np.flatnonzero(~np.isnan(losses))
    ends = [position for position in (0, steps - 1) if steps and recording[position].loss is not None]
    have = sorted({*known[:1].tolist(), *known[-1:].tolist(), *ends})
    if not have:
        return None
    lowest = float(losses[known].min()) if len(known) else float("nan")
    return {
        "first": number_json(float(losses[have[0]])),
        "last": number_json(float(losses[have[-1]])),
        "min": number_json(lowest),
    }


def last_complete(recording: Info) -> Trace | None:
    """The newest step that came to its end."""
    for position in range(len(recording) - 1, -1, -1):
        trace = recording[position]
        if trace.done and trace.error is None:
            return trace
    return None


def structure_json(recording: Info) -> dict[str, int]:
    """How many distinct graphs there are, and how many ops and Nodes the last complete step has."""
    trace = last_complete(recording)
    return {
        "graphs": len(recording.graphs),
        "ops": len(trace.graph.ops) if trace is not None else 0,
        "nodes": len(trace.graph.nodes) if trace is not None else 0,
    }


def info_json(recording: Any) -> dict[str, Any]:
    """Everything that ``gradwalk info --json`` says of an opened recording."""
    run = recording.info
    return {
        "steps": len(recording),
        "loss": loss_json(recording),
        **structure_json(recording),
        "ranks": len(recording.ranks),
        "ranks_there": list(recording.ranks),
        "world_size": max(run.world_size, len(recording.ranks)),
        "device": run.device,
        "bytes": recording.bytes,
        "ended": recording.ended,
        "kind": run.kind,
        "program": list(run.program),
        "rank": recording.rank,
        "level": run.level,
        "every": run.every,
        "started": run.started,
        "host": run.host,
        "python": run.python,
        "torch": run.torch,
        "format": run.format,
        "run_id": run.run_id,
        "gaps": len(recording.gaps),
        "checked": checked_json(recording),
        "skipped": list(recording.skipped),
        "error": recording.error.message if recording.error is not None else None,
        "notes": [{"kind": note.kind, "step": note.step, "message": note.message} for note in recording.notes],
    }
