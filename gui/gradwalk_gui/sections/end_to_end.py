"""How far rounding has moved what is looked at since the leaves, where its step was computed again in float64."""

from __future__ import annotations

from gradwalk.reference.accumulated import Accumulated
from gradwalk.trace import NONE

from ..chains import chain_of_trace, error_of
from ..inspection.subject import op_behind
from ..numbers import NOT_YET, number
from ..theme import Theme
from ..widgets.text import coloured, mono, rows, shown
from .look import Look

MOST = 8
"""So many tensors at most."""


def end_to_end(look: Look, theme: Theme) -> str:
    """A line per tensor, and where the chain did not go through the op; nothing where the step was not computed."""
    chain = chain_of_trace(look.state, look.trace)
    if chain is None:
        return ""
    pairs = []
    for tensor in look.tensors[:MOST]:
        one = error_of(chain, tensor.key)
        if one is not None:
            pairs.append((tensor.label, _error(one, theme) if tensor.there else coloured(NOT_YET, theme.faint)))
    op = op_behind(look.trace.graph, look.subject)
    lines = [
        f"the chain goes on from the recorded {'gradients' if one.back else 'value'} here: {one.reason}"
        for one in chain.restarts
        if one.op == op != NONE
    ]
    lines += [f"{flip.elements:,} elements on the other side of the kink in float64" for flip in chain.flips if flip.op == op]
    if not pairs and not lines:
        return ""
    below = "".join(f'<div style="color:{theme.subtle}">{shown(line)}</div>' for line in lines)
    about = "accumulated since the leaves, over the largest element in float64"
    note = f'<div style="font-size:11px;color:{theme.subtle};margin-top:2px">{shown(about)}</div>' if pairs else ""
    return (rows(pairs, theme) if pairs else "") + below + note


def _error(one: Accumulated, theme: Theme) -> str:
    """The two numbers, and how far from the loss."""
    if one.relative == 0:
        told = mono("exact")
    else:
        told = f"{mono(number(one.relative, 2))} {coloured('RMS', theme.subtle)} {mono(number(one.rms, 2))}"
    where = "at the loss" if not one.depth else f"{one.depth:,} op{'' if one.depth == 1 else 's'} to the loss"
    notes = [where] if one.depth >= 0 else []
    notes += ["cancels: rounding alone, over what came in"] * one.cancelled + ["a sample"] * one.sampled
    return f"{told}<br>{coloured(', '.join(notes), theme.subtle)}" if notes else told
