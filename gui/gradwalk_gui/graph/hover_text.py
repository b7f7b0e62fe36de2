"""What the hover card says about a card, a lane or a module. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap

import numpy as np

from gradwalk.tape import index, label_of, rms_of, shape_of, stats_of, target_of, why_not_counted
from gradwalk.trace import NONE, Trace
from gradwalk.verdicts import WORDS, Mark
from gradwalk.why import lost_gradient

from ..numbers import count, number, shape_text
from .check_text import check_rows
from .hit import Hit
from .look import Look, gradient_text, loss_text, shape_line, version_text
from .magnitudes import meaning
from .parts import BACKWARD, FORWARD, Card
from .scene import Scene

Row = tuple[str, str]
SENTENCE = 52
"""Characters of a sentence in one row."""


@dataclass(frozen=True, slots=True)
class Hover:
    """A title, what stands beside it, the source expression, and rows of label and text."""

    title: str
    note: str = ""
    code: str = ""
    rows: tuple[Row, ...] = ()


def hover_of(scene: Scene, look: Look, hit: Hit) -> Hover:
    """The hover card of what is under the pointer."""
    if hit.kind == "lane":
        return _lane(scene, look, hit)
    if hit.kind in ("title", "frame"):
        return _module(scene, look, scene.picture.frames[hit.index].module, "click the title to fold it")
    card = scene.picture.cards[hit.index]
    if card.kind == "module":
        return _stack(scene, look, card) if card.strip else _module(scene, look, card.ref, "double-click to unfold it")
    if card.kind in ("op", "knot", "node"):
        return _op(scene, look, hit.index, card)
    return _value(scene, look, hit.index, card)


def _when(first: int, last: int, position: int, events: int) -> str:
    if first < 0:
        return "from the start" if first != NONE else "never in this step"
    if last < position:
        return f"event {first + 1} of {events}, has run" if first == last else f"events {first + 1} to {last + 1}, have run"
    if first == position:
        return f"event {first + 1} of {events}, runs next"
    return f"event {first + 1} of {events}, not yet"


def _moment(look: Look, place: int, half: int) -> str:
    facts = look.facts
    return _when(int(facts.when.first[place, half]), int(facts.when.last[place, half]), look.position, len(facts.when.places))


def _op(scene: Scene, look: Look, place: int, card: Card) -> Hover:
    graph, trace = scene.graph, look.trace
    rows: list[Row] = []
    code = ""
    if card.kind != "node":
        op = graph.ops[card.ref]
        site = graph.sites[op.site] if op.site != NONE else None
        code = site.expression if site is not None else ""
        if op.arguments:
            rows.append(("with", ", ".join(f"{name}={value}" for name, value in op.arguments)))
        if op.module != NONE:
            rows.append(("module", graph.modules[op.module].path))
        if site is not None:
            rows.append(("line", f"{site.file.rsplit('/', 1)[-1]}:{site.line}"))
        rows.append(("forward", _moment(look, place, FORWARD)))
        for value in op.outputs[:3]:
            rows += _tensor_rows(trace, value, there=0 <= look.facts.when.last[place, FORWARD] < look.position)
        rows += _why_rows(trace, op.outputs[:1])
    rows += _gradient_rows(look, place, card)
    rows += check_rows(look.checks.of, scene.graph, card.ops)
    return Hover(card.title or card.under, card.note, code, tuple(rows))


def _tensor_rows(trace: Trace, value: int, *, there: bool) -> list[Row]:
    made = trace.graph.values[value]
    rows = [(label_of(made), f"{shape_text(shape_of(trace, value))}  {made.dtype}  {made.device}")]
    stats = stats_of(trace.values, value) if there else None
    if stats is not None and stats.count:
        rows.append(
            ("", f"{number(stats.min, 3)} … {number(stats.max, 3)}, mean {number(stats.mean, 3)}, rms {number(stats.rms, 3)}")
        )
        bad = [f"{how_many:,} {name}" for name, how_many in (("NaN", stats.nan), ("Inf", stats.inf)) if how_many]
        rows += [("", ", ".join(bad))] if bad else []
        rows += [("", f"of the {stats.count:,} elements that it stores ({made.layout})")] if made.layout else []
    elif there:
        rows.append(("", why_not_counted(trace, "value", value) if stats is None else "no elements"))
    return rows


def _why_rows(trace: Trace, values: tuple[int, ...]) -> list[Row]:
    """Why a Value that could have had a gradient has none, over as many rows as the sentence takes."""
    sentence = next((told for value in values if (told := lost_gradient(trace, value))), "")
    return [("" if line else "why none", text) for line, text in enumerate(wrap(sentence, SENTENCE))]


def _gradient_rows(look: Look, place: int, card: Card) -> list[Row]:
    graph = look.trace.graph
    if not card.nodes:
        return [("gradient", gradient_text(look, place))] if card.backward else []
    names = dict.fromkeys(graph.nodes[node].name for node in card.nodes)
    rows = [("backward", f"{', '.join(names)}: {_moment(look, place, BACKWARD)}")]
    edges = [edge for node in card.nodes for edge in index(graph).edges_from[node]]
    for edge in edges[:4]:
        there = 0 <= look.facts.when.edges[edge] < look.position
        rows.append((f"→ {target_of(graph, graph.edges[edge])}", _edge_text(look.trace, edge) if there else "not yet"))
    return rows


def _not_there(trace: Trace, at: int) -> str:
    """Of a gradient that comes at a tape position (NONE: at none that is known)."""
    return "None (no path)" if at == NONE and trace.done else "not yet"


def _edge_text(trace: Trace, edge: int) -> str:
    rms = float(rms_of(trace.gradients[:, [edge]])[0])
    stats = stats_of(trace.gradients, edge)
    if stats is None:
        return why_not_counted(trace, "gradient", edge)
    if stats.nan or stats.inf:
        return f"{stats.nan or 0:,} NaN, {stats.inf or 0:,} Inf of {stats.count:,}"
    if rms == 0:
        return "0 (exactly)"
    largest = max(abs(stats.min), abs(stats.max))
    zeros = f", {100 * stats.zero / stats.count:.3g} % zero" if stats.zero and stats.count else ""
    return f"rms {number(rms, 3)}, norm {number(stats.norm, 3)}, max {number(float(np.abs(largest)), 3)}{zeros}"


def _value(scene: Scene, look: Look, place: int, card: Card) -> Hover:
    made = scene.graph.values[card.ref]
    kind = {"leaf": "leaf, takes a gradient", "input": "input, takes no gradient", "loss": "loss"}.get(card.kind, "result")
    known = look.facts.when.last[place, FORWARD] != NONE and look.facts.when.last[place, FORWARD] < look.position
    rows: list[Row] = []
    if card.kind == "loss":
        rows.append(("value", loss_text(look, place, card)))
    rows += _tensor_rows(look.trace, card.ref, there=bool(known))
    rows += _gradient_rows(look, place, card)
    versions = version_text(look, place)
    if versions:
        rows.append(("update", versions))
    rows += _why_rows(look.trace, (card.ref,))
    return Hover(made.name or card.title, kind, "", tuple(rows))


def _lane(scene: Scene, look: Look, hit: Hit) -> Hover:
    lane, graph = scene.picture.lanes[hit.index], scene.graph
    name = label_of(graph.values[lane.value]) if lane.value != NONE else "a gradient"
    through = views_on(scene, hit.index)
    rows: list[Row] = [("through", ", ".join(through))] if through else []
    if not (hit.backward and lane.edges):
        ends = [scene.picture.cards[end].title for end in (lane.source, lane.target)]
        rows += _tensor_rows(look.trace, lane.value, there=True) if lane.value != NONE else []
        return Hover(name, f"{ends[0]} → {ends[1]}", "", tuple(rows))
    for edge in lane.edges[:4]:
        source = graph.edges[edge].source
        way = f"{graph.nodes[source].name if source != NONE else 'backward()'} → {target_of(graph, graph.edges[edge])}"
        at = int(look.facts.when.edges[edge])
        there = 0 <= at < look.position
        rows += [("from → to", way), ("when", _when(at, at, look.position, len(look.facts.when.places)))]
        rows.append(("gradient", _edge_text(look.trace, edge) if there else _not_there(look.trace, at)))
    if lane.value != NONE:
        rows.append(("shape", f"{shape_text(shape_of(look.trace, lane.value))}  {graph.values[lane.value].dtype}"))
    return Hover(f"gradient of {name}", "", "", tuple(rows))


def views_on(scene: Scene, lane: int) -> list[str]:
    """The names of the views and reshapes that are part of a lane, in the order in which they ran."""
    graph, names = scene.graph, []
    skipped = scene.picture.cards[scene.picture.lanes[lane].source].skipped
    value = scene.picture.lanes[lane].value
    while value != NONE and graph.values[value].op in skipped:
        op = graph.ops[graph.values[value].op]
        names.append(op.name)
        value = op.inputs[0]
    return names[::-1]


def _module(scene: Scene, look: Look, module: int, advice: str) -> Hover:
    call = scene.graph.modules[module]
    inside = [op.id for op in scene.graph.ops if _is_in(scene, op.module, module)]
    checks = check_rows(look.checks.of, scene.graph, inside)
    rows = (("path", call.path), ("holds", count(len(inside), "op")), *checks, ("", advice))
    return Hover(call.name or call.kind, call.kind, "", rows)


def _stack(scene: Scene, look: Look, card: Card) -> Hover:
    modules = scene.graph.modules
    first = modules[card.ref]
    rows = (("path", f"{first.path} and {len(card.strip) - 1} that do the same"), ("holds", count(len(card.ops), "op")))
    checks = check_rows(look.checks.of, scene.graph, card.ops)
    return Hover(card.title, first.kind, "", (*rows, *checks, ("", "double-click to see them one by one")))


def _is_in(scene: Scene, module: int, around: int) -> bool:
    while module not in (NONE, around):
        module = scene.graph.modules[module].parent
    return module == around


def described(scene: Scene, look: Look, place: int) -> str:
    """One sentence about a card for people who hear the screen."""
    card = scene.picture.cards[place]
    parts = [f"{card.kind} {card.title} {card.note}".strip(), shape_line(look, card)]
    if card.kind != "input" and card.forward:
        parts.append(_moment(look, place, FORWARD))
    if card.backward:
        word = meaning(look.facts.measure) if look.facts.measure in ("update", "bad") else "gradient"
        parts.append(f"{word} {gradient_text(look, place)}")
    mark = Mark(int(look.checks.cards[place]))
    parts += [f"NumPy reference: {WORDS[mark]}"] * bool(mark)
    return ", ".join(part for part in parts if part)
