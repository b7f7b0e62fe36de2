"""From where on a figure is an alert: the limits of the watches as a person may set them, and how they are kept. No Qt."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from gradwalk.watches import Limits, Watch

DEFAULT = Limits()
LONGEST = 24
"""So many characters of a wrong text are repeated at most."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit of one watch: its field of ``Limits``, the words before the number, and the largest that makes sense."""

    field: str
    words: str
    most: float = math.inf


LIMITS = {
    "spike": Limit("spike", "deviations from median over"),
    "vanishing": Limit("vanishing", "RMS below"),
    "exploding": Limit("exploding", "RMS above"),
    "dead-relu": Limit("dead_share", "share of units above", most=1.0),
    "update-ratio": Limit("update_ratio", "|update| / |weight| above"),
}
"""By the kind of the watch; the others have none."""


def limits_of(texts: Iterable[str]) -> Limits:
    """The limits from the texts of the settings, such as ``exploding=500``; what makes no sense has its default."""
    found = DEFAULT
    most = {limit.field: limit.most for limit in LIMITS.values()}
    for text in texts:
        name, _, figure = text.partition("=")
        number = number_of(figure, most.get(name, 0.0))
        if number is not None:
            found = replace(found, **{name: number})  # type: ignore[arg-type]
    return found


def texts_of(limits: Limits) -> tuple[str, ...]:
    """The texts for the settings: of the limits that are not the defaults."""
    both = ((field.name, getattr(limits, field.name), getattr(DEFAULT, field.name)) for field in fields(Limits))
    return tuple(f"{name}={now!r}" for name, now, usual in both if now != usual)


def number_of(text: str, most: float) -> float | None:
    """A limit as it is typed; None for what is no number above 0, or more than ``most``."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number <= most and math.isfinite(number) else None


def why_not(text: str, watch: Watch, limits: Limits) -> str:
    """The sentence about a text that is no limit of a watch: what, where, and what to type instead."""
    limit = LIMITS[watch.kind]
    range_ = "above 0" if math.isinf(limit.most) else f"above 0 and at most {limit.most:g}"
    typed = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    said = f"“{typed}” is no limit of {watch.title}" if text else f"{watch.title[0].upper()}{watch.title[1:]} needs a limit"
    usual, now = getattr(DEFAULT, limit.field), getattr(limits, limit.field)
    return f"{said}: type a number {range_}, such as {usual:g}. {now:g} stays."


def in_words(watch: Watch, limits: Limits) -> str:
    """``Exploding gradient (RMS above 1e+03)``: what a watch looks for, and from where on."""
    title, limit = watch.title[0].upper() + watch.title[1:], LIMITS.get(watch.kind)
    if limit is None:
        return title
    return f"{title} ({limit.words} {getattr(limits, limit.field):g})"
