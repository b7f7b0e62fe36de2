"""The events list: rows, playhead, filter, selection, keys."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtTest import QTest

from gradwalk.builder import GraphBuilder
from gradwalk.sample import sample_trace
from gradwalk.statistics import statistics_of
from gradwalk.tape import event_at, name_of, rms_of
from gradwalk.trace import NONE, Trace, empty_table
from gradwalk_gui.session import Session
from gradwalk_gui.state import Selection
from gradwalk_gui.theme import DARK
from gradwalk_gui.views.events import EventsView
from gradwalk_gui.widgets.event_model import INDEX, NAME, RMS, SHAPE, VARIABLE


class Steps(list):
    def losses(self):
        return np.array([np.nan if trace.loss is None else trace.loss for trace in self])

    def source(self, file):
        return None


def column(view, number):
    return [view.model.index(row, number).data() for row in range(view.model.rowCount())]


def click(view, row, clicks=1):
    box = view.list.visualRect(view.model.index(row, NAME))
    place = QPoint(box.left() + 10, box.center().y())
    QTest.mouseClick(view.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    if clicks == 2:
        QTest.mouseDClick(view.list.viewport(), Qt.MouseButton.LeftButton, pos=place)


def wide_trace(events):
    build = GraphBuilder()
    last = build.add_value((2,), "float32", name="x")
    for place in range(events):
        made = build.add_value((2,), "float32", name=f"h{place}")
        build.add_event("op", "forward", build.add_op("exp" if place % 2 else "tanh", (last,), (made,), variable=f"h{place}"))
        last = made
    graph = build.freeze()
    return Trace(0, graph, np.arange(events, dtype=np.int32), empty_table(len(graph.values)), empty_table(0))


def test_the_playhead_is_in_view_when_the_panel_comes_back_lower(session, show, qtbot):
    """A layout without the panel, and back to one with it in a smaller window."""
    view = show(EventsView, session, size=(560, 700))
    session.go_to(0, 15)
    view.hide()
    view.resize(560, 160)
    view.show()
    qtbot.waitUntil(lambda: view.height() == 160 and view.list.viewport().height() < 160)
    box = view.list.visualRect(view.list.currentIndex())
    assert view.model.row_at(view.list.currentIndex().row()).position == 14
    assert view.list.viewport().rect().contains(box.center())


def test_rows_are_the_tape_in_engine_order(session, show):
    view = show(EventsView, session, size=(560, 700))
    trace = session.state.trace
    assert column(view, NAME) == [name_of(trace.graph, event_at(trace, position)) for position in range(len(trace.tape))]
    assert column(view, INDEX) == [str(position) for position in range(len(trace.tape))]
    assert column(view, SHAPE)[:3] == ["64 × 100", "64 × 100", "64 × 10"]
    assert column(view, VARIABLE)[2] == "y_pred"


def named_trace():
    """Two updates, and the gradient of one parameter."""
    build = GraphBuilder()
    weight = build.add_value((2,), "float32", name="encoder.0.weight", role="leaf", requires_grad=True)
    node = build.add_node("AccumulateGrad", leaf=weight)
    edge = build.add_edge(node, NONE, value=weight)
    build.add_event("accumulate", "backward", node)
    for _ in range(2):
        build.add_event("update", "update", build.add_op("SGD.step", (weight,), (), variable="encoder.0.weight", phase="update"))
    graph = build.freeze()
    gradients = empty_table(1)
    gradients[:, edge] = statistics_of(np.array([1e-10, -1.5e-10]))
    return Trace(0, graph, np.arange(3, dtype=np.int32), empty_table(len(graph.values)), gradients)


@pytest.mark.parametrize("run", [False, True])
def test_in_a_narrow_list_names_are_whole_and_reach_into_the_column_of_figures(show, run):
    session = Session()
    session.open(Steps([named_trace()]))
    view = show(EventsView, session, size=(274, 700))
    session.go_to(0, 3 if run else 0)
    assert [view.list.isColumnHidden(column) for column in (VARIABLE, SHAPE, RMS)] == [True, True, False]
    shown = []
    for place in range(view.model.rowCount()):
        row, box = view.model.row_at(place), QRectF(view.list.visualRect(view.model.index(place, NAME)))
        shown.append(view.delegate.texts_in(row, int(view.delegate._name_room(box, row, run, view.list).width())))
    assert [name for name, _ in shown] == ["AccumulateGrad", "SGD.step", "SGD.step"]
    assert [about for _, about in shown[1:]] == ["encoder.0.weight"] * 2
    image = view.list.viewport().grab().toImage()
    cell = view.list.visualRect(view.model.index(2, RMS)).adjusted(0, 4, -20, -4)
    inks = {image.pixel(x, y) for x in range(cell.left(), cell.right()) for y in range(cell.top(), cell.bottom())}
    assert len(inks) > 4, "the end of the variable"


def test_a_click_puts_the_playhead_just_after_the_event(session, show):
    view = show(EventsView, session)
    click(view, 4)
    assert session.state.position == 5
    assert view.list.currentIndex().row() == 4
    click(view, 0)
    assert session.state.position == 1


def test_a_double_click_selects_what_the_event_is_about(session, show):
    view = show(EventsView, session)
    loss = event_at(session.state.trace, 6).ref
    for row, expected in ((1, Selection("op", 1)), (6, Selection("value", loss)), (8, Selection("node", 1))):
        click(view, row, clicks=2)
        assert session.state.selection == expected
        assert row in view.delegate.chosen


def test_the_next_event_and_what_has_run_are_told(session, show):
    view = show(EventsView, session)
    session.go_to(0, 3)
    told = [view.model.index(row, NAME).data(Qt.ItemDataRole.AccessibleTextRole) for row in range(5)]
    assert [text.rsplit(", ", 1)[1] for text in told] == ["has run", "has run", "has run", "next", "not yet run"]


def test_the_playhead_is_drawn_between_its_rows(session, show):
    view = show(EventsView, session)
    accent = view.theme.accent

    def lines(position):
        session.go_to(0, position)
        picture = view.list.viewport().grab().toImage()
        ratio = picture.devicePixelRatio()
        x = round(300 * ratio)
        return {round(y / ratio) for y in range(picture.height()) if picture.pixelColor(x, y).name() == accent}

    for position in (3, 7):
        top = view.list.visualRect(view.model.index(position, 0)).top()
        assert lines(position), "a line in the accent colour"
        assert all(abs(y - top) <= 2 for y in lines(position))
    bottom = view.list.visualRect(view.model.index(20, 0)).bottom()
    assert all(abs(y - bottom) <= 2 for y in lines(21))
    assert lines(21)


def test_gradients_are_not_told_before_they_are_there(session, show):
    view = show(EventsView, session)
    assert column(view, RMS)[7] == "not yet"
    session.go_to(0, 9)
    trace = session.state.trace
    assert column(view, RMS)[8] == f"{rms_of(trace.gradients)[2]:.0f}"
    assert column(view, RMS)[9] == "not yet"
    assert column(view, RMS)[0] == ""
    assert "to SubBackward0" in view.model.index(8, 0).data(Qt.ItemDataRole.ToolTipRole)


def test_a_new_step_brings_new_numbers_and_keeps_the_rows(session, show):
    view = show(EventsView, session)
    session.go_to(0, 12)
    before = column(view, RMS)
    session.next_step()
    assert column(view, RMS) != before
    assert column(view, RMS)[8] == f"{rms_of(session.state.trace.gradients)[2]:.0f}"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("backward0", [7, 8, 9, 10, 13]),
        ("w1", [14, 16, 19]),
        ("ACCUMULATE w2", [11]),
        ("$src(sample.py) +pow", [4, 8]),
        ("-backward0 $phase(bwd) | clamp $phase(fwd)", [1, 11, 12, 14]),
        ("$grad(rms>1e5)", [10, 11]),
        ("  ", list(range(21))),
    ],
)
def test_the_filter_shows_what_matches(session, show, text, rows):
    view = show(EventsView, session)
    view.filter.setText(text)
    assert column(view, INDEX) == [str(row) for row in rows]
    assert session.state.filter == text


def test_what_cannot_be_read_is_underlined_and_filters_nothing_new(session, show):
    view = show(EventsView, session)
    view.filter.setText("$phase(bwd)")
    rows = column(view, INDEX)

    def red():
        picture = view.filter.grab().toImage()
        places = [(x, y) for x in range(picture.width()) for y in range(picture.height())]
        return [x for x, y in places if picture.pixelColor(x, y).name() == view.theme.danger]

    assert not red()
    view.filter.setText("$phase(bwd) $grda()")
    assert column(view, INDEX) == rows
    assert view.found.text() == "$grda is no function of filters; did you mean $grad? (at character 13)"
    wrong = view.filter.fontMetrics().horizontalAdvance("$phase(bwd) ")
    assert red()
    assert min(red()) > wrong
    view.filter.setText("$phase(bwd) $grad()")
    assert view.found.text() == f"{len(rows)} of 21 events"
    assert not red()


def test_what_may_come_next_is_offered(session, show):
    view = show(EventsView, session)
    view.activateWindow()
    view.filter.setFocus()
    QTest.keyClicks(view.filter, "mm $ph")
    popup = view.filter.offers.popup()
    assert popup.isVisible()
    assert [popup.model().index(row, 0).data() for row in range(popup.model().rowCount())] == ["$phase("]
    QTest.keyClick(popup, Qt.Key.Key_Return)
    assert view.filter.text() == "mm $phase("
    assert not popup.isVisible()
    QTest.keyClicks(view.filter, "fwd) ")
    assert not popup.isVisible()
    assert column(view, INDEX) == ["0", "2"]


def test_a_filter_of_figures_is_applied_to_each_step(session, show):
    view = show(EventsView, session)
    first, second = (rms_of(session.state.recording[step].gradients)[2] for step in (0, 1))
    view.filter.setText(f"$op(PowBackward0) $grad(rms>{float(first + second) / 2!r})")
    there = len(column(view, INDEX))
    session.next_step()
    assert (there, len(column(view, INDEX))) in ((1, 0), (0, 1))


def test_a_filtered_row_still_leads_to_its_event(session, show):
    view = show(EventsView, session)
    view.filter.setText("w1")
    click(view, 1)
    assert session.state.position == 17
    view.filter.setText("nothing like this")
    assert "No event of this step matches" in view.message.text()
    view.filter.clear()
    assert view.list.currentIndex().row() == 16


def test_the_keys_move_the_playhead(session, show):
    view = show(EventsView, session)
    view.list.setFocus()
    for key, position in ((Qt.Key.Key_Down, 1), (Qt.Key.Key_Down, 2), (Qt.Key.Key_Up, 1), (Qt.Key.Key_Up, 0), (Qt.Key.Key_Up, 0)):
        QTest.keyClick(view.list, key)
        assert session.state.position == position
    QTest.keyClick(view.list, Qt.Key.Key_PageDown)
    assert session.state.position > 5
    QTest.keyClick(view.list, Qt.Key.Key_Return)
    assert session.state.selection is not None


def test_escape_leaves_the_filter(session, show, qtbot):
    view = show(EventsView, session)
    view.activateWindow()
    view.filter.setFocus()
    view.filter.setText("w1")
    QTest.keyClick(view.filter, Qt.Key.Key_Escape)
    assert (view.filter.text(), view.list.hasFocus()) == ("", True)


def test_the_list_follows_a_long_tape(show):
    session = Session()
    session.open(Steps([wide_trace(5000)]))
    view = show(EventsView, session)
    assert view.list.uniformRowHeights()
    session.go_to(0, 4200)
    for position in (4199, 4200):
        place = view.list.visualRect(view.model.index(position, 0))
        assert view.list.viewport().rect().contains(place.center())
    view.filter.setText("h42")
    assert column(view, INDEX)[:2] == ["42", "420"]


def test_nan_and_inf_are_marked_once_they_are_there(show):
    trace = sample_trace()
    values, gradients = trace.values.copy(), trace.gradients.copy()
    values[5, 2] = 3  # a NaN in the output of mm
    gradients[6, 1] = 1  # an Inf in what SumBackward0 gives
    bad = Trace(0, trace.graph, trace.tape, values, gradients, loss=1.0)
    session = Session()
    session.open(Steps([bad]))
    view = show(EventsView, session)
    assert view.model.row_at(0).bad == "NaN"
    assert view.model.row_at(7).bad == "Inf"
    assert not view.model.row_at(3).bad

    def pixels(row, position):
        session.go_to(0, position)
        picture = view.list.viewport().grab(view.list.visualRect(view.model.index(row, NAME))).toImage()
        return {picture.pixelColor(x, y).name() for x in range(picture.width()) for y in range(picture.height())}

    assert view.theme.bad.lower() in pixels(0, 3)
    assert view.theme.bad.lower() not in pixels(0, 0)


def test_without_a_recording_it_says_so(show):
    view = show(EventsView, Session())
    assert view.message.isVisible()
    assert "Open a recording" in view.message.text()


def test_the_theme_can_change_and_a_closed_recording_empties_it(session, show):
    view = show(EventsView, session)
    view.set_theme(DARK)
    assert view.grab().toImage().pixelColor(2, 2).name() == DARK.panel
    session.close()
    assert view.model.rowCount() == 0
    assert view.message.isVisible()
