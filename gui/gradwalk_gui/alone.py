"""Runs one panel by itself on the built-in sample: ``python -m gradwalk_gui.views.events``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QWidget

from gradwalk.sample import SampleRecording

from .session import Session
from .style import apply
from .theme import DARK, LIGHT, Theme


def run_alone(make: Callable[[Session, Theme], QWidget], *, width: int = 480, height: int = 640) -> int:
    """Show one panel; F10 and Shift+F10 step. ``--save FILE`` writes a picture instead. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Run one panel of Gradwalk on the built-in sample.")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--size", default=f"{width}x{height}", help="WIDTHxHEIGHT in logical pixels")
    parser.add_argument("--position", type=int, default=9, help="how many events of step 1 have run")
    parser.add_argument("--empty", action="store_true", help="without a recording")
    parser.add_argument("--save", type=Path, help="write a PNG and end")
    chosen = parser.parse_args()
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    theme = DARK if chosen.theme == "dark" else LIGHT
    apply(app, theme)
    session = Session()
    if not chosen.empty:
        session.open(SampleRecording())
        session.go_to(1, chosen.position)
    panel = make(session, theme)
    panel.resize(*(int(part) for part in chosen.size.split("x")))
    QShortcut(QKeySequence("F10"), panel, session.next_event)
    QShortcut(QKeySequence("Shift+F10"), panel, session.previous_event)
    panel.show()
    if chosen.save is None:
        return app.exec()
    for _ in range(4):
        app.processEvents()
    return 0 if panel.grab().save(str(chosen.save)) else 1
