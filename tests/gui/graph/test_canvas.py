"""The canvas as a person uses it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent

from gradwalk_gui.graph.animation import flight_of
from gradwalk_gui.state import Play, Selection
from gradwalk_gui.theme import DARK


def middle(canvas, card, part=0.25):
    left, top, width, height = canvas.scene.cards[card]
    return QPointF(*canvas.camera.to_screen(left + width / 2, top + height * part)).toPoint()


def card(canvas, title, which=0):
    return [i for i, there in enumerate(canvas.scene.picture.cards) if there.title == title][which]


def pixels(canvas):
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    return (
        np.frombuffer(image.constBits(), dtype=np.uint8)
        .reshape(image.height(), image.bytesPerLine())[:, : image.width() * 4]
        .copy()
    )


def settle(qtbot, canvas):
    qtbot.waitUntil(lambda: not canvas.animator.running)


def test_it_shows_the_whole_graph_and_says_the_zoom(open_canvas, qtbot):
    canvas = open_canvas()
    for x, y in ((0, 0), (canvas.scene.width, canvas.scene.height)):
        sx, sy = canvas.camera.to_screen(x, y)
        assert 0 <= sx <= canvas.width()
        assert 0 <= sy <= canvas.height()
    with qtbot.waitSignal(canvas.zoomed) as said:
        canvas.zoom_by(1.5)
    assert said.args == [canvas.zoom]
    canvas.fit_all()
    assert canvas.objectName() == "graph"


def test_every_card_is_found_under_its_middle(open_canvas, traces):
    for name in ("sample", "mlp", "residual"):
        canvas = open_canvas(traces[name]())
        for i in range(len(canvas.scene.cards)):
            hit = canvas.hit(QPointF(middle(canvas, i)))
            assert (hit.kind, hit.index) == ("card", i)


def test_every_lane_and_title_is_found(open_canvas, traces):
    canvas = open_canvas(traces["mlp"]())
    for i, track in enumerate(canvas.scene.forward_tracks):
        places = track.at(np.linspace(0.1, 0.9, 9))
        found = [canvas.hit(QPointF(*canvas.camera.to_screen(x, y))) for x, y in places]
        assert any(hit is not None and (hit.kind, hit.index) == ("lane", i) for hit in found)
    for i, (left, top, _, _) in enumerate(canvas.scene.frames):
        hit = canvas.hit(QPointF(*canvas.camera.to_screen(left + 20, top + 15)))
        assert (hit.kind, hit.index) == ("title", i)


def test_a_click_selects_the_op_or_its_node_and_one_on_the_ground_nothing(open_canvas, qtbot):
    canvas = open_canvas()
    clamp = card(canvas, "clamp")
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=middle(canvas, clamp))
    assert canvas.session.state.selection == Selection("op", 1)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=middle(canvas, clamp, 0.8))
    assert canvas.session.state.selection == Selection("node", 5)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=middle(canvas, card(canvas, "w1")))
    assert canvas.session.state.selection == Selection("value", 1)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    assert canvas.session.state.selection is None


def test_a_click_on_a_gradient_lane_selects_its_edge(open_canvas, qtbot):
    canvas = open_canvas()
    lane = next(i for i, there in enumerate(canvas.scene.picture.lanes) if there.edges == (7,))
    x, y = canvas.scene.backward_tracks[lane].at(np.array([0.5]))[0]
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPointF(*canvas.camera.to_screen(x, y + 1)).toPoint())
    assert canvas.session.state.selection == Selection("edge", 7)


def test_a_click_on_a_title_folds_in_place_and_on_the_chevron_unfolds(open_canvas, qtbot, traces):
    canvas = open_canvas(traces["mlp"]())
    left, top = canvas.scene.frames[1, :2]
    before = canvas.camera.to_screen(left, top)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPointF(*canvas.camera.to_screen(left + 20, top + 15)).toPoint())
    assert canvas.session.state.view.folded == {"net.fc1"}
    folded = card(canvas, "fc1")
    x, y = canvas.scene.cards[folded, :2]
    assert canvas.camera.to_screen(x, y) == pytest.approx(before, abs=1.01)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPointF(*canvas.camera.to_screen(x + 15, y + 14)).toPoint())
    assert canvas.session.state.view.folded == frozenset()
    assert len(canvas.scene.picture.frames) == 4


def test_a_double_click_goes_to_the_event(open_canvas, qtbot):
    canvas = open_canvas()
    pow_card = card(canvas, "pow")
    qtbot.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=middle(canvas, pow_card))
    assert canvas.session.state.position == 5
    qtbot.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=middle(canvas, pow_card, 0.8))
    assert canvas.session.state.last_event.kind == "node"
    assert canvas.session.state.position == 9


def test_the_keyboard_goes_from_card_to_card_and_out_again(open_canvas, qtbot):
    canvas = open_canvas()
    canvas.setFocus()
    seen = []
    for _ in range(len(canvas.scene.cards)):
        qtbot.keyClick(canvas, Qt.Key.Key_Tab)
        seen.append(canvas.session.state.selection)
    assert len(set(seen)) == len(canvas.scene.cards)
    assert canvas.scene.picture.cards[canvas.selected_card()].title == "loss"
    qtbot.keyClick(canvas, Qt.Key.Key_Left)
    assert canvas.session.state.selection == Selection("op", 5)
    assert "sum" in canvas.accessibleDescription()
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    assert canvas.session.state.position == 6
    qtbot.keyClick(canvas, Qt.Key.Key_Escape)
    assert canvas.session.state.selection is None


def test_each_position_paints_another_picture_and_going_back_the_same_one(open_canvas, qtbot):
    canvas = open_canvas()
    canvas.session.set(reduced_motion=True)
    events = canvas.session.state.events
    pictures = []
    for position in range(events + 1):
        canvas.session.go_to(0, position)
        pictures.append(pixels(canvas))
    for before, after in pairwise(pictures):
        assert (before != after).any()
    for position in reversed(range(events + 1)):
        canvas.session.go_to(0, position)
        assert np.abs(pixels(canvas).astype(int) - pictures[position]).max() <= 2  # Qt rounds at the edge of a clip


def test_what_changed_is_painted_as_if_all_were_painted_anew(open_canvas, qtbot):
    canvas = open_canvas()
    canvas.session.set(reduced_motion=True)
    for position in (3, 9, 12, 21, 4):
        canvas.session.go_to(0, position)
        partly = pixels(canvas)
        canvas.layer.forget()
        assert np.abs(partly.astype(int) - pixels(canvas)).max() <= 2  # Qt rounds at the edge of a clip


def test_stepping_forward_flies_over_an_untouched_layer_and_lands(open_canvas, qtbot):
    canvas = open_canvas()
    canvas.session.set(speed=1.0)
    canvas.session.next_event()
    assert canvas.animator.running
    canvas.grab()
    painted = canvas.layer.painted
    first = canvas.animator.in_the_air()[0][1]
    qtbot.waitUntil(lambda: not canvas.animator.running or canvas.animator.in_the_air()[0][1] > first)
    canvas.grab()
    assert canvas.layer.painted == painted
    settle(qtbot, canvas)
    assert not canvas.animator._timer.isActive()


def test_reduced_motion_and_stepping_back_fly_nothing(open_canvas, qtbot):
    canvas = open_canvas()
    canvas.session.set(reduced_motion=True)
    canvas.session.next_event()
    assert not canvas.animator.running
    canvas.session.set(reduced_motion=False)
    canvas.session.previous_event()
    assert not canvas.animator.running
    assert canvas.look.position == 0


def test_playing_flies_each_gradient_of_each_event_in_engine_order(open_canvas, qtbot):
    canvas = open_canvas()
    graph, facts = canvas.scene.graph, canvas.look.facts
    flown = []
    for position in range(canvas.session.state.events):
        flight = flight_of(canvas.scene, facts, position, 1.0)
        assert flight, f"event {position} moves nothing"
        flown += [canvas.scene.picture.lanes[leg.lane].edges[0] for leg in flight.legs if leg.magnitude is not None]
    assert flown == [edge.id for edge in graph.edges if edge.target != -1]
    assert flight_of(canvas.scene, facts, 0, 0.5).duration == 600
    assert flight_of(canvas.scene, facts, 0, 5.0).duration == 60


def test_a_flight_draws_something(open_canvas, qtbot):
    canvas = open_canvas()
    canvas.session.go_to(0, 7)
    still = pixels(canvas)
    canvas.session.next_event()
    moving = pixels(canvas)
    settle(qtbot, canvas)
    landed = pixels(canvas)
    assert (moving != landed).any()
    assert (still != landed).any()


def test_the_theme_can_change(open_canvas):
    canvas = open_canvas()
    light = pixels(canvas)
    canvas.set_theme(DARK)
    dark = pixels(canvas)
    assert light.mean() > 200
    assert dark.mean() < 110


def test_a_wheel_zooms_at_the_pointer_and_a_drag_pans(open_canvas, qtbot):
    canvas = open_canvas()
    at = QPointF(400, 300)
    before = canvas.camera.to_scene(at.x(), at.y())
    event = QWheelEvent(
        at,
        at,
        QPoint(),
        QPoint(0, 240),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    canvas.wheelEvent(event)
    assert canvas.camera.to_scene(at.x(), at.y()) == pytest.approx(before, abs=1.0)
    x = canvas.camera.x
    qtbot.mousePress(canvas, Qt.MouseButton.MiddleButton, pos=QPoint(300, 500))
    qtbot.mouseMove(canvas, QPoint(340, 510))
    qtbot.mouseRelease(canvas, Qt.MouseButton.MiddleButton, pos=QPoint(340, 510))
    assert canvas.camera.x == x + 40
    assert canvas.session.state.selection is None


def test_the_view_stays_from_step_to_step_and_is_fitted_for_another_graph(open_canvas, traces):
    canvas = open_canvas()
    canvas.zoom_by(2.0)
    camera = canvas.camera
    canvas.session.next_step()
    assert canvas.camera == camera
    canvas.session.set_view(mode="tensors")
    assert canvas.camera != camera


def test_resting_on_a_card_says_what_it_is(open_canvas, qtbot):
    canvas = open_canvas()
    canvas.session.go_to(0, 22)
    qtbot.mouseMove(canvas, middle(canvas, card(canvas, "clamp")))
    qtbot.waitUntil(lambda: canvas.hover is not None, timeout=3000)
    assert canvas.hover.title == "clamp"
    assert canvas.hover.code == "x.mm(w1).clamp(min=0)"
    said = " ".join(f"{label} {text}" for label, text in canvas.hover.rows)
    assert "min=0" in said
    assert "64 × 100" in said
    assert "ClampBackward1" in said
    qtbot.mouseMove(canvas, QPoint(3, 3))
    assert canvas.hover is None


def test_fitting_the_selection_zooms_in(open_canvas):
    canvas = open_canvas()
    zoom = canvas.zoom
    canvas.session.select(Selection("op", 1))
    canvas.fit_selection()
    assert canvas.zoom > zoom
    assert canvas.hit(QPointF(canvas.width() / 2, canvas.height() / 2)).index == card(canvas, "clamp")


def test_without_a_recording_it_says_so_and_takes_none(open_canvas, qtbot):
    canvas = open_canvas()
    canvas.session.play_pause()
    assert canvas.session.state.play is Play.PLAYING
    canvas.session.close()
    assert canvas.scene is None
    empty = pixels(canvas)
    assert len(np.unique(empty)) > 5
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(200, 200))
    qtbot.keyClick(canvas, Qt.Key.Key_Right)
    canvas.fit_all()


@pytest.mark.parametrize("name", ["sample", "mlp", "residual", "bad", "by_hand", "forward_only", "failed"])
@pytest.mark.parametrize("theme_name", ["light", "dark"])
def test_everything_paints_at_every_level_and_in_every_view(open_canvas, traces, name, theme_name):
    canvas = open_canvas(traces[name]())
    if theme_name == "dark":
        canvas.set_theme(DARK)
    canvas.session.set(reduced_motion=True)
    for view in (
        {"mode": "tensors"},
        {"flow": "down"},
        {"halves": "backward"},
        {"halves": "forward"},
        {"mode": "ops", "measure": "zeros", "halves": "both"},
        {"measure": "update"},
        {"measure": "bad", "mode": "tensors"},
    ):
        canvas.session.set_view(**view)
        canvas.session.go_to(0, canvas.session.state.events)
        for zoom in (0.2, 0.5, 1.0):
            canvas.zoom_by(zoom / canvas.zoom)
            assert len(np.unique(pixels(canvas))) > 3
