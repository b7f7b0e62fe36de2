"""A Graph under construction: what the recorder, the NumPy tape and the sample use to make one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from .trace import (
    NONE,
    Edge,
    Event,
    EventKind,
    Graph,
    Hook,
    ModuleCall,
    Node,
    Op,
    Phase,
    Role,
    Saved,
    Shape,
    Site,
    Strides,
    Value,
)


@dataclass(slots=True)
class GraphBuilder:
    """Collects the parts of a Graph in the order in which they come; every ``add_*`` returns the new id."""

    values: list[Value] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    modules: list[ModuleCall] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)
    _site_ids: dict[Site, int] = field(default_factory=dict)

    def add_value(
        self,
        shape: Shape,
        dtype: str,
        *,
        name: str = "",
        role: Role = "input",
        device: str = "cpu",
        requires_grad: bool = False,
        version: int = 0,
        base: int = NONE,
        gradient_of: int = NONE,
        parameter: bool = False,
        layout: str = "",
        strides: Strides | None = None,
        hooks: tuple[Hook, ...] = (),
    ) -> int:
        """Add a Value that no op made (yet); ``add_op`` sets the op and the role of its outputs."""
        index = len(self.values)
        place = NONE, 0, version, base, gradient_of
        value = Value(index, name, role, shape, dtype, device, requires_grad, *place, parameter, layout, strides, hooks)
        self.values.append(value)
        return index

    def add_op(
        self,
        name: str,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        *,
        phase: Phase = "forward",
        arguments: tuple[tuple[str, str], ...] = (),
        module: int = NONE,
        site: int = NONE,
        variable: str = "",
        parent: int = NONE,
        custom: bool = False,
        tags: tuple[str, ...] = (),
    ) -> int:
        """Add an op whose ``outputs`` are Values already added, and make it their maker."""
        index = len(self.ops)
        self.ops.append(Op(index, name, phase, inputs, outputs, arguments, module, site, variable, parent, custom, tags))
        for position, output in enumerate(outputs):
            self.values[output] = replace(self.values[output], op=index, output=position, role="result")
        return index

    def add_node(
        self,
        name: str,
        *,
        op: int = NONE,
        leaf: int = NONE,
        sequence: int = 0,
        saved: tuple[Saved, ...] = (),
        hooks: tuple[Hook, ...] = (),
    ) -> int:
        """Add a backward Node."""
        self.nodes.append(Node(len(self.nodes), name, op, leaf, sequence, saved, hooks))
        return len(self.nodes) - 1

    def add_edge(
        self,
        source: int,
        target: int,
        *,
        output: int = 0,
        input_nr: int = 0,
        value: int = NONE,
        by: int = NONE,
        backward: int = 0,
        shape: Shape | None = None,
        none: bool = False,
    ) -> int:
        """Add a gradient edge."""
        self.edges.append(Edge(len(self.edges), source, output, target, input_nr, value, by, backward, shape, none))
        return len(self.edges) - 1

    def add_event(self, kind: EventKind, phase: Phase, ref: int, backward: int = 0) -> int:
        """Add an event."""
        self.events.append(Event(len(self.events), kind, phase, ref, backward))
        return len(self.events) - 1

    def add_module(self, name: str, path: str, kind: str, parent: int = NONE, hooks: tuple[Hook, ...] = ()) -> int:
        """Add a module call."""
        self.modules.append(ModuleCall(len(self.modules), name, path, kind, parent, hooks))
        return len(self.modules) - 1

    def add_site(self, site: Site) -> int:
        """The id of a call site; equal sites share one."""
        if site not in self._site_ids:
            self._site_ids[site] = len(self.sites)
            self.sites.append(site)
        return self._site_ids[site]

    def freeze(self, graph_id: int = 0) -> Graph:
        """The finished Graph, with its structural key."""
        graph = Graph(
            graph_id,
            "",
            tuple(self.values),
            tuple(self.ops),
            tuple(self.nodes),
            tuple(self.edges),
            tuple(self.events),
            tuple(self.modules),
            tuple(self.sites),
        )
        return replace(graph, key=structural_key(graph))


def structural_key(graph: Graph) -> str:
    """A hash (32 hex digits) of what makes two steps the same structure: everything but sizes, strides, versions and sequence
    numbers.
    """
    digest = hashlib.blake2b(digest_size=16)
    for value in graph.values:
        digest.update(
            repr(
                (
                    value.name,
                    value.role,
                    len(value.shape),
                    value.dtype,
                    value.device,
                    value.requires_grad,
                    value.op,
                    value.base,
                    *filter(None, (value.layout,)),
                )
            ).encode()
        )
    for op in graph.ops:
        digest.update(
            repr((op.name, op.phase, op.inputs, op.outputs, op.module, op.site, op.variable, op.parent, *op.tags)).encode()
        )
    for node in graph.nodes:
        digest.update(repr((node.name, node.op, node.leaf)).encode())
    digest.update(repr([(e.source, e.output, e.target, e.input_nr, e.value, e.by, e.backward) for e in graph.edges]).encode())
    digest.update("".join(f"none {e.id}" for e in graph.edges if e.none).encode())
    digest.update(repr([(e.kind, e.phase, e.ref, e.backward) for e in graph.events]).encode())
    digest.update(repr([(m.path, m.kind, m.parent) for m in graph.modules]).encode())
    digest.update(repr([(s.file, s.line, s.column, s.end_line, s.end_column) for s in graph.sites]).encode())
    hooks = [(thing.id, thing.hooks) for things in (graph.values, graph.nodes, graph.modules) for thing in things if thing.hooks]
    digest.update(repr(hooks).encode() if hooks else b"")
    return digest.hexdigest()
