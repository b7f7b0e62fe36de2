"""What the inspector teaches, on real recordings of small nets: local times incoming, one element, the line of NumPy."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication

import gradwalk
from gradwalk.tape import event_at, name_of
from gradwalk_gui.inspection.formula import card_of
from gradwalk_gui.inspection.lesson import outgoing_of, strongest, written
from gradwalk_gui.inspection.numpy_lines import lines_of
from gradwalk_gui.session import Session
from gradwalk_gui.state import Selection
from gradwalk_gui.theme import DARK
from gradwalk_gui.views.inspector import InspectorView
from gradwalk_gui.widgets.formula_card import number_cells, numbers_text

sys.path.insert(0, str(Path(__file__).parent))
from inspected import plain as plain_text


class MyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (x > 0)


def plain(block):
    return plain_text(block).replace("\N{ZERO WIDTH SPACE}", "")


def small_net(custom):
    """Three samples, four inputs, three hidden units, two outputs; two steps."""
    torch.manual_seed(4)
    x, y = torch.randn(3, 4), torch.randn(3, 2)
    w1, w2 = torch.randn(4, 3, requires_grad=True), torch.randn(3, 2, requires_grad=True)
    for _ in range(2):
        h = x.mm(w1)
        y_pred = (MyReLU.apply(h) if custom else h.clamp(min=0)).mm(w2)
        loss = (y_pred - y).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            w1 -= 1e-3 * w1.grad
            w2 -= 1e-3 * w2.grad
            w1.grad.zero_()
            w2.grad.zero_()


@pytest.fixture(scope="module", params=[False, True], ids=["autograd", "custom"])
def either(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small") / "run"
    with gradwalk.record(folder):
        small_net(request.param)
    with gradwalk.open_recording(folder) as recording:
        yield recording


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small") / "run"
    with gradwalk.record(folder):
        small_net(False)
    with gradwalk.open_recording(folder) as recording:
        yield recording


@pytest.fixture
def looking(small, show):
    session = Session()
    session.open(small)
    return session, show(InspectorView, session)


def at(session, name, which=0):
    """The playhead just after an event."""
    trace = session.state.trace
    graph = trace.graph
    named = [name_of(graph, event_at(trace, i)) for i in range(len(trace.tape))]
    session.go_to(session.state.step, [i for i, n in enumerate(named) if n == name][which] + 1)


def test_every_element_of_every_gradient_is_the_recorded_number(either):
    trace, checked = either[1], 0
    for op in trace.graph.ops:
        for gradient in outgoing_of(trace, op):
            for element in np.ndindex(*gradient.shape):
                made = written(trace, op, gradient, element)
                assert made.agrees, (op.name, gradient, made)
                assert made.recorded == trace.tensors["gradient", gradient.edge].data[element]
                checked += 1
    assert checked > 40


def test_a_number_that_is_not_the_sum_is_told(small):
    trace = small[1]
    op = next(op for op in trace.graph.ops if op.variable == "y_pred")
    gradient = outgoing_of(trace, op)[1]
    made = written(trace, op, gradient, strongest(trace, gradient))
    wrong = type(made)(made.sum, made.recorded * 1.001, made.dtype)
    assert made.agrees
    assert not wrong.agrees


def test_a_backward_formula_says_what_comes_in_and_goes_out(looking):
    session, view = looking
    at(session, "MmBackward0")
    rows = view.formula.card.card().rows
    assert [[(t.text, t.role) for t in row.tokens if t.role] for row in rows] == [
        [],
        [("dL/dX", "outgoing"), ("dL/dZ", "incoming"), ("W.T", "local")],
        [("dL/dW", "outgoing"), ("X.T", "local"), ("dL/dZ", "incoming")],
    ]


def test_a_click_on_a_number_of_the_card_writes_it_out(looking, qtbot):
    session, view = looking
    at(session, "MmBackward0")
    card = view.formula.card
    piece = next(p for p in card._place(card.width()) if p.token.text == "dL/dW")
    box = piece.box.adjusted(0, 20, 0, 0)
    cell = number_cells(box, numbers_text(piece.token.numbers))[2][1]
    qtbot.mouseClick(card, Qt.MouseButton.LeftButton, pos=cell.center().toPoint())
    assert (view.formula.element.which.currentText(), view.formula.element.index.text()) == ("dL/dW", "2, 1")
    trace = session.state.trace
    op = next(op for op in trace.graph.ops if op.variable == "y_pred")
    edge = next(edge for edge in outgoing_of(trace, op) if edge.symbol == "W").edge
    told = plain(view.formula.element.text)
    assert all(f"X[{k}, 2]" in told and f"dL/dZ[{k}, 1]" in told for k in range(3))
    assert "✓" in told
    recorded = trace.tensors["gradient", edge].data[2, 1]
    assert str(np.float32(recorded)) in told
    total = float(re.search(r"= dL/dW\[2, 1\] (\S+)", told).group(1))
    x, dz = (trace.tensors[key].data.astype(float) for key in (("value", op.inputs[0]), ("gradient", 3)))
    assert total == pytest.approx((x.T @ dz)[2, 1], rel=1e-8)
    qtbot.mouseClick(card, Qt.MouseButton.LeftButton, pos=QPointF(4, 4).toPoint())
    assert view.formula.element.index.text() == "2, 1"


def test_an_index_is_typed_and_a_wrong_one_gets_a_sentence(looking, qtbot):
    session, view = looking
    at(session, "MmBackward0", 1)
    qtbot.mouseClick(view.formula.element.button, Qt.MouseButton.LeftButton)
    field = view.formula.element.index
    assert view.formula.element.which.currentText() == "dL/dW"
    field.clear()
    qtbot.keyClicks(field, "3 0")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert field.text() == "3, 0"
    assert "dL/dW[3, 0]" in plain(view.formula.element.text)
    for text in ("9, 0", "1", "a, b"):
        field.clear()
        qtbot.keyClicks(field, text)
        qtbot.keyClick(field, Qt.Key.Key_Return)
        assert view.formula.element.problem.isVisible()
        assert view.formula.element.problem.text() == "dL/dW is 4 × 3; an index is 2 whole numbers, such as 1, 2."
    field.setText("-1, -1")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert (field.text(), view.formula.element.problem.isVisible()) == ("3, 2", False)


def test_the_local_derivative_of_one_element_has_its_numbers(looking, qtbot):
    session, view = looking
    at(session, "PowBackward0")
    view.formula.element.button.setChecked(True)
    told = plain(view.formula.element.text)
    assert "n * X ** (n - 1)" in told
    assert re.search(r"with X\[\d, \d\] = ", told)
    assert "the same number" in told
    at(session, "SumBackward0")
    assert "dL/dX" in plain(view.formula.element.text)
    assert view.formula.element.which.count() == 1


def test_a_cell_of_the_tensor_grid_is_written_out(looking, qtbot):
    session, view = looking
    at(session, "SubBackward0")
    QApplication.processEvents()
    grid = view.tensor.pane.grid
    wide, high = grid.cell()
    qtbot.mouseClick(grid, Qt.MouseButton.LeftButton, pos=QPointF(1.5 * wide, 2.5 * high).toPoint())
    assert view.formula.element.button.isChecked()
    assert view.formula.element.index.text() == "2, 1"


def test_many_terms_are_folded_and_unfold(show, tmp_path):
    with gradwalk.record(tmp_path / "run"):
        w = torch.randn(3, 2, requires_grad=True)
        torch.randn(20, 3).mm(w).sum().backward()
    with gradwalk.open_recording(tmp_path / "run") as recording:
        session = Session()
        session.open(recording)
        view = show(InspectorView, session)
        at(session, "MmBackward0")
        view.formula.element.button.setChecked(True)
        assert "14 more terms" in plain(view.formula.element.text)
        view.formula.element.text.followed.emit("terms:all")
        assert plain(view.formula.element.text).count("X[") == 20
        view.formula.element.text.followed.emit("terms:few")
        assert plain(view.formula.element.text).count("X[") == 6


def test_gradients_that_meet_come_in_as_their_sum(show, tmp_path):
    with gradwalk.record(tmp_path / "run"):
        w = torch.tensor([[0.5, -1.0]], requires_grad=True)
        a = w.exp()
        ((a * a).sum() + a.sum()).backward()
    with gradwalk.open_recording(tmp_path / "run") as recording:
        trace = recording[0]
        session = Session()
        session.open(recording)
        view = show(InspectorView, session)
        at(session, "ExpBackward0")
        (row,) = [row for row in view.formula.card.card().rows if row.phase == "backward"]
        (incoming,) = [token.numbers for token in row.tokens if token.role == "incoming"]
        np.testing.assert_allclose(incoming, 2 * np.exp([[0.5, -1.0]]) + 1, rtol=1e-6)
        for name in ("exp", "mul"):
            op = next(op for op in trace.graph.ops if op.name == name)
            for gradient in outgoing_of(trace, op):
                assert all(written(trace, op, gradient, (0, place)).agrees for place in range(2))
        assert [gradient.symbol for gradient in outgoing_of(trace, op)] == ["X", "Y"]
        assert len({gradient.edge for gradient in outgoing_of(trace, op)}) == 2


def test_a_narrow_inspector_puts_the_factors_into_one_column(looking, qtbot):
    session, view = looking
    at(session, "MmBackward0")
    view.formula.element.button.setChecked(True)
    assert "× local" in plain(view.formula.element.text)
    view.resize(230, 700)
    qtbot.waitUntil(lambda: "× local" not in plain(view.formula.element.text))
    assert re.search(r"dL/dZ\[\d, 1\] \S+ × W\[\d, 1\]", plain(view.formula.element.text))
    view.resize(420, 700)
    qtbot.waitUntil(lambda: "× local" in plain(view.formula.element.text))


def test_closed_it_works_out_nothing(looking, monkeypatch):
    session, view = looking
    monkeypatch.setattr("gradwalk_gui.widgets.one_element.written", None)
    at(session, "MmBackward0")
    session.previous_event()
    assert view.formula.element.isVisible()
    assert not view.formula.element.text.isVisible()


def test_a_gradient_that_has_not_come_is_not_written_out(looking):
    session, view = looking
    at(session, "mm", 1)
    view.formula.element.button.setChecked(True)
    assert view.formula.element.problem.text() == "dL/dX is not yet computed: the backward comes later in this step."
    assert not view.formula.element.text.isVisible()
    session.last_event()
    session.select(Selection("op", 2))
    assert "dL/dX[" in plain(view.formula.element.text)


def test_what_was_not_kept_is_said(show, tmp_path):
    with gradwalk.record(tmp_path / "run", level="structure"):
        small_net(False)
    with gradwalk.open_recording(tmp_path / "run") as recording:
        session = Session()
        session.open(recording)
        view = show(InspectorView, session)
        at(session, "MmBackward0")
        view.formula.element.button.setChecked(True)
        assert view.formula.element.problem.text() == "The elements of dL/d(clamp) are not kept in this step."


def test_the_numpy_column_is_that_of_the_event_at_the_playhead(looking):
    session, view = looking
    at(session, "mm", 1)
    told = plain(view.numpy.text)
    assert told.startswith("PyTorch NumPy → h.clamp(min=0)") or "→" in told
    assert "y_pred = clamp_out @ w2" in told
    assert "MmBackward0 grad_clamp_out = grad_y_pred @ w2.T" in told
    assert "grad_w2 = clamp_out.T @ grad_y_pred" in told
    at(session, "AccumulateGrad")
    assert "w2.grad += grad_w2" in plain(view.numpy.text)
    at(session, "SumBackward0")
    assert "grad_pow_out = grad_loss * np.ones_like(pow_out)" in plain(view.numpy.text)
    session.select(Selection("value", 0))
    assert not view.sections["In NumPy"].isVisible()


def test_the_lines_of_a_whole_program_give_its_gradients(small):
    """All lines of the step, run one after the other in NumPy, are the training step."""
    trace = small[1]
    graph = trace.graph
    leaves = {
        value.name: trace.tensors["value", value.id].data.astype(float) for value in graph.values if value.op < 0 and value.name
    }
    names = {"np": np, **leaves, "grad_loss": np.float64(1)}
    forward = [op for op in graph.ops if op.phase == "forward"]
    for op in forward:
        exec(lines_of(trace, op).forward, names)
    for op in reversed(forward):
        for line in lines_of(trace, op).gradients:
            exec(line.code, names)
    assert names["loss"] == pytest.approx(trace.loss, rel=1e-5)
    for name in ("w1", "w2"):
        edge = next(e for e in graph.edges if e.target < 0 and graph.values[e.value].name == name)
        np.testing.assert_allclose(names[f"grad_{name}"], trace.tensors["gradient", edge.id].data, rtol=1e-4, atol=1e-5)


def test_a_backward_by_hand_stands_beside_its_numpy(show, tmp_path):
    example = Path(__file__).parents[3] / "examples" / "numpy_by_hand.py"
    command = [sys.executable, "-m", "gradwalk", "run", "--no-window", "--record", str(tmp_path / "run"), str(example)]
    subprocess.run([*command, "--seed", "0", "--steps", "2"], check=True, capture_output=True)
    with gradwalk.open_recording(tmp_path / "run") as recording:
        session = Session()
        session.open(recording)
        view = show(InspectorView, session)
        op = next(op for op in recording[0].graph.ops if op.variable == "y_pred")
        session.last_event()
        session.select(Selection("op", op.id))
        told = plain(view.numpy.text)
        assert told.startswith("as written NumPy → h_relu.dot(w2) y_pred = h_relu @ w2")
        assert "← h_relu.T.dot(grad_y_pred) grad_w2 = h_relu.T @ grad_y_pred" in told
        view.formula.element.button.setChecked(True)
        assert "✓" in plain(view.formula.element.text)


def test_a_custom_function_has_no_line_and_says_so(show, tmp_path):
    with gradwalk.record(tmp_path / "run"):
        small_net(True)
    with gradwalk.open_recording(tmp_path / "run") as recording:
        session = Session()
        session.open(recording)
        view = show(InspectorView, session, DARK)
        at(session, "MyReLUBackward")
        assert "no single line" in plain(view.numpy.text)
        assert str(view.formula.card.card()) == "MyReLU is a custom Function: no formula"
        assert not view.formula.element.isVisible()


def test_an_attention_that_drops_shows_its_formula_with_the_mask_and_no_line_without_it(tmp_path):
    q, layers = torch.randn(4, 5, 8, requires_grad=True), torch.nn.LSTM(8, 3, 2, dropout=0.5)
    with gradwalk.record(tmp_path / "run"):
        made = [torch.nn.functional.scaled_dot_product_attention(q, q, q, dropout_p=p) for p in (0.25, 0.0)]
        (sum(one.sum() for one in made) + layers(q)[0].sum()).backward()
    with gradwalk.open_recording(tmp_path / "run") as recording:
        trace = recording[0]
        dropped, plainly = [op.id for op in trace.graph.ops if op.name == "scaled_dot_product_attention"]
        recurrent = next(op.id for op in trace.graph.ops if op.name == "lstm")
        cards = [card_of(trace, len(trace.tape), Selection("op", op)) for op in (dropped, plainly, recurrent)]
        assert lines_of(trace, trace.graph.ops[dropped]).forward is None
        without = replace(trace, tensors={key: kept for key, kept in trace.tensors.items() if key[0] != "mask"})
        lost = card_of(without, len(trace.tape), Selection("op", dropped))
    assert "Z = (softmax(Q @ K.T * scale + mask) * kept / (1 - p)) @ V" in str(cards[0])
    assert "dL/dV = (P * kept / (1 - p)).T @ dL/dZ" in str(cards[0])
    assert "kept" not in str(cards[1])
    assert str(cards[2]).splitlines()[0].endswith("X of the next layer = h * kept / (1 - p)")
    under = [{token.text: token.under for token in card.rows[0].tokens} for card in (*cards, lost)]
    assert (under[0]["kept"], under[0]["p"]) == (under[2]["kept"], "0.25") == ("drawn", "0.25")
    assert under[3]["kept"] == "not recorded"


def test_shapes_of_turned_tensors_and_the_text_of_a_summed_loss(tmp_path):
    x, w = torch.randn(2, 3, 5, requires_grad=True), torch.randn(7, 5, requires_grad=True)
    with gradwalk.record(tmp_path / "run"):
        h = torch.nn.functional.linear(x.transpose(0, 1), w)
        torch.nn.functional.mse_loss(h, torch.zeros(3, 2, 7), reduction="sum").backward()
    with gradwalk.open_recording(tmp_path / "run") as recording:
        trace = recording[0]
        ops = {op.name: Selection("op", op.id) for op in trace.graph.ops}
        turned, product, loss = (card_of(trace, len(trace.tape), ops[name]) for name in ("transpose", "linear", "mse_loss"))
    under = [[token.under for token in row.tokens if token.under] for row in turned.rows]
    assert under == [["3×2×5", "3×2×5"], ["2×3×5", "2×3×5"]], "of Z and X.T, of dL/dX and dL/dZ.T"
    assert ("W.T", "5×7") in [(token.text, token.under) for token in product.rows[0].tokens]
    assert str(loss).splitlines()[:2] == ["l = sum((X - Y) ** 2)", "dL/dX = dL/dl * 2 * (X - Y)"]
