"""The graph as DOT text for Graphviz and its relatives; no ``dot`` program is needed to write it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import graphviz

from .tape import Moments, index, label_of, moments, shape_of, stats_of
from .trace import NONE, Op, Trace, Value

Mode: TypeAlias = Literal["ops", "tensors"]
Halves: TypeAlias = Literal["both", "forward", "backward"]
FORWARD, BACKWARD = "#0072B2", "#D55E00"
FILLED = "#EAF2FA"


def dot_source(trace: Trace, position: int, *, mode: Mode = "ops", halves: Halves = "both") -> str:
    """The step at playhead ``position``: ops (or tensors) as nodes, module calls as clusters, gradients on dashed edges."""
    return _Writer(trace, position, mode, halves).write()


class _Writer:
    def __init__(self, trace: Trace, position: int, mode: Mode, halves: Halves) -> None:
        self.trace, self.graph, self.position = trace, trace.graph, position
        self.mode, self.halves = mode, halves
        self.when: Moments = moments(trace)
        self.look = index(trace.graph)
        self.drawn = [op for op in self.graph.ops if op.phase == "forward" and op.parent == NONE]
        self.dot = graphviz.Digraph("gradwalk", graph_attr={"rankdir": "LR", "fontname": "Inter, Helvetica, sans-serif"})
        self.dot.attr("node", shape="box", style="rounded", fontname="Inter, Helvetica, sans-serif")
        self.dot.attr("edge", fontname="JetBrains Mono, Courier, monospace", fontsize="10")

    def write(self) -> str:
        self._clusters()
        self._pills()
        if self.mode == "ops":
            self._ops_edges()
        else:
            self._tensor_edges()
        source: str = self.dot.source
        return source

    def _clusters(self) -> None:
        """The nodes of the ops (or of the tensors that they make), inside their module calls; innermost modules come last."""
        inside: dict[int, list[Op]] = {}
        for op in self.drawn:
            inside.setdefault(op.module, []).append(op)
        clusters = {NONE: self.dot}
        for module in self.graph.modules:
            title = graphviz.escape(f"{module.name}  {module.kind}")
            clusters[module.id] = graphviz.Digraph(f"cluster_{module.id}", graph_attr={"label": title, "style": "rounded"})
        for module_id, cluster in clusters.items():
            for op in inside.get(module_id, ()):
                self._made_by(cluster, op)
        for module in reversed(self.graph.modules):
            clusters[module.parent].subgraph(clusters[module.id])

    def _made_by(self, cluster: graphviz.Digraph, op: Op) -> None:
        if self.mode == "ops":
            lines = [op.name, *([op.variable] if op.variable else []), *self._shapes(op.outputs), *self._backward_lines(op)]
            cluster.node(f"op{op.id}", graphviz.escape("\n".join(lines)), **self._state(int(self.when.ops[op.id])))
        else:
            for value in op.outputs:
                self._tensor(cluster, self.graph.values[value])

    def _tensor(self, cluster: graphviz.Digraph, value: Value) -> None:
        lines = [label_of(value), *self._shapes([value.id])]
        cluster.node(f"value{value.id}", graphviz.escape("\n".join(lines)), **self._state(int(self.when.values[value.id])))

    def _pills(self) -> None:
        """Leaves and inputs that a drawn op reads, and the loss."""
        read = dict.fromkeys(value for op in self.drawn for value in op.inputs if self._maker(value) is None)
        for value_id in read:
            value = self.graph.values[value_id]
            lines = [label_of(value), *self._shapes([value_id])]
            colour = "#9a4fd0" if value.role == "leaf" else "#667085"
            label = graphviz.escape("\n".join(lines))
            self.dot.node(f"value{value_id}", label, shape="box", style="rounded,filled", fillcolor="white", color=colour)
        for event in self.graph.events:
            if event.kind == "loss":
                text = "loss" if self.trace.loss is None else f"loss {self.trace.loss:.6g}"
                self.dot.node(f"loss{event.ref}", text, shape="ellipse", color="#e0405a")
                self.dot.edge(self._end(event.ref), f"loss{event.ref}", color=FORWARD)

    def _ops_edges(self) -> None:
        for op in self.drawn:
            for value in dict.fromkeys(op.inputs):
                if self.halves != "backward":
                    self.dot.edge(self._end(value), f"op{op.id}", color=FORWARD)
        self._gradients("op")

    def _tensor_edges(self) -> None:
        """An op with n inputs is n edges joined in one knot that carries its name."""
        for op in self.drawn:
            knot = f"knot{op.id}"
            self.dot.node(knot, graphviz.escape(op.name), shape="plain")
            if self.halves != "backward":
                for value in dict.fromkeys(op.inputs):
                    self.dot.edge(self._end(value), knot, color=FORWARD, arrowhead="none")
                for value in op.outputs:
                    self.dot.edge(knot, f"value{value}", color=FORWARD)
        self._gradients("knot")

    def _gradients(self, prefix: str) -> None:
        if self.halves == "forward":
            return
        for edge in self.graph.edges:
            if edge.source == NONE or edge.target == NONE or edge.value == NONE:
                continue
            maker = self.graph.nodes[edge.source].op
            if maker == NONE or self.graph.ops[maker] not in self.drawn:
                continue
            ran = 0 <= self.when.edges[edge.id] < self.position
            label = self._magnitude(edge.id) if ran else "not yet"
            style = {"color": BACKWARD, "style": "dashed" if ran else "dotted", "constraint": "false", "fontcolor": BACKWARD}
            self.dot.edge(f"{prefix}{maker}", self._end(edge.value), label=label, **style)

    def _magnitude(self, edge: int) -> str:
        stats = stats_of(self.trace.gradients, edge)
        if stats is None:
            return ""
        return "NaN" if stats.nan else "Inf" if stats.inf else f"{stats.rms:.3g}"

    def _maker(self, value: int) -> Op | None:
        op = self.graph.values[value].op
        while op != NONE and self.graph.ops[op].parent != NONE:
            op = self.graph.ops[op].parent
        return self.graph.ops[op] if op != NONE and self.graph.ops[op].phase == "forward" else None

    def _end(self, value: int) -> str:
        maker = self._maker(value)
        return f"op{maker.id}" if maker is not None and self.mode == "ops" else f"value{value}"

    def _shapes(self, values: Iterable[int]) -> list[str]:
        shapes = (shape_of(self.trace, value) for value in values)
        return [" x ".join(map(str, shape)) if shape else "scalar" for shape in shapes]

    def _backward_lines(self, op: Op) -> list[str]:
        return [] if self.halves == "forward" else [self.graph.nodes[node].name for node in self.look.nodes_of_op[op.id]]

    def _state(self, moment: int) -> dict[str, str]:
        """Filled when it has happened, a thick outline when it is next."""
        if moment == self.position:
            return {"penwidth": "3"}
        if 0 <= moment < self.position:
            return {"style": "rounded,filled", "fillcolor": FILLED}
        return {"style": "rounded,dashed"}
