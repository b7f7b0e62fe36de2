"""The inspector: everything about what is selected, else about the event just run, as it is at the playhead."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QStackedLayout, QVBoxLayout, QWidget

from gradwalk.trace import NONE, TensorKey

from .. import inspector_text as texts
from ..inspection.facts import title_of
from ..inspection.kept import nearest_kept
from ..inspection.subject import empty_text, position_shown
from ..inspection.why import why_no_gradient
from ..learn_text import numpy_of
from ..panel import GRID, Panel
from ..sections.check import CheckPart
from ..sections.end_to_end import end_to_end
from ..sections.formula import FormulaPart
from ..sections.look import Look, look_of
from ..sections.part import Part, TextPart
from ..sections.property_text import properties
from ..sections.saved_text import saved
from ..sections.source import SourcePart
from ..sections.tensors import DistributionPart, StatisticsPart, TensorPart
from ..session import Session
from ..state import Play, Selection, State
from ..theme import Theme, font
from ..widgets.text import Column, ElidedLabel, TextBlock, shown

WHILE_PLAYING = 120
"""Milliseconds between two updates while the playhead moves by itself; faster than that nobody reads."""

EDGE, TOP = 2 * GRID, GRID + GRID // 2
"""Room around the sections."""
AT_ONCE = 250
"""Events of a step up to which every section is filled at once; in a longer one those in sight come first."""


class InspectorView(Panel):
    """Sections from top to bottom; each hides itself while it has nothing to say, and stays closed once it is."""

    title = "Inspector"

    enlarged = Signal()
    """The person wants to see the tensor that is looked into with more room."""
    said = Signal(str, bool)
    """One sentence on what was done, or (True) could not be done."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.subject: Selection | None = None
        self._late = QTimer(self, interval=WHILE_PLAYING, singleShot=True)
        self._late.timeout.connect(lambda: self._show(self.session.state))
        self._shown: Look | None = None
        self._later = 0
        self._below = QTimer(self, interval=0, singleShot=True)
        self._below.timeout.connect(self._show_below)
        self.name = ElidedLabel(Qt.TextElideMode.ElideMiddle, self)
        self.name.setFont(font(18, QFont.Weight.DemiBold))
        self.variable = ElidedLabel(Qt.TextElideMode.ElideMiddle, self)
        self.variable.setFont(font(13, numbers=True))
        self.who = TextBlock("What it is")
        self.who.followed.connect(self._on_link)
        self.formula, self.distribution = FormulaPart(theme), DistributionPart(theme)
        self.statistics, self.tensor = StatisticsPart(theme), TensorPart(theme)
        self.links = _text("Inputs and outputs", "Inputs and outputs", texts.links, theme)
        self.saved = _text("Saved tensors", "Saved tensors", saved, theme)
        self.properties = _text("Properties", "Properties", properties, theme)
        self.source, self.check = SourcePart(theme), CheckPart(theme)
        self.numpy = _text("In NumPy", "In NumPy", numpy_of, theme)
        self.end_to_end = TextPart("Float64 end to end", "Float64 end to end", end_to_end, theme)
        self.why = TextPart("Why no gradient?", "Why no gradient", _why, theme)
        self.parts: tuple[Part, ...] = (
            *(self.formula, self.numpy, self.distribution, self.statistics, self.tensor, self.links),
            *(self.saved, self.properties, self.source, self.check, self.end_to_end, self.why),
        )
        self.sections = {part.title: part for part in self.parts}
        self.message = QLabel(self)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setMargin(2 * GRID)
        self._connect()
        self._arrange()
        self.begin()

    def _connect(self) -> None:
        for part in self.parts:
            part.followed.connect(self._on_link)
            part.opened.connect(self._on_opened)
        self.distribution.chosen.connect(self._on_tensor)
        self.check.found.connect(self.session.know)
        pane = self.tensor.pane
        pane.wanted.connect(self._go_to_kept)
        pane.locked.connect(lambda scale: self.session.set(colour_range=scale))
        pane.enlarged.connect(self.enlarged)
        pane.said.connect(self.said)
        pane.element_chosen.connect(self._on_element)

    def _arrange(self) -> None:
        sheet = Column()
        sheet.setObjectName("sheet")
        column = QVBoxLayout(sheet)
        column.setContentsMargins(EDGE, TOP, EDGE, EDGE)
        column.setSpacing(GRID // 2)
        for widget in (self.name, self.variable, self.who, *self.parts):
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
        for part in self.parts:
            part.recolour(self.theme)
        for label in (self.variable, self.message):
            label.setStyleSheet(f"color: {self.theme.subtle};")
        if self.drawn.trace is not None:
            self._show(self.drawn)

    def show_state(self, old: State, new: State) -> None:
        """Everything anew where the step, the playhead or the selection moved; nothing for any other change."""
        for part in self.parts:
            part.set_open(part.title not in new.closed)
        if new.trace is None:
            self.message.setText("Open a recording to inspect its ops and tensors.")
            self._pages.setCurrentWidget(self.message)
        elif _looks_at(old) != _looks_at(new) or self._late.isActive():
            if new.play is not Play.PAUSED and new.selection == old.selection and old.trace is not None:
                self._late.start() if not self._late.isActive() else None
            else:
                self._late.stop()
                self._show(new)
        elif (old.tensor, old.colour_range) != (new.tensor, new.colour_range):
            self._show_tensor(new)
        elif old.verdicts is not new.verdicts:
            self._show_check(new)

    def _show(self, state: State) -> None:
        look = look_of(state)
        if look is None:
            self.subject = self._shown = None
            self.message.setText(empty_text(state.trace) if state.trace is not None else "")
            self._pages.setCurrentWidget(self.message)
            return
        moved = look.subject != self.subject
        self.subject = look.subject
        self._pages.setCurrentWidget(self.area)
        if moved:
            self.area.verticalScrollBar().setValue(0)
        self._show_head(look)
        self._shown = look
        self._later = len(self.parts)
        end = self.area.verticalScrollBar().value() + self.area.viewport().height() if len(look.trace.tape) > AT_ONCE else None
        for place, part in enumerate(self.parts):
            part.show_look(look)
            if end is not None and self._bottom(place) > end:
                self._later = place + 1
                break
        if self._later < len(self.parts):
            self._below.start()

    def _bottom(self, last: int) -> int:
        """Where the section of a number ends, once the column is laid out again."""
        width = self.area.viewport().width() - 2 * EDGE
        widgets = (self.name, self.variable, self.who, *self.parts[: last + 1])
        return TOP + sum(_height(widget, width) + GRID // 2 for widget in widgets if not widget.isHidden())

    def _show_below(self) -> None:
        """What was left out by the last :meth:`_show`; nobody sees that it comes after what is in sight."""
        if self._shown is not None:
            for part in self.parts[self._later :]:
                part.show_look(self._shown)

    def _show_head(self, look: Look) -> None:
        title = title_of(look.trace.graph, look.subject)
        self.name.set_full_text(title.name)
        self.variable.set_full_text(title.variable)
        self.variable.setVisible(bool(title.variable))
        event = position_shown(look.state) if look.state.selection is None else NONE
        self.who.show_html(texts.who(look.trace, look.position, look.subject, self.theme, event))

    def _show_tensor(self, state: State) -> None:
        look = look_of(state)
        if look is not None:
            self.distribution.show_look(look)
            self.tensor.show_look(look)

    def _show_check(self, state: State) -> None:
        look = look_of(state)
        if self._below.isActive():
            self._shown = look  # it is filled a moment later
        elif look is not None:
            self.check.show_look(look)

    def _on_tensor(self, key: TensorKey) -> None:
        self.session.set(tensor=key)

    def _on_element(self, place: tuple[int, ...]) -> None:
        look = look_of(self.session.state)
        if look is not None and look.tensor is not None:
            self.formula.element.choose(look.tensor.key, place)

    def _on_opened(self, title: str, opened: bool) -> None:
        closed = set(self.session.state.closed) ^ {title} if opened == (title in self.session.state.closed) else None
        if closed is not None:
            self.session.set(closed=tuple(sorted(closed)))

    def _on_link(self, target: str) -> None:
        selection, frame = texts.target_of_link(target), texts.frame_of_link(target)
        if selection is not None:
            self.session.select(selection)
        elif frame is not None:
            self.session.set(frame=frame)

    def _go_to_kept(self) -> None:
        state, look = self.session.state, look_of(self.session.state)
        if state.recording is None or look is None or look.tensor is None:
            return
        step = nearest_kept(state.recording, state.step, state.length, look.tensor.key, look.trace.graph)
        if step is None:
            self.tensor.pane.show_text("No step of this recording near here keeps this tensor.")
        else:
            self.session.go_to(step, state.position)


def _height(widget: QWidget, width: int) -> int:
    layout = widget.layout()
    if layout is not None and layout.hasHeightForWidth():
        return layout.totalHeightForWidth(width)
    return widget.heightForWidth(width) if widget.hasHeightForWidth() else widget.sizeHint().height()


def _looks_at(state: State) -> tuple[object, ...]:
    return state.trace, state.position, state.selection, state.ghost, state.chains


def _text(title: str, name: str, html: texts.Text, theme: Theme) -> TextPart:
    return TextPart(title, name, partial(_of_subject, html), theme)


def _of_subject(html: texts.Text, look: Look, theme: Theme) -> str:
    return html(look.trace, look.subject, theme)


def _why(look: Look, theme: Theme) -> str:
    return shown(why_no_gradient(look.trace, look.subject))


if __name__ == "__main__":
    from ..alone import run_alone

    raise SystemExit(run_alone(InspectorView, width=380, height=900))
