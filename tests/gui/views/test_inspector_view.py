"""The inspector: what it says at several places of the step, and the parts that it is made of."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from PySide6.QtCore import QPointF

from gradwalk.builder import GraphBuilder
from gradwalk.sample import sample_trace, statistics_of
from gradwalk.tape import stats_of
from gradwalk.trace import NONE, Kept, Saved, Trace, empty_table
from gradwalk_gui.numbers import number
from gradwalk_gui.session import Selection, Session
from gradwalk_gui.theme import DARK
from gradwalk_gui.views.inspector import InspectorView
from gradwalk_gui.widgets.diverging import NEGATIVE, POSITIVE


class Steps(list):
    def losses(self):
        return np.array([np.nan if trace.loss is None else trace.loss for trace in self])

    def source(self, file):
        return None


def opened(*traces):
    session = Session()
    session.open(Steps(traces))
    return session


def plain(block):
    return re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", " ", block.text()).replace("&nbsp;", " ").replace("\N{NO-BREAK SPACE}", " ")
    ).strip()


def under(view, symbol, row=0):
    """What stands under a symbol of the formula card."""
    return next(token.under for token in view.formula.card().rows[row].tokens if token.text == symbol)


def fan_out(first=((1.0, -2.0),), second=((0.5, 2.0),)):
    """x read by two ops, so that two gradients of it meet; all of it tiny, everything kept."""
    build = GraphBuilder()
    x = build.add_value((1, 2), "float32", name="x", role="leaf", requires_grad=True)
    outs = [build.add_value((1, 2), "float32", name=name, requires_grad=True) for name in ("a", "b")]
    ops = [
        build.add_op(name, (x,), (out,), variable=out_name)
        for name, out, out_name in (("exp", outs[0], "a"), ("tanh", outs[1], "b"))
    ]
    for op in ops:
        build.add_event("op", "forward", op)
    nodes = [build.add_node(name, op=op) for name, op in (("ExpBackward0", ops[0]), ("TanhBackward0", ops[1]))]
    leaf = build.add_node("AccumulateGrad", leaf=x)
    seeds = [build.add_edge(NONE, node, value=out) for node, out in zip(nodes, outs, strict=True)]
    parts = [build.add_edge(node, leaf, value=x) for node in nodes]
    total = build.add_edge(leaf, NONE, value=x)
    for node in nodes:
        build.add_event("node", "backward", node)
    build.add_event("accumulate", "backward", leaf)
    graph = build.freeze()
    arrays = {seeds[0]: np.ones((1, 2)), seeds[1]: np.ones((1, 2)), parts[0]: np.array(first), parts[1]: np.array(second)}
    arrays[total] = arrays[parts[0]] + arrays[parts[1]]
    gradients, tensors = empty_table(len(graph.edges)), {}
    for edge, array in arrays.items():
        gradients[:, edge] = statistics_of(array)
        tensors["gradient", edge] = Kept(array.astype(np.float32), "float32", array.shape)
    values = empty_table(len(graph.values))
    tensors["value", x] = Kept(np.array([[0.25, -1.0]], np.float32), "float32", (1, 2))
    tape = np.arange(len(graph.events), dtype=np.int32)
    return Trace(0, graph, tape, values, gradients, tensors=MappingProxyType(tensors))


def test_it_shows_the_event_just_run_and_at_the_start_the_first(session, show):
    view = show(InspectorView, session)
    assert view.subject == Selection("op", 0)
    assert "next" in plain(view.who)
    session.go_to(0, 3)
    assert (view.name.full_text(), view.variable.full_text()) == ("mm", "y_pred")
    assert plain(view.who) == "op · → forward · done · event 2 of 21"
    session.go_to(0, 9)
    assert (view.name.full_text(), view.variable.full_text()) == ("PowBackward0", "pow")
    assert "← backward" in plain(view.who)
    session.go_to(0, 7)
    assert (view.name.full_text(), plain(view.who)) == ("loss", "loss · L loss · done · event 6 of 21")
    session.go_to(0, 12)
    assert (view.name.full_text(), view.variable.full_text()) == ("AccumulateGrad", "w2")
    session.go_to(0, 17)
    assert (view.name.full_text(), view.variable.full_text()) == ("sub_", "w1")
    assert "update" in plain(view.who)


def test_a_selection_stays_while_the_playhead_moves(session, show):
    view = show(InspectorView, session)
    session.select(Selection("node", 3))
    for position, state in ((0, "not yet"), (10, "next"), (11, "done")):
        session.go_to(0, position)
        assert view.name.full_text() == "MmBackward0"
        assert f"· {state} ·" in plain(view.who)


def test_the_formula_card_has_the_live_shapes(session, show):
    view = show(InspectorView, session)
    session.go_to(0, 3)
    assert str(view.formula.card()).splitlines() == ["Z = X @ W", "dL/dX = dL/dZ @ W.T", "dL/dW = X.T @ dL/dZ"]
    assert [under(view, symbol) for symbol in "ZXW"] == ["64×10", "64×100", "100×10"]
    assert (under(view, "W.T", 1), under(view, "dL/dX", 1), under(view, "X.T", 2)) == ("10×100", "64×100", "100×64")
    assert view.formula.card().rows[0].now
    assert not view.formula.card().rows[1].now
    session.go_to(0, 11)
    assert view.formula.card().rows[1].now
    assert not view.formula.card().rows[0].now


def test_an_input_without_a_gradient_says_none_under_its_symbol(session, show):
    view = show(InspectorView, session)
    session.go_to(0, 1)
    assert under(view, "dL/dX", 1) == "None"


def test_the_arguments_of_an_op_stand_under_their_symbols(session, show):
    view = show(InspectorView, session)
    session.go_to(0, 2)
    assert under(view, "lo") == "0"
    session.go_to(0, 5)
    assert under(view, "n") == "2"


def test_small_tensors_show_their_numbers(show):
    session = opened(fan_out())
    session.go_to(0, 5)
    view = show(InspectorView, session)
    card = view.formula.card()
    assert str(card) == "x.grad += dL/dx + dL/dx"
    assert [token.numbers.tolist() for token in card.rows[0].tokens if token.numbers is not None] == [
        [[1.5, 0.0]],
        [[1.0, -2.0]],
        [[0.5, 2.0]],
    ]
    session.go_to(0, 4)
    assert [token.numbers is None for token in view.formula.card().rows[0].tokens if token.under] != []


def test_where_gradients_meet_it_shows_the_sum(show):
    session = opened(fan_out())
    session.go_to(0, 5)
    view = show(InspectorView, session)
    text = plain(view.sums)
    assert text.startswith("g1 + g2 = sum")
    rms = [math.sqrt((a * a + b * b) / 2) for a, b in ((1, -2), (0.5, 2), (1.5, 0))]
    assert re.findall(r"RMS ([\d.]+)", text) == [number(value, 3) for value in rms]
    session.go_to(0, 3)
    session.select(Selection("node", 2))
    assert plain(view.sums).count("not yet computed") == 2, "g2 and so the sum have not come"


def test_a_sum_is_not_counted_where_its_parts_are_not_kept(show):
    session = opened(replace(fan_out(), tensors=MappingProxyType({})))
    session.go_to(0, 5)
    view = show(InspectorView, session)
    assert plain(view.sums).endswith("not counted")


def test_gradients_go_in_and_out_of_a_node_with_their_rms(session, show):
    view = show(InspectorView, session)
    session.go_to(0, 11)
    text, trace = plain(view.flow), session.state.trace
    told = {edge: number(stats_of(trace.gradients, edge).rms, 3) for edge in (3, 4, 5)}
    assert text.startswith(f"in dL/dy_pred from SubBackward0, 64 × 10 RMS {told[3]} × local derivative of mm")
    assert f"= dL/d(clamp) to ClampBackward1, 64 × 100 RMS {told[4]}" in text
    assert f"dL/dw2 to AccumulateGrad w2, 100 × 10 RMS {told[5]}" in text


def test_a_gradient_of_exactly_zero_is_said_in_words(show):
    zero = fan_out(first=((0.0, 0.0),))
    session = opened(zero)
    session.go_to(0, 3)
    view = show(InspectorView, session)
    assert "0 (exactly)" in plain(view.flow)


def test_statistics_equal_those_of_the_trace(session, show):
    view = show(InspectorView, session)
    trace = session.state.trace
    session.go_to(0, 3)
    output, gradient = view.statistics.columns()
    stats = stats_of(trace.values, trace.graph.ops[2].outputs[0])
    numbers = [number(value) for value in (stats.min, stats.max, stats.mean, stats.rms)]
    assert list(output.texts) == [*numbers, str(stats.nan), str(stats.inf), str(stats.zero)]
    assert (gradient.texts, gradient.sentence) == ((), "not yet computed")
    session.go_to(0, 10)
    session.select(Selection("op", 2))
    gradient = view.statistics.columns()[1]
    stats = stats_of(trace.gradients, 3)
    assert gradient.texts[3] == number(stats.rms)


def test_what_was_not_counted_is_said(show):
    trace = sample_trace()
    values = trace.values.copy()
    values[[5, 6, 7], 2] = -1
    values[:, 3] = empty_table(1)[:, 0]
    session = opened(replace(trace, values=values))
    session.go_to(0, 1)
    view = show(InspectorView, session)
    assert view.statistics.columns()[0].texts[4:] == ("not counted",) * 3
    session.go_to(0, 2)
    assert view.statistics.columns()[0].sentence == "not counted"


def test_the_grid_holds_the_kept_tensor(session, show):
    view = show(InspectorView, session)
    trace = session.state.trace
    session.go_to(0, 3)
    kept = trace.tensors["value", trace.graph.ops[2].outputs[0]].data
    assert np.array_equal(view.pane.grid.data(), kept.astype(np.float64))
    assert view.pane.grid.text_of(5, 7) == number(float(kept[5, 7]), 3)
    session.go_to(0, 11)
    view.chooser.activated.emit(1)
    assert np.array_equal(view.pane.grid.data(), trace.tensors["gradient", 5].data.astype(np.float64))


def test_the_grid_is_purple_below_zero_and_green_above(show):
    session = opened(fan_out())
    session.select(Selection("value", 0))
    view = show(InspectorView, session)
    grid = view.pane.grid
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
    grid = view.pane.grid
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
    pane = view.pane
    session.select(Selection("value", 0))
    assert [(box.maximum(), box.prefix()) for box in pane.choosers] == [(1, "dim 0: "), (2, "dim 1: ")]
    pane.choosers[0].setValue(1)
    pane.choosers[1].setValue(2)
    assert np.array_equal(pane.grid.data(), data["four"][1, 2])
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
    assert "sample of 1,024 elements of 1000 × 100" in view.pane.note.text()
    assert "of a sample" in plain(view.about_histogram)


def test_a_tensor_that_is_not_kept_offers_the_nearest_step_that_has_it(show):
    traces = [sample_trace(step) for step in range(4)]
    bare = [replace(trace, tensors=MappingProxyType({})) for trace in traces]
    session = opened(traces[0], bare[1], bare[2], bare[3])
    session.go_to(2, 3)
    view = show(InspectorView, session)
    assert "Not kept for this step" in view.pane.note.text()
    assert view.pane.go.isVisible()
    assert view.health.isVisible()
    assert {part.label for part in view.health.parts()} == {"not zero"}
    view.pane.go.click()
    assert (session.state.step, session.state.position) == (0, 3)
    assert view.pane.grid.isVisible()
    session = opened(*bare)
    session.go_to(1, 3)
    view = show(InspectorView, session)
    view.pane.go.click()
    assert "No step" in view.pane.note.text()
    assert session.state.step == 1


def test_health_counts_every_kind_of_element(show):
    trace = sample_trace()
    data = np.array([-np.inf, -2.0, -1.0, 0.0, 0.0, 0.0, 3.0, np.inf, np.nan], np.float32)
    session = opened(replace(trace, tensors=MappingProxyType({("value", 1): Kept(data, "float32", data.shape)})))
    session.select(Selection("value", 1))
    view = show(InspectorView, session)
    assert {part.label: part.number for part in view.health.parts()} == {
        "-Inf": 1, "negative": 2, "zero": 3, "positive": 1, "+Inf": 1, "NaN": 1,
    }  # fmt: skip
    histogram = view.histogram.histogram()
    assert (histogram.now.sum(), histogram.zeros, histogram.before) == (3, 3, None)
    assert (histogram.edges[0], histogram.edges[-1]) == (-2.0, 3.0)
    assert "without 3 exact zeros" in plain(view.about_histogram)


def test_the_histogram_has_the_step_before_in_grey(session, sample, show):
    view = show(InspectorView, session)
    session.go_to(1, 3)
    output = session.state.trace.graph.ops[2].outputs[0]
    histogram = view.histogram.histogram()
    both = [sample[step].tensors["value", output].data.astype(np.float64).ravel() for step in (1, 0)]
    for counts, data in zip((histogram.now, histogram.before), both, strict=True):
        assert np.array_equal(counts, np.histogram(data[data != 0], histogram.edges)[0])
    session.go_to(0, 3)
    assert view.histogram.histogram().before is None


def test_not_yet_and_none_are_different_words(session, show):
    view = show(InspectorView, session)
    session.select(Selection("value", 1))
    assert [column.sentence for column in view.statistics.columns()] == ["", "not yet computed", "not yet computed"]
    session.go_to(0, 15)
    assert [column.sentence for column in view.statistics.columns()] == ["", "", ""]
    graph = session.state.trace.graph
    cut = replace(session.state.trace, tape=session.state.trace.tape[:9])
    session = opened(cut)
    session.go_to(0, 9)
    session.select(Selection("value", 1))
    view = show(InspectorView, session)
    assert [column.sentence for column in view.statistics.columns()] == ["", "None (no path)", "None (no path)"]
    assert graph is cut.graph


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"requires_grad": False, "dtype": "float32"}, "does not require grad (requires_grad is False)"),
        ({"requires_grad": False, "dtype": "int64"}, "is int64; only floating point"),
        ({"requires_grad": True, "dtype": "float32"}, "nothing in this step uses it"),
    ],
)
def test_it_says_why_there_is_no_gradient(show, value, text):
    build = GraphBuilder()
    x = build.add_value((2,), name="t", role="leaf", **value)
    y = build.add_value((2,), "float32", name="y", role="leaf", requires_grad=True)
    z = build.add_value((2,), "float32", name="z", requires_grad=True)
    op = build.add_op("exp", (y,), (z,))
    build.add_event("op", "forward", op)
    node = build.add_node("ExpBackward0", op=op)
    build.add_edge(node, build.add_node("AccumulateGrad", leaf=y), value=y)
    build.add_event("node", "backward", node)
    graph = build.freeze()
    session = opened(Trace(0, graph, np.arange(2, dtype=np.int32), empty_table(3), empty_table(1)))
    view = show(InspectorView, session)
    session.select(Selection("value", x))
    assert view.sections["Why no gradient?"].isVisible()
    assert text in plain(view.why)
    assert "t " in plain(view.why)
    session.select(Selection("value", y))
    assert not view.sections["Why no gradient?"].isVisible()


def test_it_names_the_op_that_cuts_the_path(show):
    build = GraphBuilder()
    x = build.add_value((2,), "float32", name="x", role="leaf", requires_grad=True)
    y = build.add_value((2,), "float32", name="y")
    z = build.add_value((2,), "float32", name="z", requires_grad=True)
    build.add_event("op", "forward", build.add_op("detach", (x,), (y,), variable="y"))
    build.add_event("op", "forward", build.add_op("exp", (x,), (z,), variable="z"))
    graph = build.freeze()
    session = opened(Trace(0, graph, np.arange(2, dtype=np.int32), empty_table(3), empty_table(0)))
    view = show(InspectorView, session)
    assert plain(view.why) == "y has no path back to x: detach cuts it off."
    session.select(Selection("value", z))
    assert "no backward() was recorded" in plain(view.why)


def test_an_op_inside_a_custom_function_says_so(show):
    build = GraphBuilder()
    x, inner, outer = (build.add_value((2,), "float32", name=name, requires_grad=name != "i") for name in "xio")
    relu = build.add_op("MyReLU", (x,), (outer,), custom=True)
    build.add_event("op", "forward", build.add_op("clamp", (x,), (inner,), parent=relu))
    graph = build.freeze()
    session = opened(Trace(0, graph, np.zeros(1, np.int32), empty_table(3), empty_table(0)))
    view = show(InspectorView, session)
    assert "inside the forward of MyReLU" in plain(view.why)
    assert plain(view.links).endswith("part of MyReLU")


def test_a_custom_function_has_no_formula(show):
    build = GraphBuilder()
    x, y = (build.add_value((2,), "float32", name=name, requires_grad=True) for name in "xy")
    op = build.add_op("MyReLU", (x,), (y,), custom=True)
    build.add_event("op", "forward", op)
    build.add_event(
        "node", "backward", build.add_node("MyReLUBackward", op=op, saved=(Saved("saved_tensors", x, (2,), "float32", 8),))
    )
    graph = build.freeze()
    session = opened(Trace(0, graph, np.arange(2, dtype=np.int32), empty_table(2), empty_table(0)))
    view = show(InspectorView, session)
    assert (view.name.full_text(), view.formula.card().sentence) == ("MyReLU", "MyReLU is a custom Function: no formula")
    session.go_to(0, 2)
    assert "no formula" in view.formula.card().sentence
    assert plain(view.saved) == "saved_tensors 2 float32, 8 B, v0"


def test_links_select_and_saved_tensors_have_their_bytes(session, show):
    view = show(InspectorView, session)
    session.go_to(0, 3)
    assert plain(view.links).startswith(
        "inputs clamp output 64 × 100 w2 100 × 10 leaf outputs y_pred 64 × 10 read by sub Nodes MmBackward0"
    )
    assert plain(view.saved) == "self 64 × 100 float32, 25.6 KB, v0 mat2 100 × 10 float32, 4.0 KB, v0 together 29.6 KB"
    target = re.search(r'href="(value:\d+)"[^>]*>w2<', view.links.text()).group(1)
    view.links.linkActivated.emit(target)
    assert view.name.full_text() == "w2"
    assert session.state.selection.kind == "value"
    view.links.linkActivated.emit("file:///etc/passwd")
    assert view.name.full_text() == "w2"


def test_properties_and_source(session, show):
    view = show(InspectorView, session)
    session.go_to(0, 3)
    assert plain(view.properties) == "shape 64 × 10 dtype float32 device cpu requires_grad True"
    assert "x.mm(w1).clamp(min=0).mm(w2)" in plain(view.code)
    assert re.match(r"sample\.py:\d+", plain(view.stack))
    session.go_to(0, 17)
    assert "version 1" in plain(view.properties)
    assert not view.sections["Source"].isVisible()


def test_modules_have_their_parameters_and_ops(show):
    build = GraphBuilder()
    outer = build.add_module("net", "net", "MLP")
    inner = build.add_module("fc", "net.fc", "Linear", outer)
    w, y = build.add_value((2,), "float32", name="fc.weight", role="leaf", requires_grad=True), build.add_value((2,), "float32")
    build.add_event("op", "forward", build.add_op("linear", (w,), (y,), module=inner))
    graph = build.freeze()
    session = opened(Trace(0, graph, np.zeros(1, np.int32), empty_table(2), empty_table(0)))
    view = show(InspectorView, session)
    assert "in net.fc" in plain(view.who)
    session.select(Selection("module", outer))
    assert (view.name.full_text(), plain(view.links)) == ("net", "modules net.fc Linear parameters fc.weight 2 leaf ops linear")
    assert plain(view.properties) == "class MLP path net"
    view.grab()


def test_it_follows_a_playing_session_and_is_exact_once_it_stops(session, show, qtbot):
    view = show(InspectorView, session)
    session.play_pause()
    for _ in range(5):
        session.tick()
    qtbot.waitUntil(lambda: view.name.full_text() == "pow")
    session.tick()
    session.play_pause()
    assert (view.name.full_text(), session.state.position) == ("sum", 6)


def test_every_position_and_selection_can_be_painted_in_a_narrow_panel(session, show):
    view = show(InspectorView, session, size=(300, 900))
    graph = session.state.trace.graph
    for position in range(22):
        session.go_to(1, position)
        view.grab()
    for kind, things in (("op", graph.ops), ("node", graph.nodes), ("value", graph.values), ("edge", graph.edges)):
        for thing in things:
            session.select(Selection(kind, thing.id))
    view.grab()
    assert view.area.widget().width() <= view.area.viewport().width(), "nothing sticks out"


def test_a_step_that_raised_shows_the_error(show):
    from gradwalk.trace import StepError

    trace = sample_trace()
    raised = replace(trace, tape=trace.tape[:3], done=False, error=StepError("RuntimeError", "mat1 and mat2 <no>", 2))
    session = opened(raised)
    session.go_to(0, 3)
    view = show(InspectorView, session)
    assert "raised an error" in plain(view.who)
    assert "RuntimeError: mat1 and mat2 &lt;no&gt;" in plain(view.who)


def test_without_a_recording_or_events_it_says_so(show):
    session = Session()
    view = show(InspectorView, session)
    assert view.message.isVisible()
    assert "Open a recording" in view.message.text()
    trace = sample_trace()
    session.open(Steps([replace(trace, tape=trace.tape[:0])]))
    assert "Nothing ran" in view.message.text()


def test_the_theme_can_change(session, show):
    view = show(InspectorView, session)
    session.go_to(0, 9)
    view.set_theme(DARK)
    assert DARK.backward in view.who.text()
    assert view.grab().toImage().pixelColor(2, 2).name() == DARK.panel
    session.close()
    view.set_theme(DARK)


def chain(*, by_hand=False):
    """y = linear(x) whose gradient goes through two Nodes of one op; or, by hand, a gradient that a Value holds."""
    build = GraphBuilder()
    x, y = (build.add_value((2, 3), "float32", name=name, requires_grad=True) for name in "xy")
    op = build.add_op("linear", (x,), (y,), variable="y")
    build.add_event("op", "forward", op)
    first, second = build.add_node("AddmmBackward0", op=op), build.add_node("TBackward0", op=op)
    build.add_edge(NONE, first, value=y)
    if by_hand:
        grad = build.add_value((2, 3), "float32", name="grad_y", gradient_of=y)
        build.add_edge(first, second, value=y, by=grad)
        build.add_event("op", "backward", build.add_op("mul", (y,), (grad,), phase="backward", variable="grad_y"))
    else:
        build.add_edge(first, second)
        build.add_event("node", "backward", first)
    graph = build.freeze()
    values, gradients = empty_table(len(graph.values)), empty_table(len(graph.edges))
    tensors = {}
    if by_hand:
        values[:, 2] = statistics_of(np.full((2, 3), 3.0))
        tensors["value", 2] = Kept(np.full((2, 3), 3.0, np.float32), "float32", (2, 3))
    else:
        gradients[:, 1] = statistics_of(np.full((3, 2), 2.0))
    tape = np.arange(len(graph.events), dtype=np.int32)
    return Trace(0, graph, tape, values, gradients, tensors=MappingProxyType(tensors))


def test_a_gradient_between_two_nodes_of_one_op_has_a_name_and_no_invented_shape(show):
    session = opened(chain())
    session.go_to(0, 2)
    view = show(InspectorView, session)
    assert "dL/d(T) to TBackward0 RMS 2" in plain(view.flow)
    column = view.statistics.columns()[0]
    assert (column.label, column.shape, column.texts[3]) == ("dL/d(T)", "", "2")


def test_a_gradient_by_hand_is_told_from_the_value_that_holds_it(show):
    session = opened(chain(by_hand=True))
    session.go_to(0, 2)
    view = show(InspectorView, session)
    assert (view.name.full_text(), view.variable.full_text()) == ("mul", "grad_y")
    session.select(Selection("edge", 1))
    assert view.statistics.columns()[0].texts[3] == "3"
    assert view.pane.grid.data().tolist() == [[3.0] * 3] * 2


def test_gradients_under_a_scaler_are_shown_without_its_factor_and_say_so(show):
    plain_step = fan_out()
    columns = []
    for trace in (plain_step, replace(plain_step, scales=(8.0,))):
        session = opened(trace)
        session.go_to(0, len(trace.tape))
        session.select(Selection("value", 0))
        view = show(InspectorView, session)
        columns.append(view.statistics.columns())
    assert [column.label for column in columns[1]] == [
        column.label + (", unscaled" if "/" in column.label or "grad" in column.label else "") for column in columns[0]
    ]
    assert any("unscaled" in column.label for column in columns[1])
    edge = next(edge.id for edge in plain_step.graph.edges if edge.target == NONE)
    assert session.state.trace.gradients[1, edge] == plain_step.gradients[1, edge] / 8
    assert session.state.trace.tensors["gradient", edge].data.tolist() == (plain_step.tensors["gradient", edge].data / 8).tolist()
    session.select(Selection("edge", edge))
    assert "scaled by 8" in plain(view.properties)
