"""What tests that walk about in the graph of the real window ask of it."""

from __future__ import annotations

from PySide6.QtWidgets import QApplication

from gradwalk_gui import showing
from gradwalk_gui.state import Selection


def settled(shell, qtbot):
    canvas = shell._window.graph
    qtbot.waitUntil(lambda: not canvas.busy and canvas.shown_view == shell.session.state.view)
    QApplication.processEvents()


def module(shell, path):
    return Selection("module", showing.call_at(shell.session.state.trace.graph, path))


def enabled(shell, command):
    return shell._window.actions_[command].isEnabled()


def titles(shell, *kinds):
    return [card.title for card in shell._window.graph.scene.picture.cards if not kinds or card.kind in kinds]
