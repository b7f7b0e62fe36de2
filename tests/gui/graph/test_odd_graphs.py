"""Odd graphs, each recorded from torch: drawn, stepped through, pointed at; no card and no title is wider than it may be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import odd_programs
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QImage

from gradwalk.recording.reader import Recording, open_recording
from gradwalk_gui.graph import styles
from gradwalk_gui.graph.canvas import GraphCanvas
from gradwalk_gui.graph.hit import Hit
from gradwalk_gui.graph.hover_text import hover_of
from gradwalk_gui.session import Session
from gradwalk_gui.theme import DARK, LIGHT, load_fonts

PROGRAMS = list(odd_programs.PROGRAMS)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Iterator[dict[str, Recording]]:
    """Every odd program, recorded once."""
    made = {}
    for number, name in enumerate(PROGRAMS):
        folder = tmp_path_factory.mktemp(f"odd{number}")
        made[name] = open_recording(odd_programs.record(folder, name))
    yield made
    for recording in made.values():
        recording.close()


@pytest.fixture
def show(recordings, qtbot, qtlog):
    """Shows an odd program on a canvas; Qt must have had nothing to complain about."""

    def show_it(name: str) -> GraphCanvas:
        load_fonts()
        session = Session()
        session.set(reduced_motion=True)
        session.open(recordings[name])
        canvas = GraphCanvas(session, LIGHT)
        qtbot.addWidget(canvas)
        canvas.resize(900, 500)
        canvas.show()
        qtbot.waitUntil(lambda: not canvas.busy and canvas.scene is not None, timeout=20_000)
        return canvas

    yield show_it
    assert [record.message for record in qtlog.records if record.log_type_name != "QtDebugMsg"] == []


def inked(image: QImage, ground: str) -> float:
    """The share of an image that is not of the ground's colour."""
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), -1) & 0xFFFFFF
    return float((pixels != (QColor(ground).rgb() & 0xFFFFFF)).mean())


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_is_drawn_far_and_near_in_both_themes(show, name):
    canvas = show(name)
    canvas.session.go_to(0, len(canvas.session.state.trace.tape))
    for theme in (LIGHT, DARK):
        canvas.set_theme(theme)
        for zoom in (0.4, 1.0):
            canvas.fit_all()
            assert 0.0005 < inked(canvas.grab().toImage(), theme.ground) < 1.0
            canvas.zoom_by(zoom / canvas.zoom, QPointF(0, canvas.height() / 2))
            assert 0.0005 < inked(canvas.grab().toImage(), theme.ground) < 1.0
    scene = canvas.scene
    assert (scene.cards[:, 2] <= styles.MAX_CARD).all()
    assert scene.height < 200_000
    assert "long" not in name or scene.width < 6_000


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_is_stepped_through_and_pointed_at(show, name):
    canvas = show(name)
    events = len(canvas.session.state.trace.tape)
    for _ in range(min(events, 20)):
        canvas.session.next_event()
    assert canvas.session.state.position == min(events, 20)
    canvas.session.go_to(0, events)
    canvas.session.previous_event()
    canvas.grab()
    cards = range(len(canvas.scene.picture.cards))
    for card in {*cards[:8], *cards[-2:]}:
        assert hover_of(canvas.scene, canvas.look, Hit("card", card)).rows
