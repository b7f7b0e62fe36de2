"""The NumPy reference, sections that stay closed, modules, and the stack as links: in a real recording."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from custom import Cube
from PySide6.QtCore import Qt
from PySide6.QtGui import QTextDocument
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from torch import nn

import gradwalk
from gradwalk.recording.reader import open_recording
from gradwalk.reference.checking import check
from gradwalk.reference.error_map import errors
from gradwalk.reference.whole import check_step
from gradwalk_gui import settings
from gradwalk_gui.inspection.blocked import blocked
from gradwalk_gui.inspection.modules import boundary_of
from gradwalk_gui.sections.check_text import AGREES, DIFFERS
from gradwalk_gui.session import Session
from gradwalk_gui.state import Selection
from gradwalk_gui.theme import DARK, LIGHT
from gradwalk_gui.views.inspector import InspectorView
from gradwalk_gui.widgets.error_colours import error_colours

sys.path.insert(0, str(Path(__file__).parent))
from inspected import plain


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last, self.frozen = nn.Linear(6, 5), nn.Linear(5, 80), nn.Linear(6, 6)
        self.frozen.requires_grad_(False)

    def forward(self, x):
        return self.last(Cube.apply(torch.tanh(self.first(self.frozen(x)))))


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Two steps; the second layer is too large to be checked without being asked."""
    torch.manual_seed(0)
    net, folder = Net(), tmp_path_factory.mktemp("net") / "run"
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with gradwalk.record(folder):
        for _ in range(2):
            optimizer.zero_grad()
            net(torch.randn(64, 6)).square().mean().backward()
            optimizer.step()
    with open_recording(folder) as opened:
        yield opened


@pytest.fixture
def session(recording):
    made = Session()
    made.open(recording)
    made.last_event()
    return made


def op(session, name, place=0):
    found = [op.id for op in session.state.trace.graph.ops if op.name == name and op.phase == "forward"]
    return Selection("op", found[place])


def test_a_small_op_is_checked_at_once_and_its_code_can_be_read(session, show):
    view = show(InspectorView, session)
    session.select(op(session, "tanh"))
    text = plain(view.check.result)
    assert text.count(AGREES) == 2
    assert "Z = tanh(X)" in text
    assert "dL/dX = dL/dZ * (1 - Z ** 2)" in text
    assert "max rel. error" in text
    assert not view.check.button.isVisible()
    assert not view.check.code.isVisible()
    view.area.ensureWidgetVisible(view.check.show_code)
    QTest.mouseClick(view.check.show_code, Qt.MouseButton.LeftButton)
    assert view.check.code.isVisible()
    assert "lambda out, x: 1 - out**2" in plain(view.check.code)
    session.select(op(session, "linear"))
    assert "def _linear_dw" in plain(view.check.code)


def test_what_differs_from_the_ops_inside_has_no_cross_on_a_file(session, show):
    view = show(InspectorView, session)
    session.select(op(session, "Cube"))
    session.go_to_selected()
    text = plain(view.check.result)
    assert (text.count(AGREES), text.count(DIFFERS)) == (1, 0)
    assert "dL/dtanh output not yet computed" in text
    session.last_event()
    text = plain(view.check.result)
    assert (text.count(AGREES), text.count(DIFFERS)) == (1, 0)
    assert "– dL/dtanh output no reference" in text
    assert "max rel. error 0.33" in text
    assert "the chain of the 2 ops inside" in text
    assert "no reference: custom Function, not checked while it ran; Cube gives another dL/dtanh output than the ops" in text
    assert view.theme.danger not in view.check.result.text()
    node = next(node.id for node in session.state.trace.graph.nodes if node.name == "CubeBackward")
    session.select(Selection("node", node))
    assert plain(view.check.result) == text, "a Node has the check of its op"


def test_a_large_op_is_checked_with_the_button_off_the_windows_thread(session, show, qtbot):
    view = show(InspectorView, session)
    session.select(op(session, "linear", 2))
    assert plain(view.check.result) == ""
    assert view.check.button.isVisible()
    view.area.ensureWidgetVisible(view.check.button)
    QTest.mouseClick(view.check.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not view.check.button.isVisible())
    assert plain(view.check.result).count(AGREES) == 4
    session.select(op(session, "tanh"))
    session.select(op(session, "linear", 2))
    assert plain(view.check.result).count(AGREES) == 4, "it is remembered"


def op_input(session):
    graph = session.state.trace.graph
    return next(value for value in graph.ops[op(session, "linear", 1).id].inputs if graph.values[value].role == "leaf")


def test_a_section_is_closed_by_key_and_stays_closed(session, show):
    view = show(InspectorView, session)
    QTest.keyClick(view.statistics.heading, Qt.Key.Key_Space)
    assert session.state.closed == ("Statistics",)
    assert not view.statistics.body.isVisible()
    session.select(op(session, "tanh"))
    session.next_step()
    assert not view.statistics.body.isVisible()
    assert not show(InspectorView, session).statistics.is_open, "one that is made anew too"
    QTest.mouseClick(view.statistics.heading, Qt.MouseButton.LeftButton)
    assert session.state.closed == ()
    assert view.statistics.body.isVisible()


def test_closed_sections_are_kept_from_one_start_to_the_next(opened, tmp_path):
    inspector = opened._window.desk.views["inspector"]
    for section in ("Formula", "NumPy reference"):
        QTest.mouseClick(inspector.sections[section].heading, Qt.MouseButton.LeftButton)
    settings.save(opened.present_settings(), tmp_path / "app.json")
    kept = settings.load(tmp_path / "app.json")
    assert kept.closed == ("Formula", "NumPy reference")
    opened.apply_settings(settings.Settings())
    assert inspector.formula.is_open
    opened.apply_settings(kept)
    assert not inspector.formula.is_open
    assert not inspector.formula.body.isVisible()


def test_nothing_is_checked_while_the_section_is_closed_nor_where_there_is_no_op(session, show, monkeypatch):
    view = show(InspectorView, session)
    for thing in (Selection("value", op_input(session)), Selection("module", 0)):
        session.select(thing)
        QApplication.processEvents()
        assert not view.check.isVisible()
    session.set(closed=("NumPy reference",))
    asked = []
    monkeypatch.setattr(view.check.checks, "of", lambda *what: asked.append(what))
    session.select(op(session, "tanh"))
    QApplication.processEvents()
    assert asked == []


def test_a_module_has_its_inputs_outputs_parameters_and_what_it_keeps(session, show):
    view = show(InspectorView, session)
    graph = session.state.trace.graph
    first = next(module for module in graph.modules if module.path.endswith("first"))
    session.select(Selection("module", first.id))
    links = plain(view.links.text)
    assert "inputs" in links
    assert "outputs" in links
    assert "first.weight 5 × 6 leaf" in links
    assert "parameters 35" in plain(view.properties.text)
    assert "saved for backward" in plain(view.properties.text)
    (output,) = boundary_of(graph, first.id).outputs
    assert next(tensor.key for tensor in view._shown.tensors) == ("value", output)
    assert view.tensor.pane.grid.data().shape == (64, 5)
    assert plain(view.why.text) == ""
    frozen = next(module for module in graph.modules if module.path.endswith("frozen"))
    session.select(Selection("module", frozen.id))
    assert "frozen.weight does not require grad" in plain(view.why.text)
    assert "frozen.bias does not require grad" in plain(view.why.text)


def test_a_line_of_the_stack_opens_its_place_and_long_names_leave_room(session, show):
    view = show(InspectorView, session, size=(295, 700))
    session.select(op(session, "tanh"))
    assert "test_inspector_check.py" in plain(view.source.stack)
    target = view.source.stack.text().split('href="')[2].split('"')[0]
    view.source.stack.linkActivated.emit(target)
    file, line = session.state.frame
    assert file == __file__
    assert "net(torch.randn(64, 6))" in Path(__file__).read_text(encoding="utf-8").splitlines()[line - 1]
    session.go_to(0, 1)
    session.select(Selection("node", 0))
    for node in session.state.trace.graph.nodes:
        session.select(Selection("node", node.id))
        text = QTextDocument()
        text.setDefaultFont(view.formula.flow.font())
        text.setHtml(view.formula.flow.text())
        text.setTextWidth(view.formula.flow.width())
        assert text.size().width() <= view.formula.flow.width(), "no number and no 'not yet computed' is cut"
    assert view.area.widget().width() <= view.area.viewport().width(), "nothing sticks out"


def test_a_saved_tensor_that_was_overwritten_says_by_what(show, tmp_path):
    x = torch.ones(3, requires_grad=True)
    with gradwalk.record(tmp_path / "run"):
        y = x.exp()
        y.data.add_(1)  # autograd does not see it
        y.sum().backward()
    with open_recording(tmp_path / "run") as recording:
        session = Session()
        session.open(recording)
        view = show(InspectorView, session)
        session.select(op(session, "exp"))
        assert plain(view.saved.text) == "result 3 float32, 12 B, v0 overwritten since by add_ (event 1)"
        view.saved.text.linkActivated.emit(f"op:{op(session, 'add_').id}")
        assert session.state.selection == op(session, "add_")


def test_in_a_long_step_what_is_in_sight_comes_first(session, show, monkeypatch):
    view = show(InspectorView, session, size=(420, 300))
    monkeypatch.setattr("gradwalk_gui.views.inspector.AT_ONCE", 0)
    session.select(op(session, "tanh"))
    QApplication.processEvents()
    before = view.check.result.text()
    session.select(op(session, "Cube"))
    assert view.name.full_text() == "Cube"
    assert view.check.result.text() == before, "out of sight"
    QApplication.processEvents()
    assert "the chain of the 2 ops inside" in view.check.result.text()


def test_both_values_stand_side_by_side_with_how_far_they_are_apart(session, show):
    view = show(InspectorView, session)
    session.select(op(session, "Cube"))
    text = plain(view.check.result)
    first, second = text.split("– ")
    found = re.match(r"✓ Z agrees error map the 2 ops inside recorded NumPy (\S+) (\S+) at \[\d+, \d\] max abs\. error", first)
    assert found
    assert float(found[1]) == pytest.approx(float(found[2]), rel=1e-4)
    found = re.match(
        r"(\S+ \S+|\S+) no reference error map .* recorded NumPy (\S+) (\S+) at \[(\d+), (\d)\] max abs\. error \S+", second
    )
    assert found
    assert float(found[2]) / float(found[3]) == pytest.approx(2 / 3, rel=1e-4)
    assert "max rel. error 0.33" in second
    assert " ulp " in second


def test_a_click_on_a_row_opens_the_error_of_every_element(session, show, qtbot):
    view = show(InspectorView, session)
    session.select(op(session, "Cube"))
    part = view.check
    assert not part.map.isVisible()
    part.result.linkActivated.emit("map:1")
    assert part.map.isVisible()
    assert "close error map" in plain(part.result)
    trace = session.state.trace
    cube = trace.graph.ops[op(session, "Cube").id]
    (edge,) = [edge.id for edge in trace.graph.edges if edge.value == cube.inputs[0] and edge.source != -1]
    wanted = errors(trace, cube, ("gradient", edge))
    assert (part.map.grid.data() == wanted).all()
    part.map.grid.pointed.emit(3, 2)
    seen, expected, off = re.match(r"\[3, 2\]: (\S+), NumPy (\S+), off (\S+)", part.map.under.full_text()).groups()
    assert abs(float(seen) - float(expected)) == pytest.approx(float(off), rel=1e-2)
    part.map.grid.pointed.emit(-1, -1)
    assert part.map.under.full_text().startswith("largest ")
    view.set_theme(DARK)
    assert part.map.grid.theme is DARK
    part.result.linkActivated.emit("map:1")
    assert not part.map.isVisible()
    part.result.linkActivated.emit("map:0")
    session.select(op(session, "tanh"))
    assert not part.map.isVisible(), "it is of the op that was looked at"


def test_the_error_map_of_a_large_op_comes_from_a_thread(session, show, qtbot):
    view = show(InspectorView, session)
    session.select(op(session, "linear", 2))
    trace = session.state.trace
    session.know(session.state.recording, session.state.step, trace, check_step(trace).verdicts)
    assert plain(view.check.result).count(AGREES) == 4, "what the whole step's check found"
    view.check.result.linkActivated.emit("map:0")
    qtbot.waitUntil(lambda: view.check.map.grid.isVisible() and view.check.map.grid.data().shape == (64, 80))


def test_what_the_training_found_is_told_with_how(session, show):
    view = show(InspectorView, session)
    cube = op(session, "Cube")
    trace = session.state.trace
    made = check(trace, trace.graph.ops[cube.id]).verdict
    told = replace(made, by="central differences", sentence="only the gradient of x was looked at")
    session.know(session.state.recording, session.state.step, trace, {cube.id: told})
    session.select(cube)
    text = plain(view.check.result)
    assert (text.count(AGREES), text.count(DIFFERS)) == (1, 1), "what was found while it ran decides"
    assert view.theme.danger in view.check.result.text()
    assert "by central differences through the Function itself, in the training process" in text
    assert "only the gradient of x was looked at" in text
    assert "error map" not in text
    assert not view.check.show_code.isVisible()


@pytest.mark.parametrize(("shape", "most", "blocks"), [((3, 4), 8, (1, 1)), ((10, 3), 4, (3, 1)), ((5, 2050), 1024, (1, 3))])
def test_a_large_matrix_is_shown_by_the_largest_of_each_block(shape, most, blocks):
    matrix = np.random.default_rng(0).random(shape)
    made = blocked(matrix, most)
    assert (made.down, made.across) == blocks
    assert max(made.cells.shape) <= most
    place = np.unravel_index(matrix.argmax(), shape)
    assert made.cells[place[0] // made.down, place[1] // made.across] == matrix.max()
    assert np.isnan(blocked(np.where(matrix == matrix.max(), np.nan, matrix), most).cells).sum() == 1


def test_errors_have_a_colour_by_decade_and_none_has_the_ground():
    made = error_colours(np.array([0.0, 1e-9, 1e-2, 1.0, np.inf]), 1.0, LIGHT)
    ground, smallest, middle, largest, bad = (tuple(int(part) for part in row) for row in made)
    assert ground == (255, 255, 255)
    assert len({smallest, middle, largest}) == 3
    assert bad == tuple(bytes.fromhex(LIGHT.bad[1:]))
