"""``gradwalk check``: which steps are looked at, for what, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .refusal import RefusalError
from .trace import NONE, Trace
from .watches import KINDS, ON, Report

if TYPE_CHECKING:
    from .recording.reader import Recording

ALL = "all"


def kinds_of(listed: str | None) -> tuple[str, ...]:
    """The kinds in ``nan,no-grad``; of None those that are on, of ``all`` every one. Raises RefusalError for any other."""
    if listed is None:
        return ON
    asked = [kind.strip() for kind in listed.split(",")]
    unknown = [kind for kind in asked if kind not in (*KINDS, ALL)]
    if unknown:
        raise RefusalError(f"--fail-on does not know {unknown[0]!r}; it takes {', '.join(KINDS)} or {ALL}, with commas between")
    return tuple(kind for kind in KINDS if kind in asked or ALL in asked)


def range_of(steps: str) -> tuple[int, int | None]:
    """First step and end of ``10:20`` (10 to 19); either may be left out. Raises RefusalError."""
    first, colon, end = steps.partition(":")
    if not colon or not all(not part or (part.isascii() and part.isdigit()) for part in (first, end)):
        raise RefusalError(f"--steps is a range such as 100:200 (100 to 199), 100: or :200, not {steps!r}")
    return int(first or 0), int(end) if end else None


def chosen(recording: Recording, steps: str | None) -> Iterator[Trace]:
    """The steps in a range, read one after the other. Raises RefusalError where there is none."""
    first, end = range_of(steps or ":")
    numbers = recording.step_numbers()
    places = np.flatnonzero((numbers >= first) & (numbers < end if end is not None else True))
    if not len(places):
        within = f" from {numbers[0]} to {numbers[-1]}" if len(numbers) else ""
        raise RefusalError(f"none of the {len(numbers)} steps of the recording{within} is in {steps or ':'}")
    return (recording[int(place)] for place in places)


def report_json(report: Report, kinds: Sequence[str]) -> dict[str, Any]:
    """The report as plain data."""
    findings = [
        {
            "kind": finding.alert.kind,
            "severity": finding.alert.severity,
            "step": finding.alert.step,
            "event": None if finding.alert.event == NONE else finding.alert.event,
            "subject": finding.alert.subject,
            "sentence": finding.alert.sentence,
            "times": finding.times,
            "last_step": finding.last,
        }
        for finding in report.findings
    ]
    return {"steps": report.steps, "unread": report.unread, "kinds": list(kinds), "findings": findings}


def report_lines(report: Report, kinds: Sequence[str]) -> list[str]:
    """The report for people: a line per finding, then what was looked at."""
    lines = []
    for finding in report.findings:
        again = f" [{finding.times} times, up to step {finding.last}]" if finding.times > 1 else ""
        lines.append(f"{finding.alert.kind}: {finding.alert.sentence}{again}")
    number = len(report.findings)
    found = "nothing found" if not number else f"{number} finding{'' if number == 1 else 's'}"
    damaged = f", {report.unread} of which could not be read" if report.unread else ""
    lines.append(f"{report.steps:,} step{'' if report.steps == 1 else 's'}{damaged}; looked for {', '.join(kinds)}: {found}")
    return lines
