"""The graph on screen: what ``pointer.py`` gives a pointer, here with keys, highlights, search and what stands over the graph."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QFocusEvent, QKeyEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from ..revealing import reveal
from ..session import Session
from ..state import Selection, State
from ..theme import Theme
from .arrange import LayOut
from .furniture import Furniture
from .hit import Hit, selection_of, where_is
from .neighbours import Way, after, reading_order, towards
from .pointer import PointerView
from .scene import Scene
from .sight import FIT_MARGIN
from .veil import Veil
from .ways import Lit, found, highlighted, matching

PAN = 96
"""Pixels that Shift with an arrow moves the picture."""
READABLE = 0.8
"""The zoom from which on what is gone to is shown."""
_WAYS: dict[int, Way] = {
    Qt.Key.Key_Left: "left",
    Qt.Key.Key_Right: "right",
    Qt.Key.Key_Up: "up",
    Qt.Key.Key_Down: "down",
}
_STEPS = {"left": (1, 0), "right": (-1, 0), "up": (0, 1), "down": (0, -1)}
_NONE = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)


class GraphCanvas(PointerView):
    """The graph at the playhead. ``lay_out`` is the layout engine, that of the core by default."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None, *, lay_out: LayOut | None = None) -> None:
        super().__init__(session, theme, parent, lay_out=lay_out)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._veil = Veil()
        self._lit: Lit | None = None
        self._lit_for: tuple[object, ...] = ()
        self._goal: Selection | None = None
        """What is to be shown in the middle as soon as it is in the picture."""
        self.furniture: Furniture | None = None
        self.begin()
        self.furniture = Furniture(self)
        self.furniture.find.found.connect(self.update)
        self.furniture.find.went.connect(self.go_to)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        super().set_theme(theme)
        if self.furniture is not None:
            self.furniture.set_theme(theme)

    def show_state(self, old: State, new: State) -> None:
        """Take over what differs."""
        super().show_state(old, new)
        if self.furniture is not None and (old.minimap, old.view) != (new.minimap, new.view):
            self.furniture.place_soon()

    # Going somewhere

    def fit_all(self) -> None:
        """Show the whole graph, below what stands at the top left."""
        super().fit_all()
        bar = self.furniture.bar_rect() if self.furniture is not None else None
        if bar is None or self.scene is None or self.scene.empty:
            return
        left, top = self.camera.to_screen(0, 0)
        if top > bar.bottom() + FIT_MARGIN / 2 or left > bar.right():
            return
        legend = self.legend_rect()
        camera = self._whole(self.height() - bar.bottom()).moved(0, bar.bottom())
        if legend is not None and camera.to_screen(0, self.scene.height)[1] > legend.top() - 8:
            camera = self._whole(legend.top() + FIT_MARGIN / 2 - bar.bottom()).moved(0, bar.bottom())
        self._move_to(camera)

    def centre_on(self, x: float, y: float) -> None:
        """Bring a point of the scene into the middle."""
        self._fitted = False
        at_x, at_y = self.camera.to_screen(x, y)
        self._move_to(self.camera.moved(self.width() / 2 - at_x, self.height() / 2 - at_y))

    def go_to(self, selection: Selection, *, unfold: bool = False) -> None:
        """Select something and show it in the middle: on the card of the module that it is folded into, or ``unfold`` that."""
        trace = self.session.state.trace
        if trace is None:
            return
        shown = None
        if self.scene is not None and self.look is not None and self.fits:
            shown = where_is(self.scene, self.look.facts.cards, selection)
        if unfold or shown is None:
            self.session.show(reveal(trace.graph, self.session.state.view, selection))
        self._goal = selection
        self.session.select(selection)
        self._reach_goal()

    def _reach_goal(self) -> None:
        rect = self._selection_rect()
        if self._goal is None or self.drawn.selection != self._goal or rect is None:
            return
        if self.zoom < READABLE:
            self.zoom_by(READABLE / self.zoom)
        self.centre_on(rect[0] + rect[2] / 2, rect[1] + rect[3] / 2)
        if self.furniture is not None:
            self._move_to(self.camera.moved(0, self.furniture.clear_from() / 2))

    def scene_came(self) -> None:
        """Another scene is shown: go there where something was to be gone to."""
        self._reach_goal()
        self._goal = None

    def open_find(self) -> None:
        """Show the find bar."""
        if self.furniture is not None:
            self.furniture.find.open_bar()
            self.furniture.place()

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """The graph, and over it the veil of a highlight or a search."""
        super().paintEvent(event)
        if self.furniture is not None:
            self.furniture.follow()

    def paint_over(self, painter: QPainter, scene: Scene) -> None:
        """The veil; not while cards glide."""
        lit, ring = self._bright()
        if lit is not None and scene is self.scene:
            self._veil.draw(painter, self.size(), self.devicePixelRatioF(), self.surface, scene, self.camera, lit, ring=ring)

    def _bright(self) -> tuple[Lit | None, bool]:
        """What is not dimmed, and whether it is ringed: what is searched, else highlighted, else what the filter lets through."""
        state = self.drawn
        if not self.fits:
            return None, False
        sought = self.furniture.find.selections if self.furniture is not None else ()
        key = (self.scene, sought, state.highlight, state.selection, state.picked, state.filter, state.trace, state.verdicts)
        if key != self._lit_for and self.scene is not None and self.look is not None:
            self._lit_for, cards = key, self.look.facts.cards
            picked = state.picked or ((state.selection,) if state.selection is not None else ())
            if sought:
                self._lit = found(self.scene, cards, sought)
            elif state.highlight:
                self._lit = highlighted(self.scene, cards, picked, state.highlight)
            else:
                self._lit = matching(self.look.facts, state.filter, state.verdicts)
        return self._lit, bool(sought)

    # Keyboard

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows go from card to card (with Shift they pan), Enter goes to the event or unfolds, Esc ends what is going on."""
        way = _WAYS.get(event.key())
        if event.key() == Qt.Key.Key_Escape and self._can_end():
            self._end()
        elif way is not None and event.modifiers() in _NONE:
            self._go(way)
        elif way is not None and event.modifiers() == Qt.KeyboardModifier.ShiftModifier:
            self._fitted = False
            self._move_to(self.camera.moved(*(PAN * step for step in _STEPS[way])))
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.selected_card() is not None:
            shown = self.shown_selection()
            assert shown is not None
            assert shown.place is not None
            self._open(shown.place.card, backward=shown.place.part == "backward")
        elif event.key() == Qt.Key.Key_Escape and self.drawn.selection is not None:
            self.session.select(None)
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Esc is not for what is selected while something else can end."""
        escape = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape
        if escape and event.type() == QEvent.Type.ShortcutOverride and self.hasFocus() and self._can_end():
            event.accept()
            return True
        return super().event(event)

    def _can_end(self) -> bool:
        return self.band is not None or self.busy or (self.furniture is not None and self.furniture.find.isVisible())

    def _end(self) -> None:
        """End the rubber band, else the layout that is being made, else the search."""
        if self.band is not None:
            self.end_drag()
        elif self.busy:
            self.cancel_layout()
        elif self.furniture is not None:
            self.furniture.find.close_bar()

    def _go(self, way: Way) -> None:
        card = self.selected_card()
        if self.scene is None or self.look is None or self.scene.empty:
            return
        self._select_card(reading_order(self.scene, self.look.facts)[0] if card is None else towards(self.scene, card, way))

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Tab goes through the cards in the order in which they run, and then on to the next widget."""
        by: Literal[1, -1] = 1 if forward else -1
        focus = self.window().focusWidget()
        over = focus is not None and focus is not self and self.isAncestorOf(focus)
        if not over and self.scene is not None and self.look is not None:
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

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep what stands over the graph in its corners."""
        if self.furniture is not None:
            self.furniture.place()
        super().resizeEvent(event)
