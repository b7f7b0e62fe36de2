"""The graph under a pointer: select, fold, pan, zoom, draw a rubber band, and say what is pointed at.

The left button clicks, and on the ground draws a rubber band; the middle button pans, as the left one does from a card on; a
wheel zooms at the pointer; two fingers on a touchpad pan, a pinch zooms.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QEnterEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPointingDevice,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from ..dragging import drag
from ..session import Session
from ..state import Selection
from ..theme import Theme
from .arrange import LayOut
from .band import Band, paint_band, picked_in
from .hit import Hit, hit_at, selection_of, where_is
from .hover_text import hover_of
from .marks import paint_frame_ring, paint_ring
from .surface import measure_for_scene
from .view import GraphView

HOVER_AFTER = 350
"""Milliseconds that the pointer rests before the hover card shows."""
DRAG_FROM = 4
ANGLE_TO_PIXELS = 0.4
"""Of a touchpad that tells only angles."""
_SEVERAL = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier


class PointerView(GraphView):
    """The graph at the playhead, with a pointer. ``menu_asked`` carries where on the screen a context menu is wanted."""

    menu_asked = Signal(QPoint)

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None, *, lay_out: LayOut | None = None) -> None:
        super().__init__(session, theme, parent, lay_out=lay_out)
        self.setMouseTracking(True)
        self.band: Band | None = None
        self._pressed: QPoint | None = None
        self._button = Qt.MouseButton.NoButton
        self._dragged = False
        self._grabbed: Selection | None = None
        self._hover_timer = QTimer(self)
        self._hover_timer.setSingleShot(True)
        self._hover_timer.setInterval(HOVER_AFTER)
        self._hover_timer.timeout.connect(self._show_hover)

    def hit(self, at: QPointF) -> Hit | None:
        """What is at a point of the widget."""
        if self.scene is None or self.scene.empty or not self.fits:
            return None
        x, y = self.camera.to_scene(at.x(), at.y())
        return hit_at(self.scene, x, y, self.zoom, measure_for_scene)

    # Buttons

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A press may become a click, a pan, or on the ground a rubber band."""
        self.hide_hover()
        if self._pressed is not None or event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            return
        self._pressed, self._button, self._dragged = event.position().toPoint(), event.button(), False
        hit = self.hit(event.position())
        if event.button() == Qt.MouseButton.LeftButton and self.scene is not None and (hit is None or hit.kind == "frame"):
            self.band = Band(event.position(), event.position(), adds=bool(event.modifiers() & _SEVERAL))
        elif event.button() == Qt.MouseButton.LeftButton and self.scene is not None and hit is not None:
            self._grabbed = selection_of(self.scene, hit)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pan or draw the band while a button is down; else look at what is under the pointer.

        A card that is dragged out of the widget can be dropped onto the plots.
        """
        self._pointer = event.position()
        here = event.position().toPoint()
        if self._pressed is None:
            self._point_at(event.position())
            return
        way = here - self._pressed
        if not self._dragged and way.manhattanLength() < DRAG_FROM:
            return
        self._dragged = True
        if self.band is not None:
            self.band = self.band.to(event.position())
            self.update()
            return
        if self._grabbed is not None and not self.rect().contains(here):
            grabbed = self._grabbed
            self.end_drag()
            drag(self, grabbed)
            return
        self._fitted = False
        self.setCursor(Qt.CursorShape.ClosedHandCursor)
        self._pressed = here
        self._move_to(self.camera.moved(way.x(), way.y()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """What was pressed and not dragged is clicked; a band picks what is inside."""
        if self._pressed is None or event.button() != self._button:
            return
        band, dragged = self.band, self._dragged
        self.end_drag()
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if not dragged:
            self._click(self.hit(event.position()), several=bool(event.modifiers() & _SEVERAL))
        elif band is not None and self.scene is not None:
            inside = picked_in(self.scene, self.camera, band.rect)
            self.session.pick((*self._picked(), *inside) if band.adds else inside)

    def end_drag(self) -> None:
        """Forget the button that is down: no click, no band comes of it."""
        self._pressed, self.band, self._dragged, self._grabbed = None, None, False, None
        self.unsetCursor()
        self.update()

    def _picked(self) -> tuple[Selection, ...]:
        state = self.session.state
        return state.picked or ((state.selection,) if state.selection is not None else ())

    def _click(self, hit: Hit | None, *, several: bool = False) -> None:
        if self.scene is None:
            return
        module = self._foldable(hit)
        what = selection_of(self.scene, hit) if hit is not None else None
        if several:
            picked = self._picked()
            if what is not None:
                self.session.pick(one for one in (*picked, what) if one != what or what not in picked)
        elif module is not None:
            self.session.fold(self.scene.graph.modules[module].path)
        else:
            self.session.select(what)

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
        moment = int(self.look.facts.when.first[card, 1 if backward else 0])
        if moment >= 0:
            self.session.go_to(self.drawn.step, moment + 1)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Select what is under the pointer, unless it is picked already, and ask for a menu; the key asks for the selection's."""
        self.hide_hover()
        event.accept()
        if event.reason() == QContextMenuEvent.Reason.Mouse and self.scene is not None:
            hit = self.hit(QPointF(event.pos()))
            what = selection_of(self.scene, hit) if hit is not None else None
            if what is None or what not in self._picked():
                self.session.select(what)
        rect = self._selection_rect() if event.reason() == QContextMenuEvent.Reason.Keyboard else None
        if rect is None:
            self.menu_asked.emit(event.globalPos())
            return
        x, y = self.camera.to_screen(rect[0] + rect[2] / 2, rect[1] + rect[3] / 2)
        self.menu_asked.emit(self.mapToGlobal(QPoint(round(x), round(y))))

    # Wheel and fingers

    def wheelEvent(self, event: QWheelEvent) -> None:
        """A wheel zooms at the pointer; two fingers on a touchpad pan, with Ctrl they zoom."""
        self.hide_hover()
        event.accept()
        on_touchpad = event.device().type() == QPointingDevice.DeviceType.TouchPad
        zooming = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if on_touchpad and not zooming:
            self._fitted = False
            pixels, angle = event.pixelDelta(), event.angleDelta()
            way = QPointF(pixels) if not pixels.isNull() else QPointF(angle) * ANGLE_TO_PIXELS
            self._move_to(self.camera.moved(way.x(), way.y()))
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

    # What is pointed at

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

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """What is only looked at, then rings around all that is picked, and the rubber band."""
        super().paintEvent(event)
        if self.scene is None or self.look is None or not self.fits or (not self.drawn.picked and self.band is None):
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.drawn.picked:
            painter.save()
            painter.translate(self.camera.x, self.camera.y)
            painter.scale(self.zoom, self.zoom)
            self._paint_picked(painter)
            painter.restore()
        if self.band is not None and self._dragged:
            paint_band(painter, self.theme, self.band.rect)
        painter.end()

    def _paint_picked(self, painter: QPainter) -> None:
        assert self.scene is not None
        assert self.look is not None
        for one in self.drawn.picked[1:]:
            shown = where_is(self.scene, self.look.facts.cards, one)
            if shown is not None and shown.place is not None:
                paint_ring(painter, self.theme, self.scene, shown.place, self.zoom, focus=False)
            elif shown is not None and shown.frame >= 0:
                paint_frame_ring(painter, self.theme, self.scene, shown.frame, self.zoom)
