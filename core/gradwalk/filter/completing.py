"""What may come at a position of a filter: asked of the parser, and filled with the names of the trace that is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lark import Token
from lark.exceptions import LarkError
from lark.parsers.lalr_interactive_parser import InteractiveParser

from ..trace import Graph
from .columns import columns_of
from .parsing import FilterError, parser
from .vocabulary import FUNCTIONS, SAVED_FIELDS, STATISTICS_FIELDS, TIME_FIELDS

_MEANINGS = {**STATISTICS_FIELDS, **SAVED_FIELDS, **TIME_FIELDS}
_PARTIAL = ("WORD", "PATTERN", "FUNCTION")


@dataclass(frozen=True, slots=True)
class Completion:
    """A text that may replace the characters ``start`` to ``end``, and what it means."""

    text: str
    start: int
    end: int
    meaning: str = ""


def complete(text: str, position: int, graph: Graph | None = None, limit: int = 50) -> list[Completion]:
    """What may come at a position: functions, their fields, and the ops, modules and source files of a Graph.

    Empty where the text before the position cannot be read.
    """
    before = text[:position]
    try:
        tokens, allowed = _read(before)
    except (LarkError, FilterError):
        return []
    part = ""
    if tokens and tokens[-1].type in _PARTIAL and tokens[-1].end_pos == len(before):
        part = str(tokens.pop())
    found = [
        Completion(word, len(before) - len(part), len(before), meaning)
        for word, meaning in _candidates(tokens, allowed, graph)
        if word.lower().startswith(part.lower()) and word != part
    ]
    return found[:limit]


def _read(before: str) -> tuple[list[Token], set[str]]:
    """The tokens, and the terminals that may stand in the place of the last one if it is not finished, else after it."""
    reading = parser().parse_interactive(before)
    tokens: list[Token] = []
    allowed: set[str] = set()
    for token in reading.iter_parse():  # each comes before the parser takes it
        tokens.append(token)
        allowed = _accepted(reading)
    if tokens and tokens[-1].type in _PARTIAL and tokens[-1].end_pos == len(before):
        return tokens, allowed
    return tokens, _accepted(reading)


def _accepted(reading: InteractiveParser) -> set[str]:
    return set(reading.accepts())  # type: ignore[no-untyped-call]


def _candidates(tokens: Sequence[Token], allowed: set[str], graph: Graph | None) -> Iterable[tuple[str, str]]:
    if "PATTERN" in allowed:
        yield from _arguments(next((str(t)[1:] for t in reversed(tokens) if t.type == "FUNCTION"), ""), graph)
        return
    if "FUNCTION" in allowed:
        for function in FUNCTIONS.values():
            yield f"${function.name}(" + (")" if function.takes == "nothing" else ""), function.meaning
    if "WORD" in allowed and graph is not None:
        yield from ((word, "") for word in sorted(columns_of(graph).labels.words) if _is_plain(word))
    yield from ((sign, "") for name, sign in (("COMPARISON", "<"), ("COMPARISON", ">"), ("RPAR", ")")) if name in allowed)


def _arguments(name: str, graph: Graph | None) -> Iterable[tuple[str, str]]:
    function = FUNCTIONS.get(name)
    if function is None:
        return
    yield from ((field, _MEANINGS[field]) for field in function.fields)
    yield from ((word, "") for word in function.words)
    if graph is None or function.words or function.takes != "texts":
        return
    columns = columns_of(graph)
    texts = {
        "op": columns.names,
        "module": columns.modules,
        "src": columns.sources,
        "dtype": columns.dtypes,
        "device": columns.devices,
        "tag": columns.tags,
    }[name]
    words = texts.words
    if name == "src":
        words = tuple(dict.fromkeys(word.rpartition(":")[0].rpartition("/")[2] for word in words))
    yield from ((word, "") for word in sorted(words) if word)


def _is_plain(word: str) -> bool:
    return bool(word) and not set(word) & set(' ()|"') and word[0] not in "$+-"
