"""What the inspector teaches, as rich text: one element of a gradient written out, and NumPy beside what was written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from gradwalk.reference.arithmetic import Place, Term
from gradwalk.reference.numpy_words import gradient_name
from gradwalk.same import Same
from gradwalk.tape import index
from gradwalk.trace import NONE, Graph, Trace

from .inspection.lesson import Written
from .inspection.numpy_lines import Lines, lines_of, variable_name
from .inspection.subject import op_behind
from .numbers import count, exact, number
from .state import Selection
from .theme import NUMBER_FAMILY, Theme
from .widgets.text import coloured, link, mono, shown

SHOWN = 6
"""So many terms of a sum are written out at first."""
NO_BREAK, MAY_BREAK = "\N{NO-BREAK SPACE}", "\N{ZERO WIDTH SPACE}"
SMALL = "font-size:11px"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the NumPy table: what was written or ran, and the NumPy for it; ``now`` marks what the playhead is at."""

    left: str
    right: str | None
    backward: bool
    now: bool


def index_text(place: Place) -> str:
    """``[2, 1]``; nothing for a number without dimensions."""
    return f"[{', '.join(map(str, place))}]" if place else ""


@dataclass(frozen=True, slots=True)
class Local:
    """The local derivative of one element: its text in the formula, and the elements in it as ``(symbol, place, number)``."""

    text: str
    elements: tuple[tuple[str, Place, float], ...]


def element(written: Written, output: str, local: Local, theme: Theme, *, whole: bool, narrow: bool = False) -> str:
    """A sum of incoming times local with its numbers, and the recorded number under it. ``output`` is the output's symbol.

    ``whole`` writes all terms out; ``narrow`` puts the two factors into one column.
    """
    terms = written.sum.terms
    few = terms if whole or len(terms) <= SHOWN + 1 else terms[:SHOWN]
    rows = [] if narrow else [_head(theme)]
    for place, term in enumerate(few):
        incoming, factor = _factors(term, written, output, local.text, theme)
        middle = f'<td colspan="2">{incoming}<br>× {factor}</td>' if narrow else f"<td>{incoming}</td><td>{factor}</td>"
        product = f'<td align="right" valign="bottom">{mono(number(term.product, 5))}</td>'
        rows.append(f'<tr><td width="14">{"+" if place else ""}</td>{middle}{product}</tr>')
    if not terms:
        rows.append(_wide(coloured("no element of the incoming gradient reaches it", theme.subtle)))
    if len(few) < len(terms):
        more = f"{coloured(f'{len(terms) - SHOWN:,} more terms', theme.subtle)} {link('show', 'terms:all', theme)}"
        rows.append(_line("+", more, number(sum(term.product for term in terms[SHOWN:]), 6)))
    elif len(terms) > SHOWN + 1:
        rows.append(_wide(link("show fewer", "terms:few", theme)))
    name = mono(f"dL/d{written.sum.symbol}{index_text(written.sum.element)}", theme.backward)
    rows += [_line("=", name, f"<b>{written.sum.total:.9g}</b>"), *_verdict(written, theme)]
    others = _others(local, theme) if len(terms) == 1 and local.elements else ""
    return _table(rows, 2) + others


def _table(rows: list[str], padding: int) -> str:
    return f'<table cellspacing="0" cellpadding="{padding}" width="100%" style="{SMALL}">{"".join(rows)}</table>'


def _head(theme: Theme) -> str:
    titles = (("", "left"), ("incoming", "left"), ("× local", "left"), ("product", "right"))
    cells = "".join(f'<td align="{side}" style="color:{theme.subtle}">{text}</td>' for text, side in titles)
    return f"<tr>{cells}</tr>"


def _factors(term: Term, written: Written, output: str, local: str, theme: Theme) -> tuple[str, str]:
    """The incoming element and the local derivative, each by its name and its number."""
    if term.factor is not None:
        name = f"{term.factor[0]}{index_text(term.factor[1])}"
    else:
        name = local or f"d{output}{index_text(term.place)}/d{written.sum.symbol}"
    incoming = f"dL/d{output}{index_text(term.place)}"
    return _two(incoming, term.incoming, theme.backward, theme), _two(name, term.local, theme.forward, theme)


def _two(name: str, value: float, colour: str, theme: Theme) -> str:
    """A name, which never breaks in an index, and under it the number; a name that is the number stands once."""
    told = number(value, 5)
    above = "" if name == told else f"{mono(name.replace(', ', f',{NO_BREAK}'), theme.subtle)}<br>"
    return f"{above}{mono(told, colour)}"


def _line(sign: str, middle: str, right: str) -> str:
    style = f"font-family:'{NUMBER_FAMILY}'"
    return f'<tr><td width="14">{sign}</td><td colspan="2">{middle}</td><td align="right" style="{style}">{right}</td></tr>'


def _wide(text: str) -> str:
    return f'<tr><td></td><td colspan="3">{text}</td></tr>'


def _verdict(written: Written, theme: Theme) -> list[str]:
    """The recorded number and whether rounding explains the difference."""
    mark = coloured("✓", theme.update) if written.agrees else coloured("✗", theme.danger)
    recorded = _line("", f"{coloured('recorded', theme.subtle)} {mark}", exact(written.recorded, written.dtype))
    apart, may = number(written.error, 2), number(written.sum.rounding(written.dtype), 2)
    if written.error == 0:
        about = "the same number"
    elif written.agrees:
        about = f"apart by {apart}; {written.dtype} may round {count(len(written.sum.terms), 'term')} by up to {may}"
    else:
        about = f"apart by {apart}, more than the {may} that rounding in {written.dtype} explains"
    return [recorded, _wide(coloured(about, theme.subtle if written.agrees else theme.danger))]


def _others(local: Local, theme: Theme) -> str:
    told = ", ".join(f"{name}{index_text(place)} = {number(value, 5)}" for name, place, value in local.elements)
    return f'<div style="{SMALL}">{coloured("with", theme.subtle)} {mono(told)}</div>'


def numpy_rows(lines: Lines, nodes: tuple[str, ...], *, backward: bool) -> list[Row]:
    """The rows of an op: its forward, and the gradients of its inputs beside the Nodes that made them."""
    rows = [Row(lines.written, lines.forward, False, not backward)]
    name = " and ".join(dict.fromkeys(nodes))
    for place, line in enumerate(lines.gradients):
        left = line.written or (name if place == 0 else "")
        rows.append(Row(left, line.code or f"{line.label}: no single line", True, backward))
    return rows


def numpy_table(rows: list[Row], title: str, theme: Theme) -> str:
    """Two columns: as it was written, and NumPy; the line of what the playhead is at in full colour."""
    titles = ((42, shown(title)), (58, "NumPy"))
    left, right = (f'<td width="{share}%" style="color:{theme.subtle}">{text}</td>' for share, text in titles)
    return _table([f'<tr><td width="12"></td>{left}{right}</tr>', *(_row(row, theme) for row in rows)], 3)


def _row(row: Row, theme: Theme) -> str:
    colour = theme.text if row.now else theme.subtle
    mark = theme.backward if row.backward else theme.forward
    arrow = coloured("←" if row.backward else "→", mark) if row.left else ""
    right = mono(row.right, colour) if row.right is not None else coloured("no single line", theme.subtle)
    left = re.sub(r"([.(])", rf"\1{MAY_BREAK}", row.left)
    return f'<tr><td valign="top">{arrow}</td><td valign="top">{mono(left, colour)}</td><td valign="top">{right}</td></tr>'


def numpy_of(trace: Trace, subject: Selection, theme: Theme) -> str:
    """The NumPy of what is looked at, beside what was written; nothing for a module and what is there from the start."""
    graph, op_id = trace.graph, op_behind(trace.graph, subject)
    if op_id == NONE:
        leaf = graph.nodes[subject.id].leaf if subject.kind == "node" else NONE
        if leaf == NONE:
            return ""
        name = variable_name(trace, leaf)
        row = Row(graph.nodes[subject.id].name, f"{name}.grad += {gradient_name(name)}", True, True)
        return numpy_table([row], _written_in(Same(graph)), theme)
    lines = lines_of(trace, graph.ops[op_id])
    if lines is None:
        return ""
    nodes = tuple(graph.nodes[node].name for node in index(graph).nodes_of_op[op_id])
    return numpy_table(numpy_rows(lines, nodes, backward=subject.kind in ("node", "edge")), _written_in(Same(graph)), theme)


@lru_cache(maxsize=16)
def _written_in(key: Same[Graph]) -> str:
    """What the left column is called: a program whose backward is written by hand is NumPy itself."""
    return "as written" if any(edge.by != NONE for edge in key.thing.edges) else "PyTorch"
