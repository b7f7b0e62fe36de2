"""Between ranking and ordering: long edges become chains of dummies, one trunk per source port, then branches."""

from __future__ import annotations

from collections.abc import Sequence

from .parts import DUMMY_WIDTH, FlatEdge, FlatRequest, Ranked, Tie


def with_dummies(request: FlatRequest, edges: Sequence[FlatEdge], ranks: list[int]) -> Ranked:
    """The graph in which every tie joins neighbouring ranks."""
    boxes = len(request.sizes)
    graph = Ranked(
        boxes, list(ranks), [width for width, _ in request.sizes], [[] for _ in range(boxes)], [[] for _ in range(boxes)]
    )
    for edge in edges:
        if edge.source == edge.target:
            continue
        length = ranks[edge.target] - ranks[edge.source] - 1
        chain = graph.chains.setdefault((edge.source, edge.source_port), [])
        while len(chain) < length:
            _lengthen(graph, edge, chain)
        if length:
            _tie(graph, chain[length - 1], edge.target, 0.0, edge.target_port)
        else:
            _tie(graph, edge.source, edge.target, edge.source_port, edge.target_port)
    return graph


def _lengthen(graph: Ranked, edge: FlatEdge, chain: list[int]) -> None:
    dummy = len(graph.ranks)
    graph.ranks.append(graph.ranks[edge.source] + 1 + len(chain))
    graph.widths.append(DUMMY_WIDTH)
    graph.up.append([])
    graph.down.append([])
    if chain:
        _tie(graph, chain[-1], dummy, 0.0, 0.0)
    else:
        _tie(graph, edge.source, dummy, edge.source_port, 0.0)
    chain.append(dummy)


def _tie(graph: Ranked, above: int, below: int, port_above: float, port_below: float) -> None:
    graph.down[above].append(Tie(below, port_above, port_below))
    graph.up[below].append(Tie(above, port_below, port_above))
