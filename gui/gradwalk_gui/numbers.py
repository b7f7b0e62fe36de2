"""Numbers, shapes and sizes as the short texts that every panel shows. No Qt."""

from __future__ import annotations

import math

import numpy as np

from gradwalk.tape import Stats
from gradwalk.trace import Shape

NOT_YET = "not yet computed"
NO_PATH = "None (no path)"
EXACTLY_ZERO = "0 (exactly)"
_UNITS = ("KB", "MB", "GB", "TB")
NOT_COUNTED = "not counted"


def number(value: float, digits: int = 4) -> str:
    """A number in at most ``digits`` significant digits: ``0.1235``, ``3.21e-05``, ``NaN``, ``-Inf``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 10.0 ** max(digits, 5):
        return f"{value:.{digits}g}" if abs(value) < 10.0**digits else f"{value:.0f}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"


def magnitude(stats: Stats | None) -> str:
    """The RMS of a gradient in words: a number, ``0 (exactly)`` or ``not counted``."""
    if stats is None or (math.isnan(stats.rms) and not stats.nan):
        return NOT_COUNTED
    return EXACTLY_ZERO if stats.rms == 0 else number(stats.rms, 3)


def exact(value: float, dtype: str) -> str:
    """The shortest text that gives the same element of a dtype again: of a float32 ``1.2303736``, not its float64 digits."""
    if not math.isfinite(value):
        return number(value)
    if dtype.startswith(("int", "uint", "bool")):
        return str(int(value))
    return str(np.float32(value)) if dtype in ("float32", "float16", "bfloat16") or dtype.startswith("float8") else repr(value)


def shape_text(shape: Shape | None) -> str:
    """``64 × 1000``; ``scalar`` for no dimensions; nothing where the shape is not known."""
    if shape is None:
        return ""
    return " × ".join(map(str, shape)) or "scalar"


def bytes_text(size: int) -> str:
    """A number of bytes: ``40 B``, ``25.6 KB``, ``1.2 GB`` (1 KB is 1,000 bytes)."""
    if size < 1000:
        return f"{size} B"
    power = 1
    while power < len(_UNITS) and size >= 999.95 * 1000**power:
        power += 1
    return f"{size / 1000**power:.1f} {_UNITS[power - 1]}"


def count(number_of: int, thing: str) -> str:
    """``1 event``, ``1,024 events``."""
    return f"{number_of:,} {thing}{'' if number_of == 1 else 's'}"
