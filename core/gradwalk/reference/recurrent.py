"""Recurrent layers as one op (``lstm``, ``gru``, ``rnn_tanh``, ``rnn_relu``) and cells, with backpropagation through time.

Tensors come as torch hands them over: X, then the first states, then per layer and direction W (input to gates), U (state to
gates) and, with ``has_biases``, the two biases. Sequences are ``[T, N, features]``; with ``batch_first`` ``[N, T, features]``.
With dropout, ``kept`` says what each layer kept of what it read from the one below, ``[layers - 1, T, N, features]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .elementwise import sigmoid
from .nn import scaled_mask
from .registry import Array, Places, register

Arrays = tuple[Array, ...]
NO_MASK = "layers with dropout between them have no formula: its mask is not recorded"
SEQUENCES = "lstm gru rnn_tanh rnn_relu"
"""Layers, which read a weight at each step in time."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A cell: how many states and gates it has, one step forwards and one step back.

    ``forward(a, r, state)`` takes the gates' sums from the input (``a = X @ W.T + b``) and from the state (``r = h @ U.T + c``)
    and gives the next states. ``back(d, a, r, state)`` takes the gradients of the next states and gives those of a, r and of the
    states apart from what goes through r.
    """

    states: int
    gates: int
    forward: Callable[[Array, Array, Arrays], Arrays]
    back: Callable[[Arrays, Array, Array, Arrays], tuple[Array, Array, Arrays]]


def _lstm(a: Array, r: Array, state: Arrays) -> Arrays:
    i, f, c, o = np.split(a + r, 4, axis=-1)
    cell = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(c)
    return sigmoid(o) * np.tanh(cell), cell


def _lstm_back(d: Arrays, a: Array, r: Array, state: Arrays) -> tuple[Array, Array, Arrays]:
    i, f, c, o = np.split(a + r, 4, axis=-1)
    i, f, c, o = sigmoid(i), sigmoid(f), np.tanh(c), sigmoid(o)
    t = np.tanh(f * state[1] + i * c)
    dcell = d[1] + d[0] * o * (1 - t**2)
    gates = [dcell * c * i * (1 - i), dcell * state[1] * f * (1 - f), dcell * i * (1 - c**2), d[0] * t * o * (1 - o)]
    dgates = np.concatenate(gates, axis=-1)
    return dgates, dgates, (np.zeros_like(d[0]), dcell * f)


def _gru(a: Array, r: Array, state: Arrays) -> Arrays:
    (reset, update, new), (reset_h, update_h, new_h) = np.split(a, 3, axis=-1), np.split(r, 3, axis=-1)
    n = np.tanh(new + sigmoid(reset + reset_h) * new_h)
    z = sigmoid(update + update_h)
    return ((1 - z) * n + z * state[0],)


def _gru_back(d: Arrays, a: Array, r: Array, state: Arrays) -> tuple[Array, Array, Arrays]:
    (reset, update, new), (reset_h, update_h, new_h) = np.split(a, 3, axis=-1), np.split(r, 3, axis=-1)
    s, z = sigmoid(reset + reset_h), sigmoid(update + update_h)
    n = np.tanh(new + s * new_h)
    dn = d[0] * (1 - z) * (1 - n**2)
    ds, dz = dn * new_h * s * (1 - s), d[0] * (state[0] - n) * z * (1 - z)
    return np.concatenate([ds, dz, dn], axis=-1), np.concatenate([ds, dz, dn * s], axis=-1), (d[0] * z,)


def _tanh_back(d: Arrays, a: Array, r: Array, state: Arrays) -> tuple[Array, Array, Arrays]:
    made = d[0] * (1 - np.tanh(a + r) ** 2)
    return made, made, (np.zeros_like(d[0]),)


def _relu_back(d: Arrays, a: Array, r: Array, state: Arrays) -> tuple[Array, Array, Arrays]:
    made = d[0] * (a + r > 0)
    return made, made, (np.zeros_like(d[0]),)


KINDS = {
    "lstm": Kind(2, 4, _lstm, _lstm_back),
    "gru": Kind(1, 3, _gru, _gru_back),
    "rnn_tanh": Kind(1, 1, lambda a, r, state: (np.tanh(a + r),), _tanh_back),
    "rnn_relu": Kind(1, 1, lambda a, r, state: (np.maximum(a + r, 0),), _relu_back),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One layer in one direction: what it read, and its gates' sums and states before each step, in the order of its steps."""

    x: Array
    weights: Sequence[Array]
    turned: bool
    a: list[Array]
    r: list[Array]
    before: list[Arrays]
    made: Arrays


def _line(kind: Kind, x: Array, weights: Sequence[Array], first: Arrays, turned: bool) -> tuple[Line, Array]:
    """Run a layer in one direction; give back also its output ``[T, N, H]``."""
    w, u, *biases = weights
    b, c = biases or (0.0, 0.0)
    line = Line(x, weights, turned, [], [], [], first)
    state, out = first, np.zeros((*x.shape[:-1], u.shape[1]))
    for t in reversed(range(len(x))) if turned else range(len(x)):
        line.a.append(x[t] @ w.T + b)
        line.r.append(state[0] @ u.T + c)
        line.before.append(state)
        state = kind.forward(line.a[-1], line.r[-1], state)
        out[t] = state[0]
    return Line(x, weights, turned, line.a, line.r, line.before, state), out


def _line_back(
    kind: Kind, line: Line, g: Array, last: Arrays, size: Callable[[Array], Array] = np.asarray
) -> tuple[Array, Arrays, list[Array]]:
    """The gradients of what a layer read, of its first states and of its weights, for those of its output and its last states.

    What is added up for a weight is taken by its ``size``: as it is, or its absolute value.
    """
    w, u = line.weights[:2]
    dx, dstate = np.zeros(line.x.shape), last
    made = [np.zeros(part.shape) for part in line.weights]
    order = list(range(len(line.x)))[:: -1 if line.turned else 1]
    for step, t in reversed(list(enumerate(order))):
        before = line.before[step]
        da, dr, through = kind.back((dstate[0] + g[t], *dstate[1:]), line.a[step], line.r[step], before)
        dx[t] = da @ w
        made[0] += size(da.T @ line.x[t])
        made[1] += size(dr.T @ before[0])
        if len(made) > 2:
            made[2] += size(da.sum(axis=0))
            made[3] += size(dr.sum(axis=0))
        dstate = (through[0] + dr @ u, *through[1:])
    return dx, dstate, made


@dataclass(frozen=True, slots=True)
class Layout:
    """How the tensors of a call are meant."""

    kind: Kind
    layers: int
    directions: int
    per_line: int
    batch_first: bool
    batched: bool
    noise: Any
    """What a dropout multiplies with, by the layer that it comes after; None without."""

    def dropped(self, x: Array, layer: int) -> Array:
        """What is left of the output of a layer for the next one; of the gradient for that output the same."""
        return x if self.noise is None or not 0 <= layer < len(self.noise) else x * self.noise[layer]

    def rows(self, x: Array) -> Array:
        """A sequence as ``[T, N, features]``; back again is the same."""
        wide = x if self.batched else x[:, None]
        return np.swapaxes(wide, 0, 1) if self.batch_first and self.batched else wide

    def unrows(self, x: Array) -> Array:
        """Back to the shape of the call."""
        return np.swapaxes(x, 0, 1) if self.batch_first and self.batched else x if self.batched else x[:, 0]

    def states(self, tensors: Sequence[Array], line: int) -> Arrays:
        """The states of a line, of those of all lines."""
        return tuple(state[line] if self.batched else state[line][None] for state in tensors[: self.kind.states])


def layout_of(
    name: str, x: Array, rest: Sequence[Array], has_biases: bool, num_layers: int, dropout: float, train: bool,
    bidirectional: bool, batch_first: bool, kept: Any = None,
) -> Layout:  # fmt: skip
    """How the tensors of a call are meant. Raises ValueError for what has no formula."""
    drops = dropout and train and num_layers > 1
    if drops and kept is None:
        raise ValueError(NO_MASK)
    kind, directions, per_line = KINDS[name], 2 if bidirectional else 1, 4 if has_biases else 2
    if len(rest) != kind.states + num_layers * directions * per_line:
        raise ValueError("the weights are not those of one matrix per gate (a projection, or a packed sequence)")
    layout = Layout(kind, num_layers, directions, per_line, batch_first, x.ndim == 3, None)
    if not drops:
        return layout
    shape = (num_layers - 1, *layout.rows(x).shape[:2], directions * np.shape(rest[kind.states + 1])[1])
    if np.shape(kept) != shape:
        raise ValueError(f"the mask of its dropout has the shape {list(np.shape(kept))}, and what it drops of {list(shape)}")
    return replace(layout, noise=scaled_mask(np.asarray(kept), dropout))


def run_layers(layout: Layout, x: Array, rest: Sequence[Array]) -> tuple[list[Line], Array]:
    """Every line of every layer, in order, and the output of the last layer."""
    weights, read, lines = rest[layout.kind.states :], layout.rows(x), list[Line]()
    for layer in range(layout.layers):
        outs = []
        for direction in range(layout.directions):
            at = len(lines) * layout.per_line
            first = layout.states(rest, len(lines))
            line, out = _line(layout.kind, read, weights[at : at + layout.per_line], first, direction == 1)
            lines.append(line)
            outs.append(out)
        read = layout.dropped(np.concatenate(outs, axis=-1), layer)
    return lines, read


def _back(
    layout: Layout, g: Any, x: Array, rest: Sequence[Array], size: Callable[[Array], Array] = np.asarray
) -> tuple[Array, list[Array], list[Array]]:
    """The gradients of X, of the first states and of the weights."""
    lines, _ = run_layers(layout, x, rest)
    incoming, states, weights = layout.rows(g[0]), list[Arrays](), list[Array]()
    for layer in reversed(range(layout.layers)):
        parts = np.split(incoming, layout.directions, axis=-1)
        found = []
        for direction, part in enumerate(parts):
            at = layer * layout.directions + direction
            found.append(_line_back(layout.kind, lines[at], part, layout.states(g[1:], at), size))
        incoming = layout.dropped(np.sum([dx for dx, _, _ in found], axis=0), layer - 1)
        states = [*(state for _, state, _ in found), *states]
        weights = [*(weight for _, _, made in found for weight in made), *weights]
    joined = [np.stack(parts) for parts in zip(*states, strict=True)]
    return layout.unrows(incoming), joined if layout.batched else [part[:, 0] for part in joined], weights


def added_up(name: str, g: Any, x: Array, rest: Sequence[Array], arguments: Mapping[str, Any]) -> tuple[int, list[Array]]:
    """How many parts the gradient of a weight is added up of, one for each step in time, and for each weight their sizes."""
    layout = layout_of(name, x, rest, **{**USUAL, **arguments})
    return len(layout.rows(x)), _back(layout, g, x, rest, np.abs)[2]


USUAL: Mapping[str, Any] = {
    "has_biases": True, "num_layers": 1, "dropout": 0.0, "train": False, "bidirectional": False, "batch_first": False,
}  # fmt: skip


def _register(name: str, text: str, source: str) -> None:
    kind = KINDS[name]

    def compute(
        x: Array, *rest: Array, has_biases: bool = True, num_layers: int = 1, dropout: float = 0.0, train: bool = False,
        bidirectional: bool = False, batch_first: bool = False, kept: Any = None,
    ) -> Any:  # fmt: skip
        layout = layout_of(name, x, rest, has_biases, num_layers, dropout, train, bidirectional, batch_first, kept)
        lines, out = run_layers(layout, x, rest)
        last = [np.stack(parts) for parts in zip(*(line.made for line in lines), strict=True)]
        return (layout.unrows(out), *(last if layout.batched else [part[:, 0] for part in last]))

    def vjp(part: int) -> Any:
        def of_part(
            g: Any, z: Any, x: Array, *rest: Array, has_biases: bool = True, num_layers: int = 1, dropout: float = 0.0,
            train: bool = False, bidirectional: bool = False, batch_first: bool = False, kept: Any = None,
        ) -> Any:  # fmt: skip
            layout = layout_of(name, x, rest, has_biases, num_layers, dropout, train, bidirectional, batch_first, kept)
            return _back(layout, g, x, rest)[part]

        return of_part

    def places(tensors: int, arguments: Mapping[str, Any]) -> tuple[int, ...]:
        return (0, *[1] * kind.states, *[2] * (tensors - 1 - kind.states))

    gradients = {
        "X": ("dL/dX[t] = dL/dA[t] @ W", vjp(0)),
        "h": ("dL/dh[t - 1] = dL/dA[t] @ U + what goes past the gates", vjp(1)),
        "W": ("dL/dW = sum over t of dL/dA[t].T @ X[t]; dL/dU = sum over t of dL/dA[t].T @ h[t - 1]", vjp(2)),
    }
    dropped = f"{text}, X of the next layer = h * kept / (1 - p)", dict[str, str]()
    register(name, text, compute, gradients, inputs="X h W", source=source, places=places, dropped=dropped)

    _register_cell(name, text, source, gradients, places)


def _register_cell(name: str, text: str, source: str, gradients: Mapping[str, tuple[str, Any]], places: Places) -> None:
    """One step of a layer. A kind with two states gives both."""
    kind = KINDS[name]

    def line(x: Array, rest: Sequence[Array]) -> tuple[Line, Array]:
        states = tuple(map(np.atleast_2d, rest[: kind.states]))
        return _line(kind, np.atleast_2d(x)[None], rest[kind.states :], states, False)

    def cell(x: Array, *rest: Array) -> Any:
        made = tuple(state.reshape(rest[0].shape) for state in line(x, rest)[0].made)
        return made if kind.states > 1 else made[0]

    def cell_back(g: Any, x: Array, rest: Sequence[Array]) -> tuple[Array, list[Array], list[Array]]:
        made, out = line(x, rest)
        last = tuple(map(np.atleast_2d, g if kind.states > 1 else (g,)))
        dx, states, weights = _line_back(kind, made, np.zeros(out.shape), last)
        return dx.reshape(x.shape), [state.reshape(rest[0].shape) for state in states], weights

    def cell_vjp(part: int) -> Any:
        return lambda g, z, x, *rest: cell_back(g, x, rest)[part]

    cells = {symbol: (text, cell_vjp(part)) for part, (symbol, (text, _)) in enumerate(gradients.items())}
    register(f"{name}_cell", text, cell, cells, inputs="X h W", source=source, places=places)


_register(
    "lstm",
    "h = o * tanh(c), c[t] = f * c[t - 1] + i * g, A = X @ W.T + h[t - 1] @ U.T + b",
    "Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; Gers et al., Learning to Forget, 2000 (the gates f)",
)
_register(
    "gru",
    "h = (1 - z) * n + z * h[t - 1], A = X @ W.T + h[t - 1] @ U.T + b",
    "Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014 (r applied after U, as in torch)",
)
_register("rnn_tanh", "h = tanh(X @ W.T + h[t - 1] @ U.T + b)", "Elman, Finding Structure in Time, 1990")
_register("rnn_relu", "h = max(X @ W.T + h[t - 1] @ U.T + b, 0)", "Elman, Finding Structure in Time, 1990")
