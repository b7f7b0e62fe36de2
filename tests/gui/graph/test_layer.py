"""The static layer: whatever way it came to show something, it is the picture that is painted anew."""

from __future__ import annotations

import numpy as np
import pytest
from nets import Transformer, deep, recorded
from PySide6.QtCore import QPointF, QRectF, QSizeF
from PySide6.QtGui import QImage

from gradwalk_gui.graph.camera import SMALLEST
from gradwalk_gui.graph.canvas import GraphCanvas
from gradwalk_gui.graph.sight import FIRST_ZOOM
from gradwalk_gui.graph.surface import NAMES_FROM
from gradwalk_gui.session import Session
from gradwalk_gui.theme import LIGHT


def pixels(canvas):
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : image.width() * 4].reshape(image.height(), image.width(), 4)[..., :3].astype(int)


def anew(canvas):
    canvas.layer.forget()
    return pixels(canvas)


def still(canvas, qtbot):
    qtbot.waitUntil(lambda: not canvas.moving)
    return pixels(canvas)


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    with recorded(tmp_path_factory.mktemp("layer") / "run", Transformer(12), steps=3) as recording:
        yield recording


def shown(recording, qtbot):
    """All of a step, at the middle of its backward pass."""
    session = Session()
    session.open(recording)
    session.set(reduced_motion=True)
    session.unfold_all()
    session.go_to(0, session.state.events * 2 // 3)
    canvas = GraphCanvas(session, LIGHT)
    qtbot.addWidget(canvas)
    canvas.resize(900, 600)
    canvas.show()
    qtbot.waitUntil(lambda: canvas.scene is not None and not canvas.busy)
    return canvas


@pytest.fixture
def canvas(transformer, qtbot):
    return shown(transformer, qtbot)


def show_softmax(canvas, zoom):
    """Bring the last softmax into the middle; its card."""
    canvas.zoom_by(zoom / canvas.zoom)
    place = [i for i, card in enumerate(canvas.scene.picture.cards) if card.title == "softmax"][-1]
    left, top, width, height = canvas.scene.cards[place].tolist()
    canvas.centre_on(left + width / 2, top + height / 2)
    return place


@pytest.mark.parametrize("zoom", [0.2, 0.5])
def test_a_long_pan_scrolls_and_paints_only_what_comes_into_sight(canvas, zoom, monkeypatch):
    canvas.zoom_by(zoom / canvas.zoom)
    canvas.centre_on(canvas.scene.width / 2, canvas.scene.height / 2)
    pixels(canvas)
    parts = []
    original = type(canvas.layer)._paint_content
    monkeypatch.setattr(type(canvas.layer), "_paint_content", lambda layer, rects: (parts.append(rects), original(layer, rects)))
    for right, down in [(-150, 0), (150, -140), (0, 200), (-200, 140), (600, -300)]:
        canvas._move_to(canvas.camera.moved(right, down))
        panned = pixels(canvas)
        differ = (np.abs(panned - anew(canvas)) > 8).any(axis=2)
        assert differ.mean() < 0.001, "Qt begins the dashes of a long line where it is cut off"
        pixels(canvas)
    whole = canvas.layer._whole()
    sizes = [sum(rect.width() * rect.height() for rect in rects) / (whole.width() * whole.height()) for rects in parts]
    assert 0 < min(sizes) < 0.4
    assert len([size for size in sizes if size < 1]) >= 4


def test_while_the_zoom_changes_the_layer_is_stretched_and_painted_fine_when_it_stands_still(canvas, qtbot):
    canvas.zoom_by(0.5 / canvas.zoom)
    canvas.centre_on(canvas.scene.width / 2, canvas.scene.height / 2)
    still(canvas, qtbot)
    painted = canvas.layer.painted
    for _ in range(4):
        canvas.zoom_by(1.03)
        coarse = pixels(canvas)
    assert canvas.layer.painted == painted, "nothing was painted while it moved"
    fine = still(canvas, qtbot)
    assert canvas.layer.painted > painted
    assert np.abs(fine - anew(canvas)).max() <= 2
    assert (coarse != fine).any()
    assert np.abs(coarse - fine).mean() < 6, "the same picture, only less sharp"


def test_zooming_out_never_shows_a_hole(canvas, qtbot):
    canvas.zoom_by(0.6 / canvas.zoom)
    canvas.centre_on(canvas.scene.width / 2, canvas.scene.height / 2)
    still(canvas, qtbot)
    for _ in range(14):
        canvas.zoom_by(1 / 1.06)
        coarse = pixels(canvas)
        fine = anew(canvas)
        for edge in (np.s_[:, :40], np.s_[:, -40:]):
            assert np.abs(coarse[edge] - fine[edge]).mean() < 8


def test_a_picture_of_a_few_cards_is_painted_fine_at_every_zoom(open_canvas):
    canvas = open_canvas()
    canvas.zoom_by(3 / canvas.zoom)
    for _ in range(5):
        canvas.zoom_by(1.05)
        assert np.abs(pixels(canvas) - anew(canvas)).max() <= 2


def test_another_step_is_painted_on_the_ground_that_is_there(canvas, monkeypatch, qtbot):
    show_softmax(canvas, 0.7)
    still(canvas, qtbot)
    monkeypatch.setattr(type(canvas.layer), "_paint_ground", lambda *_: pytest.fail("the ground has not changed"))
    before = pixels(canvas)
    canvas.session.go_to(1, canvas.session.state.position)
    assert (pixels(canvas) != before).any()
    monkeypatch.undo()
    assert np.abs(pixels(canvas) - anew(canvas)).max() <= 8, "Qt rounds where a clip cuts"


def test_far_away_the_blocks_have_the_colours_of_the_cards(canvas):
    theme = canvas.theme
    assert NAMES_FROM > 0.3
    place = show_softmax(canvas, 0.3)
    left, top, width, _ = canvas.scene.cards[place].tolist()
    image = canvas.grab().toImage()
    at = QPointF(*canvas.camera.to_screen(left + width / 2, top + float(canvas.scene.splits[place]) / 2))
    assert image.pixelColor(at.toPoint()).name() == theme.activation.lower()


def test_a_graph_that_is_too_large_opens_at_the_playhead_with_its_names_to_read(transformer, qtbot):
    canvas = shown(transformer, qtbot)
    assert canvas.zoom == FIRST_ZOOM > NAMES_FROM
    seen = QRectF(canvas.rect())

    def in_sight(card):
        left, top, width, height = canvas.scene.cards[card].tolist()
        corner = QPointF(*canvas.camera.to_screen(left, top))
        return seen.contains(QRectF(corner, QSizeF(width, height) * canvas.zoom))

    assert in_sight(canvas.look.next.card)
    canvas.resize(700, 420)
    assert canvas.zoom == FIRST_ZOOM
    seen = QRectF(canvas.rect())
    assert in_sight(canvas.look.next.card)
    for _ in range(40):
        canvas.session.next_event()
        assert in_sight(canvas.look.just.card), "it goes along"
    canvas.fit_all()
    assert canvas.zoom < NAMES_FROM
    canvas.resize(900, 600)
    assert canvas.camera.to_screen(canvas.scene.width, 0)[0] <= 900
    canvas._move_to(canvas.camera.moved(30, 0))
    canvas.zoom_by(2)
    there = canvas.camera
    canvas.resize(800, 500)
    assert canvas.camera == there, "what a person has chosen stays"


def test_a_graph_of_any_length_is_shown_whole_and_can_be_zoomed_out_to_again(tmp_path, qtbot):
    with recorded(tmp_path / "run", deep(60), (2, 4), steps=2) as recording:
        canvas = shown(recording, qtbot)
    canvas.fit_all()
    assert canvas.zoom < SMALLEST
    assert canvas.camera.to_screen(canvas.scene.width, 0)[0] <= canvas.width()
    whole = canvas.zoom
    for _ in range(20):
        canvas.zoom_by(1.3)
    for _ in range(40):
        canvas.zoom_by(1 / 1.3)
    assert canvas.zoom == pytest.approx(whole, rel=0.2)
