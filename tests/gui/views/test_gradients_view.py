"""The gradients as a table: what torch has, at any playhead, in any order, in step with the graph."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
import torch
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from torch import nn

import gradwalk
from gradwalk.recording.reader import open_recording
from gradwalk.tape import event_at, label_of, moments, name_of
from gradwalk_gui.inspection.gradient_table import BAD, EVENT, MAX, NAME, NODE, RATIO, RMS, SHAPE, ZEROS
from gradwalk_gui.session import Session
from gradwalk_gui.state import Selection
from gradwalk_gui.views.gradients import GradientsView

Key, Ctrl, Shift = Qt.Key, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
Descending, Ascending = Qt.SortOrder.DescendingOrder, Qt.SortOrder.AscendingOrder


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.ModuleList(nn.Linear(6, 6) for _ in range(11))
        self.head, self.spare, self.zero = nn.Linear(6, 1), nn.Linear(2, 2), nn.Parameter(torch.zeros(3))

    def forward(self, x):
        for layer in self.body:
            x = torch.tanh(layer(x))
        return self.head(x).square().mean() + (self.zero * 0).sum()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two steps and torch's own gradients of the first."""
    folder = tmp_path_factory.mktemp("gradients") / "run"
    torch.manual_seed(0)
    net, seen = Net(), {}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    with gradwalk.record(folder):
        for step in range(2):
            optimizer.zero_grad()
            net(torch.randn(4, 6)).backward()
            if step == 0:
                seen = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
            optimizer.step()
    with open_recording(folder) as recording:
        yield recording, seen


@pytest.fixture
def at_end(trained):
    session = Session()
    session.open(trained[0])
    session.last_event()
    return session


def cell(view, line, column):
    return view.model.data(view.model.index(line, column))


def lines(view, column=NAME):
    return [cell(view, line, column) for line in range(view.model.rowCount())]


def line_named(view, name):
    return lines(view).index(name)


def test_the_table_has_torchs_own_numbers_and_three_texts_for_none(trained, at_end, show):
    seen = trained[1]
    view = show(GradientsView, at_end, size=(1100, 500))
    assert len(lines(view)) == len(seen) + 2
    for name, gradient in seen.items():
        line = line_named(view, "net.zero" if name == "zero" else name)
        if name == "zero":
            assert cell(view, line, RMS) == "0 (exactly)"
            assert cell(view, line, ZEROS) == "100 %"
            continue
        assert float(cell(view, line, RMS)) == pytest.approx(gradient.square().mean().sqrt().item(), rel=5e-3)
        assert float(cell(view, line, MAX)) == pytest.approx(gradient.abs().max().item(), rel=5e-3)
        assert cell(view, line, BAD) == "0"
        assert cell(view, line, RATIO)
    assert cell(view, line_named(view, "spare.weight"), RMS) == "None (no path)"
    assert "never used" in view.model.data(view.model.index(line_named(view, "spare.weight"), 0), Qt.ItemDataRole.ToolTipRole)
    assert cell(view, line_named(view, "body.3.weight"), SHAPE) == "6 × 6"
    assert view.reading.full_text() == "27 parameters, 2 None (no path)"


def test_at_each_playhead_it_shows_what_has_come_by_then(at_end, show):
    view, session = show(GradientsView, at_end), at_end
    trace = session.state.trace
    when = moments(trace)
    leaf = next(value.id for value in trace.graph.values if label_of(value) == "body.5.weight")
    edge = max((e.id for e in trace.graph.edges if e.value == leaf), key=lambda e: when.edges[e])
    line, came = line_named(view, "body.5.weight"), int(when.edges[edge])
    session.go_to(0, came)
    assert (cell(view, line, RMS), cell(view, line, MAX), cell(view, line, BAD)) == ("not yet computed", "", "")
    assert f"{came}" == cell(view, line, EVENT)
    session.go_to(0, came + 1)
    assert float(cell(view, line, RMS)) > 0
    assert cell(view, line, RATIO) == ""
    session.last_event()
    assert cell(view, line, RATIO)
    session.first_event()
    assert view.reading.full_text() == "27 parameters, 25 not yet computed, 2 None (no path)"
    assert cell(view, line_named(view, "spare.bias"), RMS) == "None (no path)"


def test_a_click_on_a_title_sorts_and_the_order_stays_over_steps(at_end, show, qtbot):
    view, session = show(GradientsView, at_end, size=(900, 600)), at_end
    header = view.list.header()

    def click(column):
        at = header.sectionViewportPosition(column) + 10
        qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=header.viewport().rect().topLeft().__class__(at, 8))

    def numbers():
        found = [cell(view, line, RMS) for line in range(view.model.rowCount())]
        return [float(text) for text in found if text[0].isdigit() and "exactly" not in text], found

    click(RMS)
    click(RMS)
    rising, texts = numbers()
    assert rising in (sorted(rising), sorted(rising, reverse=True))
    assert texts[-2:] == ["None (no path)"] * 2
    by, descending = view.model.by, view.model.descending
    session.next_step()
    again, _ = numbers()
    assert (view.model.by, view.model.descending) == (by, descending) == (RMS, descending)
    assert again == sorted(again, reverse=descending) != rising
    click(NAME)
    names = [name for name in lines(view) if name.startswith("body.") and name.endswith("weight")]
    expected = [f"body.{number}.weight" for number in range(11)]  # 2 before 10
    assert names in (expected, expected[::-1])


def test_rows_and_graph_have_the_same_selection(at_end, show, qtbot):
    view, session = show(GradientsView, at_end), at_end
    view.list.setFocus()
    qtbot.keyClick(view.list, Key.Key_Home)
    qtbot.keyClick(view.list, Key.Key_Down)
    graph = session.state.trace.graph
    assert session.state.selection.kind == "value"
    assert label_of(graph.values[session.state.selection.id]) == cell(view, 1, NAME)
    accumulate = next(node for node in graph.nodes if node.leaf != -1 and label_of(graph.values[node.leaf]) == "body.7.bias")
    session.select(Selection("node", accumulate.id))
    assert cell(view, view.list.row, NAME) == "body.7.bias"
    assert session.state.selection == Selection("node", accumulate.id)  # the table follows, and does not answer
    session.select(Selection("op", next(op.id for op in graph.ops if op.name == "tanh")))
    assert view.list.row == -1
    view.list.sortByColumn(NAME, Descending)
    session.select(Selection("node", accumulate.id))
    assert cell(view, view.list.row, NAME) == "body.7.bias"
    qtbot.keyClick(view.list, Key.Key_Return)
    ran = event_at(session.state.trace, session.state.position - 1)
    assert (ran.kind, ran.ref) == ("accumulate", accumulate.id)


def test_all_gradients_of_the_backward(at_end, show, qtbot):
    view, session = show(GradientsView, at_end, size=(1000, 500)), at_end
    qtbot.mouseClick(view.switches[True], Qt.MouseButton.LeftButton)
    trace = session.state.trace
    assert view.model.rowCount() == sum(edge.value != -1 for edge in trace.graph.edges)
    assert not view.list.isColumnHidden(NODE)
    op = next(op for op in trace.graph.ops if op.name == "tanh")
    session.select(Selection("op", op.id))
    assert cell(view, view.list.row, NODE) == "TanhBackward0"
    edge = trace.graph.edges[view.model.table.selections[int(view.model.order[view.list.row])].id]
    expected = trace.gradients[:, edge.id]
    assert float(cell(view, view.list.row, RMS)) == pytest.approx(np.sqrt(expected[4] / expected[0]), rel=5e-3)
    qtbot.keyClick(view.list, Key.Key_Return)
    assert name_of(trace.graph, event_at(trace, session.state.position - 1)) == "TanhBackward0"
    qtbot.mouseClick(view.switches[False], Qt.MouseButton.LeftButton)
    assert view.model.rowCount() == 27


def test_rows_are_copied_with_tabs_and_commas(trained, at_end, show, qtbot):
    view = show(GradientsView, at_end)
    view.list.setFocus()
    qtbot.keyClick(view.list, Key.Key_Home)
    qtbot.keyClick(view.list, Key.Key_Down, Shift)
    qtbot.keyClick(view.list, Key.Key_C, Ctrl)
    copied = list(csv.reader(io.StringIO(QGuiApplication.clipboard().text()), delimiter="\t"))
    assert [row[0] for row in copied] == ["gradient of", cell(view, 0, NAME), cell(view, 1, NAME)]
    rms = float(copied[1][copied[0].index("RMS")])
    assert rms == pytest.approx(trained[1][cell(view, 0, NAME)].square().mean().sqrt().item(), rel=1e-6)
    view.copies.actions()[2].trigger()
    everything = list(csv.reader(io.StringIO(QGuiApplication.clipboard().text())))
    assert len(everything) == 28
    assert [row[3] for row in everything if row[0] == "spare.bias"] == ["None (no path)"]


def test_nan_is_the_largest_when_sorted_and_says_so(show, tmp_path):
    w, v = torch.zeros(3, requires_grad=True), torch.ones(3, requires_grad=True)
    with gradwalk.record(tmp_path / "run"):
        ((w.sqrt() * 0).sum() + v.sum()).backward()
    with open_recording(tmp_path / "run") as recording:
        session = Session()
        session.open(recording)
        session.last_event()
        view = show(GradientsView, session)
        view.list.sortByColumn(RMS, Descending)
        assert lines(view) == ["w", "v"]
        assert (cell(view, 0, RMS), cell(view, 0, BAD)) == ("NaN", "3 NaN")
        view.list.sortByColumn(RMS, Ascending)
        assert lines(view) == ["v", "w"]


def test_nothing_open_says_so(show):
    view = show(GradientsView, Session())
    assert view.message.text() == "Open a recording to see its gradients."
    assert not view.copy.isEnabled()
