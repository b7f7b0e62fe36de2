"""The accumulated errors of a step over depth: computed on command beside the window, shown as dots, gone to by a click."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest

from gradwalk.reference.chain import chain_of
from gradwalk.tape import index
from gradwalk.trace import NONE
from gradwalk_gui import chaining
from gradwalk_gui.numbers import number
from gradwalk_gui.state import Selection
from gradwalk_gui.theme import DARK, LIGHT


@pytest.fixture
def pane(window, plots, qtbot):
    """The page in front, at a step that keeps its tensors."""
    window.session.go_to(1, 0)
    plots.chooser["error"].click()
    qtbot.waitUntil(lambda: plots._pages.currentWidget() is plots.error())
    return plots.error()


@pytest.fixture
def shown(window, pane, qtbot):
    """The errors of the step, painted."""
    window._window.actions_["end-to-end"].trigger()
    qtbot.waitUntil(lambda: pane.points is not None and pane.plot.isVisible())
    pane.grab()
    return pane


def scene_of(plot, index_):
    """The place in the scene of a dot."""
    return plot.box.mapViewToScene(QPointF(float(plot._steps[index_]), plot.height_at(index_)))


def test_the_button_asks_for_the_step_and_every_measured_tensor_has_a_dot(window, pane, recording, qtbot):
    assert pane.button.isVisible()
    QTest.mouseClick(pane.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: pane.points is not None)
    wanted = chain_of(recording, 1)
    keys = {("gradient", edge): one for edge, one in wanted.gradients.items()}
    keys |= {("value", value): one for value, one in wanted.values.items() if one.depth >= 0}
    assert dict(zip(pane.points.keys, pane.points.errors, strict=True)) == keys
    assert list(pane.points.depths) == sorted(pane.points.depths)
    drawn = len(pane.plot.dots[True].points()) + len(pane.plot.dots[False].points()) + len(pane.plot.exact.points())
    assert drawn == len(keys)
    assert len(pane.plot.dots[True].points()) == int((pane.points.gradients & (pane.points.numbers > 0)).sum())
    assert [dtype for dtype, line in pane.plot.units.items() if line.isVisible()] == ["float32"]
    assert pane.plot.units["float32"].value() == pytest.approx(np.log10(2.0**-24))
    bottom, top = pane.plot.box.viewRange()[1]
    heights = pane.plot._heights()[np.isfinite(pane.plot._heights())]
    assert bottom < min(*heights, np.log10(2.0**-24))
    assert top > max(heights)
    assert pane.legend.full_text().startswith("largest of a parameter ")
    assert "taken from the recording: randn" in pane.legend.full_text()


def test_a_click_on_a_dot_goes_there_and_the_inspector_says_the_number(window, shown, qtbot):
    session, trace = window.session, window.session.state.trace
    fc1 = next(value.id for value in trace.graph.values if value.name == "fc1.weight")
    edge = next(edge for edge in trace.graph.edges if edge.value == fc1 and edge.target == NONE)
    place = list(shown.points.keys).index(("gradient", edge.id))
    at = shown.plot.plot.mapFromScene(scene_of(shown.plot, place))
    qtbot.mouseClick(shown.plot.plot.viewport(), Qt.MouseButton.LeftButton, pos=at)
    qtbot.waitUntil(lambda: session.state.selection is not None)
    one = shown.points.errors[shown.plot.nearest_dot(scene_of(shown.plot, place))]
    assert session.state.position == one.moment + 1
    assert session.state.selection.kind == "edge"
    session.select(Selection("edge", edge.id))
    assert shown.plot.marker() == place
    assert shown.plot.ring.points()[0].pos().x() == shown.points.depths[place]
    session.go_to(1, 10_000)
    inspector = window._window.desk.views["inspector"]
    text = inspector.end_to_end.text.text()
    error = shown.points.errors[place]
    assert number(error.relative, 2) in text
    assert f"{error.depth} ops to the loss" in text
    session.select(Selection("value", fc1))
    assert shown.plot.marker() == place, "a parameter stands for its gradient"


def test_the_pointer_reads_the_dot_near_it_and_no_other(shown):
    place = len(shown.points.keys) - 1
    shown.plot._on_hover(scene_of(shown.plot, place))
    near = shown.plot.nearest_dot(scene_of(shown.plot, place))
    assert shown.plot.hover.isVisible()
    assert shown.points.names[near] in shown.plot.hover.textItem.toPlainText()
    (left, _), (_, top) = shown.plot.box.viewRange()
    shown.plot._on_hover(shown.plot.box.mapViewToScene(QPointF(left, top)))
    assert not shown.plot.hover.isVisible()
    assert shown.plot.nearest_dot(QPointF(-500, -500)) == -1


def test_another_step_is_asked_for_again_and_this_one_is_remembered(window, shown, qtbot):
    window.session.go_to(2, 0)
    assert shown.points is None
    assert shown.button.isVisible()
    window.session.go_to(1, 0)
    assert shown.points is not None
    window.session.go_to(5, 0)
    window._window.actions_["end-to-end"].trigger()
    qtbot.waitUntil(lambda: window.session.state.chaining == NONE)
    if window.session.state.trace.tensors:
        qtbot.waitUntil(lambda: shown.points is not None)
    else:
        assert shown.about.text().startswith("Not computed: the elements of ")
        assert shown.about.text().endswith("or pin the step: gradwalk run --pin N.")
        assert shown.button.isEnabled(), "its tensors may come yet"


def test_it_runs_beside_the_window_and_can_be_cancelled(window, pane, qtbot, monkeypatch):
    left_off = []

    def slow(steps, place, told):
        while told(3, 8):
            time.sleep(0.002)
        left_off.append(place)
        return chain_of(steps, place, told)

    monkeypatch.setattr(chaining, "chain_of", slow)
    window._window.actions_["end-to-end"].trigger()
    activity = window._window.status.activity
    qtbot.waitUntil(lambda: activity.text == "Step 1 in float64: 38%")
    assert pane.button.text() == "Computing ..."
    assert not pane.button.isEnabled()
    activity.cancel.click()
    qtbot.waitUntil(lambda: left_off == [1])
    assert activity.text == ""
    assert window.session.state.chaining == NONE
    assert not window.session.state.chains
    assert pane.button.isEnabled()
    assert pane.button.text() == "Float64 end to end"


def test_what_is_open_no_more_is_forgotten(window, shown, qtbot):
    assert window.session.state.chains
    window.close_recording()
    assert not window.session.state.chains


def test_it_follows_the_theme(window, shown):
    for theme in (DARK, LIGHT):
        shown.set_theme(theme)
        assert shown.plot.dots[True].opts["pen"].color().name().lower() == theme.backward.lower()
        assert theme.forward in shown.kinds.text()


def test_a_nan_has_its_mark_at_the_top_or_agrees(window, pane, qtbot):
    window.session.go_to(13, 0)
    pane.plot.set_theme(LIGHT)
    graph = window.session.state.trace.graph
    assert index(graph).losses
    window._window.actions_["end-to-end"].trigger()
    qtbot.waitUntil(lambda: window.session.state.chaining == NONE)
    assert pane.points is not None or pane.about.text().startswith("Not computed")
