"""A filter as data, and as text again: ``parse(text_of(filter)) == filter``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Comparison: TypeAlias = Literal["<", "<=", ">", ">=", "=", "!="]


@dataclass(frozen=True, slots=True)
class Word:
    """Part of a name; with ``*`` or ``?`` the whole name. Upper and lower case are the same."""

    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A figure compared with a number: ``rms<1e-7``."""

    field: str
    comparison: Comparison
    number: float


@dataclass(frozen=True, slots=True)
class Call:
    """``$name(...)``: one of several ``patterns``, or all of the ``conditions``; of no pattern and no condition, any at all."""

    name: str
    patterns: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Without:
    """What must not hold."""

    of: Filter


@dataclass(frozen=True, slots=True)
class Every:
    """All of these must hold; of none, everything matches."""

    of: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of two or more must hold."""

    of: tuple[Filter, ...]


Filter: TypeAlias = Word | Call | Without | Every | Either

_PLAIN_WORD = re.compile(r"""[^\s()|"$+\-][^\s()|"]*""")
_PLAIN_PATTERN = re.compile(r"""[^\s()|",<>=!]+""")


def text_of(asked: Filter) -> str:
    """A filter as it is written."""
    match asked:
        case Word(text):
            return text if _PLAIN_WORD.fullmatch(text) else f'"{text}"'
        case Call(name, patterns, conditions):
            inside = [_pattern(one) for one in patterns] + [f"{c.field}{c.comparison}{c.number!r}" for c in conditions]
            return f"${name}({', '.join(inside)})"
        case Without(of):
            return f"-{_grouped(of)}"
        case Every(of):
            return " ".join(f"({text_of(one)})" if isinstance(one, Either) else text_of(one) for one in of)
        case Either(of):
            return " | ".join(text_of(one) for one in of)


def _grouped(asked: Filter) -> str:
    return f"({text_of(asked)})" if isinstance(asked, Every | Either) else text_of(asked)


def _pattern(text: str) -> str:
    return text if _PLAIN_PATTERN.fullmatch(text) else f'"{text}"'
