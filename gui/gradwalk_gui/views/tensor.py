"""The tensor viewer: the tensor that the inspector looks into, with all the room there is, however many dimensions it has."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QStackedLayout, QVBoxLayout, QWidget

from gradwalk.trace import TensorKey

from ..inspection.kept import nearest_kept
from ..numbers import shape_text
from ..panel import GRID, LEAST, Panel
from ..sections.look import Look, look_of
from ..sections.tensors import DistributionPart, show_in
from ..session import Session
from ..state import Play, State
from ..theme import Theme, font
from ..widgets.tensor_pane import TensorPane
from ..widgets.text import ElidedLabel


class TensorView(Panel):
    """Name, histogram and elements. What it looks into, and a locked colour range, it shares with the inspector."""

    title = "Tensor"

    said = Signal(str, bool)
    """One sentence on what was done, or (True) could not be done."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.name = ElidedLabel(Qt.TextElideMode.ElideMiddle, self)
        self.name.setFont(font(15, QFont.Weight.DemiBold))
        self.about = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        self.about.setFont(font(11, numbers=True))
        self.distribution = DistributionPart(theme)
        self.distribution.chosen.connect(self._on_tensor)
        self.pane = TensorPane(theme, large=True)
        self.pane.wanted.connect(self._go_to_kept)
        self.pane.locked.connect(lambda scale: self.session.set(colour_range=scale))
        self.pane.said.connect(self.said)
        self.message = QLabel(self)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setMargin(2 * GRID)
        self._arrange()
        self.begin()

    def _arrange(self) -> None:
        """In a low panel all of it scrolls; where there is room the grid takes what is left."""
        sheet = QWidget()
        sheet.setObjectName("sheet")
        column = QVBoxLayout(sheet)
        column.setContentsMargins(2 * GRID, GRID, 2 * GRID, GRID)
        column.setSpacing(GRID // 2)
        for widget in (self.name, self.about, self.distribution):
            column.addWidget(widget)
        column.addWidget(self.pane, 1)
        self.area = QScrollArea(self)
        self.area.setWidget(sheet)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setMinimumHeight(LEAST)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self.area)
        self._pages.addWidget(self.message)

    def apply_theme(self) -> None:
        """Recolour."""
        self.distribution.recolour(self.theme)
        self.pane.set_theme(self.theme)
        for label in (self.about, self.message):
            label.setStyleSheet(f"color: {self.theme.subtle};")
        if self.drawn.trace is not None:
            self._show(self.drawn)

    def show_state(self, old: State, new: State) -> None:
        """The tensor anew where the step, the playhead, the selection or the choice of the tensor moved."""
        if _looks_at(old) != _looks_at(new) or old.play is not Play.PAUSED or new.trace is None:
            self._show(new)

    def _show(self, state: State) -> None:
        look = look_of(state)
        if look is None or look.tensor is None:
            self.message.setText("Select an op, a Node or a tensor to look into its elements.")
            self._pages.setCurrentWidget(self.message)
            return
        self._pages.setCurrentIndex(0)
        self.name.set_full_text(look.tensor.label)
        self.about.set_full_text(_about(look))
        self.distribution.show_look(look)
        show_in(self.pane, look)

    def _on_tensor(self, key: TensorKey) -> None:
        self.session.set(tensor=key)

    def _go_to_kept(self) -> None:
        state, look = self.session.state, look_of(self.session.state)
        if state.recording is None or look is None or look.tensor is None:
            return
        step = nearest_kept(state.recording, state.step, state.length, look.tensor.key, look.trace.graph)
        if step is None:
            self.pane.show_text("No step of this recording near here keeps this tensor.")
        else:
            self.session.go_to(step, state.position)


def _looks_at(state: State) -> tuple[object, ...]:
    return state.trace, state.position, state.selection, state.tensor, state.colour_range, state.ghost


def _about(look: Look) -> str:
    assert look.tensor is not None
    parts = (shape_text(look.tensor.shape), look.tensor.dtype, f"step {look.trace.step}")
    return "   ".join(part for part in parts if part)


if __name__ == "__main__":
    from ..alone import run_alone

    raise SystemExit(run_alone(TensorView, width=720, height=640))
