"""What is rounded on the way to the gradients of recurrent layers: ``1 - tanh ** 2`` and ``1 - sigmoid`` of gates that saturate.

Each step back in time gives sizes that times a unit roundoff bound what it rounds, and hands on those of the steps after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .elementwise import sigmoid
from .recurrent import KINDS, USUAL, Arrays, Layout, Line, layout_of, run_layers
from .registry import Array

CELLS = "lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell"


def _lstm(d: Arrays, a: Array, r: Array, state: Arrays, back: Any) -> tuple[Array, Array, Arrays]:
    i, f, c, o = np.split(a + r, 4, axis=-1)
    i, f, c, o = sigmoid(i), sigmoid(f), np.tanh(c), sigmoid(o)
    t = np.tanh(f * state[1] + i * c)
    cell = np.abs(d[1]) + np.abs(d[0]) * o * (1 - t**2)
    past, _, through = back((np.zeros_like(d[0]), np.abs(d[0]) * o * t**2), a, r, state)
    gates = [cell * np.abs(c) * i**2, cell * np.abs(state[1]) * f**2, cell * i * c**2, np.abs(d[0] * t) * o**2]
    made = np.concatenate(gates, axis=-1) + np.abs(past)
    return made, made, tuple(map(np.abs, through))


def _gru(d: Arrays, a: Array, r: Array, state: Arrays, back: Any) -> tuple[Array, Array, Arrays]:
    (reset, update, new), (reset_h, update_h, new_h) = np.split(a, 3, axis=-1), np.split(r, 3, axis=-1)
    s, z = sigmoid(reset + reset_h), sigmoid(update + update_h)
    n, g = np.tanh(new + s * new_h), np.abs(d[0])
    dn = g * (1 - z) * n**2 + g * z * (1 - n**2)
    ds = np.abs(new_h) * (dn * s * (1 - s) + g * (1 - z) * (1 - n**2) * s**2)
    dz = g * ((np.abs(state[0]) + np.abs(n)) * z * (1 - z) + np.abs(state[0] - n) * z**2)
    return np.concatenate([ds, dz, dn], axis=-1), np.concatenate([ds, dz, dn * s], axis=-1), (np.zeros_like(g),)


def _tanh(d: Arrays, a: Array, r: Array, state: Arrays, back: Any) -> tuple[Array, Array, Arrays]:
    made = np.abs(d[0]) * np.tanh(a + r) ** 2
    return made, made, (np.zeros_like(made),)


ROUNDED: Mapping[str, Any] = {"lstm": _lstm, "gru": _gru, "rnn_tanh": _tanh}
"""What one step back rounds, for the gradients of the states that came in; ``back`` is the step itself."""


def gates_off(name: str, g: Any, x: Array, rest: Sequence[Array], arguments: Mapping[str, Any]) -> list[Any]:
    """The sizes for the gradient of each tensor of a layer or a cell, in the order in which it takes them."""
    kind = name.removesuffix("_cell")
    if kind not in ROUNDED:
        return [0.0] * (1 + len(rest))
    states = KINDS[kind].states
    if kind != name:  # a cell is a layer of one step
        wide, last = np.atleast_2d(x)[None], [np.atleast_2d(one)[None] for one in (g if isinstance(g, tuple) else (g,))]
        parts = [*(np.atleast_2d(one)[None] for one in rest[:states]), *rest[states:]]
        made = gates_off(kind, (np.zeros(last[0].shape), *last), wide, parts, {"has_biases": len(rest) == states + 4})
        return [one.reshape(np.shape(of)) for one, of in zip(made, (x, *rest), strict=True)]
    layout = layout_of(kind, x, rest, **{**USUAL, **arguments})
    lines, _ = run_layers(layout, x, rest)
    incoming, off = layout.rows(g[0]), np.zeros(layout.rows(g[0]).shape)
    firsts, weights = list[Arrays](), list[Array]()
    for at in reversed(range(0, len(lines), layout.directions)):
        one = lines[at : at + layout.directions]
        incoming, off, found, made = _layer_off(layout, one, incoming, off, g[1:], at, ROUNDED[kind])
        incoming, off = (layout.dropped(one, at // layout.directions - 1) for one in (incoming, off))
        firsts, weights = [*found, *firsts], [*made, *weights]
    joined = [np.stack(parts) for parts in zip(*firsts, strict=True)]
    return [layout.unrows(off), *(joined if layout.batched else [part[:, 0] for part in joined]), *weights]


def _layer_off(
    layout: Layout, lines: Sequence[Line], g: Array, off: Array, last: Sequence[Array], at: int, rounded: Any
) -> tuple[Array, Array, list[Arrays], list[Array]]:
    """Of one layer: the gradient of what it read, its size, and those of its first states and weights."""
    parts, offs = (np.split(one, layout.directions, axis=-1) for one in (g, off))
    dx, size, states, weights = np.zeros(lines[0].x.shape), np.zeros(lines[0].x.shape), list[Arrays](), list[Array]()
    for number, line in enumerate(lines):
        found = _line_off(layout, line, parts[number], offs[number], layout.states(last, at + number), rounded)
        dx, size = dx + found[0], size + found[1]
        states.append(found[2])
        weights += found[3]
    return dx, size, states, weights


def _line_off(
    layout: Layout, line: Line, g: Array, off: Array, last: Arrays, rounded: Any
) -> tuple[Array, Array, Arrays, list[Array]]:
    back, plain, (w, u) = layout.kind.back, line.weights, map(np.abs, line.weights[:2])
    dx, size, made = np.zeros(line.x.shape), np.zeros(line.x.shape), [np.zeros(part.shape) for part in line.weights]
    d, e = last, tuple(np.zeros_like(state) for state in last)
    order = list(range(len(line.x)))[:: -1 if line.turned else 1]
    for step, t in reversed(list(enumerate(order))):
        here = (line.a[step], line.r[step], line.before[step])
        came, moved = (d[0] + g[t], *d[1:]), (e[0] + off[t], *e[1:])
        new, handed = rounded(came, *here, back), back(moved, *here)
        ea, er = (new[place] + np.abs(handed[place]) for place in (0, 1))
        past = [mine + np.abs(old) for mine, old in zip(new[2], handed[2], strict=True)]
        size[t], e = ea @ w, (past[0] + er @ u, *past[1:])
        for place, part in enumerate((ea.T @ np.abs(line.x[t]), er.T @ np.abs(here[2][0]), ea.sum(axis=0), er.sum(axis=0))):
            if place < len(made):
                made[place] += part
        da, dr, through = back(came, *here)
        dx[t], d = da @ plain[0], (through[0] + dr @ plain[1], *through[1:])
    return dx, size, e, made
