"""Which events of a step stand at which lines of a file, and which files a step was run from."""

from __future__ import annotations

from dataclasses import dataclass

from gradwalk.tape import event_at, name_of, site_of
from gradwalk.trace import Event, Graph, Site, Trace

from ..state import Selection


@dataclass(frozen=True, slots=True)
class LineEvents:
    """The events at one line, each as ``(tape position, Event)``, in order."""

    events: tuple[tuple[int, Event], ...]

    @property
    def ops(self) -> tuple[tuple[int, Event], ...]:
        """Those that are ops."""
        return tuple(pair for pair in self.events if pair[1].kind in ("op", "update"))

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases of the events, forward first."""
        return tuple(sorted({event.phase for _, event in self.events}, key=_ORDER.index))

    def label(self) -> str:
        """The numbers of the ops: ``12``, ``12-14``, or ``12 +3`` where three more come later."""
        numbers = [position for position, _ in self.ops]
        if not numbers:
            return ""
        first, last = numbers[0], numbers[-1]
        if len(numbers) == 1:
            return str(first)
        return f"{first}-{last}" if last - first == len(numbers) - 1 else f"{first} +{len(numbers) - 1}"

    def after(self, graph: Graph, selection: Selection | None) -> Selection | None:
        """The op to select with a click: the first, or the one after that which is selected."""
        ops = [Selection("op", event.ref) for _, event in self.ops]
        if not ops:
            return None
        return ops[(ops.index(selection) + 1) % len(ops)] if selection in ops else ops[0]

    def told(self, graph: Graph) -> str:
        """The events in words, one a line; of many the first."""
        lines = [f"{position}  {name_of(graph, event)}  {event.phase}" for position, event in self.events[:MOST]]
        return "\n".join([*lines, f"and {len(self.events) - MOST:,} more"] if len(self.events) > MOST else lines)


_ORDER = ("forward", "backward", "loss", "update")
MOST = 16


def events_in(trace: Trace, file: str) -> dict[int, LineEvents]:
    """Per line of a file (from 1) the events there."""
    found: dict[int, list[tuple[int, Event]]] = {}
    for position in range(len(trace.tape)):
        event = event_at(trace, position)
        site = site_of(trace.graph, event)
        if site is not None and site.file == file:
            found.setdefault(site.line, []).append((position, event))
    return {line: LineEvents(tuple(events)) for line, events in found.items()}


def files_of(graph: Graph, site: Site | None) -> tuple[tuple[str, int], ...]:
    """The files of a step, each with a line to look at: those of the stack of ``site`` (innermost first), then the others."""
    found: dict[str, int] = {}
    if site is not None:
        found[site.file] = site.line
        for frame in reversed(site.stack):
            found.setdefault(frame.file, frame.line)
    for other in graph.sites:
        found.setdefault(other.file, other.line)
    return tuple(found.items())


def short_names(files: tuple[str, ...]) -> tuple[str, ...]:
    """The last part of each path; where that is the same for several, with the folder before it."""
    parts = [file.replace("\\", "/").rsplit("/", 2) for file in files]
    last = [part[-1] for part in parts]
    return tuple("/".join(part[-2:]) if last.count(part[-1]) > 1 else part[-1] for part in parts)
