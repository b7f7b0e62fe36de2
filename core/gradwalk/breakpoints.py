"""Breakpoints: where a training is held, or where the playhead stops on the record. A breakpoint is a filter over events."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .filter import Filter, FilterError, matches, parse, text_of
from .filter.matching import asks_numbers, asks_results
from .filter.one_event import OneEvent, matches_one
from .filter.syntax import Call, Every, Word
from .gate import Breakpoint, When
from .tape import module_of, name_of, site_of
from .trace import NONE, Event, Graph, Site, Trace


def checked(text: str, when: When) -> Filter:
    """The filter of a breakpoint. Raises FilterError where it cannot be read, or can only hold when the event has run."""
    asked = parse(text)
    if asked == Every(()):
        raise FilterError("a breakpoint has to say where: for example $op(mm), $module(encoder.*) or $nan()", 0, len(text))
    if when == "before" and only_after(asked):
        raise FilterError("what an event makes is only known after it: let this breakpoint stop after the event", 0, len(text))
    return asked


def only_after(asked: Filter) -> bool:
    """Whether a training can be held at a filter only when the event has run: numbers, and what an op makes.

    What a Node is about to send has the type and the place of what its op made, and what it keeps is there already.
    """
    return asks_numbers(asked) or (asks_results(asked) and not _of_nodes(asked))


def _of_nodes(asked: Filter) -> bool:
    """Whether only Nodes match a filter."""
    parts = asked.of if isinstance(asked, Every) else (asked,)
    kinds = [one.patterns for one in parts if isinstance(one, Call) and one.name == "kind"]
    return any(patterns and {text.lower() for text in patterns} <= {"node", "accumulate"} for patterns in kinds)


def at_event(graph: Graph, event: Event) -> str:
    """The filter that finds an event again in other steps: its name, its line and its module."""
    if event.kind == "accumulate":
        return at_node(graph, event.ref)
    return _at(name_of(graph, event), site_of(graph, event), module_of(graph, event))


def at_node(graph: Graph, node: int) -> str:
    """The same for a Node that has not run."""
    leaf = graph.nodes[node].leaf
    if leaf != NONE:  # no line of the user's accumulates
        words = (Word(graph.values[leaf].name),) if graph.values[leaf].name else ()
        return text_of(Every((Call("op", (graph.nodes[node].name,)), *words)))
    owner = graph.nodes[node].op
    op = graph.ops[owner] if owner != NONE else None
    site = graph.sites[op.site] if op is not None and op.site != NONE else None
    module = graph.modules[op.module].path if op is not None and op.module != NONE else ""
    return _at(graph.nodes[node].name, site, module)


def _at(name: str, site: Site | None, module: str) -> str:
    parts = [Call("op", (name,))]
    if site is not None:
        parts.append(_line(site.file, site.line))
    if module:
        parts.append(Call("module", (module,)))
    return text_of(Every(tuple(parts)))


def at_line(file: str, line: int) -> str:
    """The filter that finds every event of a source line."""
    return text_of(_line(file, line))


def lines_of(text: str, file: str) -> frozenset[int]:
    """The lines of a file that a breakpoint names."""
    asked = _filter(text)
    calls = [one for one in (asked.of if isinstance(asked, Every) else (asked,)) if isinstance(one, Call) and one.name == "src"]
    numbers = [pattern.rpartition(":")[2] for call in calls for pattern in call.patterns]
    lines = [int(number) for number in numbers if number.isdecimal()]
    return frozenset(line for line in lines for call in calls if matches_one(call, OneEvent("", "", "", source=f"{file}:{line}")))


def _line(file: str, line: int) -> Call:
    return Call("src", (f"{file.replace(chr(92), '/').rpartition('/')[2]}:{line}",))


@lru_cache(maxsize=256)
def _filter(text: str) -> Filter | None:
    try:
        return parse(text)
    except FilterError:
        return None


def stops(trace: Trace, breakpoints: Iterable[Breakpoint]) -> NDArray[np.bool_]:
    """The positions of the playhead at which a step stops, bool ``[len(trace.tape) + 1]``."""
    found = np.zeros(len(trace.tape) + 1, dtype=np.bool_)
    for one in breakpoints:
        asked = _filter(one.text) if one.enabled else None
        if asked is not None:
            hit = matches(asked, trace)
            found[:-1] |= hit if one.when == "before" else False
            found[1:] |= hit if one.when == "after" else False
    return found


def hit_by(event: OneEvent, when: When, breakpoints: Iterable[Breakpoint]) -> Breakpoint | None:
    """The first breakpoint that an event of a training that runs meets."""
    for one in breakpoints:
        if one.enabled and one.when == when:
            asked = _filter(one.text)
            if asked is not None and matches_one(asked, event):
                return one
    return None
