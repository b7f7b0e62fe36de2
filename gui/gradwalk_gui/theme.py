"""Colours by role, in two themes, and the fonts. Chrome follows the theme; data colours mean something and stay."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor, QFont, QFontDatabase

TEXT_FAMILY = "Inter"
NUMBER_FAMILY = "JetBrains Mono"
MAGNITUDE_RANGE = (-8.0, 2.0)
"""The fixed range of log10(gradient magnitude) that colours and widths cover."""


@dataclass(frozen=True, slots=True)
class Theme:
    """One theme; every colour is ``#rrggbb``."""

    name: str
    dark: bool
    # chrome
    window: str
    panel: str
    raised: str
    border: str
    text: str
    subtle: str
    faint: str
    accent: str
    accent_text: str
    hover: str
    danger: str
    # the graph
    ground: str
    dot: str
    card: str
    card_border: str
    pill: str
    box: tuple[str, str]
    """Fill of module boxes by depth, alternating."""
    box_border: tuple[str, str]
    shadow_alpha: int
    ghost: str
    """A lane on which nothing has run yet."""
    # data
    forward: str
    backward: str
    update: str
    bad: str
    """NaN and Inf."""
    input: str
    leaf: str
    linear: str
    activation: str
    shaping: str
    loss: str
    other: str
    cividis: tuple[float, float]
    """The part of cividis that magnitudes use."""
    inks: tuple[str, ...]
    """Of lines that are compared."""


LIGHT = Theme(
    name="light", dark=False,
    window="#f6f7fa", panel="#ffffff", raised="#ffffff", border="#d5dbe6", text="#1a2130", subtle="#5b667a", faint="#8791a3",
    accent="#2f6fe4", accent_text="#ffffff", hover="#e8edf5", danger="#c0263c",
    ground="#f6f7fa", dot="#e3e7ee", card="#ffffff", card_border="#d5dbe6", pill="#fbfcfe",
    box=("#eff2f7", "#e8edf5"), box_border=("#d8dfea", "#c9d3e2"), shadow_alpha=22, ghost="#b7c0cf",
    forward="#0072B2", backward="#D55E00", update="#009E73", bad="#CC0077",
    input="#667085", leaf="#9a4fd0", linear="#2f6fe4", activation="#0fa374", shaping="#5b7fa6", loss="#e0405a", other="#c98a00",
    cividis=(0.0, 0.8), inks=("#0072B2", "#C2410C", "#00805D", "#9a4fd0", "#8A6500", "#5b667a"),
)  # fmt: skip

DARK = Theme(
    name="dark", dark=True,
    window="#0f1218", panel="#141922", raised="#1a202c", border="#2c3546", text="#eef1f7", subtle="#9aa5b9", faint="#6f7b90",
    accent="#8ab4ff", accent_text="#0f1218", hover="#222a38", danger="#ff6b81",
    ground="#0f1218", dot="#1b212c", card="#1a202c", card_border="#2c3546", pill="#161b25",
    box=("#131823", "#171d29"), box_border=("#262f40", "#313c51"), shadow_alpha=70, ghost="#39445a",
    forward="#56B4E9", backward="#F0915A", update="#3CCB9F", bad="#FF4DA6",
    input="#7c8aa5", leaf="#c792ea", linear="#5b9cff", activation="#3ddba4", shaping="#8fb0d8", loss="#ff6b81", other="#ffc857",
    cividis=(0.3, 1.0), inks=("#56B4E9", "#F0915A", "#3CCB9F", "#c792ea", "#ffc857", "#9aa5b9"),
)  # fmt: skip


def assets() -> Path:
    """The folder of fonts and icons: inside the package in a wheel, at the top of the repository otherwise."""
    inside = Path(__file__).parent / "assets"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "assets"


@lru_cache(maxsize=1)
def load_fonts() -> None:
    """Register the bundled fonts with Qt; needs a QGuiApplication. Raises FileNotFoundError where a font file is missing."""
    for file in sorted((assets() / "fonts").glob("*.[ot]tf")):
        if QFontDatabase.addApplicationFont(str(file)) == -1:
            raise FileNotFoundError(f"the bundled font {file} cannot be loaded; reinstall gradwalk")


_scale = 1.0


def set_font_scale(scale: float) -> None:
    """Enlarge every font that is made from now on; widgets that hold one already need to be made anew."""
    global _scale
    _scale = scale
    font.cache_clear()


@lru_cache(maxsize=64)
def font(pixels: float, weight: QFont.Weight = QFont.Weight.Normal, *, numbers: bool = False, scaled: bool = True) -> QFont:
    """A bundled font of ``pixels`` logical pixels at font scale 1; the graph, which has its own zoom, is not ``scaled``."""
    size = max(1, round(pixels * _scale if scaled else pixels))
    return QFont(_made(NUMBER_FAMILY if numbers else TEXT_FAMILY, size, weight))  # copies share what Qt has found for the font


@lru_cache(maxsize=256)
def _made(family: str, size: int, weight: QFont.Weight) -> QFont:
    made = QFont(family)
    made.setPixelSize(size)
    made.setWeight(weight)
    made.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return made


@lru_cache(maxsize=8)
def magnitude_table(theme: Theme) -> NDArray[np.uint8]:
    """256 colours from the smallest to the largest magnitude, uint8 ``[256, 3]``."""
    from pyqtgraph import colormap

    low, high = theme.cividis
    table: NDArray[np.uint8] = colormap.get("cividis").map(np.linspace(low, high, 256), mode="byte")[:, :3]
    return table


def magnitude_fraction(magnitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where magnitudes lie on the fixed log scale, 0 to 1; NaN stays NaN, 0 gives 0."""
    low, high = MAGNITUDE_RANGE
    with np.errstate(all="ignore"):
        fraction: NDArray[np.float64] = (np.log10(magnitudes) - low) / (high - low)
    return np.clip(fraction, 0.0, 1.0)


def magnitude_colour(magnitude: float, theme: Theme) -> QColor:
    """The colour of one gradient magnitude; NaN and Inf have the colour of bad values."""
    if not np.isfinite(magnitude):
        return QColor(theme.bad)
    red, green, blue = magnitude_table(theme)[int(magnitude_fraction(np.array(magnitude, dtype=np.float64)) * 255)]
    return QColor(int(red), int(green), int(blue))
