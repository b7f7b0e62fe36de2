"""The page of the heat map: which gradients it reads, and where a click leads."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QVBoxLayout, QWidget

from gradwalk.paths import id_of, path_of
from gradwalk.tape import index
from gradwalk.trace import NONE, Graph

from ..inspection.losses import step_numbers
from ..session import Session
from ..state import Selection, State, Steps
from ..theme import Theme
from .heat import Group, Heat
from .heat_map import HeatMap


class HeatPane(QWidget):
    """Shows the gradients of a State's recording by the measure of its View. What was read is kept while it is open."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.map = HeatMap(theme, self)
        self._recording: Steps | None = None
        self._heat = Heat()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.map)
        self.map.chosen.connect(self._on_chosen)

    def tracks(self, state: State) -> Sequence[Heat]:
        """What has to be read."""
        if state.recording is not self._recording or state.view.measure != self._heat.measure:
            self._recording, self._heat = state.recording, Heat(state.view.measure)
        return (self._heat,)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.map.set_theme(theme)

    def show_all(self) -> None:
        """Show every step."""
        self.map.show_all()

    def refresh(self) -> None:
        """Show what has been read up to now."""
        state = self.session.state
        self.tracks(state)
        if state.recording is not None:
            self.map.show_heat(self._heat, step_numbers(state.recording, len(state.recording)), state.view.folded)
        self.show_playhead(state)

    def show_playhead(self, state: State) -> None:
        """Mark the step of the playhead, and the parameter that is selected."""
        if state.trace is None:
            self.map.show_playhead(-1, frozenset())
        else:
            self.map.show_playhead(state.step, selected_paths(state.trace.graph, state.selection))

    def message(self) -> str:
        """Why there is nothing to see, or nothing."""
        return "No step with parameters has been read yet." if not self._heat.parameters else ""

    def _on_chosen(self, step: int, group: Group | None) -> None:
        self.session.go_to(step, self.session.state.position)
        trace = self.session.state.trace
        if group is None or trace is None:
            return
        module = id_of(trace.graph, "module", group.module) if group.module else NONE
        if module != NONE:
            self.session.select(Selection("module", module))
            return
        value = id_of(trace.graph, "value", self._heat.parameters[group.rows[0]].path)
        if value != NONE:
            self.session.select(Selection("value", value))


def selected_paths(graph: Graph, selection: Selection | None) -> frozenset[str]:
    """The paths of the parameters that a selection is about: a leaf, its AccumulateGrad, or a gradient that goes to it."""
    if selection is None:
        return frozenset()
    if selection.kind == "value":
        value = selection.id
    elif selection.kind == "node":
        value = graph.nodes[selection.id].leaf
    elif selection.kind == "edge":
        value = graph.edges[selection.id].value
    else:
        return frozenset()
    is_leaf = value != NONE and (graph.values[value].parameter or value in index(graph).node_of_leaf)
    return frozenset((path_of(graph, "value", value),)) if is_leaf else frozenset()
