"""The graph at the playhead as a widget that is looked at: scene, look, camera and painting. ``canvas.py`` adds pointer and keys.

The cycle, in order: 1. the session changes; 2. ``show_state`` takes another scene where the structure or the View is another, and
another look where the playhead is elsewhere; 3. it launches a flight where the playhead went on by one event; 4. ``paintEvent``
draws layer, selection, pulses, legend and hover card.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPixmap, QResizeEvent
from PySide6.QtWidgets import QWidget

from gradwalk.scales import is_unscaled
from gradwalk.trace import NONE

from ..panel import Panel
from ..session import Session, State, View
from ..theme import Theme
from . import styles
from .animation import flight_of
from .animator import Animator
from .arrange import LayOut
from .camera import Camera, fitted, shown_whole
from .facts import Facts, gather
from .hit import Hit, Shown, where_is
from .hover import paint_hover
from .hover_text import Hover, described
from .legend import legend_size, paint_legend
from .look import Look, look_at
from .marks import paint_frame_ring, paint_ring
from .overlay import paint_flight, paint_selected_lane
from .scene import Scene
from .scenes import Scenes
from .static_layer import StaticLayer
from .surface import Surface, colour, draw_text, measure_for_scene, pen

LEGEND_AWAY = 12.0
FIT_MARGIN = 12.0
"""Pixels of the screen around a fitted graph."""


class GraphView(Panel):
    """The graph at the playhead. ``lay_out`` is the layout engine, that of the core by default."""

    title: ClassVar[str] = "Graph"
    zoomed = Signal(float)

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None, *, lay_out: LayOut | None = None) -> None:
        super().__init__(session, theme, parent)
        self.setObjectName("graph")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAutoFillBackground(False)
        self.setMinimumSize(160, 120)
        self.scene: Scene | None = None
        self.look: Look | None = None
        self.camera = Camera()
        self.hovered: Hit | None = None
        self.hover: Hover | None = None
        self.animator = Animator(self, self.update)
        self.layer = StaticLayer()
        self._scenes = Scenes(measure_for_scene, lay_out)
        self._fitted = True
        self._pointer = QPointF()
        self._legend: QPixmap | None = None

    # What it shows

    @property
    def zoom(self) -> float:
        """Screen pixels per pixel of the scene; 1.0 is 100 %."""
        return self.camera.zoom

    @property
    def surface(self) -> Surface:
        """The painting context of the window."""
        return Surface(self.theme, self.camera.zoom, measure=self.drawn.view.measure)

    def apply_theme(self) -> None:
        """Paint everything in the new colours."""
        self._legend = None
        self.update()

    def show_state(self, old: State, new: State) -> None:
        """Take over what differs: another scene, another look, a flight, the selection."""
        self.hide_hover()
        if new.trace is None:
            self.scene = self.look = None
            self.animator.land()
            self.update()
            return
        scene = self._scenes.of(new.trace.graph, new.view)
        if scene is not self.scene:
            self._take_scene(scene, old, new)
        facts = self._facts(new)
        if self.look is None or self.look.facts is not facts or self.look.position != new.position:
            self.look = look_at(scene, facts, new.position)
        if old.view.measure != new.view.measure:
            self._legend = None
        self._animate(old, new)
        self._keep_in_sight(old, new)
        self._describe()
        self.update()

    def _facts(self, new: State) -> Facts:
        assert self.scene is not None
        assert new.trace is not None
        known = self.look.facts if self.look is not None else None
        if known is not None and known.trace is new.trace and known.measure == new.view.measure and known.scene is self.scene:
            return known
        return gather(new.trace, self.scene, new.view.measure)

    def _take_scene(self, scene: Scene, old: State, new: State) -> None:
        before, self.scene = self.scene, scene
        self._legend = None
        self.animator.land()
        same_graph = before is not None and before.graph.key == scene.graph.key
        if before is not None and same_graph and _only_folds(old.view, new.view):
            self._stay_at(before, scene, old.view.folded ^ new.view.folded | old.view.opened ^ new.view.opened)
        else:
            self.fit_all()

    def _stay_at(self, before: Scene, scene: Scene, paths: frozenset[str]) -> None:
        """Keep the module that was folded or unfolded where it was on the screen."""
        for path in sorted(paths):
            was, now = _corner_of(before, path), _corner_of(scene, path)
            if was is not None and now is not None:
                self._fitted = False
                self._move_to(self.camera.moved((was[0] - now[0]) * self.zoom, (was[1] - now[1]) * self.zoom))
                return

    def _animate(self, old: State, new: State) -> None:
        assert self.look is not None
        assert self.scene is not None
        one_on = old.trace is new.trace and new.position == old.position + 1
        if one_on and not new.reduced_motion and self.isVisible():
            self.animator.launch(flight_of(self.scene, self.look.facts, old.position, new.speed))
        elif old.trace is not new.trace or new.position != old.position:
            self.animator.land()

    def _keep_in_sight(self, old: State, new: State) -> None:
        """Scroll, as little as can be, to what was selected elsewhere or has just run."""
        if self._fitted or self.look is None:
            return
        shown = self.shown_selection() if new.selection != old.selection else None
        place = shown.place if shown is not None else None
        if place is None and old.trace is new.trace and abs(new.position - old.position) == 1:
            place = self.look.just
        if place is not None and self.scene is not None:
            left, top, width, height = self.scene.cards[place.card].tolist()
            self._move_to(shown_whole(self.camera, (left, top, width, height), self.width(), self.height(), 24.0))

    def shown_selection(self) -> Shown | None:
        """Where the selection is in the picture."""
        if self.scene is None or self.look is None:
            return None
        return where_is(self.scene, self.look.facts.cards, self.drawn.selection)

    def selected_card(self) -> int | None:
        """The card that is selected or holds what is selected."""
        shown = self.shown_selection()
        return shown.place.card if shown is not None and shown.place is not None else None

    def _describe(self) -> None:
        card = self.selected_card()
        if self.scene is None or self.look is None:
            self.setAccessibleDescription("")
        elif card is not None:
            self.setAccessibleDescription(described(self.scene, self.look, card))
        else:
            self.setAccessibleDescription(
                f"{len(self.scene.picture.cards)} cards, {self.look.position} of {len(self.look.facts.places)} events have run. "
                "Tab and the arrow keys go from card to card."
            )

    def hide_hover(self) -> None:
        """Take the hover card away."""
        if self.hover is not None:
            self.hover = None
            self.update()

    # Camera

    def fit_all(self) -> None:
        """Show the whole graph."""
        self._fitted = True
        if self.scene is None:
            return
        whole = (0.0, 0.0, self.scene.width, self.scene.height)
        camera = fitted(whole, self.width(), self.height(), FIT_MARGIN)
        legend = self.legend_rect()
        bottom = camera.to_screen(0, self.scene.height)[1]
        right = camera.to_screen(self.scene.width, 0)[0]
        if legend is not None and bottom > legend.top() - 8 and right > legend.left() - 8:
            camera = fitted(whole, self.width(), legend.top() + FIT_MARGIN / 2, FIT_MARGIN)
        self._move_to(camera)

    def fit_selection(self) -> None:
        """Show what is selected, with some room around it; the whole graph where nothing is."""
        rect = self._selection_rect()
        if rect is None:
            self.fit_all()
            return
        self._fitted = False
        self._move_to(fitted(rect, self.width(), self.height(), 80.0, largest=1.6))

    def _selection_rect(self) -> tuple[float, float, float, float] | None:
        shown = self.shown_selection()
        if shown is None or self.scene is None:
            return None
        if shown.place is not None:
            row = self.scene.cards[shown.place.card]
        elif shown.frame != NONE:
            row = self.scene.frames[shown.frame]
        else:
            row = self.scene.lane_bounds[shown.lane]
        left, top, width, height = row.tolist()
        return left, top, width, height

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom, about a point of the widget or its middle."""
        self._fitted = False
        middle = at if at is not None else QPointF(self.width() / 2, self.height() / 2)
        self._move_to(self.camera.zoomed(factor, middle.x(), middle.y()))

    def _move_to(self, camera: Camera) -> None:
        ratio = self.devicePixelRatioF()
        before = self.camera.zoom
        self.camera = replace(camera, x=round(camera.x * ratio) / ratio, y=round(camera.y * ratio) / ratio)
        if before != self.camera.zoom:
            self.zoomed.emit(self.camera.zoom)
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit again, unless the person has moved the picture."""
        super().resizeEvent(event)
        if self._fitted:
            self.fit_all()

    # Painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Layer, selection, pulses, legend, hover card."""
        painter = QPainter(self)
        if self.scene is None or self.look is None or self.scene.empty:
            self._paint_nothing(painter)
            painter.end()
            return
        self.layer.draw(painter, self.size(), self.devicePixelRatioF(), self.surface, self.scene, self.look, self.camera)
        self.paint_over(painter)
        painter.save()
        painter.translate(self.camera.x, self.camera.y)
        painter.scale(self.camera.zoom, self.camera.zoom)
        self._paint_selection(painter)
        for flight, time in self.animator.in_the_air():
            paint_flight(painter, self.surface, self.scene, flight, time)
        painter.restore()
        self._draw_legend(painter)
        if self.hover is not None:
            paint_hover(painter, self.theme, self.hover, self._pointer, QRectF(self.rect()))
        if self.hasFocus() and self.shown_selection() is None:
            self._paint_focus(painter)
        painter.end()

    def paint_over(self, painter: QPainter) -> None:
        """What lies between the layer and the selection; nothing here."""

    def _paint_selection(self, painter: QPainter) -> None:
        shown = self.shown_selection()
        if shown is None or self.scene is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if shown.place is not None:
            paint_ring(painter, self.theme, self.scene, shown.place, self.zoom, focus=self.hasFocus())
        elif shown.frame != NONE:
            paint_frame_ring(painter, self.theme, self.scene, shown.frame, self.zoom)
        else:
            paint_selected_lane(painter, self.surface, self.scene, shown.lane, backward=shown.backward)

    def _paint_focus(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(pen(colour(self.theme.accent, 170), 2.0))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5), 4, 4)

    def _paint_nothing(self, painter: QPainter) -> None:
        painter.fillRect(self.rect(), QColor(self.theme.ground))
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        if self.scene is None:
            text = "The graph of the step stands here once a recording is open."
        elif self.drawn.view.halves == "backward":
            text = "No backward() was seen in this step."
        else:
            text = "This step has no forward op."
        at = QPointF(16, self.height() / 2)
        draw_text(painter, Surface(self.theme), at, self.width() - 32, text, styles.NOTE, colour(self.theme.subtle), 0.5)

    def _is_unscaled(self) -> bool:
        return self.drawn.trace is not None and is_unscaled(self.drawn.trace)

    def legend_rect(self) -> QRectF | None:
        """Where the legend stands; None where there is no room for it."""
        if self.scene is None:
            return None
        width, height = legend_size(self.scene.picture, self.drawn.view.measure, unscaled=self._is_unscaled())
        if width + 2 * LEGEND_AWAY > self.width() or height + 120 > self.height():
            return None
        return QRectF(self.width() - width - LEGEND_AWAY, self.height() - height - LEGEND_AWAY, width, height)

    def _draw_legend(self, painter: QPainter) -> None:
        rect = self.legend_rect()
        if rect is None or self.scene is None:
            return
        ratio = self.devicePixelRatioF()
        if self._legend is None or self._legend.devicePixelRatio() != ratio:
            self._legend = QPixmap((rect.size() * ratio).toSize())
            self._legend.setDevicePixelRatio(ratio)
            self._legend.fill(Qt.GlobalColor.transparent)
            inner = QPainter(self._legend)
            measure = self.drawn.view.measure
            paint_legend(inner, self.theme, self.scene.picture, measure, 0.5, 0.5, unscaled=self._is_unscaled())
            inner.end()
        painter.drawPixmap(rect.topLeft(), self._legend)


def _only_folds(old: View, new: View) -> bool:
    same_folds = replace(
        old, folded=new.folded, auto_fold=new.auto_fold, stacked=new.stacked, opened=new.opened, measure=new.measure
    )
    return same_folds == new


def _corner_of(scene: Scene, path: str) -> tuple[float, float] | None:
    """The corner of a module's frame or of its card in the scene."""
    modules = scene.graph.modules
    for i, frame in enumerate(scene.picture.frames):
        if modules[frame.module].path == path:
            left, top = scene.frames[i, :2].tolist()
            return left, top
    for i, card in enumerate(scene.picture.cards):
        if card.kind == "module" and modules[card.ref].path == path:
            left, top = scene.cards[i, :2].tolist()
            return left, top
    return None
