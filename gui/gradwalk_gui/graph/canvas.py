"""The graph on screen, with pointer and keyboard: select, fold, pan, zoom, go to an event, and say what is pointed at."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import (
    QEnterEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPointingDevice,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from ..session import Session
from ..theme import Theme
from .arrange import LayOut
from .hit import Hit, hit_at, selection_of
from .hover_text import hover_of
from .neighbours import Way, after, reading_order, towards
from .surface import measure_for_scene
from .view import GraphView

HOVER_AFTER = 350
"""Milliseconds that the pointer rests before the hover card shows."""
DRAG_FROM = 4
_WAYS: dict[int, Way] = {
    Qt.Key.Key_Left: "left",
    Qt.Key.Key_Right: "right",
    Qt.Key.Key_Up: "up",
    Qt.Key.Key_Down: "down",
}


class GraphCanvas(GraphView):
    """The graph at the playhead. ``lay_out`` is the layout engine, that of the core by default."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None, *, lay_out: LayOut | None = None) -> None:
        super().__init__(session, theme, parent, lay_out=lay_out)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._pressed: QPoint | None = None
        self._dragged = False
        self._hover_timer = QTimer(self)
        self._hover_timer.setSingleShot(True)
        self._hover_timer.setInterval(HOVER_AFTER)
        self._hover_timer.timeout.connect(self._show_hover)
        self.begin()

    # Pointer

    def hit(self, at: QPointF) -> Hit | None:
        """What is at a point of the widget."""
        if self.scene is None or self.scene.empty or not self.fits:
            return None
        x, y = self.camera.to_scene(at.x(), at.y())
        return hit_at(self.scene, x, y, self.zoom, measure_for_scene)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A press may become a click or a pan."""
        self.hide_hover()
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._pressed, self._dragged = event.position().toPoint(), False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pan while a button is down; else look at what is under the pointer."""
        self._pointer = event.position()
        here = event.position().toPoint()
        if self._pressed is None:
            self._point_at(event.position())
            return
        way = here - self._pressed
        if not self._dragged and way.manhattanLength() < DRAG_FROM:
            return
        self._dragged, self._fitted = True, False
        self.setCursor(Qt.CursorShape.ClosedHandCursor)
        self._pressed = here
        self._move_to(self.camera.moved(way.x(), way.y()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """What was pressed and not dragged is clicked."""
        clicked = self._pressed is not None and not self._dragged and event.button() == Qt.MouseButton.LeftButton
        self._pressed = None
        self.unsetCursor()
        if clicked:
            self._click(self.hit(event.position()))

    def _click(self, hit: Hit | None) -> None:
        if self.scene is None:
            return
        module = self._foldable(hit)
        if module is not None:
            self.session.fold(self.scene.graph.modules[module].path)
        else:
            self.session.select(selection_of(self.scene, hit) if hit is not None else None)

    def _foldable(self, hit: Hit | None) -> int | None:
        """The module that a click on something folds or unfolds, or None."""
        if hit is None or self.scene is None:
            return None
        if hit.kind == "title":
            return self.scene.picture.frames[hit.index].module
        return self.scene.picture.cards[hit.index].ref if hit.kind == "card" and hit.chevron else None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Go to the event of an op, a Node or the loss; unfold a folded module; the ground fits all."""
        hit = self.hit(event.position())
        if event.button() != Qt.MouseButton.LeftButton or self._foldable(hit) is not None:
            return
        if hit is None or hit.kind == "frame":
            self.fit_all()
        elif hit.kind == "card":
            self._open(hit.index, backward=hit.backward)

    def _open(self, card: int, *, backward: bool) -> None:
        if self.scene is None or self.look is None:
            return
        there = self.scene.picture.cards[card]
        if there.kind == "module":
            self.session.fold(self.scene.graph.modules[there.ref].path)
            return
        moment = int(self.look.facts.first[card, 1 if backward else 0])
        if moment >= 0:
            self.session.go_to(self.drawn.step, moment + 1)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """A wheel zooms at the pointer; two fingers on a touchpad pan, with Ctrl they zoom."""
        self.hide_hover()
        event.accept()
        on_touchpad = event.device().type() == QPointingDevice.DeviceType.TouchPad and not event.pixelDelta().isNull()
        zooming = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if on_touchpad and not zooming:
            self._fitted = False
            self._move_to(self.camera.moved(event.pixelDelta().x(), event.pixelDelta().y()))
            return
        turned = event.angleDelta().y() or event.angleDelta().x()
        if turned:
            self.zoom_by(1.0015**turned, event.position())

    def event(self, event: QEvent) -> bool:
        """A pinch zooms at the pointer."""
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self.zoom_by(1.0 + event.value(), event.position())
            return True
        return super().event(event)

    def _point_at(self, at: QPointF) -> None:
        hit = self.hit(at)
        if hit == self.hovered:
            return
        self.hovered = hit
        self.hide_hover()
        if self._foldable(hit) is not None:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
        else:
            self.unsetCursor()
        if hit is not None and hit.kind != "frame":
            self._hover_timer.start()

    def _show_hover(self) -> None:
        if self.hovered is not None and self.scene is not None and self.look is not None and self._pressed is None:
            self.hover = hover_of(self.scene, self.look, self.hovered)
            self.update()

    def hide_hover(self) -> None:
        """Take the hover card away, and do not bring another."""
        self._hover_timer.stop()
        super().hide_hover()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Remember where the pointer is."""
        self._pointer = event.position()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is pointed at any more."""
        self.hovered = None
        self.hide_hover()
        super().leaveEvent(event)

    # Keyboard

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows go from card to card, Enter goes to the event or unfolds, Escape ends a layout, else selects nothing."""
        way = _WAYS.get(event.key())
        if event.key() == Qt.Key.Key_Escape and self.busy:
            self.cancel_layout()
        elif way is not None and event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier):
            self._go(way)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.selected_card() is not None:
            shown = self.shown_selection()
            assert shown is not None
            assert shown.place is not None
            self._open(shown.place.card, backward=shown.place.part == "backward")
        elif event.key() == Qt.Key.Key_Escape and self.drawn.selection is not None:
            self.session.select(None)
        else:
            super().keyPressEvent(event)

    def _go(self, way: Way) -> None:
        card = self.selected_card()
        if self.scene is None or self.look is None or self.scene.empty:
            return
        self._select_card(reading_order(self.scene, self.look.facts)[0] if card is None else towards(self.scene, card, way))

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Tab goes through the cards in the order in which they run, and then on to the next widget."""
        by: Literal[1, -1] = 1 if forward else -1
        if self.scene is not None and self.look is not None:
            card = after(reading_order(self.scene, self.look.facts), self.selected_card(), by)
            if card is not None:
                self._select_card(card)
                return True
        return bool(super().focusNextPrevChild(forward))

    def _select_card(self, card: int) -> None:
        assert self.scene is not None
        if not self.fits:
            return
        there = self.scene.picture.cards[card]
        self.session.select(selection_of(self.scene, Hit("card", card, backward=not there.forward and bool(there.nodes))))

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the focus."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show the focus no more."""
        super().focusOutEvent(event)
        self.update()
