"""Positions: nothing overlaps, everything is inside, lanes end on their cards, numbers have room."""

from __future__ import annotations

import numpy as np
import pytest

from gradwalk_gui.graph import curves, styles
from gradwalk_gui.graph.scene import build
from gradwalk_gui.graph.scenes import Scenes, default_lay_out
from gradwalk_gui.graph.surface import measure_for_scene
from gradwalk_gui.state import View

VIEWS = [
    View(mode=mode, flow=flow, halves=halves)
    for mode in ("ops", "tensors")
    for flow in ("right", "down")
    for halves in ("both", "forward", "backward")
]


def scene_of(graph, view=None):
    return build(graph, view or View(), measure_for_scene, default_lay_out())


def overlaps(rects):
    left, top, width, height = rects.T
    right, bottom = left + width, top + height
    hit = (
        (left[:, None] < right - 0.01)
        & (right[:, None] > left + 0.01)
        & (top[:, None] < bottom - 0.01)
        & (bottom[:, None] > top + 0.01)
    )
    np.fill_diagonal(hit, False)
    return hit


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: f"{view.mode}-{view.flow}-{view.halves}")
@pytest.mark.parametrize("name", ["sample", "mlp", "residual"])
def test_cards_do_not_overlap_and_lie_inside_the_picture(traces, name, view):
    scene = scene_of(traces[name]().graph, view)
    assert len(scene.cards) == len(scene.picture.cards) > 0
    assert not overlaps(scene.cards).any()
    assert (scene.cards[:, :2] >= -0.01).all()
    assert (scene.cards[:, 0] + scene.cards[:, 2] <= scene.width + 0.01).all()
    assert (scene.cards[:, 1] + scene.cards[:, 3] <= scene.height + 0.01).all()


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: f"{view.mode}-{view.flow}-{view.halves}")
@pytest.mark.parametrize("name", ["sample", "mlp", "residual"])
def test_numbers_cover_neither_cards_nor_each_other(traces, name, view):
    scene = scene_of(traces[name]().graph, view)
    plates = scene.plates[~np.isnan(scene.plates[:, 0])]
    assert not overlaps(plates).any()
    both = np.concatenate([scene.cards, plates])
    assert not overlaps(both)[: len(scene.cards), len(scene.cards) :].any()


@pytest.mark.parametrize("name", ["sample", "mlp", "residual"])
def test_every_gradient_of_these_graphs_has_room_for_its_number(traces, name):
    scene = scene_of(traces[name]().graph)
    for lane, plate in zip(scene.picture.lanes, scene.plates, strict=True):
        assert np.isnan(plate[0]) != bool(lane.edges)


def on_border(card, point):
    left, top, width, height = card
    x, y = point
    inside = left - 0.6 <= x <= left + width + 0.6 and top - 0.6 <= y <= top + height + 0.6
    return inside and min(abs(x - left), abs(x - left - width), abs(y - top), abs(y - top - height)) < 0.6


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: f"{view.mode}-{view.flow}-{view.halves}")
def test_lanes_run_from_border_to_border_side_by_side(traces, view):
    scene = scene_of(traces["mlp"]().graph, view)
    for i, lane in enumerate(scene.picture.lanes):
        for curve in (scene.forward[i], scene.backward[i]):
            if len(curve):
                assert on_border(scene.cards[lane.source], curve[0, 0])
                assert on_border(scene.cards[lane.target], curve[-1, 3])
        if len(scene.forward[i]) and len(scene.backward[i]):
            apart = np.linalg.norm(scene.forward[i][0, 0] - scene.backward[i][0, 0])
            assert apart == pytest.approx(2 * styles.LANE_OFFSET, abs=0.1)


def test_what_one_op_alone_reads_stands_above_and_below_it(traces):
    scene = scene_of(traces["mlp"]().graph)
    cards = scene.picture.cards
    for name in ("weight", "bias"):
        for i in [i for i, card in enumerate(cards) if card.title == name]:
            reader = next(lane.target for lane in scene.picture.lanes if lane.source == i)
            assert abs((scene.cards[i] - scene.cards[reader])[0] + (scene.cards[i] - scene.cards[reader])[2] / 2) < 1
            assert (scene.cards[i, 1] < scene.cards[reader, 1]) == (name == "weight")
    straight = [i for i, card in enumerate(cards) if card.kind == "op"]
    middles = scene.cards[straight, 1] + scene.cards[straight, 3] / 2
    assert np.ptp(middles) < 1


def test_cards_keep_their_size_when_only_sizes_of_tensors_change(traces):
    scenes = Scenes(measure_for_scene)
    first, second = traces["mlp"](rows=64), traces["mlp"](rows=32)
    assert first.graph.key == second.graph.key
    assert scenes.known(first.graph, View()) is None
    made = scenes.build(first.graph, View())
    scenes.keep(first.graph, View(), made)
    assert scenes.known(second.graph, View()) is made
    assert scenes.known(first.graph, View(measure="max")) is made
    assert scenes.known(first.graph, View(flow="down")) is None


def test_a_curve_beside_another_keeps_its_distance():
    both = curves.smooth([np.array([[0.0, 0.0], [40.0, 0.0], [160.0, 80.0], [200.0, 80.0]])] * 2, "right")
    tracks = curves.tracks(both.beside(np.array([7.0, 0.0])))
    beside, points = tracks[0].at(np.linspace(0, 1, 40)), tracks[1].at(np.linspace(0, 1, 400))
    away = np.linalg.norm(beside[:, None] - points[None], axis=2).min(axis=1)
    assert np.allclose(away, 7.0, atol=0.5)


def test_points_along_a_track_are_evenly_spaced():
    track = curves.tracks(curves.smooth([np.array([[0.0, 0.0], [100.0, 60.0]])], "right"))[0]
    steps = np.linalg.norm(np.diff(track.at(np.linspace(0, 1, 30)), axis=0), axis=1)
    assert steps.std() / steps.mean() < 0.05
    assert track.at(np.array([0.0, 1.0])).tolist() == [[0.0, 0.0], [100.0, 60.0]]
