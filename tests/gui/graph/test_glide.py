"""Cards glide from where they were: the maths over scenes of real trainings, and the canvas that shows it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from nets import Transformer, recorded

from gradwalk_gui.graph import glide as gliding
from gradwalk_gui.graph.canvas import GraphCanvas
from gradwalk_gui.graph.glide import eased, glide_of
from gradwalk_gui.graph.scenes import Scenes
from gradwalk_gui.graph.surface import measure_for_scene
from gradwalk_gui.session import Session
from gradwalk_gui.theme import LIGHT


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    torch.manual_seed(0)
    with recorded(tmp_path_factory.mktemp("net") / "run", Transformer(3)) as recording:
        yield recording


@pytest.fixture
def scenes(transformer, qapp):
    """The scene before and after a change of the View."""
    session = Session()
    session.open(transformer)
    session.set_view(stacked=False)
    session.fold_all()

    def of(*changes):
        made = []
        for change in (lambda session: None, *changes):
            change(session)
            made.append(Scenes(measure_for_scene).build(session.state.trace.graph, session.state.view).scene)
        return made

    return of


def corner(scene, kind, path):
    modules = scene.graph.modules
    if kind == "frame":
        return next(scene.frames[i] for i, frame in enumerate(scene.picture.frames) if modules[frame.module].path == path)
    return next(
        scene.cards[i] for i, card in enumerate(scene.picture.cards) if card.kind == "module" and modules[card.ref].path == path
    )


def test_it_begins_where_things_were_and_ends_where_they_belong(scenes):
    _, before, after = scenes(lambda s: s.fold("net"), lambda s: s.fold("net.layer.1"))
    glide = glide_of(before, after, (10.0, -5.0))
    first, last = glide.at(0.0), glide.at(1.0)
    assert last is after
    where = {(card.kind, card.ref): row[:2] for card, row in zip(before.picture.cards, before.cards, strict=True)}
    both = [i for i, card in enumerate(after.picture.cards) if (card.kind, card.ref) in where]
    assert len(both) > 5
    for i in both:
        card = after.picture.cards[i]
        assert np.allclose(first.cards[i, :2], where[card.kind, card.ref] + (10.0, -5.0))
    assert np.allclose(corner(first, "frame", "net.layer.1"), np.add(corner(before, "card", "net.layer.1"), (10.0, -5.0, 0, 0)))
    assert np.array_equal(first.cards[:, 2:], after.cards[:, 2:])


def test_what_is_new_comes_out_of_its_module(scenes):
    before, after = scenes(lambda s: s.unfold_to(9))
    first = glide_of(before, after, (0.0, 0.0)).at(0.0)
    left, top, width, height = corner(before, "card", "net")
    inside = [i for i, card in enumerate(after.picture.cards) if card.frame != -1]
    assert len(inside) > 10
    for i in inside:
        assert left - 1 <= first.cards[i, 0] <= left + width
        assert top - 1 <= first.cards[i, 1] <= top + height


def test_layers_come_out_of_the_card_of_their_stack(scenes):
    unfolded = scenes(
        lambda s: s.set_view(stacked=True, folded=s.state.view.folded - {"net"}),
        lambda s: s.fold("net.layer.0"),
    )
    _, before, after = unfolded
    stack = corner(before, "card", "net.layer.0")
    first = glide_of(before, after, (0.0, 0.0)).at(0.0)
    for layer in (0, 1, 2):
        assert np.allclose(corner(first, "card", f"net.layer.{layer}")[:2], stack[:2])


def test_lanes_stay_at_their_cards_all_the_way(scenes):
    _, before, after = scenes(lambda s: s.fold("net"), lambda s: s.fold("net.layer.1"))
    glide = glide_of(before, after, (0.0, 0.0))
    for way in (0.0, 0.3, 0.7):
        scene = glide.at(way)
        moved = scene.cards[:, :2] - after.cards[:, :2]
        assert np.abs(moved).max() > 1
        for curves, ends in ((scene.forward, after.forward), (scene.backward, after.backward)):
            for lane, curve, end in zip(after.picture.lanes, curves, ends, strict=True):
                assert curve.shape == end.shape
                if len(curve):
                    assert np.allclose(curve[0, 0], end[0, 0] + moved[lane.source])
                    assert np.allclose(curve[-1, 3], end[-1, 3] + moved[lane.target])


def test_it_slows_down_and_never_goes_back(scenes):
    before, after = scenes(lambda s: s.fold("net"))
    glide = glide_of(before, after, (0.0, 0.0))
    far = [np.abs(glide.at(way).cards[:, :2] - after.cards[:, :2]).sum() for way in np.linspace(0, 1, 9)]
    assert all(a > b for a, b in pairwise(far))
    assert (eased(-1.0), eased(0.0), eased(1.0), eased(2.0)) == (0.0, 0.0, 1.0, 1.0)


def test_nothing_glides_where_nothing_moves_or_too_much(scenes, monkeypatch):
    before, after = scenes(lambda s: s.fold("net"))
    assert glide_of(after, after, (0.0, 0.0)) is None
    monkeypatch.setattr(gliding, "MOST", len(after.cards) - 1)
    assert glide_of(before, after, (0.0, 0.0)) is None


@pytest.fixture
def canvas(transformer, qtbot):
    session = Session()
    session.open(transformer)
    session.set_view(stacked=False, folded=frozenset({"net.layer.1"}), auto_fold=False)
    canvas = GraphCanvas(session, LIGHT)
    qtbot.addWidget(canvas)
    canvas.resize(1300, 640)
    canvas.show()
    qtbot.waitExposed(canvas)
    qtbot.waitUntil(lambda: canvas.scene is not None and not canvas.busy)
    return canvas


def on_screen(canvas, kind, path):
    left, top = corner(canvas.scene, kind, path)[:2]
    return canvas.camera.to_screen(left, top)


def test_the_clicked_card_stays_and_the_rest_glides_for_a_fifth_of_a_second(canvas, qtbot):
    there = on_screen(canvas, "card", "net.layer.1")
    canvas.session.fold("net.layer.1")
    qtbot.waitUntil(lambda: canvas.glider.running)
    assert np.allclose(on_screen(canvas, "frame", "net.layer.1"), there, atol=1.0)
    now = canvas.glider.scene()
    assert np.allclose(corner(now, "frame", "net.layer.1")[:2], corner(canvas.scene, "frame", "net.layer.1")[:2], atol=1.0)
    qtbot.waitUntil(lambda: not canvas.glider.running, timeout=400)
    assert canvas.glider.scene() is None
    canvas.session.fold("net.layer.1")
    qtbot.waitUntil(lambda: not canvas.busy and not canvas.glider.running)
    assert np.allclose(on_screen(canvas, "card", "net.layer.1"), there, atol=1.0)


@pytest.mark.parametrize("why", ["reduced motion", "another flow"])
def test_it_does_not_glide(canvas, qtbot, why):
    before = canvas.scene
    if why == "reduced motion":
        canvas.session.set(reduced_motion=True)
        canvas.session.fold("net.layer.1")
    else:
        canvas.session.set_view(flow="down")
    qtbot.waitUntil(lambda: canvas.scene is not before)
    assert not canvas.glider.running


def test_another_picture_ends_a_glide(canvas, qtbot):
    canvas.session.fold("net.layer.1")
    qtbot.waitUntil(lambda: canvas.glider.running)
    canvas.session.set_view(flow="down")
    qtbot.waitUntil(lambda: canvas.scene.picture.flow == "down")
    assert not canvas.glider.running
    assert canvas.shown_view == canvas.session.state.view
