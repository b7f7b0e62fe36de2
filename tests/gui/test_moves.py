"""Jumps by module, on a small Graph with two nested modules and a hand-written backward."""

from __future__ import annotations

import numpy as np

from gradwalk.builder import GraphBuilder
from gradwalk.trace import NONE, Trace, empty_table
from gradwalk_gui import moves
from gradwalk_gui.session import Session, module_path
from gradwalk_gui.state import Selection


def nested() -> Trace:
    build = GraphBuilder()
    outer = build.add_module("net", "net", "Net")
    inner = build.add_module("fc", "net.fc", "Linear", parent=outer)
    values = [build.add_value((2,), "float32") for _ in range(5)]
    for place, module in enumerate((NONE, outer, inner, inner)):
        op = build.add_op("mul", (values[place],), (values[place + 1],), module=module)
        build.add_event("op", "forward", op)
    graph = build.freeze()
    return trace_of(graph)


def trace_of(graph) -> Trace:
    tape = np.arange(len(graph.events), dtype=np.int32)
    return Trace(0, graph, tape, empty_table(len(graph.values)), empty_table(len(graph.edges)))


class One:
    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Trace:
        return self.trace

    def losses(self):
        return np.array([np.nan])

    def source(self, file: str) -> None:
        return None


def test_into_goes_to_the_next_module_and_out_leaves_it():
    trace = nested()
    assert moves.into_module(trace, 0) == 1
    assert moves.into_module(trace, 1) == 2
    assert moves.into_module(trace, 2) is None
    assert moves.out_of_module(trace, 1) is None
    assert moves.out_of_module(trace, 4) is None


def test_a_module_lies_in_itself_and_its_parents_only():
    assert moves.inside("net", "net.fc")
    assert moves.inside("", "net")
    assert not moves.inside("net.fc", "net")
    assert not moves.inside("net", "network")


def test_folding_what_is_selected_then_its_parent_and_unfolding():
    session = Session()
    session.open(One(nested()))
    session.select(Selection("op", 3))
    assert module_path(session.state) == "net.fc"
    session.fold_selected(True)
    assert session.state.view.folded == {"net.fc"}
    session.fold_selected(True)
    assert session.state.view.folded == {"net.fc", "net"}
    session.select(Selection("module", 0))
    session.fold_selected(False)
    assert session.state.view.folded == {"net.fc"}


def test_a_gradient_written_by_hand_goes_with_the_op_whose_gradient_it_is():
    build = GraphBuilder()
    x, h = build.add_value((2,), "float64", name="x"), build.add_value((2,), "float64", name="h")
    square = build.add_op("square", (x,), (h,))
    node = build.add_node("square (by hand)", op=square)
    grad_x = build.add_value((2,), "float64", name="grad_x", gradient_of=x)
    by_hand = build.add_op("multiply", (x,), (grad_x,), phase="backward")
    build.add_edge(node, NONE, value=x, by=grad_x)
    build.add_event("op", "forward", square)
    build.add_event("op", "backward", by_hand)
    trace = trace_of(build.freeze())
    assert moves.counterpart(trace, trace.graph.events[1]) == 0
    assert moves.counterpart(trace, trace.graph.events[0]) == 1
