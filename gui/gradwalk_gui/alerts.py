"""What the watches have found in a recording, as frozen rows with their places; going from one to the next. No Qt."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Literal

from gradwalk.tape import event_at, label_of, name_of
from gradwalk.trace import NONE, Trace
from gradwalk.watches import Finding


@dataclass(frozen=True, slots=True)
class AlertRow:
    """A finding and its place: ``step`` is an index into the recording, ``position`` a playhead just after its event.

    Where no event is to blame the place is the end of the step, and ``event`` is empty.
    """

    finding: Finding
    step: int
    position: int
    event: str

    @property
    def key(self) -> tuple[str, str]:
        """What it is about; the same while more of it is found."""
        return self.finding.alert.kind, self.finding.alert.subject

    @property
    def place(self) -> tuple[int, int]:
        """Step and playhead."""
        return self.step, self.position


@dataclass(frozen=True, slots=True, eq=False)
class Alerts:
    """All rows in the order of their places, found in the first ``looked`` steps of a recording.

    ``complete`` says that these were all its steps, and that the watches over many steps have seen them too.
    """

    rows: tuple[AlertRow, ...] = ()
    looked: int = 0
    complete: bool = False


NOTHING = Alerts()
BEHIND = 200
"""Of a recording that grows, so many steps may wait without a word."""


def is_behind(alerts: Alerts, length: int) -> bool:
    """Whether it is worth saying that not all of ``length`` steps have been looked at."""
    return length - alerts.looked > (0 if length <= BEHIND else BEHIND)


def row_of(finding: Finding, trace: Trace, step: int) -> AlertRow:
    """The row of a finding; ``trace`` is the step of its first alert, ``step`` the index of that."""
    position = finding.alert.event
    if not 0 <= position < len(trace.tape):
        return AlertRow(finding, step, len(trace.tape), "")
    event = event_at(trace, position)
    return AlertRow(finding, step, position + 1, f"{event.phase} #{position} {name_of(trace.graph, event)}")


def nearest(
    rows: tuple[AlertRow, ...], place: tuple[int, int], by: Literal[1, -1], at: AlertRow | None = None
) -> AlertRow | None:
    """The next (or previous) row: of the row ``at`` where the playhead stands at one, else of a place; None for no more."""
    keys = [row.key for row in rows]
    if at is not None and at.place == place and at.key in keys:
        number = keys.index(at.key) + by
    else:
        places = [row.place for row in rows]
        number = bisect_right(places, place) if by > 0 else bisect_left(places, place) - 1
    return rows[number] if 0 <= number < len(rows) else None


def leaf_of(row: AlertRow, trace: Trace) -> int:
    """The leaf or parameter that an alert is about, or NONE."""
    subject = row.finding.alert.subject
    return next((v.id for v in trace.graph.values if v.op == NONE and label_of(v) == subject), NONE)
