"""The formula card: the formulas of an op with the shapes, and where they are small the numbers, of the tensors in this step."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradwalk.reference.numpy_words import ALIASES
from gradwalk.reference.registry import KEPT, Formula, formula_of
from gradwalk.tape import index, label_of, shape_of, value_label
from gradwalk.trace import NONE, Op, Phase, Shape, TensorKey, Trace

from ..numbers import NOT_YET, number, shape_text
from ..state import Selection
from .facts import is_loss, kept_at, stats_at
from .lesson import incoming_edges, outgoing_of
from .subject import has_come, is_there, op_behind

SMALL = 4
"""Tensors of at most this many rows and columns show their numbers."""
_TOKEN = re.compile(r"\s*(dL/d\w+|[A-Za-z_]\w*|\d+(?:\.\d+)?(?:e[+-]?\d+)?|\*\*|[<>=!]=|\S)")
NO_FORMULA = "custom Function: no formula"


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """A piece of a formula; below it stands ``under``, a shape or an argument, or ``numbers``, float64 ``[rows, columns]``."""

    text: str
    space: bool = False
    under: str = ""
    numbers: NDArray[np.float64] | None = None
    about: str = ""
    """What the symbol stands for in this step, for the tool tip."""
    key: TensorKey | None = None
    dimensions: int = 2
    """Of the tensor: ``numbers`` has always two, the last ones of them are the tensor's."""
    role: str = ""
    """In a backward formula: ``outgoing``, ``incoming`` or ``local``."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One formula and the phase that it belongs to. ``now`` marks the formula of the thing that is looked at."""

    tokens: tuple[Token, ...]
    phase: Phase
    now: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Card:
    """The rows of a formula card, or a sentence where there is no formula; ``source`` says where the maths is from."""

    rows: tuple[Row, ...] = ()
    sentence: str = ""
    source: str = ""

    def __str__(self) -> str:
        lines = ["".join(" " * token.space + token.text for token in row.tokens) for row in self.rows]
        return "\n".join(lines) or self.sentence


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a symbol stands for: a tensor by its key, or an argument's text."""

    key: TensorKey | None
    label: str
    argument: str = ""
    others: tuple[int, ...] = ()
    """Further edges: the gradient is the sum of what meets on them."""
    turned: Shape | None = None
    """The shape of its transpose, where that is not the one with the last two axes swapped."""


def card_of(trace: Trace, position: int, subject: Selection) -> Card | None:
    """The formula card of a thing; None where formulas make no sense (modules, leaves, inputs)."""
    graph = trace.graph
    if subject.kind == "node" and graph.nodes[subject.id].leaf != NONE:
        return _accumulation(trace, position, subject.id)
    op_id = op_behind(graph, subject)
    if op_id == NONE:
        return None
    op = graph.ops[op_id]
    if op.custom:
        return Card(sentence=f"{op.name} is a {NO_FORMULA}")
    formula = formula_of(op.name, op.arguments) or formula_of(op.name.rstrip("_"))
    if formula is None:
        return Card(sentence=f"no formula for {op.name}")
    return _card(trace, position, subject, op, formula)


def _card(trace: Trace, position: int, subject: Selection, op: Op, formula: Formula) -> Card:
    meanings = _meanings(trace, op, formula)
    made = [shape_of(trace, value) for value in (*op.outputs[:1], *op.inputs[:1])] if formula.forward.endswith("= X.T") else []
    for symbol, shape in zip(("X", f"dL/d{formula.output}"), made, strict=False):
        meanings[symbol] = replace(meanings[symbol], turned=shape)
    backward_now = subject.kind in ("node", "edge") or (subject.kind == "value" and is_loss(trace.graph, subject.id))
    rows = [Row(_tokens(trace, position, formula.forward, meanings), op.phase, not backward_now)]
    if op.phase == "forward":
        rows += [
            Row(with_roles(_tokens(trace, position, text, meanings), f"dL/d{formula.output}"), "backward", backward_now)
            for symbol, text in formula.gradients
            if _wanted(op, formula, symbol)
        ]
    return Card(tuple(rows), "", formula.source)


def _wanted(op: Op, formula: Formula, symbol: str) -> bool:
    """Whether the input of a gradient formula is a tensor of this op."""
    return symbol not in formula.inputs or formula.inputs.index(symbol) < len(op.inputs)


def _meanings(trace: Trace, op: Op, formula: Formula) -> dict[str, _Meaning]:
    graph = trace.graph
    aliases = dict(ALIASES.get(op.name.rstrip("_"), {})) | _scalar_operand(op, formula)
    made = {aliases.get(name, name): _Meaning(None, name, text) for name, text in op.arguments}
    named = list(zip(formula.inputs, op.inputs, strict=False))
    named += [(formula.output, op.outputs[0])] if op.outputs else []
    edges = {gradient.symbol: (gradient.edge,) for gradient in outgoing_of(trace, op)} | {
        formula.output: incoming_edges(trace, op)
    }
    for symbol, value in named:
        made[symbol] = _Meaning(("value", value), value_label(graph, value))
        first, *others = edges.get(symbol) or (NONE,)
        key: TensorKey | None = ("gradient", first) if first != NONE else None
        made[f"dL/d{symbol}"] = _Meaning(key, f"gradient of {value_label(graph, value)}", others=tuple(others))
    if formula.drawn == KEPT:
        drawn = "drawn" if ("mask", op.id) in trace.tensors else "not recorded"
        made[KEPT] = _Meaning(None, "the mask of its dropout, 1 for what was kept", drawn)
    return made


def _scalar_operand(op: Op, formula: Formula) -> dict[str, str]:
    """Of ``x * 2`` the 2 is the argument ``other`` and stands where the formula has its second input."""
    left_over = formula.inputs[len(op.inputs) :]
    return dict.fromkeys(("other", "x1", "x2"), left_over[0]) if left_over else {}


def _tokens(trace: Trace, position: int, text: str, meanings: dict[str, _Meaning]) -> tuple[Token, ...]:
    tokens: list[Token] = []
    found = list(_TOKEN.finditer(text))
    skip = 0
    for place, match in enumerate(found):
        if skip:
            skip -= 1
            continue
        word, space = match.group(1), match.group(0) != match.group(1)
        after_dot = place > 0 and found[place - 1].group(1) == "."
        called = place + 1 < len(found) and found[place + 1].group(0) == "("
        meaning = None if after_dot or called else meanings.get(word)
        if meaning is None:
            tokens.append(Token(word, space))
            continue
        turned = [m.group(1) for m in found[place + 1 : place + 3]] == [".", "T"]
        skip = 2 * turned
        tokens.append(_symbol(trace, position, word + ".T" * turned, space, meaning, turned))
    return tuple(tokens)


def _symbol(trace: Trace, position: int, text: str, space: bool, meaning: _Meaning, turned: bool) -> Token:
    if meaning.key is None:
        comes = text.startswith("dL/") and not trace.done and trace.error is None  # the step is still under way
        under = meaning.argument or ("not yet" if comes else "None")
        return Token(text, space, under, None, f"{meaning.label}: {under}")
    kind, index_ = meaning.key
    value = index_ if kind == "value" else trace.graph.edges[index_].value
    shape = shape_of(trace, value)
    if turned:
        shape = (*shape[:-2], *shape[:-3:-1]) if meaning.turned is None else meaning.turned
    about = f"{meaning.label}: {shape_text(shape)}"
    edges = (index_, *meaning.others)
    there = is_there(trace, position, index_) if kind == "value" else all(has_come(trace, position, edge) for edge in edges)
    if not there:
        return Token(text, space, _tight(shape), None, f"{about}, {NOT_YET}")
    keys: list[TensorKey] = [meaning.key, *(("gradient", edge) for edge in meaning.others)]
    parts = [part for part in (_small_numbers(trace, key, shape, turned) for key in keys) if part is not None]
    numbers = np.sum(parts, axis=0) if len(parts) == len(keys) else None
    return Token(text, space, _tight(shape), numbers, about, meaning.key, len(shape))


def with_roles(tokens: tuple[Token, ...], incoming: str) -> tuple[Token, ...]:
    """The tokens of a gradient's formula: what is before the ``=`` goes out, ``dL/dZ`` comes in, the other symbols are local."""
    made = []
    for place, token in enumerate(tokens):
        role = "outgoing" if place == 0 else "incoming" if token.text.removesuffix(".T") == incoming else "local"
        made.append(replace(token, role=role if token.under else ""))
    return tuple(made)


def _tight(shape: Shape) -> str:
    """A shape with no room to spare: ``64×1000``."""
    return shape_text(shape).replace(" ", "")


def _small_numbers(trace: Trace, key: TensorKey, shape: Shape, turned: bool) -> NDArray[np.float64] | None:
    if len(shape) > 2 or any(size > SMALL for size in shape) or 0 in shape:
        return None
    kept = kept_at(trace, key)
    if kept is None or not kept.complete or np.iscomplexobj(kept.data):
        stats = stats_at(trace, key)
        return np.array([[stats.min]]) if stats is not None and stats.count == 1 else None
    data = np.asarray(kept.data, dtype=np.float64)
    data = data.T if turned else data
    return data.reshape(1, -1) if data.ndim < 2 else data


def _accumulation(trace: Trace, position: int, node: int) -> Card:
    graph, look = trace.graph, index(trace.graph)
    leaf = graph.nodes[node].leaf
    name = label_of(graph.values[leaf])
    into = look.edges_into[node]
    grad, came = f"{name}.grad", f"dL/d{name}"
    left = next(iter(look.edges_from[node]), NONE)
    tokens = [_edge_token(trace, position, grad, False, left), Token("+=", True)]
    for place, edge in enumerate(into):
        tokens += [Token("+", True)] * (place > 0) + [_edge_token(trace, position, came, True, edge)]
    return Card((Row(tuple(tokens), "backward"),))


def _edge_token(trace: Trace, position: int, text: str, space: bool, edge: int) -> Token:
    if edge == NONE:
        return Token(text, space)
    return _symbol(trace, position, text, space, _Meaning(("gradient", edge), text), False)


def numbers_text(numbers: NDArray[np.float64]) -> list[list[str]]:
    """The texts of small numbers, row by row."""
    return [[number(float(x), 3) for x in row] for row in numbers]
