"""The heat map: every parameter's gradient at every step, in the colours of the graph; a click goes there."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolTip

from gradwalk.gradients import gradients_of
from gradwalk.recording.info import run_info
from gradwalk.recording.tables import Asked, Tables, tables_from
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace
from gradwalk_gui.graph.surface import magnitude_colour
from gradwalk_gui.plots import heat as heats
from gradwalk_gui.plots.heat import NO_GRADIENT, Group, Heat, Parameter, binned, groups_of, largest
from gradwalk_gui.plots.heat_image import heat_image
from gradwalk_gui.plots.heat_map import HeatMap
from gradwalk_gui.theme import DARK, LIGHT

NAN = 13
NAMES = ["fc1.weight", "fc1.bias", "extra.weight", "extra.bias", "fc2.weight", "fc2.bias"]


@pytest.fixture
def heat_map(window, plots, qtbot):
    """The page in front, all of it read and painted."""
    plots.chooser["heat"].click()
    shown = plots.heat().map
    qtbot.waitUntil(lambda: shown.heat.at == 24 and not plots.gatherer.busy)
    qtbot.waitUntil(lambda: plots._pages.currentWidget() is plots.heat())
    # what came last is shown a moment later, and may stand before what is shown
    qtbot.waitUntil(lambda: [row for group in shown.groups for row in group.rows] == list(shown.heat.order))
    plots.grab()
    return shown


def filled(recording, measure="rms"):
    heat, at = Heat(measure), 0
    while at < len(recording):
        at, tables = tables_from(recording, at, heat.asked)
        heat.take(at, tables)
    return heat


def place(shown, step, row):
    """The point of the widget in the middle of a cell."""
    area = shown.area()
    return QPointF(shown.x_of(step), area.top() + (row + 0.5) * area.height() / len(shown.groups)).toPoint()


def test_rows_are_parameters_in_the_order_of_the_forward_with_the_numbers_of_the_steps(recording):
    heat = filled(recording)
    assert [heat.parameters[row].name for row in heat.order] == NAMES, "extra comes in step 1 and stands in its place"
    cells = heat.cells(heat.order)
    for step, trace in enumerate(recording):
        rows = {row.name: row for row in gradients_of(trace)}
        wanted = [NO_GRADIENT if name not in rows or rows[name].rms is None else rows[name].rms for name in NAMES]
        assert np.allclose(cells[:, step], wanted, rtol=1e-12, equal_nan=True)
    assert np.isnan(cells[:, NAN]).all(), "odd steps have all of them"
    assert (cells[2, ::2] == NO_GRADIENT).all(), "even steps have no such parameter"


def test_the_page_shows_them_and_says_what_is_under_the_pointer(heat_map, recording, qtbot):
    assert [group.title for group in heat_map.groups] == NAMES
    row = next(row for row in gradients_of(recording[5]) if row.name == "extra.weight")
    name, told = heat_map.describe(QPointF(place(heat_map, 5, 2))).splitlines()
    assert name == "extra.weight"
    assert told.startswith("step 5: gradient RMS ")
    assert float(told.split()[-1]) == pytest.approx(row.rms, rel=0.05)
    assert heat_map.describe(QPointF(place(heat_map, 4, 2))).endswith("None (no path)")
    assert heat_map.describe(QPointF(place(heat_map, NAN, 0))).endswith("NaN")
    assert heat_map.describe(QPointF(-5, -5)) == ""
    QTest.mouseMove(heat_map, place(heat_map, 5, 2))
    qtbot.waitUntil(lambda: QToolTip.text() == f"{name}\n{told}")


def test_a_click_goes_to_the_step_and_selects_the_parameter(window, heat_map, qtbot):
    QTest.mouseClick(heat_map, Qt.MouseButton.LeftButton, pos=place(heat_map, 7, 4))
    state = window.session.state
    assert state.step == 7
    assert state.trace.graph.values[state.selection.id].name == "fc2.weight"
    assert [heat_map.heat.parameters[row].name for row in heat_map.heat.order if heat_map.is_selected(Group("", (row,)))] == [
        "fc2.weight"
    ]
    x = heat_map.x_of(7)
    image = heat_map.grab().toImage()
    assert image.pixelColor(round(x), round(heat_map.area().center().y())).name() == heat_map.theme.accent, "the playhead"
    heat_map.setFocus()
    QTest.keyClick(heat_map, Qt.Key.Key_Right)
    assert window.session.state.step == 8
    QTest.keyClick(heat_map, Qt.Key.Key_Down)
    state = window.session.state
    assert state.trace.graph.values[state.selection.id].name == "fc2.bias"


def test_another_measure_reads_anew(window, plots, heat_map, qtbot):
    window.session.set_view(measure="max")
    qtbot.waitUntil(lambda: heat_map.heat.measure == "max" and heat_map.heat.at == 24)
    plots.grab()
    assert "gradient max |g|" in heat_map.describe(QPointF(place(heat_map, 5, 0)))
    largest_of_step = next(row for row in gradients_of(window.follower.recording[5]) if row.name == "fc1.weight").absmax
    assert heat_map.heat.cells((0,))[0, 5] == pytest.approx(largest_of_step)


def test_the_map_of_nan_and_inf(recording):
    heat = filled(recording, "bad")
    for step in (0, 5, NAN):
        rows = {row.name: row for row in gradients_of(recording[step])}
        for number, name in enumerate(NAMES):
            if name in rows and rows[name].rms is not None:
                assert heat.cells((heat.order[number],))[0, step] == rows[name].nan + rows[name].inf
    assert heat.cells(heat.order)[:, NAN].max() > 0


def test_without_an_update_there_is_no_ratio(window, plots, heat_map, qtbot):
    window.session.set_view(measure="update")
    qtbot.waitUntil(lambda: heat_map.heat.measure == "update" and heat_map.heat.at == 24)
    plots.grab()
    assert heat_map.describe(QPointF(place(heat_map, 5, 0))).endswith("|update| / |weight| not counted")


def test_the_wheel_zooms_and_a_double_click_shows_all(heat_map, qtbot):
    at = QPointF(place(heat_map, 12, 0))
    event = QWheelEvent(
        at,
        heat_map.mapToGlobal(at),
        QPoint(),
        QPoint(0, 480),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(heat_map, event)
    first, last = heat_map.span
    assert 0 < first < 12 < last < 24
    assert heat_map.x_of(0) is None
    heat_map.grab()
    assert heat_map.step_at(at) == 12
    QTest.mouseDClick(heat_map, Qt.MouseButton.LeftButton, pos=at.toPoint())
    assert heat_map.span == (0, 24)


def test_it_grows_with_the_recording(shell, qtbot, tmp_path):
    writer = Writer(tmp_path / "grows", run_info(device="cpu", script="grow.py"))
    writer.add(sample_trace(0))
    writer.flush()
    shell.follower.open(tmp_path / "grows")
    plots = shell._window.desk.views["loss"]
    qtbot.waitUntil(plots.isVisible)
    desk = shell._window.desk
    qtbot.waitUntil(lambda: desk._wanted is None)
    desk.show_dock("loss")
    qtbot.waitUntil(lambda: not plots.visibleRegion().isEmpty())
    plots.show_page("heat")
    shown = plots.heat().map
    for length in (1, 2, 3):
        qtbot.waitUntil(lambda length=length: shown.heat.at == length and shown.span == (0, length))
        plots.grab()
        assert [group.title for group in shown.groups] == ["w1", "w2"]
        if length < 3:
            writer.add(sample_trace(length))
            writer.flush()
    writer.close("clean")


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_every_kind_of_number_looks_different(theme):
    cells = np.array([[np.nan], [NO_GRADIENT], [0.0], [1e-8], [1.0], [np.inf]])
    image = heat_image(cells, "rms", theme, 60, 360)

    def seen(row):
        return {image.pixelColor(x, y).name() for x in range(60) for y in range(row * 60 + 2, row * 60 + 58)}

    ground, bad = theme.panel.lower(), theme.bad.lower()
    assert seen(0) == seen(5) == {bad, ground}, "NaN and Inf are hatched"
    assert seen(1) == {ground, theme.ghost.lower()}, "none is dots on the ground"
    least = magnitude_colour(theme, 1e-8, "rms").name()
    assert seen(2) == {least, theme.ghost.lower()}, "zero is struck through"
    assert seen(3) == {least}
    assert seen(4) == {magnitude_colour(theme, 1.0, "rms").name()}


def test_where_rows_have_no_room_modules_are_shown():
    parameters = [
        Parameter(f"net.{block}.{layer}.{kind}", f"{block}.{layer}.{kind}", ("net", f"net.{block}", f"net.{block}.{layer}"))
        for block in range(6)
        for layer in ("a", "b")
        for kind in ("weight", "bias")
    ]
    order = range(len(parameters))
    assert len(groups_of(parameters, order, 24)) == 24
    layers = groups_of(parameters, order, 23)
    assert [group.title for group in layers[:3]] == ["net.0.a", "net.0.b", "net.1.a"]
    assert layers[2].rows == (4, 5)
    folded = groups_of(parameters, order, 23, {"net.0", "net.1", "net.1.a"})
    assert [group.title for group in folded[:3]] == ["net.0", "net.1", "2.a.weight"]
    assert [group.title for group in groups_of(parameters, order, 7)] == [f"net.{block}" for block in range(6)]
    cells = np.arange(24.0)[:, None] * np.ones((1, 5))
    cells[6, 2] = np.nan
    made = binned(cells, groups_of(parameters, order, 7), 2)
    assert np.array_equal(made, [[3, 3], [7, np.nan], [11, 11], [15, 15], [19, 19], [23, 23]], equal_nan=True)


def test_a_module_row_is_clicked_as_a_module(window, plots, heat_map, qtbot):
    heat_map.groups = (Group("net.fc1", (0, 1), "net.fc1"),)
    heat_map.chosen.emit(6, heat_map.groups[0])
    state = window.session.state
    assert state.selection.kind == "module"
    assert state.trace.graph.modules[state.selection.id].path == "net.fc1"


def test_of_many_steps_the_largest_of_neighbours_is_kept(recording, monkeypatch):
    monkeypatch.setattr(heats, "MOST_CELLS", 2_000)
    trace = sample_trace(0)
    heat, count = Heat(), 5_000
    gradients = np.repeat(trace.gradients[:, :, None], count, axis=2)
    gradients[4, :, 3_333] *= 1e6
    for start in range(0, count, 500):
        part = slice(start, start + 500)
        values = np.zeros((8, len(trace.graph.values), 500))
        heat.take(part.stop, [Tables(trace.graph, np.arange(start, part.stop), values, gradients[:, :, part])])
    assert heat.per == 8
    assert heat.columns == 625
    cells = heat.cells((0,))[0]
    assert int(np.argmax(cells)) == 3_333 // 8
    assert cells[3_333 // 8] == pytest.approx(cells[0] * 1e3)
    assert (cells > 0).all()


def test_the_number_that_stands_for_several():
    assert largest(np.array([[1.0, 5.0, 2.0], [0.0, 0.0, 9.0]])) == 2
    assert largest(np.array([[1.0, np.nan, 9.0]])) == 1
    assert largest(np.array([[NO_GRADIENT, NO_GRADIENT]])) == 0


def test_thousands_of_steps_lead_to_the_largest_in_a_pixel(qtbot):
    trace = sample_trace(0)
    heat, count = Heat(), 4_000
    gradients = np.repeat(trace.gradients[:, :, None], count, axis=2)
    gradients[4, :, 2_001] *= 1e6
    heat.take(count, [Tables(trace.graph, np.arange(count), np.zeros((8, len(trace.graph.values), count)), gradients)])
    shown = HeatMap(LIGHT)
    qtbot.addWidget(shown)
    shown.resize(420, 180)
    shown.show_heat(heat, np.arange(count, dtype=float) * 10, frozenset())
    shown.show()
    image = shown.grab().toImage()
    at = QPointF(shown.x_of(2_001), shown.area().top() + 3)
    assert shown.step_at(at) == 2_001
    assert "step 20,010" in shown.describe(at)
    ratio = image.devicePixelRatio()
    assert image.pixelColor(QPoint(round(at.x() * ratio), round(at.y() * ratio))) != QColor(LIGHT.panel)


def test_a_row_stands_where_its_parameter_is_used_once_a_step_has_used_it(recording, qtbot):
    steps, heat, shown = [recording[step] for step in range(2)], Heat(), HeatMap(LIGHT)
    qtbot.addWidget(shown)
    shown.resize(420, 220)
    shown.show()
    painted = []
    for step in range(2):
        heat.take(*tables_from(steps, step, heat.asked))
        shown.show_heat(heat, np.arange(2.0), frozenset())
        shown.grab()
        painted.append([group.title for group in shown.groups])
    assert painted == [[*NAMES[:2], *NAMES[4:], *NAMES[2:4]], NAMES], "at first nothing reads extra: its gradient is zeroed alone"


def test_without_a_recording_it_says_so(shell):
    plots = shell._window.desk.views["loss"]
    plots.show_page("heat")
    assert plots.message.text() == "Open a recording to see its gradients."
    assert Heat().asked == Asked(gradients=frozenset(("count", "nan", "inf", "sumsq")))
