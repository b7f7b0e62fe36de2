"""The inspector: what it says at several places of the step, and the parts that it is made of."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradwalk.builder import GraphBuilder
from gradwalk.sample import sample_trace
from gradwalk.tape import stats_of
from gradwalk.trace import Saved, Trace, empty_table
from gradwalk_gui.numbers import number
from gradwalk_gui.session import Session
from gradwalk_gui.state import Selection
from gradwalk_gui.theme import DARK
from gradwalk_gui.views.inspector import InspectorView

sys.path.insert(0, str(Path(__file__).parent))
from inspected import Steps, fan_out, opened, plain, under


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
    assert str(view.formula.card.card()).splitlines() == ["Z = X @ W", "dL/dX = dL/dZ @ W.T", "dL/dW = X.T @ dL/dZ"]
    assert [under(view, symbol) for symbol in "ZXW"] == ["64×10", "64×100", "100×10"]
    assert (under(view, "W.T", 1), under(view, "dL/dX", 1), under(view, "X.T", 2)) == ("10×100", "64×100", "100×64")
    assert view.formula.card.card().rows[0].now
    assert not view.formula.card.card().rows[1].now
    session.go_to(0, 11)
    assert view.formula.card.card().rows[1].now
    assert not view.formula.card.card().rows[0].now


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
    card = view.formula.card.card()
    assert str(card) == "x.grad += dL/dx + dL/dx"
    assert [token.numbers.tolist() for token in card.rows[0].tokens if token.numbers is not None] == [
        [[1.5, 0.0]],
        [[1.0, -2.0]],
        [[0.5, 2.0]],
    ]
    session.go_to(0, 4)
    assert [token.numbers is None for token in view.formula.card.card().rows[0].tokens if token.under] != []


def test_statistics_equal_those_of_the_trace(session, show):
    view = show(InspectorView, session)
    trace = session.state.trace
    session.go_to(0, 3)
    output, gradient = view.statistics.table.columns()
    stats = stats_of(trace.values, trace.graph.ops[2].outputs[0])
    numbers = [number(value) for value in (stats.min, stats.max, stats.mean, stats.rms)]
    assert list(output.texts) == [*numbers, str(stats.nan), str(stats.inf), str(stats.zero)]
    assert (gradient.texts, gradient.sentence) == ((), "not yet computed")
    session.go_to(0, 10)
    session.select(Selection("op", 2))
    gradient = view.statistics.table.columns()[1]
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
    assert view.statistics.table.columns()[0].texts[4:] == ("not counted",) * 3
    session.go_to(0, 2)
    assert view.statistics.table.columns()[0].sentence == "not counted"


def test_not_yet_and_none_are_different_words(session, show):
    view = show(InspectorView, session)
    session.select(Selection("value", 1))
    assert [column.sentence for column in view.statistics.table.columns()] == ["", "not yet computed", "not yet computed"]
    session.go_to(0, 15)
    assert [column.sentence for column in view.statistics.table.columns()] == ["", "", ""]
    graph = session.state.trace.graph
    cut = replace(session.state.trace, tape=session.state.trace.tape[:9])
    session = opened(cut)
    session.go_to(0, 9)
    session.select(Selection("value", 1))
    view = show(InspectorView, session)
    assert [column.sentence for column in view.statistics.table.columns()] == ["", "None (no path)", "None (no path)"]
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
    assert text in plain(view.why.text)
    assert "t " in plain(view.why.text)
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
    assert plain(view.why.text) == "y has no path back to x: detach cuts it off."
    session.select(Selection("value", z))
    assert "no backward() was recorded" in plain(view.why.text)


def test_an_op_inside_a_custom_function_says_so(show):
    build = GraphBuilder()
    x, inner, outer = (build.add_value((2,), "float32", name=name, requires_grad=name != "i") for name in "xio")
    relu = build.add_op("MyReLU", (x,), (outer,), custom=True)
    build.add_event("op", "forward", build.add_op("clamp", (x,), (inner,), parent=relu))
    graph = build.freeze()
    session = opened(Trace(0, graph, np.zeros(1, np.int32), empty_table(3), empty_table(0)))
    view = show(InspectorView, session)
    assert "inside the forward of MyReLU" in plain(view.why.text)
    assert plain(view.links.text).endswith("part of MyReLU")


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
    assert (view.name.full_text(), view.formula.card.card().sentence) == ("MyReLU", "MyReLU is a custom Function: no formula")
    session.go_to(0, 2)
    assert "no formula" in view.formula.card.card().sentence
    assert plain(view.saved.text) == "saved_tensors 2 float32, 8 B, v0"


def test_links_select_and_saved_tensors_have_their_bytes(session, show):
    view = show(InspectorView, session)
    session.go_to(0, 3)
    assert plain(view.links.text).startswith(
        "inputs clamp output 64 × 100 w2 100 × 10 leaf outputs y_pred 64 × 10 read by sub Nodes MmBackward0"
    )
    assert plain(view.saved.text) == "self 64 × 100 float32, 25.6 KB, v0 mat2 100 × 10 float32, 4.0 KB, v0 together 29.6 KB"
    target = re.search(r'href="(value:\d+)"[^>]*>w2<', view.links.text.text()).group(1)
    view.links.text.linkActivated.emit(target)
    assert view.name.full_text() == "w2"
    assert session.state.selection.kind == "value"
    view.links.text.linkActivated.emit("file:///etc/passwd")
    assert view.name.full_text() == "w2"


def test_properties_and_source(session, show):
    view = show(InspectorView, session)
    session.go_to(0, 3)
    assert plain(view.properties.text) == "shape 64 × 10 dtype float32 device cpu requires_grad True"
    assert "x.mm(w1).clamp(min=0).mm(w2)" in plain(view.source.code)
    assert re.match(r"sample\.py:\d+", plain(view.source.stack))
    session.go_to(0, 17)
    assert "version 1" in plain(view.properties.text)
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
    assert (view.name.full_text(), plain(view.links.text)) == (
        "net",
        "outputs linear output 2 modules net.fc Linear parameters fc.weight 2 leaf ops linear",
    )
    assert plain(view.properties.text) == "class MLP path net parameters 2"
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
