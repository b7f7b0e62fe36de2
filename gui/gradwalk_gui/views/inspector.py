"""The inspector: everything about what is selected, else about the event just run, as it is at the playhead."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QComboBox, QFrame, QLabel, QScrollArea, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from gradwalk.tape import why_not_counted
from gradwalk.trace import NONE, Kept, TensorKey, Trace

from .. import inspector_text as texts
from ..inspection.elements import Histogram, health_of_elements, health_of_stats, histogram_of
from ..inspection.facts import Tensor, absent_text, kept_at, stats_at, tensors_of, title_of
from ..inspection.formula import card_of
from ..inspection.ghost import ghost_kept
from ..inspection.kept import kept_before, nearest_kept
from ..inspection.source_text import excerpt, selected_site, text_of
from ..inspection.subject import empty_text, op_behind, phase_of, position_shown, subject_of
from ..inspection.why import why_no_gradient
from ..learn_text import numpy_of
from ..numbers import count, shape_text
from ..panel import GRID, Panel, mix, phase_colour
from ..session import Session
from ..state import Play, Selection, State
from ..theme import Theme, font
from ..widgets.formula_card import FormulaCard
from ..widgets.health_bar import HealthBar
from ..widgets.histogram import HistogramPlot
from ..widgets.one_element import OneElement
from ..widgets.section import Section
from ..widgets.stats_table import Column, StatsTable, texts_of
from ..widgets.tensor_pane import TensorPane
from ..widgets.text import ElidedLabel, TextBlock, mono, shown

WHILE_PLAYING = 120
"""Milliseconds between two updates while the playhead moves by itself; faster than that nobody reads."""


class InspectorView(Panel):
    """Sections from top to bottom; each hides itself while it has nothing to say."""

    title = "Inspector"

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.subject: Selection | None = None
        self._tensors: tuple[Tensor, ...] = ()
        self._chosen: TensorKey | None = None
        self._late = QTimer(self, interval=WHILE_PLAYING, singleShot=True)
        self._late.timeout.connect(lambda: self._show(self.session.state))
        self.name = ElidedLabel(Qt.TextElideMode.ElideMiddle, self)
        self.name.setFont(font(18, QFont.Weight.DemiBold))
        self.variable = ElidedLabel(Qt.TextElideMode.ElideMiddle, self)
        self.variable.setFont(font(13, numbers=True))
        self.who = self._block("What it is")
        self.sections = {name: Section(name, self) for name in SECTIONS}
        self._fill_sections()
        self.message = QLabel(self)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setMargin(2 * GRID)
        self._arrange()
        self.begin()

    def _fill_sections(self) -> None:
        self.formula, self.flow, self.sums = (
            FormulaCard(self.theme),
            self._block("Gradient flow"),
            self._block("Sum of gradients"),
        )
        self.element, self.numpy = OneElement(self.theme), self._block("In NumPy")
        self.formula.element_chosen.connect(self.element.choose)
        self.chooser = QComboBox()
        self.chooser.setAccessibleName("Tensor to look into")
        self.chooser.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.chooser.activated.connect(self._on_tensor)
        self.health, self.histogram = HealthBar(self.theme), HistogramPlot(self.theme)
        self.about_histogram = self._block("About the histogram")
        self.statistics, self.pane = StatsTable(self.theme), TensorPane(self.theme)
        self.pane.wanted.connect(self._go_to_kept)
        self.pane.element_chosen.connect(self._on_element)
        self.links, self.saved = self._block("Inputs and outputs"), self._block("Saved tensors")
        self.properties, self.code = self._block("Properties"), self._block("Source expression")
        self.stack, self.why = self._block("Python stack"), self._block("Why no gradient")
        for name, parts in {
            "Formula": (self.formula, self.element, self.flow, self.sums),
            "In NumPy": (self.numpy,),
            "Distribution": (self.chooser, self.health, self.histogram, self.about_histogram),
            "Statistics": (self.statistics,),
            "Tensor": (self.pane,),
            "Inputs and outputs": (self.links,),
            "Saved tensors": (self.saved,),
            "Properties": (self.properties,),
            "Source": (self.code, self.stack),
            "Why no gradient?": (self.why,),
        }.items():
            for part in parts:
                self.sections[name].add(part)

    def _block(self, name: str) -> TextBlock:
        block = TextBlock(name)
        block.followed.connect(self._on_link)
        return block

    def _arrange(self) -> None:
        sheet = QWidget()
        sheet.setObjectName("sheet")
        column = QVBoxLayout(sheet)
        column.setContentsMargins(2 * GRID, GRID + GRID // 2, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID // 2)
        for widget in (self.name, self.variable, self.who, *self.sections.values()):
            column.addWidget(widget)
        column.addStretch(1)
        self.area = QScrollArea(self)
        self.area.setWidget(sheet)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self.area)
        self._pages.addWidget(self.message)

    def apply_theme(self) -> None:
        """Recolour; rich text is written anew."""
        for section in self.sections.values():
            section.set_theme(self.theme)
        for part in (self.formula, self.element, self.health, self.histogram, self.statistics, self.pane):
            part.set_theme(self.theme)
        for label in (self.variable, self.message):
            label.setStyleSheet(f"color: {self.theme.subtle};")
        if self.drawn.trace is not None:
            self._show(self.drawn)

    def show_state(self, old: State, new: State) -> None:
        """Everything anew where the step, the playhead or the selection moved; nothing for any other change."""
        if new.trace is None:
            self.message.setText("Open a recording to inspect its ops and tensors.")
            self._pages.setCurrentWidget(self.message)
        elif _at(old) != _at(new) or self._late.isActive():
            if new.play is not Play.PAUSED and new.selection == old.selection and old.trace is not None:
                self._late.start() if not self._late.isActive() else None
            else:
                self._late.stop()
                self._show(new)

    def _show(self, state: State) -> None:
        trace, subject = state.trace, subject_of(state)
        if trace is None or subject is None:
            self.subject = None
            self.message.setText(empty_text(trace) if trace is not None else "")
            self._pages.setCurrentWidget(self.message)
            return
        moved = subject != self.subject
        self.subject = subject
        self._pages.setCurrentWidget(self.area)
        self._tensors = tensors_of(trace, state.position, subject)
        self._show_head(state, trace, subject)
        self._show_formula(trace, state.position, subject)
        self._show_chooser(moved)
        self._show_statistics(trace)
        self._show_tensor(state)
        self._show_rest(state, trace, subject)
        if moved:
            self.area.verticalScrollBar().setValue(0)

    def _show_head(self, state: State, trace: Trace, subject: Selection) -> None:
        title = title_of(trace.graph, subject)
        self.name.set_full_text(title.name)
        self.variable.set_full_text(title.variable)
        self.variable.setVisible(bool(title.variable))
        event = position_shown(state) if state.selection is None else NONE
        self.who.show_html(texts.who(trace, state.position, subject, self.theme, event))

    def _show_formula(self, trace: Trace, position: int, subject: Selection) -> None:
        card = card_of(trace, position, subject)
        self.formula.show_card(card)
        op = op_behind(trace.graph, subject)
        self.element.show_op(trace, trace.graph.ops[op] if op != NONE else None, position)
        numpy = numpy_of(trace, subject, self.theme)
        self.numpy.show_html(numpy)
        self.sections["In NumPy"].setVisible(bool(numpy))
        self.flow.show_html(texts.flow(trace, position, subject, self.theme))
        self.sums.show_html(texts.sums(trace, position, subject, self.theme))
        self.sections["Formula"].setVisible(card is not None or bool(self.flow.text() or self.sums.text()))

    def _show_chooser(self, moved: bool) -> None:
        keys = [tensor.key for tensor in self._tensors]
        if moved or self._chosen not in keys:
            self._chosen = keys[0] if keys else None
        labels = [f"{tensor.label}   {shape_text(tensor.shape)}".rstrip() for tensor in self._tensors]
        if [self.chooser.itemText(place) for place in range(self.chooser.count())] != labels:
            self.chooser.clear()
            self.chooser.addItems(labels)
        if self._chosen is not None:
            self.chooser.setCurrentIndex(keys.index(self._chosen))
        self.chooser.setVisible(len(keys) > 1)

    def _show_statistics(self, trace: Trace) -> None:
        columns = []
        for tensor in self._tensors:
            colour = self.theme.backward if tensor.is_gradient else self.theme.forward
            stats = stats_at(trace, tensor.key) if tensor.there else None
            why = why_not_counted(trace, *tensor.key) if tensor.there else absent_text(trace, tensor)
            sentence = why if stats is None else ""
            told = texts_of(stats) if stats is not None else ()
            columns.append(Column(tensor.label, shape_text(tensor.shape), told, colour, sentence))
        self.statistics.show_columns(tuple(columns))
        self.sections["Statistics"].setVisible(bool(columns))

    def _show_tensor(self, state: State) -> None:
        """Distribution and grid of the chosen tensor; a single number has no distribution."""
        trace = state.trace
        tensor = next((tensor for tensor in self._tensors if tensor.key == self._chosen), None)
        self.sections["Tensor"].setVisible(tensor is not None)
        self.sections["Distribution"].setVisible(tensor is not None and (tensor.shape != () or len(self._tensors) > 1))
        if tensor is None or trace is None:
            return
        kept = kept_at(trace, tensor.key) if tensor.there else None
        self._show_distribution(state, trace, tensor, kept)
        if not tensor.there:
            self.pane.show_text(absent_text(trace, tensor))
        elif kept is None:
            self.pane.show_not_kept()
        else:
            self.pane.show_kept(kept, ghost_kept(state, tensor.key))

    def _show_distribution(self, state: State, trace: Trace, tensor: Tensor, kept: Kept | None) -> None:
        health, shown, note = None, None, ""
        if not tensor.there:
            note = absent_text(trace, tensor)
        elif kept is None:
            health = health_of_stats(stats_at(trace, tensor.key))
            note = "counted from the statistics; the elements are not kept for this step"
            note = note if health is not None else why_not_counted(trace, *tensor.key)
        else:
            health = health_of_elements(kept)
            if health.total > 1 and state.recording is not None:
                before = kept_before(state.recording, state.step, state.length, tensor.key, trace.graph)
                shown = histogram_of(kept, before)
                note = _about(shown)
        self.health.show_health(health)
        self.histogram.show_histogram(shown, self.theme.backward if tensor.is_gradient else self._colour(trace, tensor))
        self.about_histogram.show_html(texts.note(note, self.theme))

    def _colour(self, trace: Trace, tensor: Tensor) -> str:
        phase = phase_of(trace, Selection("value", tensor.key[1]))
        return phase_colour(phase, self.theme) if phase in ("update", "backward") else self.theme.forward

    def _show_rest(self, state: State, trace: Trace, subject: Selection) -> None:
        theme = self.theme
        for name, block, html in (
            ("Inputs and outputs", self.links, texts.links(trace, subject, theme)),
            ("Saved tensors", self.saved, texts.saved(trace, subject, theme)),
            ("Properties", self.properties, texts.properties(trace, subject, theme)),
            ("Why no gradient?", self.why, shown(why_no_gradient(trace, subject))),
        ):
            block.show_html(html)
            self.sections[name].setVisible(bool(html))
        site = selected_site(trace.graph, subject)
        self.sections["Source"].setVisible(site is not None)
        if site is None:
            return
        text = text_of(state.recording, site.file)
        colour = mix(phase_colour(phase_of(trace, subject) or "forward", theme), theme.panel, 0.3).name()
        lines = excerpt(text, site) if text is not None else []
        self.code.show_html(texts.code(lines, colour, theme) if lines else mono(site.expression))
        self.code.setToolTip(site.file)
        self.stack.show_html(texts.stack(site, theme))

    def _on_tensor(self, place: int) -> None:
        if 0 <= place < len(self._tensors):
            self._chosen = self._tensors[place].key
            self._show_tensor(self.drawn)

    def _on_element(self, place: tuple[int, ...]) -> None:
        if self._chosen is not None:
            self.element.choose(self._chosen, place)

    def _on_link(self, target: str) -> None:
        selection = texts.target_of_link(target)
        if selection is not None:
            self.session.select(selection)

    def _go_to_kept(self) -> None:
        state = self.session.state
        if state.recording is None or state.trace is None or self._chosen is None:
            return
        step = nearest_kept(state.recording, state.step, state.length, self._chosen, state.trace.graph)
        if step is None:
            self.pane.show_text("No step of this recording near here keeps this tensor.")
        else:
            self.session.go_to(step, state.position)


def _at(state: State) -> tuple[object, ...]:
    """What the inspector shows depends on these."""
    return state.trace, state.position, state.selection, state.ghost


def _about(shown: Histogram | None) -> str:
    """What there is to say about a histogram."""
    if shown is None:
        return ""
    notes = ["grey: the step before"] * (shown.before is not None)
    notes += [f"without {count(shown.zeros, 'exact zero')}"] * bool(shown.zeros)
    return "; ".join(notes + ["of a sample"] * shown.sample)


SECTIONS = (
    "Formula",
    "In NumPy",
    "Distribution",
    "Statistics",
    "Tensor",
    "Inputs and outputs",
    "Saved tensors",
    "Properties",
    "Source",
    "Why no gradient?",
)


if __name__ == "__main__":
    from ..alone import run_alone

    raise SystemExit(run_alone(InspectorView, width=380, height=900))
