"""What of the scene is in sight: the camera of the graph, and the wishes about it (fit, zoom, stay, scroll to). No painting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from gradwalk.scales import is_unscaled
from gradwalk.trace import NONE

from ..panel import Panel
from ..session import Session
from ..theme import Theme
from .camera import SMALLEST, Camera, fitted, shown_whole
from .events_on_cards import Place
from .hit import Shown, where_is
from .legend import legend_size
from .look import Look
from .scene import Scene
from .surface import NAMES_FROM

LEGEND_AWAY = 12.0
MARKS_FROM = 320
"""Height of the canvas, in logical pixels, from which on the legend tells of the marks of the check."""
FIT_MARGIN = 12.0
"""Pixels of the screen around a fitted graph."""
FIRST_ZOOM, LEFT_SHARE = 0.4, 0.3
"""How a graph that is too large to be fitted is shown at first: its zoom, and where across the widget the playhead's card is."""
STILL_MS = 100
"""So long after the last move the picture counts as still, and is painted fine."""


class Sight(Panel):
    """A panel that looks at a scene through a camera."""

    zoomed = Signal(float)

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.scene: Scene | None = None
        self.look: Look | None = None
        self.camera = Camera()
        self._fitted = True
        self._at_first = False
        """Whether it is shown as at first: nobody has moved it since, and it is too large to be fitted."""
        self._still = QTimer(self, singleShot=True, interval=STILL_MS)
        self._still.timeout.connect(self.update)

    @property
    def zoom(self) -> float:
        """Screen pixels per pixel of the scene; 1.0 is 100 %."""
        return self.camera.zoom

    @property
    def moving(self) -> bool:
        """Whether the picture is being panned or zoomed."""
        return self._still.isActive()

    @property
    def fits(self) -> bool:
        """Whether the scene is one of the present structure; else it is the picture of the step before, that stays for now."""
        trace = self.drawn.trace
        return self.scene is not None and trace is not None and self.scene.graph.key == trace.graph.key

    # Where things are

    def shown_selection(self) -> Shown | None:
        """Where the selection is in the picture."""
        if self.scene is None or self.look is None or not self.fits:
            return None
        return where_is(self.scene, self.look.facts.cards, self.drawn.selection)

    def selected_card(self) -> int | None:
        """The card that is selected or holds what is selected."""
        shown = self.shown_selection()
        return shown.place.card if shown is not None and shown.place is not None else None

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

    def legend_rect(self) -> QRectF | None:
        """Where the legend stands; None where there is no room for it."""
        if self.scene is None:
            return None
        width, height = legend_size(self.scene.picture, self.drawn.view.measure, **self._legend_notes())
        if width + 2 * LEGEND_AWAY > self.width() or height + 120 > self.height():
            return None
        return QRectF(self.width() - width - LEGEND_AWAY, self.height() - height - LEGEND_AWAY, width, height)

    def _legend_notes(self) -> dict[str, bool]:
        """What the legend tells besides; of the marks only where it leaves most of the room to the graph."""
        return {"unscaled": self._is_unscaled(), "checked": self._is_checked() and self.height() >= MARKS_FROM}

    def _is_unscaled(self) -> bool:
        return self.drawn.trace is not None and is_unscaled(self.drawn.trace)

    def _is_checked(self) -> bool:
        return bool(self.drawn.verdicts)

    # Wishes

    def look_first(self) -> None:
        """Show the whole graph if its names can be read then, else the part around the playhead, large enough for names."""
        self.fit_all()
        if self.scene is None or self.scene.empty or self.zoom >= NAMES_FROM:
            return
        left, top, width, height = self.scene.cards[self._first_card()].tolist()
        room = (LEFT_SHARE * self.width() / FIRST_ZOOM, self.height() / 2 / FIRST_ZOOM)
        x = max(min(left + width / 2 - room[0], self.scene.width - self.width() / FIRST_ZOOM + FIT_MARGIN), -FIT_MARGIN)
        self._fitted = self._at_first = True
        self._move_to(Camera(FIRST_ZOOM, -x * FIRST_ZOOM, -(top + height / 2 - room[1]) * FIRST_ZOOM))

    def _first_card(self) -> int:
        """The card of the event that runs next, else of the one that has just run, else the one furthest to the left."""
        assert self.scene is not None
        look = self.look
        if look is not None and look.facts.scene is self.scene:
            place = look.next or look.just
            if place is not None:
                return place.card
        return int(np.argmin(self.scene.cards[:, 0]))

    def fit_all(self) -> None:
        """Show the whole graph."""
        self._fitted, self._at_first = True, False
        if self.scene is None:
            return
        camera = self._whole()
        legend = self.legend_rect()
        bottom = camera.to_screen(0, self.scene.height)[1]
        right = camera.to_screen(self.scene.width, 0)[0]
        if legend is not None and bottom > legend.top() - 8 and right > legend.left() - 8:
            camera = self._whole(legend.top() + FIT_MARGIN / 2)
        self._move_to(camera)

    def _whole(self, height: float | None = None) -> Camera:
        """The camera that shows all of the scene, in the upper ``height`` pixels of the widget."""
        scene, high = self.scene, self.height() if height is None else height
        return fitted((0.0, 0.0, scene.width, scene.height), self.width(), high, FIT_MARGIN) if scene is not None else self.camera

    def fit_selection(self) -> None:
        """Show what is selected, with some room around it; the whole graph where nothing is."""
        rect = self._selection_rect()
        if rect is None:
            self.fit_all()
            return
        self._fitted = False
        self._move_to(fitted(rect, self.width(), self.height(), 80.0, largest=1.6))

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom, about a point of the widget or its middle."""
        self._fitted = False
        middle = at if at is not None else QPointF(self.width() / 2, self.height() / 2)
        self._move_to(self.camera.zoomed(factor, middle.x(), middle.y(), min(SMALLEST, self._whole().zoom)))

    def _show_place(self, place: Place) -> None:
        """Scroll, as little as can be, so that a card is in sight."""
        if self.scene is not None:
            left, top, width, height = self.scene.cards[place.card].tolist()
            self._move_to(shown_whole(self.camera, (left, top, width, height), self.width(), self.height(), 24.0))

    def _stay_at(self, before: Scene, scene: Scene, paths: frozenset[str]) -> bool:
        """Keep the module that was folded or unfolded where it was on the screen; whether there is such a one."""
        for path in sorted(paths):
            was, now = _corner_of(before, path), _corner_of(scene, path)
            if was is not None and now is not None:
                self._fitted = False
                self._move_to(self.camera.moved((was[0] - now[0]) * self.zoom, (was[1] - now[1]) * self.zoom))
                return True
        return False

    def _move_to(self, camera: Camera) -> None:
        ratio = self.devicePixelRatioF()
        before = self.camera
        self.camera = replace(camera, x=round(camera.x * ratio) / ratio, y=round(camera.y * ratio) / ratio)
        if before.zoom != self.camera.zoom:
            self.zoomed.emit(self.camera.zoom)
        if before != self.camera:
            self._still.start()
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit again, unless the person has moved the picture."""
        super().resizeEvent(event)
        if self._fitted:
            self.look_first() if self._at_first else self.fit_all()


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
