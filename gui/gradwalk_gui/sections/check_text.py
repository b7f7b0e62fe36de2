"""A verdict as rich text: per tensor a tick or a cross, both values side by side, how far apart they are, the formula."""

from __future__ import annotations

from collections.abc import Sequence

from gradwalk.reference.code import code_of
from gradwalk.reference.registry import Formula
from gradwalk.trace import AGAIN, Compared, TensorKey, Trace, Verdict
from gradwalk.verdicts import WORDS, mark_of, mark_of_answer

from ..inspection.subject import has_come, is_there
from ..numbers import NOT_YET, count, number
from ..theme import Theme
from ..verdicts import NOT_COMPARED
from ..widgets.text import coloured, link, listing, mono, shown

AGREES, DIFFERS, NONE_THERE = "✓", "✗", "–"
MAP = "map:"
"""What the links to error maps begin with; the place of the row follows."""
OURS = ("formula", "ops inside")
"""By what verdicts are made whose code can be read here."""
BESIDE = 24
"""Characters of two numbers that have room beside each other; longer ones stand one below the other."""
BY = {
    "formula": "float64 from the recorded inputs",
    "ops inside": "float64 from the recorded inputs, by the formulas of the ops inside",
    "registered formula": "by the formula that the script registered",
    "central differences": "by central differences through the Function itself, in the training process",
}


def verdict(made: Verdict, trace: Trace, position: int, theme: Theme, mapped: TensorKey | None = None) -> str:
    """The rows, each with a tick or a cross, and what could not be checked. ``mapped``: the row whose error map is open."""
    there = [is_here(row, trace, position) for row in made.rows]
    texts = [
        _row(place, row, made, theme, opened=row.tensor == mapped) if here else _not_yet(row, theme)
        for place, (row, here) in enumerate(zip(made.rows, there, strict=True))
    ]
    text = f'<table cellspacing="0" cellpadding="2" width="100%">{"".join(texts)}</table>' if texts else ""
    if not made.rows:
        text = f"{coloured(NONE_THERE, theme.subtle)}&nbsp;&nbsp;<b>{WORDS[mark_of(trace.graph, made)] or NOT_COMPARED}</b>"
    if made.sentence:
        text += f'<div style="color:{theme.subtle}">{shown(made.sentence)}</div>'
    if any(there):
        text += f'<div style="font-size:11px;color:{theme.subtle};margin-top:2px">{shown(BY[made.by])}</div>'
    return text


def is_here(row: Compared, trace: Trace, position: int) -> bool:
    """Whether the tensor of a row exists at the playhead."""
    kind, ref = row.tensor
    return is_there(trace, position, ref) if kind == "value" else has_come(trace, position, ref)


def _not_yet(row: Compared, theme: Theme) -> str:
    return (
        f'<tr><td width="20"></td><td>{mono(row.symbol)}</td><td align="right">{coloured(NOT_YET, theme.faint)}</td></tr>'
        f'<tr><td></td><td colspan="2">{mono(row.formula, theme.subtle)}</td></tr>'
    )


def _row(place: int, row: Compared, made: Verdict, theme: Theme, *, opened: bool) -> str:
    said = made.says(row)
    colour, sign = {True: (theme.update, AGREES), False: (theme.danger, DIFFERS), None: (theme.subtle, NONE_THERE)}[said]
    mark = f'<span style="color:{colour}"><b>{sign}</b></span>'
    word = f'<span style="color:{colour}"><b>{WORDS[mark_of_answer(said)]}</b></span>'
    way = link("close error map" if opened else "error map", f"{MAP}{place}", theme) if has_map(row, made) else ""
    return (
        f'<tr><td width="20">{mark}</td><td>{mono(row.symbol)}&nbsp;&nbsp;{word}</td><td align="right">{way}</td></tr>'
        f'<tr><td></td><td colspan="2">{mono(row.formula, theme.subtle)}</td></tr>'
        f'<tr><td></td><td colspan="2">{_sides(row, made, theme)}</td></tr>'
        f'<tr><td></td><td colspan="2" style="color:{theme.subtle}">{_apart(row)}</td></tr>'
    )


def has_map(row: Compared, made: Verdict) -> bool:
    """Whether the elements can be compared here: by formulas of ours, and where both sides have one shape."""
    return made.by in OURS and bool(row.place or row.recorded == row.recorded or row.expected == row.expected)


def _heads(row: Compared, made: Verdict) -> tuple[str, str]:
    """What the two numbers are."""
    if row.formula == AGAIN:
        return "recorded", "run again"
    return {"registered formula": ("Function", "formula"), "central differences": ("backward", "differences")}.get(
        made.by, ("recorded", "NumPy")
    )


def _sides(row: Compared, made: Verdict, theme: Theme) -> str:
    """Both values where they are furthest apart."""
    if row.recorded != row.recorded and row.expected != row.expected and not row.place:
        return ""
    pair, heads = _pair(row), [coloured(head, theme.subtle) for head in _heads(row, made)]
    if sum(map(len, pair)) > BESIDE:
        cells = [f"{_cell(head, small=True)}{_cell(mono(each))}" for head, each in zip(heads, pair, strict=True)]
    else:
        cells = ["".join(_cell(head, small=True) for head in heads), "".join(_cell(mono(each)) for each in pair)]
    return f'<table cellspacing="0" cellpadding="0">{"".join(f"<tr>{line}</tr>" for line in cells)}</table>'


def _cell(html: str, *, small: bool = False) -> str:
    return f'<td style="padding-right:16px{";font-size:11px" if small else ""}">{html}</td>'


def _pair(row: Compared) -> tuple[str, str]:
    """As many digits as show a difference, where there is one."""
    for digits in (6, 9, 12, 17):
        pair = number(row.recorded, digits), number(row.expected, digits)
        if pair[0] != pair[1] or row.recorded == row.expected:
            break
    return pair


def _apart(row: Compared) -> str:
    parts = [f"at [{', '.join(map(str, row.place))}]"] if row.place else []
    parts += [f"max abs. error {number(row.absolute, 2)}", f"max rel. error {number(row.relative, 2)}"]
    parts += [f"{number(row.ulps, 2)} ulp"] if row.ulps == row.ulps else []
    parts += [f"{count(row.kinks, 'element')} without a derivative left out"] if row.kinks else []
    return "&nbsp;&nbsp; ".join(shown(part).replace(" ", "&nbsp;") for part in parts)


def code(formulas: Sequence[Formula], theme: Theme) -> str:
    """The code of formulas."""
    return listing("\n\n\n".join(code_of(formula) for formula in formulas), theme)
