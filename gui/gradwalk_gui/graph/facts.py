"""What a step's picture shows whatever the playhead: when each part happens, and how large its gradients are. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradwalk.ragged import Ragged
from gradwalk.tape import moments
from gradwalk.trace import STATISTICS, Trace

from .events_on_cards import Cards
from .magnitudes import MeasureName, magnitudes
from .meeting import sum_magnitude
from .ratios import places_of, ratios_of
from .scene import Scene
from .when import When, when_of

_BAD = ("", "Inf", "NaN")


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """A step for a scene of its Graph."""

    trace: Trace
    scene: Scene
    measure: MeasureName
    when: When
    magnitudes: NDArray[np.float64]
    """Per edge."""
    at: NDArray[np.int32]
    """Per edge the tape position from which on its magnitude is there: its gradient's, of a ratio the update's; or NONE."""
    given: Ragged
    """Per card the edges whose magnitude its backward half shows."""
    cells: Ragged
    """Per cell of the stacks' strips the same."""
    least: bool
    """Whether a ratio is only the least that it can be."""
    bad: tuple[str, ...]
    """Per card ``NaN`` or ``Inf`` where its forward values hold one, else an empty string."""
    sums: dict[int, float]
    """Those that were asked for, kept."""

    @property
    def cards(self) -> Cards:
        """The card of each thing of the Graph."""
        return self.when.fixed.cards

    def sum_at(self, card: int) -> float:
        """The magnitude of the sum of the gradients that meet at a card, -1 where it cannot be told."""
        if card not in self.sums:
            measure = "rms" if self.measure == "update" else self.measure
            self.sums[card] = sum_magnitude(self.trace, self.when.fixed.meets[card], measure)
        return self.sums[card]


def gather(trace: Trace, scene: Scene, measure: MeasureName) -> Facts:
    """The facts of a step for a scene of its Graph."""
    when = when_of(trace, scene)
    bad = _badness(trace, when.fixed.values)
    if measure == "update":
        ratios, places = ratios_of(trace, moments(trace).events), places_of(scene)
        shown = ratios.magnitudes, ratios.at, places.cards, places.cells, ratios.least
    else:
        shown = magnitudes(trace.gradients, measure), when.edges, when.fixed.given, when.fixed.cells, False
    return Facts(trace, scene, measure, when, *shown, bad, {})


def _badness(trace: Trace, values: Ragged) -> tuple[str, ...]:
    nan, inf = (trace.values[STATISTICS.index(name)] > 0 for name in ("nan", "inf"))
    worst = np.where(nan, 2, np.where(inf, 1, 0)).astype(np.intp)
    if not worst.any():
        return ("",) * len(values)
    return tuple(map(_BAD.__getitem__, values.reduced(np.maximum, worst[values.flat], 0).tolist()))
