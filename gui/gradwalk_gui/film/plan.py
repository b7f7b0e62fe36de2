"""What a film shows and when: plain data, no Qt. The events run in the order in which the engine really ran them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gradwalk.tape import phases
from gradwalk.trace import Trace

from ..graph.animation import duration_of
from ..state import BEATS

FilmPhase: TypeAlias = Literal["backward", "forward", "step"]
FIRST_MS, LAST_MS = 700.0, 1600.0
"""How long the first and the last picture stand still."""
LONGEST_MS = 20_000.0
"""What plays in between at speed 1; a longer one is played faster."""
TRAIL = 3
"""Beats that a wavefront is seen for."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a film is to be: ``speed`` as in the window, ``fps`` pictures a second, ``size`` in pixels at most."""

    phase: FilmPhase = "backward"
    speed: float = 1.0
    fps: int = 20
    size: tuple[int, int] = (1280, 800)


@dataclass(frozen=True, slots=True)
class Beat:
    """The tape positions from ``start`` up to, not with, ``end`` run together; ``time`` is the fraction of it that has gone."""

    start: int
    end: int
    time: float


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: the playhead, what flies (latest last), and how long it stands, in milliseconds."""

    position: int
    flying: tuple[Beat, ...]
    milliseconds: float


def span_of(trace: Trace, phase: FilmPhase) -> tuple[int, int]:
    """The tape positions that a phase begins and ends at; for ``forward`` the loss included. Equal where nothing of it ran."""
    if phase == "step":
        return 0, len(trace.tape)
    wanted = ("backward",) if phase == "backward" else ("forward", "loss")
    runs = [(start, end) for name, start, end in phases(trace) if name in wanted]
    return (runs[0][0], runs[-1][1]) if runs else (0, 0)


def plan_of(trace: Trace, wishes: Wishes) -> tuple[Picture, ...]:
    """The pictures of a film, the first before the phase, the last after it."""
    start, end = span_of(trace, wishes.phase)
    together = max(math.ceil((end - start) / BEATS), 1)
    beats = [(at, min(at + together, end)) for at in range(start, end, together)]
    beat_ms = min(duration_of(wishes.speed), LONGEST_MS / wishes.speed / max(len(beats), 1))
    each = 1000.0 / wishes.fps
    pictures = [Picture(start, (), FIRST_MS)]
    for number in range(math.ceil(len(beats) * beat_ms / each)):
        at = number * each / beat_ms
        now = min(int(at), len(beats) - 1)
        trail = range(max(now - TRAIL, 0) if together > 1 else now, now + 1)
        span = TRAIL if together > 1 else 1
        flying = tuple(Beat(*beats[i], min((at - i) / span, 1.0)) for i in trail if at - i < span)
        pictures.append(Picture(beats[now][1], flying, each))
    return (*pictures, Picture(end, (), LAST_MS))
