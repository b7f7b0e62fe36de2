"""The rows of a Graph as they are written: texts, and frames of stacks, are shared through tables of their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from ..trace import Frame, Graph, Hook, Node, Op, Site, Value
from .format import MAX_TEXT

Row: TypeAlias = list[Any]


def record_of(graph: Graph) -> dict[str, Any]:
    """A Graph as plain lists. A field that a later version adds stands at the end of its row."""
    return _Rows().record(graph)


class _Rows:
    def __init__(self) -> None:
        self._strings: dict[str, int] = {}
        self._frames: dict[Frame, int] = {}

    def record(self, graph: Graph) -> dict[str, Any]:
        text = self.text
        record: dict[str, Any] = {
            "id": graph.id,
            "key": graph.key,
            "values": [self.value(value) for value in graph.values],
            "ops": [self.op(op) for op in graph.ops],
            "nodes": [self.node(node) for node in graph.nodes],
            "edges": [
                [e.source, e.output, e.target, e.input_nr, e.value, e.by, e.backward, e.shape, e.none] for e in graph.edges
            ],
            "events": [[text(e.kind), text(e.phase), e.ref, e.backward] for e in graph.events],
            "modules": [[text(m.name), text(m.path), text(m.kind), m.parent, self.hooks(m.hooks)] for m in graph.modules],
            "sites": [self.site(site) for site in graph.sites],
        }
        record["frames"] = [[text(f.file), f.line, text(f.function)] for f in self._frames]
        record["strings"] = list(self._strings)
        return record

    def text(self, value: str) -> int:
        return self._strings.setdefault(value[:MAX_TEXT], len(self._strings))

    def value(self, v: Value) -> Row:
        text = self.text
        about = [text(v.name), text(v.role), v.shape, text(v.dtype), text(v.device), v.requires_grad]
        place = [v.op, v.output, v.version, v.base, v.gradient_of]
        return [*about, *place, v.parameter, text(v.layout), v.strides, self.hooks(v.hooks)]

    def op(self, o: Op) -> Row:
        text = self.text
        arguments = [[text(name), text(value)] for name, value in o.arguments]
        about = [text(o.name), text(o.phase), o.inputs, o.outputs, arguments, o.module, o.site, text(o.variable), o.parent]
        return [*about, o.custom, [text(tag) for tag in o.tags]]

    def node(self, n: Node) -> Row:
        text = self.text
        saved = [[text(k.name), k.value, k.shape, text(k.dtype), k.bytes, k.version] for k in n.saved]
        return [text(n.name), n.op, n.leaf, n.sequence, saved, self.hooks(n.hooks)]

    def hooks(self, hooks: Iterable[Hook]) -> list[Row]:
        text = self.text
        return [[text(hook.kind), text(hook.function), text(hook.file), hook.line] for hook in hooks]

    def site(self, i: Site) -> Row:
        text, frames = self.text, self._frames
        stack = [frames.setdefault(frame, len(frames)) for frame in i.stack]
        return [text(i.file), i.line, i.end_line, i.column, i.end_column, text(i.expression), text(i.function), stack]
