"""The five stops of the tour: what each says, and where in the window the thing is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect, QRectF
from PySide6.QtWidgets import QWidget

from .graph.canvas import GraphCanvas
from .window import Window


@dataclass(frozen=True, slots=True)
class Stop:
    """A heading, a few sentences, and a function that gives the place in the window; None where the thing is not to be seen.

    ``dock`` is the panel that is brought to the front for it.
    """

    title: str
    text: str
    place: Callable[[Window], QRect | None]
    dock: str = ""


def _of(widget: QWidget, window: Window) -> QRect | None:
    """The place of a widget in the window; None for one that is hidden or in a window of its own."""
    if not widget.isVisible() or widget.window() is not window:
        return None
    return QRect(widget.mapTo(window, QPoint(0, 0)), widget.size())


def _dock(name: str) -> Callable[[Window], QRect | None]:
    def place(window: Window) -> QRect | None:
        return _of(window.desk.docks[name], window)

    return place


def _transport(window: Window) -> QRect | None:
    return _of(window.desk.transport, window)


def _half(*, backward: bool) -> Callable[[Window], QRect | None]:
    def place(window: Window) -> QRect | None:
        whole = _of(window.graph, window)
        half = half_in_sight(window.graph, backward=backward)
        return whole if whole is None or half is None else half.translated(whole.topLeft())

    return place


def half_in_sight(graph: GraphCanvas, *, backward: bool) -> QRect | None:
    """The upper or lower half of the card with both that is nearest to the middle of the canvas; None where none is in sight."""
    scene = graph.scene
    if scene is None or scene.empty:
        return None
    found = []
    for place, card in enumerate(scene.picture.cards):
        if card.kind == "op" and card.forward and card.backward:
            left, top, width, height = (float(x) for x in scene.cards[place])
            split = float(scene.splits[place])
            top, height = (top + split, height - split) if backward else (top, split)
            x, y = graph.camera.to_screen(left, top)
            rect = QRectF(x, y, width * graph.zoom, height * graph.zoom).toAlignedRect()
            if graph.rect().contains(rect):
                found.append(rect)
    middle = graph.rect().center()
    return min(found, key=lambda rect: (rect.center() - middle).manhattanLength(), default=None)


STOPS = (
    Stop(
        "Step through a training step",
        "F10 runs the next event, Shift+F10 takes it back, Space plays. Every panel shows the training as it is at that moment.",
        _transport,
    ),
    Stop(
        "The upper half of a card: forward",
        "An op as it ran, with the variable that it made. Blue lines lead to the ops that read its result.",
        _half(backward=False),
    ),
    Stop(
        "The lower half: backward",
        "The gradient that comes back through the same op, with its size. Dashed lines show where it goes on to.",
        _half(backward=True),
    ),
    Stop(
        "Every training step",
        "A bar for each step, as high as its loss, coloured by its gradients; click one to go there. Below, this step's events.",
        _dock("ribbons"),
        "ribbons",
    ),
    Stop(
        "What is behind a number",
        "The formula with the numbers of this step, one element written out, the same in NumPy, and why a gradient is missing.",
        _dock("inspector"),
        "inspector",
    ),
)
