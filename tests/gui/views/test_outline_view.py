"""The outline: modules, parameters, ops; selection and folds in step with the session."""

from __future__ import annotations

import numpy as np
import pytest
from effort import calls
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtTest import QTest

from gradwalk.builder import GraphBuilder
from gradwalk.trace import NONE, Trace, empty_table
from gradwalk_gui.inspection.tree import items_of
from gradwalk_gui.session import Session
from gradwalk_gui.state import Selection
from gradwalk_gui.theme import DARK
from gradwalk_gui.views.outline import OutlineView
from gradwalk_gui.widgets.outline_model import DETAIL, FOLD, NAME


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
    parent = QModelIndex() if parent is None else parent
    found = []
    for row in range(view.model.rowCount(parent)):
        index = view.model.index(row, NAME, parent)
        assert view.model.parent(index) == parent
        found.append("  " * depth + index.data())
        found += lines(view, index, depth + 1)
    return found


def cell(view, place, column):
    return view.model.index_of(place, column)


def check(view, place):
    """A click on the check box of a module."""
    index = cell(view, place, FOLD)
    checked = index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked
    view.model.setData(index, Qt.CheckState.Unchecked if checked else Qt.CheckState.Checked, Qt.ItemDataRole.CheckStateRole)


def checked(view, place):
    return cell(view, place, FOLD).data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked


def test_without_modules_it_lists_inputs_leaves_and_ops_in_order(session, show):
    view = show(OutlineView, session)
    assert lines(view) == ["x", "w1", "w2", "y", "mm", "clamp", "mm y_pred", "sub", "pow", "sum loss"]
    assert view.tree.isColumnHidden(FOLD)
    assert cell(view, 1, DETAIL).data() == "1000 × 100"


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
    view.tree.setCurrentIndex(cell(view, 2, NAME))
    assert modules.state.selection == items[2].selection == Selection("module", 1)
    for selection, place in (
        (Selection("op", 1), 5),
        (Selection("node", 0), 4),
        (Selection("edge", 1), 8),
        (Selection("value", 1), 3),
    ):
        modules.select(selection)
        assert view.tree.currentIndex() == cell(view, place, NAME)
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
    check(view, 2)
    assert modules.state.view.folded == {"net.fc1"}
    modules.undo()
    assert not checked(view, 2)
    modules.fold("net")
    assert checked(view, 1)
    check(view, 1)
    assert modules.state.view.folded == frozenset()
    assert not view.model.setData(cell(view, 0, FOLD), Qt.CheckState.Checked, Qt.ItemDataRole.CheckStateRole), "no module"


def test_a_double_click_looks_into_a_module_and_its_name_is_bold(modules, show, qtbot):
    view = show(OutlineView, modules)
    place = view.tree.visualRect(cell(view, 2, NAME)).center()
    qtbot.mouseClick(view.tree.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(view.tree.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert modules.state.view.root == "net.fc1"
    assert [i for i in range(9) if cell(view, i, NAME).data(Qt.ItemDataRole.FontRole) is not None] == [2]
    modules.go_up()
    assert [i for i in range(9) if cell(view, i, NAME).data(Qt.ItemDataRole.FontRole) is not None] == [1]


def test_each_of_ten_thousand_lines_is_made_once(show):
    build = GraphBuilder()
    last = build.add_value((2,), "float32", name="x")
    for number in range(5_000):
        module = build.add_module(f"{number}", f"net.{number}", "Tanh")
        out = build.add_value((2,), "float32")
        build.add_event("op", "forward", build.add_op("tanh", (last,), (out,), module=module))
        last = out
    session = Session()
    view = show(OutlineView, session)
    session.open(OneStep(build.freeze()))
    assert calls(lambda: view._fill(session.state)) < 60 * 10_001
    assert len(view.model.items) == 10_001
    session.select(Selection("op", 4_321))
    assert view.tree.visualRect(view.tree.currentIndex()).top() > 0


def test_the_playhead_moves_without_building_it_anew(session, show):
    view = show(OutlineView, session)
    before = QPersistentModelIndex(cell(view, 3, NAME))
    session.next_event()
    session.next_step()
    assert before.isValid()


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
    assert cell(view, 0, DETAIL).data(Qt.ItemDataRole.ForegroundRole).name() == DARK.subtle
