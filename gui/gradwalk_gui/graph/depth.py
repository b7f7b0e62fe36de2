"""The depth slider: how many levels of modules are open, and how many cards that makes."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from .. import showing
from ..commands_view import levels_of
from ..panel import GRID, Panel
from ..session import Session
from ..state import State
from ..theme import Theme, font
from ..widgets.own_keys import Slider


class DepthSlider(Panel):
    """Moves in whole levels; what it is let go at is unfolded. ``resized`` when its text is wider or narrower than before."""

    title = "Depth"
    resized = Signal()

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.setAutoFillBackground(False)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, False)
        self.slider, self.text = Slider(Qt.Orientation.Horizontal), QLabel()
        self.slider.setAccessibleName("Levels of modules that are open")
        self.slider.setFixedWidth(88)
        self.slider.setPageStep(1)
        self.slider.setTracking(False)
        self.slider.setToolTip("Levels of modules that are open   1 ... 9")
        self.slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.text.setFont(font(11))
        self.text.setObjectName("hint")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(self.slider)
        row.addWidget(self.text)
        self._cards = self._levels = 0
        self.slider.valueChanged.connect(self._moved)
        self.slider.sliderMoved.connect(self._say)
        self.begin()

    def say_cards(self, cards: int) -> None:
        """How many cards there are now."""
        if cards != self._cards:
            self._cards = cards
            self._say(self.slider.value())

    def show_state(self, old: State, new: State) -> None:
        """Show another depth."""
        if new.trace is None:
            return
        same_graph = old.trace is not None and old.trace.graph is new.trace.graph
        if same_graph and old.view == new.view:
            return
        levels = levels_of(new)
        depth = max(0, min(showing.depth_of(new.trace.graph, new.view), levels))
        blocker = QSignalBlocker(self.slider)
        self.slider.setRange(0, max(levels, 1))
        self.slider.setValue(depth)
        blocker.unblock()
        self._levels = levels
        self.slider.setVisible(levels > 0)
        self._say(depth)

    def _moved(self, depth: int) -> None:
        self._say(depth)
        self.session.unfold_to(depth)

    def _say(self, depth: int) -> None:
        cards = f"{self._cards:,} card" + ("" if self._cards == 1 else "s")
        self.text.setText(f"depth {depth} of {self._levels}  \u00b7  {cards}" if self._levels else cards)
        self.adjustSize()
        self.resized.emit()
