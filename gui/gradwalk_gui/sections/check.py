"""The op that is looked at against the NumPy formula: value, gradients, largest relative error, and the formula's code."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt, QTimer
from PySide6.QtWidgets import QPushButton, QSizePolicy, QToolButton

from gradwalk.trace import NONE

from ..inspection.checked import Checks, op_to_check
from ..theme import Theme
from . import check_text
from .look import Look
from .part import Part

LOOK_MS = 15
CHECK, CHECKING = "Check this op", "Checking ..."


class CheckPart(Part):
    """Small ops are checked when they are looked at, larger ones with a button; nothing is checked while it is closed."""

    def __init__(self, theme: Theme) -> None:
        super().__init__("NumPy reference", theme)
        self.checks = Checks()
        self._look: Look | None = None
        self.result = self.block("NumPy reference")
        self.button = QPushButton(CHECK)
        self.button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.button.clicked.connect(self._ask)
        self.add(self.button)
        self.show_code = QToolButton()
        self.show_code.setText("Code of the formula")
        self.show_code.setCheckable(True)
        self.show_code.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.show_code.toggled.connect(lambda _: self._write())
        self.add(self.show_code)
        self.code = self.block("Code of the formula")
        self._looker = QTimer(self, interval=LOOK_MS)
        self._looker.timeout.connect(self._look_for_it)
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.checks.close)
        self.destroyed.connect(self.checks.close)
        self.heading.toggled.connect(lambda _: self._write())

    def fill(self, look: Look) -> bool:
        """The verdict, or the button."""
        op = op_to_check(look.trace, look.subject)
        self._look = look if op != NONE else None
        self._write()
        return self._look is not None

    def _write(self) -> None:
        look = self._look
        if look is None or not self.is_open:
            return
        op = op_to_check(look.trace, look.subject)
        check = self.checks.of(look.trace, op)
        waits = self.checks.is_asked(look.trace, op)
        self.button.setVisible(check is None)
        self.button.setEnabled(not waits)
        self.button.setText(CHECKING if waits else CHECK)
        self.result.show_html(check_text.verdict(check, look.trace, look.position, self.theme) if check is not None else "")
        has_code = check is not None and bool(check.steps)
        self.show_code.setVisible(has_code)
        self.show_code.setArrowType(Qt.ArrowType.DownArrow if self.show_code.isChecked() else Qt.ArrowType.RightArrow)
        shows = has_code and self.show_code.isChecked()
        self.code.show_html(check_text.code(check, self.theme) if shows and check is not None else "")

    def _ask(self) -> None:
        if self._look is not None:
            self.checks.ask(self._look.trace, op_to_check(self._look.trace, self._look.subject))
            self._looker.start()
            self._write()

    def _look_for_it(self) -> None:
        look = self._look
        if look is None or not self.checks.is_asked(look.trace, op_to_check(look.trace, look.subject)):
            self._looker.stop()
            self._write()
