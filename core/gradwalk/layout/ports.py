"""Phase 4, last: a container's own ports stand straight before what they lead to, as far as they leave each other room."""

from __future__ import annotations

from collections.abc import Sequence

from .parts import DUMMY_WIDTH, Ranked, Tie

PORT_GAP = 14.0
"""Between two ports that stand side by side."""


def straighten_ports(graph: Ranked, across: list[float], first: Sequence[int], last: Sequence[int]) -> None:
    """Move the ports of the first and the last rank, in their order, as near as may be to straight; others stay."""
    for ports, ties in ((first, graph.down), (last, graph.up)):
        if ports:
            layer = graph.layers[graph.ranks[ports[0]]]
            wanted = [_straight(across, port, ties[port]) for port in layer]
            for port, x in zip(layer, in_order(wanted, DUMMY_WIDTH + PORT_GAP), strict=True):
                across[port] = x


def _straight(across: Sequence[float], port: int, ties: Sequence[Tie]) -> float:
    """Where a port would lead straight on; one that branches stays where it is."""
    return across[ties[0].other] + ties[0].there - ties[0].here if len(ties) == 1 else across[port]


def in_order(wanted: Sequence[float], apart: float) -> list[float]:
    """The places nearest to the wanted ones that are in order and ``apart``: those that want too much meet in the middle.

    Least squares by pooling neighbours (Ayer et al., An Empirical Distribution Function for Sampling with Incomplete
    Information, 1955).
    """
    pools: list[tuple[float, int]] = []
    for number, want in enumerate(wanted):
        pools.append((want - number * apart, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (high, many), (low, more) = pools[-2:]
            pools[-2:] = [((high * many + low * more) / (many + more), many + more)]
    shifted = [mean for mean, count in pools for _ in range(count)]
    return [x + number * apart for number, x in enumerate(shifted)]
