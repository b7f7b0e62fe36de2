"""Pinning what is selected as a probe, and what the app remembers of the probes of each recording. No Qt."""

from __future__ import annotations

import json
from dataclasses import replace

from gradwalk.paths import columns_of, id_of, path_of
from gradwalk.tape import label_of
from gradwalk.trace import NONE, Graph

from .inspection.facts import title_of
from .inspection.subject import subject_of
from .probes import Figure, Probe, free_ink, from_text, to_text
from .session import Session
from .state import Selection, State, still_there

INKS = 12
"""Looks of lines: so many colours, each as a line and dashed."""
MOST_RECORDINGS = 12
"""Of so many recordings the probes are remembered."""


def can_pin(state: State) -> bool:
    """Whether what is selected, or else what ran last, has numbers that can be plotted."""
    return _subject(state) is not None


def is_pinned(state: State) -> bool:
    """Whether that is a probe already."""
    subject = _subject(state) if state.probes else None
    if subject is None or state.trace is None:
        return False
    return any(probe.thing == (subject.kind, path_of(state.trace.graph, subject.kind, subject.id)) for probe in state.probes)


def pin(session: Session, selection: Selection | None = None, *, toggle: bool = True) -> None:
    """Plot ``selection`` over the steps, or all that is selected, or what ran last; once more: do not (``toggle``)."""
    state = session.state
    if selection is None and len(state.picked) > 1:
        for one in state.picked:
            pin(session, one, toggle=False)
        return
    subject = selection or _subject(state)
    if state.trace is None or still_there(subject, state.trace) is None or subject is None:
        return
    if columns_of(state.trace.graph, subject.kind, subject.id) is None:
        return
    probe = probe_of(state.trace.graph, subject)
    others = tuple(known for known in state.probes if known.thing != probe.thing)
    if len(others) == len(state.probes):
        measure = state.view.measure
        figure: Figure = "rms" if measure == "update" or measure == "bad" else measure  # no figures of one tensor
        session.set(probes=(*others, replace(probe, figure=figure, ink=free_ink(others, INKS))))
    elif toggle:
        session.set(probes=others)


def unpin(session: Session, probe: Probe) -> None:
    """Plot a probe no more."""
    session.set(probes=tuple(known for known in session.state.probes if known.thing != probe.thing))


def change(session: Session, probe: Probe, **changes: object) -> None:
    """Plot something else of a probe's thing."""
    made = replace(probe, **changes)  # type: ignore[arg-type]
    session.set(probes=tuple(made if known.thing == probe.thing else known for known in session.state.probes))


def probe_of(graph: Graph, selection: Selection) -> Probe:
    """A thing as a probe."""
    return Probe(selection.kind, path_of(graph, selection.kind, selection.id), name_of(graph, selection))


def name_of(graph: Graph, selection: Selection) -> str:
    """What a probe is called: ``net.fc1 linear h``, ``w1``, ``w1.grad``, ``dL/dh``, ``MmBackward0 h``."""
    title = title_of(graph, selection)
    if selection.kind == "node":
        leaf = graph.nodes[selection.id].leaf
        return f"{label_of(graph.values[leaf])}.grad" if leaf != NONE else f"{title.name} {title.variable}".rstrip()
    if selection.kind == "module":
        return f"{title.module or title.name} gradients"
    if selection.kind == "op":
        return f"{title.module} {title.name} {title.variable}".strip()
    return title.name


def selection_in(graph: Graph, probe: Probe) -> Selection | None:
    """The thing of a probe in a Graph, or None."""
    thing = id_of(graph, probe.kind, probe.path)
    return None if thing == NONE else Selection(probe.kind, thing)


def remembered(texts: tuple[str, ...], recording: str) -> tuple[Probe, ...]:
    """The probes that a recording had when it was last open; ``texts`` are those of the settings."""
    return next((from_text(probes) for path, probes in map(_pair, texts) if path == recording), ())


def remember(texts: tuple[str, ...], recording: str, probes: tuple[Probe, ...]) -> tuple[str, ...]:
    """The texts for the settings with the probes of a recording at the head."""
    others = tuple(text for text in texts if _pair(text)[0] not in (recording, ""))
    mine = (json.dumps([recording, to_text(probes)]),) if probes and recording else ()
    return (*mine, *others)[:MOST_RECORDINGS]


def _pair(text: str) -> tuple[str, str]:
    try:
        pair = json.loads(text)
    except ValueError:
        return "", ""
    return (pair[0], pair[1]) if isinstance(pair, list) and len(pair) == 2 and all(isinstance(p, str) for p in pair) else ("", "")


def _subject(state: State) -> Selection | None:
    subject = subject_of(state)
    if subject is None or state.trace is None:
        return None
    return subject if columns_of(state.trace.graph, subject.kind, subject.id) is not None else None
