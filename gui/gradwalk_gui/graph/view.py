"""The graph at the playhead as a widget that is looked at: scene, look and painting. ``sight.py`` holds the camera,
``canvas.py`` adds pointer and keys.

The cycle, in order: 1. the session changes; 2. ``show_state`` asks for another scene where the structure or the View is another:
it is there at once, or the old picture stays until the worker has made it (``maker.py``); 3. it takes another look where the
playhead is elsewhere, and launches a flight where it went on by one event; 4. ``paintEvent`` draws layer, selection, pulses,
legend and hover card; while cards glide to their new places, the layer of that moment.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QWidget

from gradwalk.trace import NONE, Graph

from ..session import Session
from ..state import Play, State, View
from ..theme import Theme
from . import styles
from .animation import Flight, flight_of
from .animator import Animator, Flying
from .arrange import LayOut
from .camera import Camera
from .facts import Facts, gather
from .glide import glide_of
from .glider import Glider
from .hit import Hit
from .hover import paint_hover
from .hover_text import Hover, described
from .legend import paint_legend
from .look import look_at
from .maker import Maker
from .marks import paint_frame_ring, paint_ring
from .overlay import paint_flight, paint_selected_lane, paint_wavefront, painted_around, reach_of
from .paint_checks import paint_checks
from .scene import Scene
from .scenes import Key, Made, Scenes, key_of
from .sight import Sight
from .static_layer import StaticLayer
from .surface import Surface, colour, draw_text, measure_for_scene
from .wavefront import wavefront_of

COUNT_MS = 100
"""How often the note about the layout of a first picture is brought up to date."""


class GraphView(Sight):
    """The graph at the playhead. ``lay_out`` is the layout engine, that of the core by default.

    ``works`` says what is being laid out, or "" when that ended; ``remarked`` why a layout is another than was asked for, or "".
    """

    title: ClassVar[str] = "Graph"
    works = Signal(str)
    remarked = Signal(str)

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None, *, lay_out: LayOut | None = None) -> None:
        super().__init__(session, theme, parent)
        self.setObjectName("graph")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAutoFillBackground(False)
        self.setMinimumSize(160, 120)
        self.hovered: Hit | None = None
        self.hover: Hover | None = None
        self.animator = Animator(self, self._redraw_flights)
        self.glider = Glider(self, self.update)
        self.layer = StaticLayer()
        self.shown_view: View | None = None
        """The View that the picture shows; while another is being laid out, it is not that of the State."""
        self._scenes = Scenes(measure_for_scene, lay_out)
        self._maker = Maker(self, self._scenes)
        self._maker.came.connect(self._came)
        self._maker.failed.connect(self._give_up)
        self._maker.began.connect(lambda: self.works.emit(what_is_laid_out(self.drawn)))
        self._maker.ended.connect(lambda: self.works.emit(""))
        self._counter = QTimer(self, interval=COUNT_MS)
        self._counter.timeout.connect(self.update)
        self.works.connect(lambda text: self._counter.start() if text and not self.fits else self._counter.stop())
        self._given_up: Key | None = None
        self._wants_first_look = False
        self._pointer = QPointF()
        self._legend: QPixmap | None = None

    # What it shows

    @property
    def busy(self) -> bool:
        """Whether another picture is being made."""
        return self._maker.busy

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
            self._maker.cancel()
            self.scene = self.look = self.shown_view = self._given_up = None
            self.animator.land()
            self.glider.stop()
            self.update()
            return
        if old.view.measure != new.view.measure or bool(old.verdicts) != bool(new.verdicts):
            self._legend = None
        self._ask(new)
        self._show_look(old, new)

    def _on_changed(self, old: State, new: State) -> None:
        if new.trace is None:
            self._maker.cancel()  # also while nobody sees the panel
        super()._on_changed(old, new)

    def _ask(self, new: State) -> None:
        """Have the scene of a State, at once or later."""
        assert new.trace is not None
        if key_of(new.trace.graph, new.view) == self._given_up:
            return
        self._given_up = None
        answer = self._maker.ask(new.trace, new.view)
        if answer is not None:
            self._take(*answer)

    def _came(self, made: Made, facts: Facts) -> None:
        self._take(made, facts)
        self._show_look(self.drawn, self.drawn)

    def _give_up(self, key: Key) -> None:
        """Do not ask again for what raised, until something else is wished for."""
        self._given_up = key

    def _take(self, made: Made, facts: Facts | None) -> None:
        """Show another scene, at first with the facts of the step that it was made for."""
        before, view, new = self.scene, self.shown_view, self.drawn.view
        if made.scene is not before:  # what flies has its places in the scene that was
            self.animator.land()
            self.glider.stop()
        self.scene, self.shown_view = made.scene, new
        if made.scene is before:
            return
        self._legend = None
        self.remarked.emit(made.note)
        if facts is not None:
            self.look = look_at(facts, self.drawn.position, self.drawn.verdicts)
        camera = self.camera
        same = before is not None and view is not None and before.graph.key == made.scene.graph.key
        if before is None or view is None or not same or not _only_folds(view, new):
            self._wants_first_look = True
        elif self._stay_at(before, made.scene, view.folded ^ new.folded | view.opened ^ new.opened):
            self._glide(before, made.scene, camera)

    def _glide(self, before: Scene, scene: Scene, camera: Camera) -> None:
        if not self.drawn.reduced_motion and self.isVisible():
            there = ((camera.x - self.camera.x) / self.zoom, (camera.y - self.camera.y) / self.zoom)
            self.glider.start(glide_of(before, scene, there))

    def _show_look(self, old: State, new: State) -> None:
        """The look at the playhead, a flight to it, what is selected. A picture of another structure stays as it was."""
        if self.fits:
            assert self.scene is not None
            facts = self._facts(new)
            known = self.look
            if known is None or known.facts is not facts or (known.position, known.checks.of) != (new.position, new.verdicts):
                self.look = look_at(facts, new.position, new.verdicts)
            if self._wants_first_look:
                self._wants_first_look = False
                self.look_first()
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

    def cancel_layout(self) -> None:
        """Give up the picture that is being made, and go back to the View of the one that is shown.

        Where there is none of the present structure, all modules are folded; where that is what took long, a note stays.
        """
        if not self.busy:
            return
        self._given_up = self._maker.key
        self._maker.cancel()
        if self.fits and self.shown_view is not None:
            self.session.take_back(self.shown_view)
        else:
            self.session.fold_all()
        self.update()

    def _animate(self, old: State, new: State) -> None:
        assert self.look is not None
        assert self.scene is not None
        on = new.position - old.position if old.trace is new.trace else 0
        still = new.reduced_motion or not self.isVisible()
        if on == 1 and not still:
            self.animator.launch(flight_of(self.scene, self.look.facts, old.position, new.speed))
        elif 1 < on <= new.beat and new.play is Play.PLAYING and not still:
            self.animator.launch(wavefront_of(self.look.facts.when, old.position, new.position))
        elif old.trace is not new.trace or new.position != old.position:
            self.animator.land()

    def _keep_in_sight(self, old: State, new: State) -> None:
        """Scroll, as little as can be, to what was selected elsewhere or has just run."""
        if (self._fitted and not self._at_first) or self.look is None:
            return
        shown = self.shown_selection() if new.selection != old.selection else None
        place = shown.place if shown is not None else None
        if place is None and old.trace is new.trace and abs(new.position - old.position) == 1:
            place = self.look.just
        if place is not None:
            self._show_place(place)

    def _describe(self) -> None:
        card = self.selected_card()
        if self.scene is None or self.look is None:
            self.setAccessibleDescription("")
        elif card is not None:
            self.setAccessibleDescription(described(self.scene, self.look, card))
        else:
            events = len(self.look.facts.when.places)
            self.setAccessibleDescription(
                f"{len(self.scene.picture.cards)} cards, {self.look.position} of {events} events have run. "
                "Tab and the arrow keys go from card to card."
            )

    def hide_hover(self) -> None:
        """Take the hover card away."""
        if self.hover is not None:
            self.hover = None
            self.update()

    # Painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Layer, selection, pulses, legend, hover card."""
        painter = QPainter(self)
        if self.scene is None or self.look is None or self.scene.empty:
            self._paint_nothing(painter)
            painter.end()
            return
        scene = self.glider.scene() or self.scene
        ratio = self.devicePixelRatioF()
        self.layer.draw(painter, self.size(), ratio, self.surface, scene, self.look, self.camera, moving=self.moving)
        self.paint_over(painter, scene)
        painter.save()
        painter.translate(self.camera.x, self.camera.y)
        painter.scale(self.camera.zoom, self.camera.zoom)
        self._paint_selection(painter, scene)
        for flying, time in self.animator.in_the_air():
            if isinstance(flying, Flight):
                paint_flight(painter, self.surface, scene, flying, time)
            else:
                paint_wavefront(painter, self.surface, scene, flying, time)
        painter.restore()
        self._draw_legend(painter)
        if self.hover is not None:
            paint_hover(painter, self.theme, self.hover, self._pointer, QRectF(self.rect()))
        if self.hasFocus() and self.shown_selection() is None:
            self._paint_focus(painter)
        painter.end()

    def _redraw_flights(self, flying: tuple[Flying, ...]) -> None:
        """Paint anew where something flies, and nothing else."""
        if self.scene is not None:
            for one in flying:
                self.update(painted_around(reach_of(self.scene, one), self.camera))

    def paint_over(self, painter: QPainter, scene: Scene) -> None:
        """What lies between the layer and the selection; nothing here."""

    def _paint_selection(self, painter: QPainter, scene: Scene) -> None:
        shown = self.shown_selection()
        if shown is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if shown.place is not None:
            paint_ring(painter, self.theme, scene, shown.place, self.zoom, focus=self.hasFocus())
            if self.look is not None:  # the ring does not cross the card's mark
                paint_checks(painter, self.surface, scene, self.look, np.array([shown.place.card]), np.zeros(0, np.intp))
        elif shown.frame != NONE:
            paint_frame_ring(painter, self.theme, scene, shown.frame, self.zoom)
        else:
            paint_selected_lane(painter, self.surface, scene, shown.lane, backward=shown.backward)

    def _paint_focus(self, painter: QPainter) -> None:
        """A frame of four straight bars: smooth corners around the whole canvas would take half a millisecond of each frame."""
        wide, high, ink = self.width() - 2, self.height() - 2, colour(self.theme.accent, 170)
        sides = (QRect(1, 1, wide, 2), QRect(1, high - 1, wide, 2), QRect(1, 3, 2, high - 4), QRect(wide - 1, 3, 2, high - 4))
        for side in sides:
            painter.fillRect(side, ink)

    def _paint_nothing(self, painter: QPainter) -> None:
        painter.fillRect(self.rect(), QColor(self.theme.ground))
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        at = QPointF(16, self.height() / 2)
        ink, width = colour(self.theme.subtle), self.width() - 32
        draw_text(painter, Surface(self.theme), at, width, self._why_nothing(), styles.NOTE, ink, 0.5)

    def _why_nothing(self) -> str:
        if self.busy:
            return f"{what_is_laid_out(self.drawn)} … {self._maker.elapsed:.1f} s"
        if self.drawn.trace is not None and self.scene is None:
            return "The layout of this step was cancelled. Fold or unfold something, or choose another step."
        if self.scene is None:
            return "The graph of the step stands here once a recording is open."
        if self.drawn.view.hidden or self.drawn.view.isolated:
            return "Everything is hidden. Shift+H shows all again."
        if self.drawn.view.halves == "backward":
            return "No backward() was seen in this step."
        return "This step has no forward op."

    def _draw_legend(self, painter: QPainter) -> None:
        rect = self.legend_rect()
        if rect is None or self.scene is None:
            return
        ratio = self.devicePixelRatioF()
        size = (rect.size() * ratio).toSize()
        if self._legend is None or self._legend.devicePixelRatio() != ratio or self._legend.size() != size:
            self._legend = QPixmap(size)
            self._legend.setDevicePixelRatio(ratio)
            self._legend.fill(Qt.GlobalColor.transparent)
            inner = QPainter(self._legend)
            surface = Surface(self.theme, measure=self.drawn.view.measure)
            paint_legend(inner, surface, self.scene.picture, 0.5, 0.5, **self._legend_notes())
            inner.end()
        painter.drawPixmap(rect.topLeft(), self._legend)


def what_is_laid_out(state: State) -> str:
    """What the activity corner says."""
    graph: Graph | None = state.trace.graph if state.trace is not None else None
    return f"Laying out {len(graph.ops):,} ops" if graph is not None else ""


def _only_folds(old: View, new: View) -> bool:
    same_folds = replace(
        old, folded=new.folded, auto_fold=new.auto_fold, stacked=new.stacked, opened=new.opened, measure=new.measure
    )
    return same_folds == new
