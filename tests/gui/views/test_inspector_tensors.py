"""The inspector's tensors: the grid, the slices, the health bar, the histogram."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication

from gradwalk.builder import GraphBuilder
from gradwalk.sample import sample_trace
from gradwalk.trace import Kept, Trace, empty_table
from gradwalk_gui.numbers import number
from gradwalk_gui.state import Selection
from gradwalk_gui.views.inspector import InspectorView
from gradwalk_gui.widgets.diverging import NEGATIVE, POSITIVE

sys.path.insert(0, str(Path(__file__).parent))
from inspected import fan_out, opened, plain


def test_the_grid_holds_the_kept_tensor(session, show):
    view = show(InspectorView, session)
    trace = session.state.trace
    session.go_to(0, 3)
    kept = trace.tensors["value", trace.graph.ops[2].outputs[0]].data
    assert np.array_equal(view.tensor.pane.grid.data(), kept.astype(np.float64))
    assert view.tensor.pane.grid.text_of(5, 7) == number(float(kept[5, 7]), 3)
    session.go_to(0, 11)
    view.distribution.chooser.activated.emit(1)
    assert np.array_equal(view.tensor.pane.grid.data(), trace.tensors["gradient", 5].data.astype(np.float64))


def test_the_grid_is_purple_below_zero_and_green_above(show):
    session = opened(fan_out())
    session.select(Selection("value", 0))
    view = show(InspectorView, session)
    grid = view.tensor.pane.grid
    picture = grid.grab().toImage()
    ratio = picture.devicePixelRatio()
    wide, high = grid.cell()

    def colour(column):
        return picture.pixelColor(round((column + 0.5) * wide * ratio), round(4 * ratio)).name()

    assert grid.text_of(0, 0) == "0.25"
    assert grid.text_of(0, 1) == "-1"
    assert colour(1) == NEGATIVE[False]
    assert colour(0) != POSITIVE[False]
    assert colour(0) != colour(1)
    assert grid.cell_at(QPointF(1.5 * wide, high / 2)) == (0, 1)


def test_zooming_keeps_the_cell_under_the_pointer(session, show):
    view = show(InspectorView, session)
    session.go_to(0, 3)
    grid = view.tensor.pane.grid
    about = QPointF(grid.width() * 0.4, grid.height() * 0.6)
    before = grid.cell_at(about)
    for _ in range(6):
        grid.zoom_by(1.5, about)
    assert grid.cell()[0] > 40
    assert grid.cell_at(about) == before
    grid.fit()
    assert grid.cell_at(QPointF(grid.width() - 0.01, grid.height() - 0.01)) == (63, 9)


def test_more_dimensions_have_a_slice_chooser_and_one_is_a_line(show):
    build = GraphBuilder()
    data = {
        "four": np.arange(2 * 3 * 4 * 5, dtype=np.float64).reshape(2, 3, 4, 5),
        "line": np.linspace(-1, 1, 30),
        "few": np.array([1.0, 2.0, 3.0]),
        "empty": np.zeros((0, 3)),
        "one": np.array(2.5),
        "bool": np.array([[True, False]]),
    }
    for name, array in data.items():
        build.add_value(array.shape, str(array.dtype), name=name)
    build.add_event("op", "forward", build.add_op("noop", (0,), ()))
    graph = build.freeze()
    tensors = {("value", place): Kept(array, str(array.dtype), array.shape) for place, array in enumerate(data.values())}
    table = empty_table(len(graph.values))
    session = opened(Trace(0, graph, np.zeros(1, np.int32), table, empty_table(0), tensors=MappingProxyType(tensors)))
    view = show(InspectorView, session)
    pane = view.tensor.pane
    session.select(Selection("value", 0))
    assert [(box.maximum(), box.prefix()) for box in pane.choosers] == [(1, "dim 0: "), (2, "dim 1: ")]
    pane.choosers[0].setValue(1)
    pane.choosers[1].setValue(2)
    assert np.array_equal(pane.grid.data(), data["four"][1, 2])
    view.resize(240, 700)
    QApplication.processEvents()
    assert view.area.widget().width() <= view.area.viewport().width(), "nothing sticks out"
    assert pane.choosers[0].y() < pane.choosers[1].y(), "one below the other"
    view.resize(420, 700)
    QApplication.processEvents()
    assert pane.choosers[0].y() == pane.choosers[1].y()
    session.select(Selection("value", 1))
    assert pane.line.isVisible()
    assert np.array_equal(pane.line.data(), data["line"])
    session.select(Selection("value", 2))
    assert pane.grid.isVisible()
    assert pane.grid.data().tolist() == [[1.0, 2.0, 3.0]]
    session.select(Selection("value", 3))
    assert pane.grid.isVisible()
    assert pane.grid.data().size == 0
    session.select(Selection("value", 4))
    assert pane.scalar.text() == "2.5"
    session.select(Selection("value", 5))
    assert pane.grid.data().tolist() == [[1.0, 0.0]]
    view.grab()


def test_a_sample_of_a_tensor_says_so(show):
    trace = sample_trace()
    kept = Kept(np.linspace(-1, 1, 1024), "float32", (1000, 100), complete=False)
    session = opened(replace(trace, tensors=MappingProxyType({("value", 1): kept})))
    session.select(Selection("value", 1))
    view = show(InspectorView, session)
    assert "sample of 1,024 elements of 1000 × 100" in view.tensor.pane.note.text()
    assert "of a sample" in plain(view.distribution.about)


def test_a_tensor_that_is_not_kept_offers_the_nearest_step_that_has_it(show):
    traces = [sample_trace(step) for step in range(4)]
    bare = [replace(trace, tensors=MappingProxyType({})) for trace in traces]
    session = opened(traces[0], bare[1], bare[2], bare[3])
    session.go_to(2, 3)
    view = show(InspectorView, session)
    assert "Not kept for this step" in view.tensor.pane.note.text()
    assert view.tensor.pane.go.isVisible()
    assert view.distribution.health.isVisible()
    assert {part.label for part in view.distribution.health.parts()} == {"not zero"}
    view.tensor.pane.go.click()
    assert (session.state.step, session.state.position) == (0, 3)
    assert view.tensor.pane.grid.isVisible()
    session = opened(*bare)
    session.go_to(1, 3)
    view = show(InspectorView, session)
    view.tensor.pane.go.click()
    assert "No step" in view.tensor.pane.note.text()
    assert session.state.step == 1


def test_health_counts_every_kind_of_element(show):
    trace = sample_trace()
    data = np.array([-np.inf, -2.0, -1.0, 0.0, 0.0, 0.0, 3.0, np.inf, np.nan], np.float32)
    session = opened(replace(trace, tensors=MappingProxyType({("value", 1): Kept(data, "float32", data.shape)})))
    session.select(Selection("value", 1))
    view = show(InspectorView, session)
    assert {part.label: part.number for part in view.distribution.health.parts()} == {
        "-Inf": 1, "negative": 2, "zero": 3, "positive": 1, "+Inf": 1, "NaN": 1,
    }  # fmt: skip
    histogram = view.distribution.histogram.histogram()
    assert (histogram.now.sum(), histogram.zeros, histogram.before) == (3, 3, None)
    assert (histogram.edges[0], histogram.edges[-1]) == (-2.0, 3.0)
    assert "without 3 exact zeros" in plain(view.distribution.about)


def test_the_histogram_has_the_step_before_in_grey(session, sample, show):
    view = show(InspectorView, session)
    session.go_to(1, 3)
    output = session.state.trace.graph.ops[2].outputs[0]
    histogram = view.distribution.histogram.histogram()
    both = [sample[step].tensors["value", output].data.astype(np.float64).ravel() for step in (1, 0)]
    for counts, data in zip((histogram.now, histogram.before), both, strict=True):
        assert np.array_equal(counts, np.histogram(data[data != 0], histogram.edges)[0])
    session.go_to(0, 3)
    assert view.distribution.histogram.histogram().before is None
