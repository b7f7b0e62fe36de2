"""Alerts are found beside the window, listed, and gone to with F8, Enter and a click; each says what is wrong in one sentence."""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from torch import nn

import gradwalk
from gradwalk.recording.reader import open_recording
from gradwalk.recording.writer import Writer
from gradwalk.sample import SampleRecording
from gradwalk.tape import event_at, label_of, name_of
from gradwalk.watches import ON, Looker, look
from gradwalk_gui import app, settings
from gradwalk_gui.alert_scan import Scan
from gradwalk_gui.alerts import nearest
from gradwalk_gui.commands import BY_ID
from gradwalk_gui.preferences import Preferences

Key, Shift, Ctrl = Qt.Key, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
HERE = r"test_alerts\.py:\d+"


class Net(nn.Module):
    """An MLP; ``wrong`` says what is done wrong in it."""

    def __init__(self, wrong: str = "", depth: int = 1) -> None:
        super().__init__()
        self.wrong = wrong
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 1)
        self.middle = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(depth)))
        self.spare = nn.Linear(2, 2) if wrong == "unused" else None

    def forward(self, x: torch.Tensor, step: int) -> torch.Tensor:
        h = self.first(x).sigmoid()
        if self.wrong == "detach":
            h = h.detach()
        if self.wrong == "nan" and step == 37:
            h = torch.log(h - 2)
        if self.wrong == "inplace":
            kept = h.exp()
            out = self.last(kept)
            kept.add_(1)
            return out + self.middle(kept).mean()
        return self.last(self.middle(h))


def record(folder, net: nn.Module, steps: int, lr: float = 0.01):
    """A recording of a training with SGD; an error of autograd ends it."""
    torch.manual_seed(0)
    optimizer = torch.optim.SGD(net.parameters(), lr)
    with suppress(RuntimeError), gradwalk.record(folder):
        for step in range(steps):
            optimizer.zero_grad()
            loss = net(torch.rand(16, 4), step).square().mean()
            loss.backward()
            optimizer.step()
    return open_recording(folder)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """An MLP that takes the log of negative numbers at step 37."""
    torch.manual_seed(0)
    with record(tmp_path_factory.mktemp("alerts") / "run", Net("nan"), 45) as recording:
        yield recording


@pytest.fixture
def looked(shell, qtbot, focus):
    """Opens a recording in the window, waits until all of it was looked at, and gives the alerts panel."""

    def show(recording):
        shell.session.open(recording)
        qtbot.waitUntil(lambda: shell._window.desk.isVisible() and shell.watcher.settled)
        view = shell._window.desk.views["alerts"]
        assert not view.visibleRegion().isEmpty()  # in front of the plots
        focus(shell._window.graph)
        return view

    return show


def ran_last(state) -> str:
    return name_of(state.trace.graph, event_at(state.trace, state.position - 1))


def test_f8_finds_the_planted_nan_in_one_press_and_says_what_it_is(planted, shell, qtbot, focus):
    shell.session.open(planted)
    window, session = shell._window, shell.session
    qtbot.waitUntil(window.desk.isVisible)
    focus(window.graph)
    qtbot.keyClick(window.graph, Key.Key_F8)
    qtbot.waitUntil(lambda: session.state.trace.step == 37)
    assert ran_last(session.state) == "log"
    assert re.fullmatch(
        rf"step 37, forward #\d+ log made the first NaN; its input is finite \(min -[\d.]+, max -[\d.]+\), float32, {HERE}; "
        r"\d+ later events carried it on",
        window.notice.text.replace(" in net", ""),
    ), window.notice.text
    view = window.desk.views["alerts"]
    window.desk.show_dock("alerts")
    qtbot.waitUntil(lambda: bool(view.model.rows))
    assert view.model.rows[view.list.row].finding.alert.sentence == window.notice.text
    assert view.detail.text() == window.notice.text
    session.go_to(40, 0)
    qtbot.keyClick(window.graph, Key.Key_F8, Shift)
    qtbot.waitUntil(lambda: session.state.trace.step == 37)
    qtbot.keyClick(window.graph, Key.Key_F8, Shift)
    qtbot.waitUntil(lambda: window.notice.text == "There is no NaN, Inf or other alert before this event.")
    assert session.state.trace.step == 37


def test_where_nothing_is_wrong_it_says_so_and_stays(opened, qtbot):
    opened.session.go_to(1, 4)
    for command in ("next-alert", "previous-alert"):
        opened._window.run(BY_ID[command])
        qtbot.waitUntil(lambda: opened._window.notice.text.startswith("There is no NaN, Inf or other alert"))
        assert (opened.session.state.step, opened.session.state.position) == (1, 4)
        opened._window.notice.hide()
    view = opened._window.desk.views["alerts"]
    assert (view.message.text(), view.found.full_text()) == ("No alert.", "0 alerts in 3 steps")
    assert not view.go.isEnabled()


@pytest.mark.parametrize(
    ("wrong", "event", "sentence"),
    [
        (
            "detach",
            "detach",
            r"step 0, forward #\d+ detach in net: first\.weight requires grad, but its path to loss is cut: "
            rf"detach cuts it off at {HERE}; it gets no gradient in any of the 3 steps",
        ),
        (
            "unused",
            "",
            r"step 0: spare\.weight is never used: no op of the step reads it; net \(Net\) runs without it, "
            rf"{HERE}; it gets no gradient in any of the 3 steps",
        ),
        (
            "inplace",
            "add_",
            rf"step 0, forward #\d+ add_ in net wrote in place to kept, {HERE}, which \w+Backward0 had kept for its backward, "
            rf"{HERE}, and autograd refused to go on",
        ),
    ],
)
def test_f8_finds_what_is_wrong_with_a_network(wrong, event, sentence, looked, shell, qtbot, tmp_path):
    with record(tmp_path / "run", Net(wrong), 3) as recording:
        view = looked(recording)
        qtbot.keyClick(shell._window.graph, Key.Key_F8)
        state = shell.session.state
        assert re.fullmatch(sentence, shell._window.notice.text), shell._window.notice.text
        assert view.list.row == 0
        if event:
            assert ran_last(state) == event
            assert state.trace.graph.ops[state.selection.id].name == event
        else:
            assert state.position == state.events
            assert label_of(state.trace.graph.values[state.selection.id]) == "spare.weight"
        if wrong == "unused":  # it has no card: the graph marks the module that runs without it, the table its row
            graph, shown = shell._window.graph, shell._window.graph.shown_selection()
            assert shown is not None
            assert state.trace.graph.modules[graph.scene.picture.frames[shown.frame].module].path == "net"
            shell._window.desk.show_dock("gradients")
            gradients = shell._window.desk.views["gradients"]
            assert gradients.model.index(gradients.list.row, 0).data() == "spare.weight"
            shell._window.desk.show_dock("alerts")
        if wrong == "unused":  # two parameters at one place: F8 goes from one to the other
            qtbot.keyClick(shell._window.graph, Key.Key_F8)
            assert (view.list.row, shell.session.state.alert.key) == (1, ("no-grad", "spare.bias"))
            assert shell._window.notice.text.startswith("step 0: spare.bias is never used")
            qtbot.keyClick(shell._window.graph, Key.Key_F8, Shift)
            assert (view.list.row, shell.session.state.alert.key) == (0, ("no-grad", "spare.weight"))


def test_vanishing_gradients_are_found_when_they_are_watched_for_and_that_is_kept(looked, shell, qtbot, tmp_path):
    with record(tmp_path / "run", Net(depth=30), 2) as recording:
        view = looked(recording)
        assert {row.finding.alert.kind for row in view.model.rows} == {"unchanged"}  # the updates are too small for float32
        for kind in (*ON, "vanishing"):
            view.choices[kind].trigger()
        qtbot.waitUntil(lambda: len(view.model.rows) == 1 and shell.watcher.settled)
        qtbot.keyClick(shell._window.graph, Key.Key_F8)
        assert re.fullmatch(
            r"step 0, backward #\d+ AccumulateGrad: the gradient vanishes on its way back, "
            rf"from RMS [\d.]+ at last\.\w+ to [\d.]+e-\d+ at first\.weight, {HERE}; "
            r"\d+ weights of 32 get less than 1e-07",
            shell._window.notice.text,
        ), shell._window.notice.text
        assert shell._window.notice.kind == "info"
        assert view.model.data(view.model.index(0, 0)) == "Warning"
        shell._window.close()
        kept = settings.load(tmp_path / "config" / "app.json")
        assert kept.watches == ("vanishing",)
        window, again = app.build(kept, None)
        assert again.session.state.watches == ("vanishing",)
        again.apply_settings(settings.Settings())
        assert again.session.state.watches == ON
        window.close()
        window.deleteLater()


def test_preferences_and_the_panels_menu_say_the_same_of_the_watches_and_their_limits(looked, shell, qtbot, tmp_path):
    def preferences():
        shell._window.run(BY_ID["preferences"])
        return shell._window.findChildren(Preferences)[-1]

    with record(tmp_path / "run", Net(), 2) as recording:
        view, dialog = looked(recording), preferences()
        assert {kind for kind, box in dialog.watches.boxes.items() if box.isChecked()} == set(ON)
        dialog.search.setText("exploding")
        assert [dialog.form.isRowVisible(row) for row in range(dialog.form.rowCount())] == [False] * 7 + [True]
        field = dialog.watches.fields["exploding"]
        dialog.watches.boxes["exploding"].click()
        qtbot.waitUntil(lambda: shell.watcher.settled)
        assert "exploding" not in {row.finding.alert.kind for row in view.model.rows}
        for typed, shown in (("1e-9", "1e-09"), ("-3", "1e-09"), ("much", "1e-09")):
            field.setText(typed)
            field.editingFinished.emit()
            assert field.text() == shown
        qtbot.waitUntil(lambda: "exploding" in {row.finding.alert.kind for row in view.model.rows})
        assert view.choices["exploding"].text() == "Exploding gradient (RMS above 1e-09)"
        assert view.choices["exploding"].isChecked()
        dialog.reject()
        view.choices["exploding"].trigger()
        dialog = preferences()
        assert not dialog.watches.boxes["exploding"].isChecked()
        assert dialog.watches.fields["exploding"].text() == "1e-09"
        dialog.restore()
        assert (shell.session.state.watches, shell.session.state.limits) == (ON, ())
        assert view.choices["exploding"].text() == "Exploding gradient (RMS above 1000)"
        dialog.reject()


def test_the_list_is_filtered_gone_through_and_copied_by_keys(looked, shell, qtbot, focus, tmp_path):
    with record(tmp_path / "run", Net("detach"), 3) as recording:
        view = looked(recording)
        window, session = shell._window, shell.session
        assert window.status.alerts.text() == f"Alerts {len(view.model.rows)}"
        window.desk.docks["alerts"].hide()
        qtbot.mouseClick(window.status.alerts, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: view.list.isVisible() and QApplication.focusWidget() is view.list)
        qtbot.keyClick(view.list, Key.Key_Home)
        qtbot.keyClick(view.list, Key.Key_Down)
        assert (view.list.row, session.state.position) == (1, 0)
        qtbot.keyClick(view.list, Key.Key_C, Ctrl)
        assert QGuiApplication.clipboard().text() == view.model.rows[1].finding.alert.sentence
        qtbot.keyClick(view.list, Key.Key_Return)
        assert session.state.alert.key == ("no-grad", "first.bias")
        assert ran_last(session.state) == "detach"
        session.next_event()
        assert session.state.alert is None
        view.severity.setCurrentIndex(2)
        view.severity.activated.emit(2)
        assert (view.model.rows, view.message.text()) == ((), "No alert of this severity and watch.")
        assert view.found.full_text() == "0 of 2 alerts in 3 steps"
        view.severity.setCurrentIndex(0)
        view.severity.activated.emit(0)
        view.watch.setCurrentIndex(view.watch.findData("no-grad"))
        view.watch.activated.emit(1)
        assert len(view.model.rows) == 2


def test_a_press_waits_for_what_is_not_looked_at_yet_and_can_be_cancelled(planted, shell, qtbot, monkeypatch):
    held = threading.Event()
    whole_turn = Scan.turn

    def slow(self, length):
        held.wait(10)
        return whole_turn(self, length)

    monkeypatch.setattr(Scan, "turn", slow)
    shell.session.open(planted)
    activity = shell._window.status.activity
    for ending in ("cancel", "move", "found"):
        shell.session.go_to(0, 0)
        shell.next_alert(1)
        qtbot.waitUntil(lambda: activity.text == "Looking for the next alert")
        if ending == "cancel":
            activity.cancel.click()
        elif ending == "move":
            shell.session.next_event()
        else:
            held.set()
            qtbot.waitUntil(lambda: shell.session.state.step == 37)
        assert activity.text == ""
    assert shell._window.notice.text.startswith("step 37")


class Long(SampleRecording):
    """Ten thousand steps, of which only the numbers differ."""

    def __init__(self) -> None:
        super().__init__(3)

    def __len__(self) -> int:
        return 10_000

    def __getitem__(self, index):
        return replace(super().__getitem__(index % 3), step=index)

    def losses(self):
        return np.ones(10_000)


def test_ten_thousand_steps_are_looked_through_while_the_window_stays_awake(shell, qtbot):
    shell.session.open(Long())
    looked = []
    while not shell.watcher.settled:
        QApplication.processEvents()
        looked.append(shell.session.state.alerts.looked)
        time.sleep(0.001)
    assert looked[-1] == 10_000
    assert len(set(looked)) > 3, "the window had its turns in between"


def test_a_live_recording_is_looked_at_as_it_grows(shell, qtbot, planted, tmp_path):
    writer = Writer(tmp_path / "live", planted.info)
    for step in range(10):
        writer.add(planted[step])
    writer.flush()
    shell.follower.open(tmp_path / "live", follow=True)
    window = shell._window
    qtbot.waitUntil(lambda: shell.watcher.settled and shell.session.state.length == 10)
    assert window.status.alerts.text() == "Alerts 0"
    for step in range(10, 40):
        writer.add(planted[step])
    writer.flush()
    qtbot.waitUntil(lambda: len(shell.session.state.alerts.rows) > 0)
    row = shell.session.state.alerts.rows[0]
    assert (row.step, row.event.split()[-1]) == (37, "log")
    writer.close("clean")
    qtbot.waitUntil(lambda: shell.watcher.settled and shell.session.state.alerts.looked == 40)
    assert window.status.alerts.text() == f"Alerts {len(shell.session.state.alerts.rows)}"


def test_a_step_that_goes_on_is_looked_at_without_being_taken(planted):
    looker = Looker()
    for step in range(37):
        looker.take(planted[step])
    (found,) = looker.peek(planted[37])
    assert found.alert.step == 37
    assert looker.report().findings == ()
    looker.take(planted[37])
    assert looker.peek(planted[37]) == ()
    assert looker.report().findings == look([planted[step] for step in range(38)]).findings


def test_the_nearest_alert_of_a_place_and_of_a_row(planted):
    scan = Scan(planted, ON)
    found = scan.turn(45)
    while not found.complete:
        found = scan.turn(45)
    scan.close()
    first, last = found.rows[0], found.rows[-1]
    assert nearest(found.rows, (0, 0), 1, None) == first
    assert nearest(found.rows, (0, 0), -1, None) is None
    assert nearest(found.rows, (99, 0), -1, None) == last
    assert nearest(found.rows, last.place, 1, last) is None
    assert nearest(found.rows, first.place, 1, None) != first
