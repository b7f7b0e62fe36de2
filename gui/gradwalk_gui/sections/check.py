"""The op that is looked at against the NumPy reference: both values, how far apart, the formula's code, the error map."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt, QTimer, Signal
from PySide6.QtWidgets import QPushButton, QSizePolicy, QToolButton

from gradwalk.reference.error_map import Side
from gradwalk.trace import NONE, Compared, TensorKey, Trace, Verdict

from ..inspection.checked import Checks, formulas_of, op_to_check, refused
from ..inspection.subject import op_behind
from ..state import Steps
from ..theme import Theme
from ..widgets.error_map import ErrorMap
from ..widgets.text import TextBlock
from . import check_text
from .look import Look
from .part import Part

LOOK_MS = 15
CHECK, CHECKING, COMPUTING = "Check this op", "Checking ...", "Computing the difference of every element ..."


class CheckPart(Part):
    """Small ops are checked when they are looked at, larger ones with a button; nothing is checked while it is closed.

    ``found`` carries what :meth:`Session.know` takes: recording, step, Trace, and the verdict by op.
    """

    found = Signal(object, int, object, object)

    def __init__(self, theme: Theme) -> None:
        super().__init__("NumPy reference", theme)
        self.checks = Checks()
        self._look: Look | None = None
        self._op = NONE
        self._verdict: Verdict | None = None
        self._mapped: TensorKey | None = None
        """The tensor whose error map is open."""
        self._news: list[tuple[Steps, int, Trace, dict[int, Verdict]]] = []
        self.result = TextBlock("NumPy reference")
        self.result.followed.connect(self._on_link)
        self.add(self.result)
        self.button = QPushButton(CHECK)
        self.button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.button.clicked.connect(self._ask)
        self.add(self.button)
        self.map = ErrorMap(theme)
        self.add(self.map)
        self.show_code = QToolButton()
        self.show_code.setText("Code of the formula")
        self.show_code.setCheckable(True)
        self.show_code.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.show_code.toggled.connect(lambda _: self._write())
        self.add(self.show_code)
        self.code = self.block("Code of the formula")
        self._looker = QTimer(self, interval=LOOK_MS)
        self._looker.timeout.connect(self._look_for_it)
        self._teller = QTimer(self, interval=0, singleShot=True)
        self._teller.timeout.connect(self._tell)
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.checks.close)
        self.destroyed.connect(self.checks.close)
        self.heading.toggled.connect(lambda _: self._write())

    def recolour(self, theme: Theme) -> None:
        """Change the colours."""
        super().recolour(theme)
        self.map.set_theme(theme)

    def fill(self, look: Look) -> bool:
        """The verdict, or the button."""
        op = op_to_check(look.trace, look.subject)
        behind = op_behind(look.trace.graph, look.subject)
        op = behind if behind in look.state.verdicts.by_op else op
        if op != self._op:
            self._mapped = None
        self._look, self._op = (look, op) if op != NONE else (None, NONE)
        self._write()
        return self._look is not None

    def _write(self) -> None:
        look = self._look
        if look is None or not self.is_open:
            return
        self._verdict = verdict = self._known(look)
        waits = self.checks.is_asked(look.trace, self._op)
        self.button.setVisible(verdict is None)
        self.button.setEnabled(not waits)
        self.button.setText(CHECKING if waits else CHECK)
        text = check_text.verdict(verdict, look.trace, look.position, self.theme, self._mapped) if verdict is not None else ""
        self.result.show_html(text)
        self._show_map(look, verdict)
        formulas = formulas_of(look.trace.graph, self._op) if verdict is not None and verdict.by in check_text.OURS else ()
        self.show_code.setVisible(bool(formulas))
        self.show_code.setArrowType(Qt.ArrowType.DownArrow if self.show_code.isChecked() else Qt.ArrowType.RightArrow)
        self.code.show_html(check_text.code(formulas, self.theme) if formulas and self.show_code.isChecked() else "")

    def _known(self, look: Look) -> Verdict | None:
        """The verdict that the whole window knows, or one that is made now and told."""
        known = look.state.verdicts.by_op.get(self._op)
        if known is not None:
            return known
        made = self.checks.of(look.trace, self._op)
        if made is not None and look.state.recording is not None and refused(look.trace, self._op) is None:
            self._news.append((look.state.recording, look.state.step, look.trace, {self._op: made}))
            self._teller.start()
        return made

    def _tell(self) -> None:
        """Not while the State is being drawn: it makes another."""
        news, self._news = self._news, []
        for each in news:
            self.found.emit(*each)

    # The error map

    def _on_link(self, target: str) -> None:
        place = target.removeprefix(check_text.MAP)
        if self._verdict is None or place == target or not place.isdigit() or int(place) >= len(self._verdict.rows):
            return
        tensor = self._verdict.rows[int(place)].tensor
        self._mapped = None if tensor == self._mapped else tensor
        self._write()

    def _show_map(self, look: Look, verdict: Verdict | None) -> None:
        row = self._mapped_row(look, verdict)
        self.map.setVisible(row is not None)
        if row is None:
            return
        found = self.checks.map_of(look.trace, self._op, row.tensor)
        if isinstance(found, Side):
            self.map.show_side(row.symbol, found, row.kinks)
        else:
            self.map.show_text(row.symbol, COMPUTING if found is None else f"There is no error map: {found}.")
        if found is None:
            self._looker.start()

    def _mapped_row(self, look: Look, verdict: Verdict | None) -> Compared | None:
        rows = verdict.rows if verdict is not None else ()
        here = (row for row in rows if row.tensor == self._mapped and check_text.is_here(row, look.trace, look.position))
        return next(here, None)

    def _ask(self) -> None:
        if self._look is not None:
            self.checks.ask(self._look.trace, self._op)
            self._looker.start()
            self._write()

    def _look_for_it(self) -> None:
        look = self._look
        if look is not None and self.checks.is_asked(look.trace, self._op):
            return
        row = self._mapped_row(look, self._verdict) if look is not None else None
        if look is not None and row is not None and self.checks.map_of(look.trace, self._op, row.tensor) is None:
            return
        self._looker.stop()
        self._write()
