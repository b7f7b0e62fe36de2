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


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file, and what there is to say about where it is from (nothing where that is as it should be)."""

    text: str
    note: str = ""


DIFFERS = "as recorded; the file on this machine is different now"
NOT_RECORDED = "from this machine: the recording does not hold it"


def source_of(recording: Steps | None, file: str) -> Source | None:
    """The text of a file as it was when recorded, else as it is on this machine, else None. No code runs."""
    recorded = recording.source(file) if recording is not None else None
    here = _on_disk(file)
    if recorded is not None:
        return Source(recorded, DIFFERS if here is not None and _lines(here) != _lines(recorded) else "")
    return Source(here, NOT_RECORDED) if here is not None else None


def text_of(recording: Steps | None, file: str) -> str | None:
    """The text alone."""
    recorded = recording.source(file) if recording is not None else None
    return recorded if recorded is not None else _on_disk(file)


def is_local_source(file: str) -> bool:
    """Whether a file is a Python file on this machine. A recording may come from anywhere, so nothing else is looked at."""
    return not file.startswith(("//", "\\\\")) and file.endswith((".py", ".pyw")) and os.path.isfile(file)


def _on_disk(file: str) -> str | None:
    try:
        if not is_local_source(file) or os.path.getsize(file) > LARGEST:
            return None
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return None


def _lines(text: str) -> list[str]:
    """The lines, whatever they end with."""
    return text.splitlines()


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
