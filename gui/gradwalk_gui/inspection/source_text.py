"""The text of source files, and the lines around a sub-expression."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gradwalk.tape import site_of
from gradwalk.trace import NONE, Event, Graph, Site

from ..state import Selection, Steps
from .subject import leaf_users, op_behind

LARGEST = 4_000_000
"""Files of more bytes than this are not read from disk; a source file is never that long."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an excerpt, cut in three: ``marked`` is what belongs to the sub-expression."""

    number: int
    before: str
    marked: str
    after: str


def selected_site(graph: Graph, selection: Selection | None) -> Site | None:
    """The source of a thing; of a leaf or an input that of the first op that reads it."""
    if selection is None or selection.kind == "module":
        return None
    op = op_behind(graph, selection)
    if op == NONE and selection.kind == "value":
        op = next(iter(leaf_users(graph, selection.id)), NONE)
    if op == NONE and selection.kind == "node":
        return site_of(graph, Event(NONE, "accumulate", "backward", selection.id))
    return graph.sites[graph.ops[op].site] if op != NONE and graph.ops[op].site != NONE else None


def text_of(recording: Steps | None, file: str) -> str | None:
    """The text of a file as it was when recorded, else as it is on this machine, else None.

    A recording may come from anywhere: on this machine only local Python files are looked at.
    """
    recorded = recording.source(file) if recording is not None else None
    if recorded is not None:
        return recorded
    if file.startswith(("//", "\\\\")) or not file.endswith((".py", ".pyw")) or not os.path.isfile(file):
        return None
    try:
        if os.path.getsize(file) > LARGEST:
            return None
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return None


def excerpt(text: str, site: Site, around: int = 2) -> list[Line]:
    """The lines of a sub-expression with ``around`` lines before and after, their common indentation taken off."""
    lines = text.splitlines()
    first, last = max(site.line - around, 1), min(site.end_line + around, len(lines))
    shown = [lines[number - 1].expandtabs(1) for number in range(first, last + 1)]
    indent = min((len(line) - len(line.lstrip()) for line in shown if line.strip()), default=0)
    cut = [_cut(line, number, site, indent) for number, line in enumerate(shown, first)]
    told = [place for place, line in enumerate(shown) if line.strip()]
    return cut[told[0] : told[-1] + 1] if told else []


def _cut(line: str, number: int, site: Site, indent: int) -> Line:
    if not site.line <= number <= site.end_line:
        return Line(number, line[indent:], "", "")
    start = site.column if number == site.line else len(line) - len(line.lstrip())
    end = site.end_column if number == site.end_line else len(line)
    return Line(number, line[indent:start], line[max(start, indent) : end], line[end:])
