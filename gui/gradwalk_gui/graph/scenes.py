"""Scenes that were built before, by structure and View: steps of the same structure share one. No Qt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from gradwalk.layout.request import Layout, LayoutRequest
from gradwalk.trace import Graph

from ..state import View
from .arrange import LayOut
from .scene import Scene, build
from .styles import Measure, Style

KEPT = 24

Key: TypeAlias = tuple[str, View]
Cancelled: TypeAlias = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Made:
    """A scene, and in ``note`` why its layout is another than was asked for."""

    scene: Scene
    note: str = ""


def never() -> bool:
    """For what nobody cancels."""
    return False


def default_lay_out() -> LayOut:
    """The layout engine of the core."""
    from gradwalk.layout.engine import lay_out

    engine: LayOut = lay_out
    return engine


def key_of(graph: Graph, view: View) -> Key:
    """What a scene is known by; the measure does not matter to it."""
    return graph.key, replace(view, measure="rms")


class Scenes:
    """The scenes built last, and how one is built. ``lay_out`` stands in for the engines of the core where it is given."""

    def __init__(self, measure: Measure, lay_out: LayOut | None = None) -> None:
        self._measure = measure
        self._lay_out = lay_out
        self._made: OrderedDict[Key, Made] = OrderedDict()
        self.built = 0
        """How many scenes were built; tests look at it."""

    def known(self, graph: Graph, view: View) -> Made | None:
        """The scene of a Graph in a View, where it was built before."""
        key = key_of(graph, view)
        if key in self._made:
            self._made.move_to_end(key)
        return self._made.get(key)

    def keep(self, graph: Graph, view: View, made: Made) -> None:
        """Remember a scene; the one that was not asked for the longest is forgotten."""
        self._made[key_of(graph, view)] = made
        while len(self._made) > KEPT:
            self._made.popitem(last=False)

    def build(self, graph: Graph, view: View, cancelled: Cancelled = never) -> Made:
        """Build a scene, in any thread, without remembering it. Raises LayoutCancelled when ``cancelled`` says True."""
        from gradwalk.layout.cancel import check_of

        check, notes = check_of(cancelled), list[str]()

        def measure(text: str, style: Style) -> float:
            check()
            return self._measure(text, style)

        def lay_out(request: LayoutRequest) -> Layout:
            check()
            layout = self._lay_out(request) if self._lay_out is not None else _by_engine(request, view, cancelled)
            notes.append(layout.note)
            return layout

        scene = build(graph, view, measure, lay_out, check)
        check()
        self.built += 1
        return Made(scene, notes[-1] if notes else "")


def _by_engine(request: LayoutRequest, view: View, cancelled: Cancelled) -> Layout:
    if view.engine == "graphviz":
        from gradwalk.layout.graphviz import lay_out_by_dot

        return lay_out_by_dot(request, cancelled=cancelled)
    from gradwalk.layout.engine import lay_out

    return lay_out(request, cancelled)
