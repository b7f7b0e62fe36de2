"""What a chain comes to: the errors of the parameters' gradients, and in words what has to be known beside the numbers."""

from __future__ import annotations

from ..leaves import leaves_of
from ..trace import Graph, Trace
from .accumulated import Accumulated, Chain

NAMED = 5
"""How many places a line names."""


def of_parameters(graph: Graph, chain: Chain) -> list[tuple[str, int, Accumulated]]:
    """The name, the Edge and the error of each leaf's gradient, those nearest to the loss first."""
    leaves = leaves_of(graph)
    pairs = zip(leaves.names, leaves.edges.tolist(), strict=True)
    rows = [(name, edge, chain.gradients[edge]) for name, edge in pairs if edge in chain.gradients]
    return sorted(rows, key=lambda row: (row[2].depth, row[2].moment))


def said_of(trace: Trace, chain: Chain) -> list[str]:
    """What has to be known beside the numbers, a sentence each."""
    graph, lines = trace.graph, []
    for back, what in ((False, "the recorded value"), (True, "the recorded gradients")):
        here = [one for one in chain.restarts if one.back is back]
        if here:
            places = [f"#{one.moment} {graph.ops[one.op].name} ({one.reason})" for one in here]
            lines.append(f"the chain goes on from {what} at {_listed(places)}")
    if chain.drawn:
        lines.append(f"taken from the recording: {_listed(list(dict.fromkeys(graph.ops[op].name for op in chain.drawn)))}")
    if chain.flips:
        places = [f"#{one.moment} {graph.ops[one.op].name} ({one.elements:,})" for one in chain.flips]
        lines.append(f"elements on the other side of a kink in float64: {_listed(places)}")
    if any(one.cancelled for one in chain.gradients.values()):
        lines.append("cancels: its terms add up to nothing but rounding, so the error is over the largest gradient that came in")
    if chain.sentence:
        lines.append(chain.sentence)
    return lines


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
