"""Where the selection goes from a card by keyboard. No Qt."""

from __future__ import annotations

from typing import Literal

import numpy as np

from gradwalk.trace import NONE

from .facts import Facts
from .scene import Scene

Way = Literal["left", "right", "up", "down"]
_STEPS = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "up": (0.0, -1.0), "down": (0.0, 1.0)}


def towards(scene: Scene, place: int, way: Way) -> int:
    """The nearest card in a direction, or the same one where there is none."""
    middles = scene.cards[:, :2] + scene.cards[:, 2:] / 2
    away = middles - middles[place]
    direction = np.array(_STEPS[way])
    along = away @ direction
    across = np.abs(away @ direction[::-1])
    ahead = (along > 1.0) & (across <= 2.0 * along + 40.0)
    ahead[place] = False
    if not ahead.any():
        return place
    costs = np.where(ahead, along + 1.6 * across, np.inf)
    return int(np.argmin(costs))


def reading_order(scene: Scene, facts: Facts) -> list[int]:
    """The cards in the order in which they run, leaves and inputs before what first reads them."""
    first_use: dict[int, int] = {}
    for lane, moment in zip(scene.picture.lanes, facts.when.lane_forward.tolist(), strict=True):
        first_use[lane.source] = min(first_use.get(lane.source, moment), moment)

    def key(place: int) -> tuple[float, int, int]:
        moment = int(facts.when.first[place, 0])
        if moment < 0:
            return (first_use.get(place, NONE) - 0.5, 0, place)
        return (float(moment), 1, place)

    return sorted(range(len(scene.picture.cards)), key=key)


def after(order: list[int], place: int | None, by: Literal[1, -1]) -> int | None:
    """The card after (or before) one in an order; None past its ends."""
    if not order:
        return None
    if place is None or place not in order:
        return order[0] if by > 0 else order[-1]
    at = order.index(place) + by
    return order[at] if 0 <= at < len(order) else None
