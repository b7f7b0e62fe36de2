"""The text styles and the measures of the graph, in logical pixels. No Qt: whoever builds a scene brings the measuring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Style:
    """A text style: size in logical pixels, weight (400 to 700), and whether it is the font for numbers."""

    pixels: float
    weight: int = 400
    numbers: bool = False


Measure: TypeAlias = Callable[[str, Style], float]
"""The width of a text in logical pixels."""

TITLE = Style(14, 600)
NOTE = Style(12, 400)
SHAPE = Style(11, 400, True)
NODE = Style(11.5, 500)
NUMBER = Style(11, 500, True)
FRAME_TITLE = Style(12, 600)
FRAME_NOTE = Style(12, 400)
PLATE = Style(10, 500, True)
SIGN = Style(10, 500)
"""The double bar, which the font for numbers lacks."""
LEGEND = Style(10.5, 500)
TICK = Style(9.5, 400, True)
CODE = Style(11, 400, True)

RADIUS = 10.0
STRIPE = 5.0
LEFT, RIGHT = 15.0, 12.0
"""Room between a card's border and its texts."""
HALF = 44.0
"""Height of one half of a card."""
ROW = 17.0
"""Height of the row for gradients that meet."""
PILL, HALF_PILL = 50.0, 32.0
INPUT = 34.0
LOSS = 40.0
KNOT = 24.0
MIN_CARD, MAX_CARD = 112.0, 232.0
MAX_FRAME_TITLE = 520.0
GAP = 8.0

PLATE_SIZE, NARROW_PLATE = (70.0, 17.0), (50.0, 17.0)
"""With the measure's name before the number, and for the number alone where there is less room."""
LANE_OFFSET = 7.0
"""How far the forward lane and the backward lane lie from the route that they share."""
PORT_STEP = {True: 44.0, False: 22.0}
"""Distance of two ports on one side: with both lanes and a plate, or with one lane."""
TITLE_BAND = 30.0
PADDING = 18.0
MARGIN = 22.0
"""Room around the whole picture."""


def gradient_word(measure: str) -> str:
    """What stands before a gradient's number."""
    return {"rms": "rms", "norm": "‖g‖", "max": "max", "zeros": "zeros", "update": "Δw/w", "bad": "NaN"}[measure]
