"""A session on the built-in sample, and views that are gone at the end of each test."""

from __future__ import annotations

import gc

import pytest
from PySide6.QtWidgets import QApplication

from gradwalk.sample import SampleRecording
from gradwalk_gui.session import Session
from gradwalk_gui.theme import LIGHT


@pytest.fixture(scope="session")
def sample():
    return SampleRecording(4)


@pytest.fixture
def session(sample):
    made = Session()
    made.open(sample)
    return made


@pytest.fixture
def show(qtbot):
    """Shows a view of 420 x 700 pixels; at the end it must be gone, and no other window may be left."""
    before = set(QApplication.topLevelWidgets())

    def make(view_class, session, theme=LIGHT, size=(420, 700)):
        view = view_class(session, theme)
        qtbot.addWidget(view)
        view.resize(*size)
        view.show()
        qtbot.waitExposed(view)
        QApplication.processEvents()
        return view

    yield make
    for widget in set(QApplication.topLevelWidgets()) - before:
        widget.close()
        widget.deleteLater()
    QApplication.processEvents()
    gc.collect()
