"""The outline: modules, parameters, ops; selection and folds in step with the session."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from gradwalk.builder import GraphBuilder
from gradwalk.trace import NONE, Trace, empty_table
from gradwalk_gui.inspection.tree import items_of
from gradwalk_gui.session import Selection, Session
from gradwalk_gui.theme import DARK
from gradwalk_gui.views.outline import DETAIL, FOLD, NAME, OutlineView


class OneStep:
    def __init__(self, graph):
        self.trace = Trace(
            0, graph, np.arange(len(graph.events), dtype=np.int32), empty_table(len(graph.values)), empty_table(len(graph.edges))
        )

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.trace

    def losses(self):
        return np.full(1, np.nan)

    def source(self, file):
        return None


def mlp():
    """net(fc1, relu, fc2) as a module tree."""
    build = GraphBuilder()
    net = build.add_module("net", "net", "MLP")
    x = build.add_value((8, 4), "float32", name="x")
    last = x
    for number, (rows, columns) in enumerate(((16, 4), (2, 16)), 1):
        fc = build.add_module(f"fc{number}", f"net.fc{number}", "Linear", net)
        weight = build.add_value((rows, columns), "float32", name=f"fc{number}.weight", role="leaf", requires_grad=True)
        out = build.add_value((8, rows), "float32", requires_grad=True)
        op = build.add_op("linear", (last, weight), (out,), module=fc)
        build.add_event("op", "forward", op)
        node = build.add_node("AddmmBackward0", op=op)
        build.add_edge(NONE, node, value=out)
        last = out
        if number == 1:
            relu = build.add_value((8, 16), "float32", requires_grad=True)
            build.add_event("op", "forward", build.add_op("relu", (last,), (relu,), module=net, variable="h"))
            last = relu
    return build.freeze()


@pytest.fixture
def modules():
    made = Session()
    made.open(OneStep(mlp()))
    return made


def lines(view, parent=None, depth=0):
    """The tree as indented text."""
    parent = parent or view.model.invisibleRootItem()
    found = []
    for row in range(parent.rowCount()):
        item = parent.child(row, NAME)
        found.append("  " * depth + item.text())
        found += lines(view, item, depth + 1)
    return found


def cell(view, place, column):
    item = view._cells[place]
    return (item.parent() or view.model.invisibleRootItem()).child(item.row(), column)


def test_without_modules_it_lists_inputs_leaves_and_ops_in_order(session, show):
    view = show(OutlineView, session)
    assert lines(view) == ["x", "w1", "w2", "y", "mm", "clamp", "mm y_pred", "sub", "pow", "sum loss"]
    assert view.tree.isColumnHidden(FOLD)
    assert cell(view, 1, DETAIL).text() == "1000 × 100"


def test_modules_hold_their_parameters_and_ops(modules, show):
    view = show(OutlineView, modules)
    assert lines(view) == [
        "x",
        "net",
        "  fc1",
        "    fc1.weight",
        "    linear",
        "  relu h",
        "  fc2",
        "    fc2.weight",
        "    linear",
    ]
    assert not view.tree.isColumnHidden(FOLD)


def test_the_ops_inside_a_custom_function_stand_under_it(show):
    build = GraphBuilder()
    x, inner, outer = (build.add_value((2,), "float32", name=name) for name in ("x", "", "h"))
    relu = build.add_op("MyReLU", (x,), (outer,), custom=True)
    clamp = build.add_op("clamp", (x,), (inner,), parent=relu)
    build.add_event("op", "forward", clamp)
    build.add_event("op", "forward", relu)
    session = Session()
    session.open(OneStep(build.freeze()))
    assert lines(show(OutlineView, session)) == ["x", "MyReLU", "  clamp"]


def test_a_choice_selects_and_a_selection_is_shown(modules, show):
    view = show(OutlineView, modules)
    items = items_of(modules.state.trace.graph)
    view.tree.setCurrentIndex(view._cells[2].index())
    assert modules.state.selection == items[2].selection == Selection("module", 1)
    for selection, place in (
        (Selection("op", 1), 5),
        (Selection("node", 0), 4),
        (Selection("edge", 1), 8),
        (Selection("value", 1), 3),
    ):
        modules.select(selection)
        assert view.tree.currentIndex() == view._cells[place].index()
        assert modules.state.selection == selection, "showing a selection does not change it"
    modules.select(None)
    assert not view.tree.selectionModel().hasSelection()


def test_the_focus_alone_selects_nothing(modules, show):
    view = show(OutlineView, modules)
    view.activateWindow()
    view.tree.setFocus()
    assert modules.state.selection is None
    QTest.keyClick(view.tree, Qt.Key.Key_Down)
    assert modules.state.selection is not None


def test_the_check_box_folds_and_follows(modules, show):
    view = show(OutlineView, modules)
    cell(view, 2, FOLD).setCheckState(Qt.CheckState.Checked)
    assert modules.state.view.folded == {"net.fc1"}
    modules.undo()
    assert cell(view, 2, FOLD).checkState() is Qt.CheckState.Unchecked
    modules.fold("net")
    assert cell(view, 1, FOLD).checkState() is Qt.CheckState.Checked
    cell(view, 1, FOLD).setCheckState(Qt.CheckState.Unchecked)
    assert modules.state.view.folded == frozenset()


def test_the_playhead_moves_without_building_it_anew(session, show):
    view = show(OutlineView, session)
    before = list(view._cells)
    session.next_event()
    session.next_step()
    assert view._cells == before


def test_another_structure_replaces_it(session, show):
    view = show(OutlineView, session)
    session.open(OneStep(mlp()))
    assert lines(view)[1] == "net"
    session.close()
    assert view.message.isVisible()
    assert "Open a recording" in view.message.text()
    session.open(OneStep(GraphBuilder().freeze()))
    assert "Nothing ran" in view.message.text()


def test_the_theme_can_change(modules, show):
    view = show(OutlineView, modules)
    view.set_theme(DARK)
    assert cell(view, 0, DETAIL).foreground().color().name() == DARK.subtle
