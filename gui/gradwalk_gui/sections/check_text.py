"""A check against the NumPy formula as rich text."""

from __future__ import annotations

from gradwalk.reference.checking import Check
from gradwalk.reference.code import code_of
from gradwalk.trace import Compared, Trace

from ..inspection.subject import has_come, is_there
from ..numbers import NOT_YET, number
from ..theme import Theme
from ..widgets.text import coloured, listing, mono, shown

AGREES, DIFFERS = "✓", "✗"


def verdict(check: Check, trace: Trace, position: int, theme: Theme) -> str:
    """The rows, each with a tick or a cross, and what could not be checked."""
    there = [is_here(row, trace, position) for row in check.verdict.rows]
    rows = "".join(_row(row, here, theme) for row, here in zip(check.verdict.rows, there, strict=True))
    text = f'<table cellspacing="0" cellpadding="2" width="100%">{rows}</table>' if rows else ""
    if check.verdict.sentence:
        text += f'<div style="color:{theme.subtle}">{shown(check.verdict.sentence)}</div>'
    if any(there):
        about = "float64 from the recorded inputs"
        text += f'<div style="font-size:11px;color:{theme.subtle};margin-top:2px">{shown(about)}</div>'
    return text


def is_here(row: Compared, trace: Trace, position: int) -> bool:
    """Whether the tensor of a row exists at the playhead."""
    kind, ref = row.tensor
    return is_there(trace, position, ref) if kind == "value" else has_come(trace, position, ref)


def _row(row: Compared, here: bool, theme: Theme) -> str:
    if not here:
        mark, right, below = "", coloured(NOT_YET, theme.faint), ""
    else:
        mark = _mark(row, theme)
        right = f"{coloured('max rel. error', theme.subtle)} {mono(number(row.relative, 2))}"
        below = "" if row.recorded != row.recorded and not row.place else _worst(row, theme)
    return (
        f'<tr><td width="20">{mark}</td><td>{mono(row.symbol)}</td><td align="right">{right}</td></tr>'
        f'<tr><td></td><td colspan="2" style="color:{theme.subtle}">{mono(row.formula, theme.subtle)}{below}</td></tr>'
    )


def _mark(row: Compared, theme: Theme) -> str:
    colour = theme.update if row.agrees else theme.danger
    return f'<span style="color:{colour}"><b>{AGREES if row.agrees else DIFFERS}</b></span>'


def _worst(row: Compared, theme: Theme) -> str:
    place = f" at [{', '.join(map(str, row.place))}]" if row.place else ""
    pair = f"recorded {number(row.recorded, 6)}, NumPy {number(row.expected, 6)}{place}"
    return f'<br><span style="font-size:11px;color:{theme.subtle}">{shown(pair)}</span>'


def code(check: Check, theme: Theme) -> str:
    """The code of the formulas that were used."""
    formulas = {step.call.formula: None for step in check.steps}
    return listing("\n\n\n".join(code_of(formula) for formula in formulas), theme)
