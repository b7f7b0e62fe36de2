"""The texts of the inspector as rich text: who a thing is, how gradients go through it, links, properties, source."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from gradwalk.tape import index
from gradwalk.trace import NONE, Site, Trace

from .inspection.facts import title_of
from .inspection.flow import Flow, Meeting, incoming, meetings, outgoing
from .inspection.links import Group, groups_of
from .inspection.source_text import Line
from .inspection.subject import ALWAYS, DONE, NEXT, RAISED, moment_of, phase_of, state_of
from .numbers import EXACTLY_ZERO, NOT_YET, magnitude, number, shape_text
from .panel import PHASE_MARKS, phase_colour
from .state import Selection
from .theme import NUMBER_FAMILY, Theme
from .widgets.text import breakable, breakable_code, coloured, link, mono, rows, shape_html, shown

TIMES = "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}"
Text: TypeAlias = Callable[[Trace, Selection, Theme], str]
"""What there is to say of one thing, as rich text."""


def who(trace: Trace, position: int, subject: Selection, theme: Theme, event: int = NONE) -> str:
    """What kind of thing, in which phase and module, and where it stands at the playhead.

    ``event`` is the tape position to name; by default the one at which the thing happens.
    """
    title = title_of(trace.graph, subject)
    phase, state = phase_of(trace, subject), state_of(trace, position, subject)
    parts = [shown(title.kind)]
    if phase is not None:
        parts.append(f'<span style="color:{phase_colour(phase, theme)}"><b>{PHASE_MARKS[phase]} {phase}</b></span>')
    colour = {DONE: theme.update, NEXT: theme.accent, RAISED: theme.danger}.get(state, theme.subtle)
    parts.append(f'<span style="color:{colour}"><b>{shown(state)}</b></span>')
    moment = event if event != NONE else moment_of(trace, subject)
    if moment != NONE and state != ALWAYS:
        parts.append(f"event {moment:,} of {len(trace.tape):,}")
    text = " &nbsp;·&nbsp; ".join(parts)
    if title.module:
        text += f"<br>{coloured('in', theme.subtle)} {mono(title.module)}"
    if trace.error is not None and state == RAISED:
        text += f"<br>{coloured(f'{trace.error.kind}: {trace.error.message}', theme.danger)}"
    return text


def flow(trace: Trace, position: int, subject: Selection, theme: Theme) -> str:
    """Incoming gradients x local derivative = outgoing gradients, of a Node or of the Nodes of an op."""
    nodes = nodes_of(trace, subject)
    parts = [_flow_of(trace, position, node, theme, named=len(nodes) > 1 or subject.kind == "op") for node in nodes]
    return "".join(part for part in parts if part)


def nodes_of(trace: Trace, subject: Selection) -> tuple[int, ...]:
    """A Node itself, or the Nodes of an op."""
    if subject.kind == "op":
        return index(trace.graph).nodes_of_op[subject.id]
    return (subject.id,) if subject.kind == "node" else ()


def _flow_of(trace: Trace, position: int, node: int, theme: Theme, *, named: bool) -> str:
    came, gone = incoming(trace, position, node), outgoing(trace, position, node)
    if not came and not gone:
        return ""
    lines = [_flow_line("" if place else "in", f"from {breakable(part.other)}", part, theme) for place, part in enumerate(came)]
    is_leaf = trace.graph.nodes[node].leaf != NONE
    name, op = trace.graph.nodes[node].name, trace.graph.nodes[node].op
    middle = "added to .grad" if is_leaf else f"local derivative of {trace.graph.ops[op].name if op != NONE else name}"
    lines.append(
        f'<tr><td style="color:{theme.subtle}">{"+" if is_leaf else "×"}</td>'
        f'<td colspan="2" style="color:{theme.subtle};padding-left:8px">{shown(middle)}</td></tr>'
    )
    lines += [_flow_line("" if place else "=", f"to {breakable(part.other)}", part, theme) for place, part in enumerate(gone)]
    head = f'<div style="color:{theme.subtle};margin-top:4px">gradient through {shown(name)}</div>' if named else ""
    return f'{head}<table cellspacing="0" cellpadding="2" width="100%">{"".join(lines)}</table>'


def _flow_line(sign: str, other: str, part: Flow, theme: Theme) -> str:
    right = rms_text(part, theme)
    shape = f", {shape_html(shape_text(part.shape))}" if part.shape is not None else ""
    return (
        f'<tr><td width="20" style="color:{theme.subtle}">{sign}</td>'
        f'<td style="padding-left:8px">{link(breakable(part.label), f"edge:{part.edge}", theme)}<br>'
        f'<span style="color:{theme.subtle}">{shown(other)}{shape}</span></td>'
        f'<td align="right">{right}</td></tr>'
    )


def rms_text(part: Flow, theme: Theme) -> str:
    """``RMS 3.2``, or why there is no number."""
    if not part.there:
        return coloured(NOT_YET, theme.faint)
    text = magnitude(part.stats)
    if text == EXACTLY_ZERO or not text[:1].isdigit():
        return coloured(text, theme.bad if text in ("NaN", "Inf") else theme.subtle)
    return f"{coloured('RMS', theme.subtle)}&nbsp;{mono(text)}"


def sums(trace: Trace, position: int, subject: Selection, theme: Theme) -> str:
    """``g1 + g2 = sum`` for every place where gradients meet."""
    return "".join(_sum(meeting, theme) for meeting in meetings(trace, position, subject))


def _sum(meeting: Meeting, theme: Theme) -> str:
    lines = []
    for place, part in enumerate(meeting.parts, 1):
        sign = "" if place == 1 else "+"
        lines.append(
            f'<tr><td width="20">{sign}</td><td style="padding-left:8px"><b>g{place}</b> '
            f'{coloured(f"from {breakable(part.other)}", theme.subtle)}</td><td align="right">{rms_text(part, theme)}</td></tr>'
        )
    total = (
        f"{coloured('RMS', theme.subtle)}&nbsp;{mono(number(meeting.total, 3))}"
        if meeting.there and meeting.total == meeting.total
        else coloured("not counted" if meeting.there else NOT_YET, theme.faint)
    )
    names = " + ".join(f"g{place}" for place in range(1, len(meeting.parts) + 1))
    lines.append(
        f'<tr><td>=</td><td style="padding-left:8px"><b>sum</b> {coloured(meeting.label, theme.subtle)}</td>'
        f'<td align="right">{total}</td></tr>'
    )
    return (
        f'<div style="margin-top:4px"><b>{names} = sum</b></div>'
        f'<table cellspacing="0" cellpadding="2" width="100%">{"".join(lines)}</table>'
    )


def links(trace: Trace, subject: Selection, theme: Theme) -> str:
    """The groups of links as a table."""
    return rows([(group.title, _links(group, theme)) for group in groups_of(trace, subject)], theme)


def _links(group: Group, theme: Theme) -> str:
    made = [
        f"{link(one.text, f'{one.to.kind}:{one.to.id}', theme)}"
        + (f" &nbsp;{coloured(one.detail.replace(' × ', TIMES), theme.subtle)}" if one.detail else "")
        for one in group.links
    ]
    if group.more:
        made.append(coloured(f"and {group.more:,} more", theme.subtle))
    return "<br>".join(made)


def target_of_link(text: str) -> Selection | None:
    """The thing that a link leads to."""
    kind, _, number_ = text.partition(":")
    if kind in ("op", "node", "value", "edge", "module") and number_.isdigit():
        return Selection(kind, int(number_))  # type: ignore[arg-type]
    return None


def frame_of_link(text: str) -> tuple[str, int] | None:
    """The file and the line that a link leads to."""
    kind, _, rest = text.partition(":")
    line, _, file = rest.partition(":")
    return (file, int(line)) if kind == "frame" and line.isdigit() and file else None


def code(lines: list[Line], colour: str, theme: Theme) -> str:
    """An excerpt of source with the sub-expression on a tinted ground."""
    made = []
    for line in lines:
        marked = (
            f'<span style="background-color:{colour};color:{theme.text}">{_spaces(line.marked)}</span>' if line.marked else ""
        )
        made.append(
            f'<tr><td align="right" style="color:{theme.faint};padding-right:8px">{line.number}</td>'
            f'<td style="color:{theme.text if line.marked else theme.subtle}">'
            f"{_spaces(line.before)}{marked}{_spaces(line.after)}</td></tr>"
        )
    style = f"font-family:'{NUMBER_FAMILY}';font-size:11px"
    return f'<table cellspacing="0" cellpadding="0" style="{style}">{"".join(made)}</table>'


def note(text: str, theme: Theme) -> str:
    """A small remark."""
    return f'<span style="font-size:11px;color:{theme.subtle}">{shown(text)}</span>' if text else ""


def _spaces(text: str) -> str:
    """Leading spaces that stay, and lines that may wrap at the others."""
    bare = text.lstrip(" ")
    return "&nbsp;" * (len(text) - len(bare)) + shown(breakable_code(bare))


def stack(site: Site, theme: Theme) -> str:
    """The Python stack, innermost call first; each line is a link to its place."""
    frames = [(frame.file, frame.line, frame.function) for frame in reversed(site.stack)]
    here = (site.file, site.line, site.function)
    if not frames or frames[0][:2] != here[:2]:
        frames.insert(0, here)
    lines = [
        f'<div style="margin-top:2px">{link(f"{_base(file)}:{line}", f"frame:{line}:{file}", theme)} '
        f"{coloured(f'in {function}' if function and function != '<module>' else '', theme.subtle)}</div>"
        for file, line, function in frames
    ]
    return "".join(lines)


def _base(file: str) -> str:
    return file.replace("\\", "/").rsplit("/", 1)[-1]
