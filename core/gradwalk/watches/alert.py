"""An alert: what a watch has found, as one frozen record with one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..tape import event_at, module_of, moments, name_of, site_of
from ..trace import NONE, Frame, Site, Trace

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Alert:
    """``sentence`` names step, event, cause and source; ``event`` is a tape position, or NONE where no event is to blame: of a
    parameter that no op reads.

    Alerts of one ``kind`` about one ``subject`` are about the same thing, in whatever step. ``carried`` says that the step did
    not cause it but began with it.
    """

    kind: str
    severity: Severity
    step: int
    event: int
    subject: str
    sentence: str
    carried: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a figure is an alert."""

    vanishing: float = 1e-7
    """RMS of a parameter's gradient; it must also be ``vanishing_share`` of the largest of the step."""
    vanishing_share: float = 1e-4
    exploding: float = 1e3
    """RMS of a parameter's gradient."""
    update_ratio: float = 0.1
    """|update| / |weight| of a parameter with two or more dimensions."""
    dead_share: float = 0.5
    """Share of a ReLU's units that give 0 for the whole batch, where its elements were kept."""
    dead_rows: int = 8
    """So many rows the batch must have for that."""
    spike: float = 10.0
    """So many times the usual deviation from the median of the steps before."""
    spike_steps: int = 20


def where(trace: Trace, position: int) -> str:
    """``, model.py:88``: the source of the event at a tape position; an empty string where it is not known."""
    site = site_of(trace.graph, event_at(trace, position)) if position != NONE else None
    return "" if site is None else f", {line_of(site)}"


def line_of(site: Site | Frame) -> str:
    """``model.py:88``."""
    return f"{site.file.replace(chr(92), '/').rpartition('/')[2]}:{site.line}"


def what(trace: Trace, position: int) -> str:
    """``step 1240, forward #212 matmul in decoder.5.attn``; of NONE the step alone."""
    if position == NONE:
        return f"step {trace.step}"
    event = event_at(trace, position)
    name, module = name_of(trace.graph, event), module_of(trace.graph, event)
    called = f" {name}" if name != event.phase else ""
    inside = f" in {module}" if module else ""
    return f"step {trace.step}, {event.phase} #{position}{called}{inside}"


def told(trace: Trace, position: int, cause: str, then: str = "") -> str:
    """The sentence of an alert: step, event, ``cause``, source, and what else there is to say of it."""
    return f"{what(trace, position)}{cause}{where(trace, position)}{then}"


def figure(number: float) -> str:
    """Three digits are enough for a sentence."""
    return f"{number:.3g}"


def counted(number: int, thing: str) -> str:
    """``1 step``, ``2 steps``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def position_of(trace: Trace, event: int) -> int:
    """The tape position of an Event, or NONE where it did not run."""
    return int(moments(trace).events[event]) if event != NONE else NONE


def edge_position(trace: Trace, edge: int) -> int:
    """The tape position at which the gradient on an Edge is made, or NONE."""
    return int(moments(trace).edges[edge]) if edge != NONE else NONE
