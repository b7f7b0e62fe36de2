"""A step's graph at a playhead as DOT text, for Graphviz and whatever else reads it. No ``dot`` program is needed.

Ops (or tensors) are nodes, module calls are clusters. A forward edge is solid and blue; a gradient edge is dashed and vermillion,
runs beside it against the flow and bears its RMS. ``tooltip`` says in words what each thing's state is.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import graphviz

from .scales import unscaled
from .tape import Index, Moments, Stats, index, label_of, moments, shape_of, stats_of
from .trace import NONE, Edge, Graph, Op, Trace, Value

Mode: TypeAlias = Literal["ops", "tensors"]
Halves: TypeAlias = Literal["both", "forward", "backward"]

FORWARD, BACKWARD, LEAF, LOSS, INK, QUIET = "#0072B2", "#D55E00", "#009E73", "#B8456B", "#1B2430", "#8A94A3"
RAN, NEXT, LATER, NEVER = "ran", "next", "not yet", "never"
FILLS = {RAN: "#E3F0F8", NEXT: "#FFF3C4", LATER: "#FFFFFF", NEVER: "#F4F5F7"}
BACKWARD_FILLS = {**FILLS, RAN: "#FCE9DD"}


@dataclass(frozen=True, slots=True)
class _Row:
    """One half of a card: its text, its small print, and its state."""

    text: str
    note: str
    state: str
    backward: bool = False


@dataclass(frozen=True, slots=True)
class _Shape:
    """A node of the picture, in a module call or in none."""

    name: str
    module: int
    attributes: dict[str, str]


@dataclass(slots=True)
class _Picture:
    """What is drawn, still apart from its clusters."""

    trace: Trace
    position: int
    halves: Halves
    when: Moments
    look: Index
    shapes: dict[str, _Shape] = field(default_factory=dict)
    lines: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @property
    def graph(self) -> Graph:
        return self.trace.graph

    @property
    def forward(self) -> bool:
        return self.halves != "backward"

    @property
    def backward(self) -> bool:
        return self.halves != "forward"

    def state(self, moment: int) -> str:
        """Whether what happens at ``moment`` ran, is next, comes later, or never happens in this step."""
        if moment == NONE:
            return NEVER
        return RAN if moment < self.position else NEXT if moment == self.position else LATER


def dot_source(trace: Trace, position: int, *, mode: Mode = "ops", halves: Halves = "both") -> str:
    """The step's graph when ``position`` events have run, as DOT text.

    Raises ValueError for an unknown ``mode`` or ``halves``.
    """
    if mode not in ("ops", "tensors"):
        raise ValueError(f"mode is 'ops' or 'tensors', not {mode!r}")
    if halves not in ("both", "forward", "backward"):
        raise ValueError(f"halves is 'both', 'forward' or 'backward', not {halves!r}")
    trace = unscaled(trace)
    picture = _Picture(trace, position, halves, moments(trace), index(trace.graph))
    (_draw_ops if mode == "ops" else _draw_tensors)(picture)
    return _written(picture)


def _draw_ops(picture: _Picture) -> None:
    graph = picture.graph
    drawn = [op.id for op in graph.ops if op.parent == NONE and op.phase in ("forward", "loss")]
    for op in drawn:
        _add_op(picture, op)
    for op in drawn:
        for value in graph.ops[op].inputs:
            source = _maker(picture, value)
            if source != f"op{op}" and picture.forward:
                _add_line(picture, source, f"op{op}", _forward_line(label_of(graph.values[value])))
            elif picture.backward and source.startswith("value"):
                _add_value(picture, value)
    for event in graph.events:
        if event.kind == "loss" and f"value{event.ref}" not in picture.shapes:
            _add_loss(picture, event.ref)
    for edge in graph.edges:
        if edge.target != NONE and picture.backward:
            _add_gradient(picture, edge)


def _add_op(picture: _Picture, op_id: int) -> None:
    graph = picture.graph
    op = graph.ops[op_id]
    rows = []
    if picture.forward or not picture.look.nodes_of_op[op_id]:
        shapes = ", ".join(_shape_text(picture.trace, value) for value in op.outputs)
        rows.append(_Row(" ".join(filter(None, (op.name, op.variable))), shapes, picture.state(int(picture.when.ops[op_id]))))
    if picture.backward:
        rows += [_node_row(picture, node) for node in picture.look.nodes_of_op[op_id]]
    _add_shape(picture, f"op{op_id}", op.module, rows, "box", FORWARD)


def _node_row(picture: _Picture, node: int) -> _Row:
    about = picture.graph.nodes[node]
    return _Row(about.name, "", picture.state(int(picture.when.nodes[node])), backward=True)


def _maker(picture: _Picture, value: int) -> str:
    """The name of what a Value comes from in the picture: an op's card, or its own pill, which is added."""
    graph = picture.graph
    op = graph.values[value].op
    while op != NONE and graph.ops[op].parent != NONE:
        op = graph.ops[op].parent
    if op != NONE and f"op{op}" in picture.shapes:
        return f"op{op}"
    _add_value(picture, value)
    return f"value{value}"


def _add_value(picture: _Picture, value_id: int) -> None:
    """The pill of a leaf, an input, or (in the other mode) of any tensor."""
    name = f"value{value_id}"
    if name in picture.shapes:
        return
    value = picture.graph.values[value_id]
    node = picture.look.node_of_leaf.get(value_id)
    made = RAN if value.op == NONE else picture.state(int(picture.when.values[value_id]))
    rows = [_Row(label_of(value), _shape_text(picture.trace, value_id), made)]
    if node is not None and picture.backward:
        rows.append(_leaf_row(picture, node))
    colour = LEAF if value.role == "leaf" or node is not None else QUIET if value.role == "input" else FORWARD
    _add_shape(picture, name, _home(picture, value), rows, "ellipse", colour)


def _leaf_row(picture: _Picture, node: int) -> _Row:
    row = _node_row(picture, node)
    given = [edge for edge in picture.look.edges_from[node] if picture.graph.edges[edge].target == NONE]
    note = _gradient_text(picture, picture.graph.edges[given[-1]]) if given else ""
    return _Row(row.text, f".grad {note}".rstrip(), row.state, backward=True)


def _add_loss(picture: _Picture, value_id: int) -> None:
    value = picture.graph.values[value_id]
    events = [event.id for event in picture.graph.events if event.kind == "loss" and event.ref == value_id]
    moment = int(picture.when.events[events[0]])
    shown = picture.trace.loss is not None and picture.state(moment) == RAN
    row = _Row(value.name or "loss", f"{picture.trace.loss:.6g}" if shown else "", picture.state(moment))
    source = _maker(picture, value_id)
    _add_shape(picture, f"value{value_id}", NONE, [row], "ellipse", LOSS, peripheries="2")
    if source != f"value{value_id}" and picture.forward:
        _add_line(picture, source, f"value{value_id}", _forward_line(""))


def _add_gradient(picture: _Picture, edge: Edge) -> None:
    """A gradient edge between the cards of two Nodes, drawn against the flow so that both halves are laid out alike."""
    source = f"value{edge.value}" if edge.source == NONE else _card_of_node(picture, edge.source)
    target = _card_of_node(picture, edge.target)
    if source in picture.shapes and source != target:
        _add_line(picture, target, source, _backward_line(picture, edge))


def _card_of_node(picture: _Picture, node_id: int) -> str:
    graph = picture.graph
    node = graph.nodes[node_id]
    op = node.op
    while op != NONE and graph.ops[op].parent != NONE:
        op = graph.ops[op].parent
    if op != NONE and f"op{op}" in picture.shapes:
        return f"op{op}"
    if node.leaf != NONE and f"value{node.leaf}" in picture.shapes:
        return f"value{node.leaf}"
    name = f"node{node_id}"
    if name not in picture.shapes:
        _add_shape(picture, name, NONE, [_node_row(picture, node_id)], "box", BACKWARD)
    return name


def _draw_tensors(picture: _Picture) -> None:
    """Tensors as nodes; an op with n inputs is n edges joined in one knot that bears its name."""
    for op in picture.graph.ops:
        if op.parent == NONE and op.phase in ("forward", "loss"):
            _add_op(picture, op.id)
            for value in (*op.inputs, *op.outputs):
                _add_value(picture, value)
            _add_lines_of_knot(picture, op)
    for edge in picture.graph.edges:
        if picture.backward and edge.source != NONE and f"value{edge.value}" in picture.shapes:
            knot = _card_of_node(picture, edge.source)
            if knot != f"value{edge.value}":
                _add_line(picture, f"value{edge.value}", knot, _backward_line(picture, edge))


def _add_lines_of_knot(picture: _Picture, op: Op) -> None:
    knot = f"op{op.id}"
    if picture.forward:
        for value in op.inputs:
            _add_line(picture, f"value{value}", knot, {**_forward_line(""), "arrowhead": "none"})
        for value in op.outputs:
            _add_line(picture, knot, f"value{value}", _forward_line(""))
    if picture.backward and picture.look.nodes_of_op[op.id]:
        for value in op.outputs:
            _add_line(picture, knot, f"value{value}", {**_backward_colours(), "arrowtail": "none"})


def _add_line(picture: _Picture, tail: str, head: str, attributes: dict[str, str]) -> None:
    picture.lines.append((tail, head, attributes))


def _forward_line(label: str) -> dict[str, str]:
    return {"color": FORWARD, "fontcolor": FORWARD} | ({"tooltip": _plain(label)} if label else {})


def _backward_colours() -> dict[str, str]:
    return {"color": BACKWARD, "fontcolor": BACKWARD, "style": "dashed", "dir": "back"}


def _backward_line(picture: _Picture, edge: Edge) -> dict[str, str]:
    state = picture.state(int(picture.when.edges[edge.id]))
    return {**_backward_colours(), "label": _plain(_gradient_text(picture, edge)), "tooltip": _plain(state)}


def _gradient_text(picture: _Picture, edge: Edge) -> str:
    """The RMS of a gradient; in words where there is none (yet), where it is exactly zero and where it is not finite."""
    state = picture.state(int(picture.when.edges[edge.id]))
    if state != RAN:
        return "None (no path)" if state == NEVER and picture.trace.done else LATER
    stats = stats_of(picture.trace.gradients, edge.id)
    return "" if stats is None else _rms_text(stats)


def _rms_text(stats: Stats) -> str:
    if stats.nan or stats.inf:
        return "NaN" if stats.nan else "Inf"
    if stats.rms == 0:
        return "0 (exactly)"
    return "" if math.isnan(stats.rms) else f"rms {stats.rms:.2e}"


def _shape_text(trace: Trace, value: int) -> str:
    return " × ".join(map(str, shape_of(trace, value))) or "scalar"


def _home(picture: _Picture, value: Value) -> int:
    """The module call that a pill stands in: its op's, or the innermost one around all that read it."""
    graph = picture.graph
    if value.op != NONE:
        return graph.ops[value.op].module
    ways = [
        list(_upwards(graph, graph.ops[op].module)) for op in picture.look.consumers[value.id] if graph.ops[op].phase == "forward"
    ]
    if value.role != "leaf" or not ways:
        return NONE
    return next((call for call in ways[0] if all(call in way for way in ways)), NONE)


def _upwards(graph: Graph, module: int) -> Iterator[int]:
    while module != NONE:
        yield module
        module = graph.modules[module].parent


def _add_shape(
    picture: _Picture, name: str, module: int, rows: list[_Row], shape: str, colour: str, peripheries: str = "1"
) -> None:
    states = [row.state for row in rows]
    attributes = {
        "label": _table(rows),
        "shape": shape,
        "color": colour,
        "peripheries": peripheries,
        "penwidth": "3" if NEXT in states else "1",
        "style": "dashed" if all(state in (LATER, NEVER) for state in states) else "solid",
        "tooltip": _plain(", ".join(f"{row.text}: {row.state}" for row in rows)),
    }
    picture.shapes[name] = _Shape(name, module, attributes)


def _table(rows: Iterable[_Row]) -> str:
    """The label as an HTML-like table, one row per half, filled by its state."""
    cells = []
    for row in rows:
        fill = (BACKWARD_FILLS if row.backward else FILLS)[row.state]
        note = f'<BR/><FONT POINT-SIZE="9" COLOR="{QUIET}">{_html(row.note)}</FONT>' if row.note else ""
        cells.append(f'<TR><TD BGCOLOR="{fill}"><FONT COLOR="{INK}">{_html(row.text)}</FONT>{note}</TD></TR>')
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="1" CELLPADDING="4">{"".join(cells)}</TABLE>>'


def _printable(text: str) -> str:
    """One line without control characters and lone surrogates."""
    return "".join(c if c.isprintable() else " " for c in text)


def _html(text: str) -> str:
    return html.escape(_printable(text)) or " "


def _plain(text: str) -> str:
    escaped: str = graphviz.escape(_printable(text))
    return escaped


def _written(picture: _Picture) -> str:
    trace = picture.trace
    dot = graphviz.Digraph(
        "step",
        graph_attr={
            "rankdir": "LR",
            "fontname": "Helvetica",
            "label": f"step {trace.step}, {max(0, min(picture.position, len(trace.tape)))} of {len(trace.tape)} events",
        },
        node_attr={"fontname": "Helvetica", "fontsize": "12", "margin": "0.06,0.04"},
        edge_attr={"fontname": "Courier", "fontsize": "9"},
    )
    _write_clusters(dot, picture)
    for tail, head, attributes in picture.lines:
        dot.edge(tail, head, **attributes)
    source: str = dot.source
    return source


def _write_clusters(dot: graphviz.Digraph, picture: _Picture) -> None:
    """The nodes in their clusters; a cluster is written when all inside it are, innermost first."""
    graph = picture.graph
    used = {call for shape in picture.shapes.values() for call in _upwards(graph, shape.module)}
    clusters = {call: graphviz.Digraph(f"cluster_{call}") for call in sorted(used)}
    for call, cluster in clusters.items():
        module = graph.modules[call]
        title = " ".join(filter(None, (module.name, module.kind)))
        cluster.attr(label=_plain(title), style="rounded", color=QUIET, fontcolor=INK, tooltip=_plain(module.path))
    for shape in picture.shapes.values():
        (clusters[shape.module] if shape.module != NONE else dot).node(shape.name, **shape.attributes)
    depth = {call: sum(1 for _ in _upwards(graph, call)) for call in clusters}
    for call in sorted(clusters, key=lambda call: (-depth[call], call)):
        parent = graph.modules[call].parent
        (clusters[parent] if parent != NONE else dot).subgraph(clusters[call])
