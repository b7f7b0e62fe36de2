"""From a Graph and a View to the picture: what is drawn, still without positions. No Qt."""

from __future__ import annotations

from dataclasses import replace

from gradwalk.layout.cancel import Check, never
from gradwalk.trace import NONE, Graph

from ..showing import call_at
from ..state import View
from .draft import Draft, keep_halves
from .folds import folds_of
from .frames import frames_of, short_name
from .ops_picture import draw_ops
from .parts import Card, Frame, Picture
from .reduce import reduced
from .tensors_picture import draw_tensors


def draw(graph: Graph, view: View, check: Check = never) -> Picture:
    """The picture of a Graph in a View. A Graph without Nodes has no backward halves. ``check`` is called now and then."""
    folds = folds_of(graph, view)
    if view.mode == "ops":
        draft = draw_ops(graph, folds, skip_views=view.skip_views, check=check)
    else:
        draft = draw_tensors(graph, folds, check)
    halves = view.halves if graph.nodes or view.halves == "backward" else "forward"
    whole = keep_halves(Picture(tuple(_placed(draft)), tuple(draft.lanes), (), view.flow, halves))
    return _framed(graph, reduced(graph, whole, view), view.root)


def _placed(draft: Draft) -> list[Card]:
    """The cards, with the module call that each lies in where later the frame's index stands."""
    return [replace(card, frame=module) for card, module in zip(draft.cards, draft.modules, strict=True)]


def _framed(graph: Graph, picture: Picture, root: str) -> Picture:
    frames, index = frames_of(graph, (card.frame for card in picture.cards if card.frame != NONE), call_at(graph, root))
    cards = tuple(_in_frame(graph, card, frames, index) for card in picture.cards)
    return replace(picture, cards=cards, frames=frames)


def _in_frame(graph: Graph, card: Card, frames: tuple[Frame, ...], index: dict[int, int]) -> Card:
    frame = index.get(card.frame, NONE)
    title = card.title
    if frame != NONE and card.kind in ("leaf", "input"):
        title = short_name(title, graph.modules[frames[frame].module].path)
    return replace(card, frame=frame, title=title)
