"""The page of the accumulated errors: the plot over depth, or the button that has the step computed in float64."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from gradwalk.leaves import leaves_of
from gradwalk.reference.accumulated import Chain
from gradwalk.reference.chain_words import of_parameters, said_of
from gradwalk.trace import NONE, TensorKey, Trace

from ..chains import chain_at
from ..numbers import number
from ..panel import GRID
from ..session import Session
from ..state import Selection, State
from ..theme import Theme, font
from ..widgets.text import ElidedLabel, coloured
from .error_plot import ErrorPlot
from .error_points import Points, points_of
from .gather import Track

COMPUTE, COMPUTING = "Float64 end to end", "Computing ..."
ABOUT = (
    "Computes the step again in float64, from its leaves to the loss and back, and shows how far rounding has moved each tensor."
)


class ErrorPane(QWidget):
    """Shows the chain of the playhead's step. ``wanted``: the button was pressed."""

    wanted = Signal()

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.theme = session, theme
        self._shown: Chain | None = None
        self.points: Points | None = None
        self.plot = ErrorPlot(theme, self)
        self.plot.chosen.connect(self._on_chosen)
        self.about, self.kinds, self.legend = QLabel(), QLabel(), ElidedLabel(Qt.TextElideMode.ElideRight)
        self.about.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.about.setWordWrap(True)
        for label in (self.kinds, self.legend):
            label.setFont(font(11))
        self.button = QPushButton(COMPUTE)
        self.button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.button.clicked.connect(self.wanted)
        self._arrange()
        self.set_theme(theme)

    def _arrange(self) -> None:
        ask, shown = QWidget(), QWidget()
        column = QVBoxLayout(ask)
        column.setContentsMargins(2 * GRID, GRID, 2 * GRID, GRID)
        column.addStretch(1)
        column.addWidget(self.about)
        column.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        page = QVBoxLayout(shown)
        page.setContentsMargins(GRID, 0, 0, 0)
        page.setSpacing(0)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(self.kinds)
        row.addWidget(self.legend, 1)
        page.addLayout(row)
        page.addWidget(self.plot, 1)
        self.pages = QStackedLayout(self)
        self.pages.addWidget(ask)
        self.pages.addWidget(shown)

    def tracks(self, state: State) -> Sequence[Track]:
        """What has to be read of other steps: nothing."""
        return ()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.plot.set_theme(theme)
        for label in (self.about, self.kinds, self.legend):
            label.setStyleSheet(f"color: {theme.subtle};")
        self.kinds.setText(f"{coloured('●', theme.backward)} gradients&nbsp; {coloured('◇', theme.forward)} values")

    def show_all(self) -> None:
        """Show every dot."""
        self.plot.show_all()

    def message(self) -> str:
        """Why there is nothing to see: the page itself says it."""
        return ""

    def refresh(self) -> None:
        """Show what has been computed of the step."""
        self.show_playhead(self.session.state)

    def show_playhead(self, state: State) -> None:
        """Show the chain of the playhead's step, and ring what is selected."""
        chain, trace = chain_at(state), state.trace
        if chain is None or trace is None or not (chain.values or chain.gradients):
            self._ask(state, chain)
            return
        if chain is not self._shown:
            self._shown, self.points = chain, points_of(trace, chain)
            self.plot.show_points(self.points)
            self.plot.show_all()
            self.legend.set_full_text(_legend(trace, chain))
        self.pages.setCurrentIndex(1)
        self.plot.show_chosen(self._selected(state, trace))

    def _ask(self, state: State, chain: Chain | None) -> None:
        self._shown = self.points = None
        computing = state.chaining == state.step
        self.about.setText(chain.sentence.capitalize() + "." if chain is not None and chain.sentence else ABOUT)
        self.button.setText(COMPUTING if computing else COMPUTE)
        self.button.setEnabled(not computing)
        self.pages.setCurrentIndex(0)

    def _selected(self, state: State, trace: Trace) -> int:
        """The dot of what is selected; of a leaf that of its gradient."""
        if self.points is None or state.selection is None:
            return -1
        keys = _keys(trace, state.selection)
        return next((index for index, key in enumerate(self.points.keys) if key in keys), -1)

    def _on_chosen(self, index: int) -> None:
        if self.points is None:
            return
        (kind, thing), one = self.points.keys[index], self.points.errors[index]
        self.session.go_to(self.session.state.step, one.moment + 1)
        self.session.select(Selection("value" if kind == "value" else "edge", thing))


def _keys(trace: Trace, selection: Selection) -> tuple[TensorKey, ...]:
    if selection.kind == "edge":
        return (("gradient", selection.id),)
    if selection.kind == "op":
        return tuple(("value", value) for value in trace.graph.ops[selection.id].outputs)
    if selection.kind != "value":
        return ()
    leaves = leaves_of(trace.graph)
    place = leaves.values.tolist().index(selection.id) if selection.id in leaves.values else NONE
    return (("gradient", int(leaves.edges[place])),) if place != NONE else (("value", selection.id),)


def _legend(trace: Trace, chain: Chain) -> str:
    """The largest error of a parameter, and what else has to be known."""
    there = [one for _, _, one in of_parameters(trace.graph, chain) if not one.cancelled]
    most = f"largest of a parameter {number(max(one.relative for one in there), 2)}" if there else ""
    words = [most, *said_of(trace, chain)]
    return "   ".join(word for word in words if word)
