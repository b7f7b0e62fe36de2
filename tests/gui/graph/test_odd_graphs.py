"""Odd graphs, each recorded from torch: drawn, stepped through, pointed at; no card and no title is wider than it may be."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np
import odd_programs
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QImage, QPainter

from gradwalk.builder import GraphBuilder
from gradwalk.recording.reader import Recording, open_recording
from gradwalk.sample import sample_trace
from gradwalk.trace import Trace, empty_table
from gradwalk_gui.export import Sheet, paint_sheet, save_graph
from gradwalk_gui.graph import paint_cards, paint_lanes, paint_pills, styles
from gradwalk_gui.graph.camera import Camera
from gradwalk_gui.graph.canvas import GraphCanvas
from gradwalk_gui.graph.hit import Hit
from gradwalk_gui.graph.hover_text import hover_of
from gradwalk_gui.session import Session
from gradwalk_gui.theme import DARK, LIGHT

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


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in ("fan", "chain")])
def test_it_is_exported_in_every_format(show, tmp_path, name):
    canvas = show(name)
    trace = canvas.session.state.trace
    for ending, start in {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF", ".dot": b"digraph", ".json": b"{"}.items():
        save_graph(trace, len(trace.tape), canvas.session.state.view, tmp_path / f"graph{ending}", LIGHT, 0.5)
        assert (tmp_path / f"graph{ending}").read_bytes().startswith(start)
    ElementTree.parse(tmp_path / "graph.svg")  # whatever a name holds, it is well-formed


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in ("fan", "chain")])
def test_no_text_leaves_its_card(show, name):
    """Around the cards there is nothing but ground, lanes and shadows: paint with and without the texts, and compare."""
    canvas = show(name)
    canvas.session.go_to(0, len(canvas.session.state.trace.tape))
    scene, camera = canvas.scene, Camera(1.0, 0.0, 0.0)
    size = min(int(scene.width), 3000), min(int(scene.height), 1500)
    pictures = []
    for texts in (True, False):
        image = QImage(*size, QImage.Format.Format_RGB32)
        sheet = Sheet(scene, canvas.look, LIGHT, camera, *size, None)
        painter = QPainter(image)
        with pytest.MonkeyPatch.context() as patch:
            if not texts:
                for module in (paint_cards, paint_pills):
                    patch.setattr(module, "draw_text", lambda *_arguments, **_options: 0.0)
                patch.setattr(paint_lanes, "paint_plate", lambda *_arguments: None)
            paint_sheet(painter, sheet, vector=False)
        painter.end()
        pixels = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), -1).copy()
        for left, top, width, height in scene.cards.tolist():
            pixels[max(int(top) - 1, 0) : int(top + height) + 2, max(int(left) - 1, 0) : int(left + width) + 2] = 0
        pictures.append(pixels)
    assert (pictures[0] == pictures[1]).all()


@pytest.mark.parametrize("name", ["nothing", "one op", "named long", "named hebrew", "named emoji", "named tricky"])
def test_the_whole_window_shows_it(recordings, shell, qtbot, qtlog, name):
    session, window = shell.session, shell._window
    session.open(recordings[name])
    qtbot.waitUntil(lambda: window.desk.isVisible() and not window.graph.busy)
    for _ in range(min(session.state.events, 6)):
        session.next_event()
        window.grab()
    session.last_event()
    window.grab()
    assert window.graph.scene is not None
    assert [record.message for record in qtlog.records if "propagateSizeHints" not in record.message] == []


def test_a_step_without_any_op_says_so(shell, qtbot):
    trace = sample_trace()
    nothing = GraphBuilder().freeze()
    empty = Trace(0, nothing, trace.tape[:0], empty_table(0), empty_table(0))

    class Steps(list):
        def losses(self):
            return np.array([np.nan])

        def source(self, _file):
            return None

    shell.session.open(Steps([empty]))
    canvas = shell._window.graph
    qtbot.waitUntil(lambda: canvas.scene is not None and not canvas.busy)
    assert canvas.scene.empty
    shell._window.grab()
    shell.session.next_event()
    shell.session.unfold_all()
    shell._window.grab()
