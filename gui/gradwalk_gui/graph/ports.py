"""Where lanes leave and enter the sides of their cards. No Qt."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from . import styles
from .parts import Picture


@dataclass(frozen=True, slots=True)
class Ports:
    """Per lane the offset from the middle of the side that it leaves, and of the side that it enters."""

    source: tuple[float, ...]
    target: tuple[float, ...]


def ports(
    picture: Picture, sizes: list[tuple[float, float]], free: Collection[int], across: list[tuple[float, float]] | None = None
) -> Ports:
    """Spread the lanes ``free`` along the sides of their cards.

    ``across`` holds per lane where it comes from near its target, and goes to near its source, across the flow: with it the lanes
    lie in that order, so that they do not cross; without it in the order of the op's inputs.
    """
    leaving: dict[int, list[int]] = {}
    entering: dict[int, list[int]] = {}
    for i in sorted(free):
        lane = picture.lanes[i]
        leaving.setdefault(lane.source, []).append(i)
        entering.setdefault(lane.target, []).append(i)
    source, target = [0.0] * len(picture.lanes), [0.0] * len(picture.lanes)
    for ends, offsets, side in ((leaving, source, 1), (entering, target, 0)):
        for place, lanes in ends.items():
            if across is not None:
                lanes = sorted(lanes, key=lambda lane: across[lane][side])
            for i, offset in zip(lanes, _spread(picture, lanes, _room(picture, sizes[place])), strict=True):
                offsets[i] = offset
    return Ports(tuple(source), tuple(target))


def _room(picture: Picture, size: tuple[float, float]) -> float:
    return size[1] if picture.flow == "right" else size[0]


def _spread(picture: Picture, lanes: list[int], room: float) -> list[float]:
    """Offsets of lanes that share one side, centred; they move together where there is not enough room."""
    half_steps = [styles.PORT_STEP[bool(picture.lanes[i].edges) and picture.lanes[i].forward] / 2 for i in lanes]
    offsets, at = [], 0.0
    for i, half in enumerate(half_steps):
        at += (half_steps[i - 1] if i else 0.0) + (half if i else 0.0)
        offsets.append(at)
    free = max(room - 4 * styles.LANE_OFFSET - 4, 0.0)
    scale = min(1.0, free / at) if at else 1.0
    return [round((offset - at / 2) * scale, 2) for offset in offsets]
