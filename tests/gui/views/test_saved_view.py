"""What is kept for the backward: bytes per op and module, the line over the step, in-place writes before autograd complains."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
import torch
from PySide6.QtCore import Qt
from torch import nn

import gradwalk
from gradwalk.recording.reader import open_recording
from gradwalk.saved import held, saved_of
from gradwalk.tape import event_at, name_of
from gradwalk_gui.inspection.saved_table import BYTES, EVENT, MODULE, NAME, NODES, NOW, OWN, TENSORS
from gradwalk_gui.numbers import bytes_text
from gradwalk_gui.session import Session
from gradwalk_gui.state import Selection
from gradwalk_gui.views.saved import SavedView

HERE = r"test_saved_view\.py:\d+"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(32, 64), nn.Tanh(), nn.Linear(64, 16))

    def forward(self, x):
        return self.body(x).exp().mean()


def recorded(folder, program):
    with suppress(RuntimeError), gradwalk.record(folder):
        program()
    return open_recording(folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    torch.manual_seed(0)
    net, x = Net(), torch.randn(100, 32)
    with recorded(tmp_path_factory.mktemp("saved") / "run", lambda: net(x).backward()) as recording:
        yield recording


@pytest.fixture
def at_end(trained):
    session = Session()
    session.open(trained)
    session.last_event()
    return session


def cell(view, line, column):
    return view.model.data(view.model.index(line, column))


def lines(view, column=NAME):
    return [cell(view, line, column) for line in range(view.model.rowCount())]


def test_ops_with_their_bytes_and_where_they_stand_at_the_playhead(at_end, show):
    view, session = show(SavedView, at_end, size=(1400, 400)), at_end
    tanh = lines(view).index("tanh")
    size = 100 * 64 * 4
    assert (cell(view, tanh, BYTES), cell(view, tanh, OWN)) == (bytes_text(size), bytes_text(size))
    assert (cell(view, tanh, TENSORS), cell(view, tanh, NODES), cell(view, tanh, MODULE)) == ("1", "TanhBackward0", "net.body.1")
    assert [int(text) for text in lines(view, EVENT)] == [row.event for row in saved_of(session.state.trace)]
    event = int(cell(view, tanh, EVENT))
    assert cell(view, tanh, NOW) == "freed"
    session.go_to(0, event)
    assert cell(view, tanh, NOW) == "not yet"
    session.go_to(0, event + 1)
    assert cell(view, tanh, NOW) == "held"
    line = held(session.state.trace)
    assert view.reading.full_text() == (
        f"held {bytes_text(int(line[event + 1]))}, at the peak {bytes_text(int(line.max()))} (after event #{line.argmax() - 1})"
    )


def test_sorted_by_bytes_and_by_module(at_end, show, qtbot):
    view = show(SavedView, at_end, size=(1400, 400))
    view.list.sortByColumn(OWN, Qt.SortOrder.DescendingOrder)
    sizes = [line.own for line in view.model.lines]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) > 1
    qtbot.mouseClick(view.switches["modules"], Qt.MouseButton.LeftButton)
    assert set(lines(view)) == {"net", "net.body", "net.body.0", "net.body.1", "net.body.2"}
    assert view.list.isColumnHidden(NODES)
    view.list.setFocus()
    qtbot.keyClick(view.list, Qt.Key.Key_Home)
    qtbot.keyClick(view.list, Qt.Key.Key_Down)
    graph, chosen = at_end.state.trace.graph, at_end.state.selection
    assert (chosen.kind, graph.modules[chosen.id].path) == ("module", lines(view)[1])


def test_the_same_selection_as_the_graph_and_enter_goes_there(at_end, show, qtbot):
    view, session = show(SavedView, at_end), at_end
    op = next(op for op in session.state.trace.graph.ops if op.name == "exp")
    session.select(Selection("op", op.id))
    assert cell(view, view.list.row, NAME) == "exp"
    view.list.setFocus()
    qtbot.keyClick(view.list, Qt.Key.Key_Return)
    trace = session.state.trace
    assert name_of(trace.graph, event_at(trace, session.state.position - 1)) == "exp"


def test_the_line_of_bytes_with_its_peak_and_a_click_into_it(at_end, show, qtbot):
    view, session = show(SavedView, at_end, size=(420, 300)), at_end
    assert view.switches["over the step"].isVisible()
    qtbot.mouseClick(view.switches["over the step"], Qt.MouseButton.LeftButton)
    plot = view.plot()
    qtbot.waitUntil(plot.isVisible)
    assert not view.list.isVisible()
    line = held(session.state.trace)
    assert (plot.peak_at, line[0], line[-1]) == (int(line.argmax()), 0, 0)
    assert line.max() >= 100 * 64 * 4
    assert plot.peak_text == f"peak {bytes_text(int(line.max()))} after event #{line.argmax() - 1}"
    assert plot.line.value() == session.state.position == session.state.events
    qtbot.wait(20)
    scene = plot.box.mapViewToScene(plot.box.viewRect().center().__class__(plot.peak_at, 1.0))
    at = plot.plot.mapFromScene(scene)
    qtbot.mouseClick(plot.plot.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert session.state.position == plot.peak_at == plot.line.value()
    view.resize(900, 300)
    assert view.list.isVisible()
    assert plot.isVisible()
    assert not view.switches["over the step"].isVisible()


def test_an_in_place_write_stands_on_top_before_autograd_complains(show, qtbot, tmp_path):
    def program():
        w = torch.ones(3, requires_grad=True)
        h = w.exp()
        h.add_(1)
        (h * 2).sum().backward()

    with recorded(tmp_path / "run", program) as recording:
        session = Session()
        session.open(recording)
        view = show(SavedView, session, size=(900, 300))
        assert session.state.trace.error is not None
        assert session.state.position == 0
        assert re.fullmatch(
            rf"step 0, forward #1 add_ wrote in place to h, {HERE}, which ExpBackward0 had kept for its backward, {HERE}, "
            r"and autograd refused to go on",
            view.warning.text.full_text(),
        ), view.warning.text.full_text()
        view.warning.go.setFocus()
        qtbot.keyClick(view.warning.go, Qt.Key.Key_Space)
        trace = session.state.trace
        assert name_of(trace.graph, event_at(trace, session.state.position - 1)) == "add_"
        assert trace.graph.ops[session.state.selection.id].name == "add_"


def test_in_place_writes_that_autograd_cannot_see_one_after_the_other(show, tmp_path):
    def program():
        w, v = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
        h, k = w.exp(), v.exp()
        h.data.mul_(2)
        k.data.mul_(3)
        (h + k).sum().backward()

    with recorded(tmp_path / "run", program) as recording:
        session = Session()
        session.open(recording)
        view = show(SavedView, session)
        first = view.warning.text.full_text()
        assert first.startswith("1 of 2: step 0, forward #")
        assert first.endswith(": its gradient is wrong")
        view.warning.go.click()
        assert view.warning.text.full_text().startswith("2 of 2: step 0, forward #")
        session.close()
        assert not view.warning.isVisible()
        assert view.message.text() == "Open a recording to see what is kept for its backward."
