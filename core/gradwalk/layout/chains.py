"""Between ranking and ordering: long edges become chains of dummies, one trunk per source port, then branches."""

from __future__ import annotations

from collections.abc import Sequence

from .parts import DUMMY_WIDTH, FlatEdge, FlatRequest, Ranked
from .ranks import Flow


def with_dummies(request: FlatRequest, edges: Sequence[FlatEdge], ranks: list[int], flow: Flow) -> Ranked:
    """The graph in which every tie joins neighbouring ranks, but for self loops, which have none."""
    boxes = len(request.sizes)
    graph = Ranked(
        boxes,
        list(ranks),
        [width for width, _ in request.sizes],
        list(request.pulls),
        (list(flow[0]), list(flow[1])),
        [[] for _ in range(boxes)],
        [[] for _ in range(boxes)],
    )
    for given, rank, held in zip((request.first, request.last), (0, max(ranks, default=0)), request.held, strict=True):
        if held:
            graph.held[rank] = list(given)
    for edge in edges:
        if edge.source == edge.target:
            continue
        length = ranks[edge.target] - ranks[edge.source] - 1
        chain = graph.chains.setdefault((edge.source, edge.source_port), [])
        while len(chain) < length:
            _lengthen(graph, edge, chain)
        if length:
            graph.tie(chain[length - 1], edge.target, 0.0, edge.target_port)
        else:
            graph.tie(edge.source, edge.target, edge.source_port, edge.target_port, edge.reach)
    return graph


def _lengthen(graph: Ranked, edge: FlatEdge, chain: list[int]) -> None:
    dummy = len(graph.ranks)
    graph.ranks.append(graph.ranks[edge.source] + 1 + len(chain))
    graph.widths.append(DUMMY_WIDTH)
    graph.pulls.append(graph.pulls[edge.source] - 1)
    for lengths in graph.flow:
        lengths.append(lengths[edge.source])
    graph.up.append([])
    graph.down.append([])
    if chain:
        graph.tie(chain[-1], dummy, 0.0, 0.0)
    else:
        graph.tie(edge.source, dummy, edge.source_port, 0.0)
    chain.append(dummy)
