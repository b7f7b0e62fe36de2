"""Steps as they are typed: ``10,20-30``."""

from __future__ import annotations

import re

from ..refusal import RefusalError

_ONE = re.compile(r"(\d{1,12})(?:-(\d{1,12}))?")


def read_pins(text: str, option: str = "--pin") -> tuple[range, ...]:
    """The steps that a list names. Raises RefusalError where it is none, naming the ``option`` that it was given to."""
    return tuple(_range(part.strip(), text, option) for part in text.split(","))


def _range(part: str, text: str, option: str) -> range:
    found = _ONE.fullmatch(part)
    if found is None or int(found[2] or found[1]) < int(found[1]):
        raise RefusalError(f"{option} {text!r} is no list of steps; give numbers and ranges with commas between, as in 10,20-30")
    return range(int(found[1]), int(found[2] or found[1]) + 1)
