"""The inspector's gradients: where they meet, go in and out of a Node, by hand, under a scaler."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from gradwalk.builder import GraphBuilder
from gradwalk.sample import statistics_of
from gradwalk.tape import stats_of
from gradwalk.trace import NONE, Kept, Trace, empty_table
from gradwalk_gui.numbers import number
from gradwalk_gui.state import Selection
from gradwalk_gui.views.inspector import InspectorView

sys.path.insert(0, str(Path(__file__).parent))
from inspected import fan_out, opened, plain


def test_where_gradients_meet_it_shows_the_sum(show):
    session = opened(fan_out())
    session.go_to(0, 5)
    view = show(InspectorView, session)
    text = plain(view.formula.sums)
    assert text.startswith("g1 + g2 = sum")
    rms = [math.sqrt((a * a + b * b) / 2) for a, b in ((1, -2), (0.5, 2), (1.5, 0))]
    assert re.findall(r"RMS ([\d.]+)", text) == [number(value, 3) for value in rms]
    session.go_to(0, 3)
    session.select(Selection("node", 2))
    assert plain(view.formula.sums).count("not yet computed") == 2, "g2 and so the sum have not come"


def test_a_sum_is_not_counted_where_its_parts_are_not_kept(show):
    session = opened(replace(fan_out(), tensors=MappingProxyType({})))
    session.go_to(0, 5)
    view = show(InspectorView, session)
    assert plain(view.formula.sums).endswith("not counted")


def test_gradients_go_in_and_out_of_a_node_with_their_rms(session, show):
    view = show(InspectorView, session)
    session.go_to(0, 11)
    text, trace = plain(view.formula.flow), session.state.trace
    told = {edge: number(stats_of(trace.gradients, edge).rms, 3) for edge in (3, 4, 5)}
    assert text.startswith(f"in dL/dy_pred from SubBackward0, 64 × 10 RMS {told[3]} × local derivative of mm")
    assert f"= dL/d(clamp) to ClampBackward1, 64 × 100 RMS {told[4]}" in text
    assert f"dL/dw2 to AccumulateGrad w2, 100 × 10 RMS {told[5]}" in text


def test_a_gradient_of_exactly_zero_is_said_in_words(show):
    zero = fan_out(first=((0.0, 0.0),))
    session = opened(zero)
    session.go_to(0, 3)
    view = show(InspectorView, session)
    assert "0 (exactly)" in plain(view.formula.flow)


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
    assert "dL/d(T) to TBackward0 RMS 2" in plain(view.formula.flow)
    column = view.statistics.table.columns()[0]
    assert (column.label, column.shape, column.texts[3]) == ("dL/d(T)", "", "2")


def test_a_gradient_by_hand_is_told_from_the_value_that_holds_it(show):
    session = opened(chain(by_hand=True))
    session.go_to(0, 2)
    view = show(InspectorView, session)
    assert (view.name.full_text(), view.variable.full_text()) == ("mul", "grad_y")
    session.select(Selection("edge", 1))
    assert view.statistics.table.columns()[0].texts[3] == "3"
    assert view.tensor.pane.grid.data().tolist() == [[3.0] * 3] * 2


def test_gradients_under_a_scaler_are_shown_without_its_factor_and_say_so(show):
    plain_step = fan_out()
    columns = []
    for trace in (plain_step, replace(plain_step, scales=(8.0,))):
        session = opened(trace)
        session.go_to(0, len(trace.tape))
        session.select(Selection("value", 0))
        view = show(InspectorView, session)
        columns.append(view.statistics.table.columns())
    assert [column.label for column in columns[1]] == [
        column.label + (", unscaled" if "/" in column.label or "grad" in column.label else "") for column in columns[0]
    ]
    assert any("unscaled" in column.label for column in columns[1])
    edge = next(edge.id for edge in plain_step.graph.edges if edge.target == NONE)
    assert session.state.trace.gradients[1, edge] == plain_step.gradients[1, edge] / 8
    assert session.state.trace.tensors["gradient", edge].data.tolist() == (plain_step.tensors["gradient", edge].data / 8).tolist()
    session.select(Selection("edge", edge))
    assert "scaled by 8" in plain(view.properties.text)
