"""Scenes that were built before, by structure and View: steps of the same structure share one. No Qt."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from gradwalk.trace import Graph

from ..session import View
from .arrange import LayOut
from .scene import Scene, build
from .styles import Measure

KEPT = 24


def default_lay_out() -> LayOut:
    """The layout engine of the core."""
    from gradwalk.layout.engine import lay_out

    engine: LayOut = lay_out
    return engine


class Scenes:
    """The scenes built last; asking for one builds it where it is not there."""

    def __init__(self, measure: Measure, lay_out: LayOut | None = None) -> None:
        self._measure = measure
        self._lay_out = lay_out
        self._made: OrderedDict[tuple[str, View], Scene] = OrderedDict()

    def of(self, graph: Graph, view: View) -> Scene:
        """The scene of a Graph in a View; the measure does not matter to it."""
        key = (graph.key, replace(view, measure="rms"))
        if key not in self._made:
            self._made[key] = build(graph, view, self._measure, self._lay_out or default_lay_out())
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]
