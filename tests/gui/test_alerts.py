"""From alert to alert with F8: the first NaN is found in one press, however many steps are before it."""

from __future__ import annotations

import pytest
import torch
from PySide6.QtCore import Qt
from torch import nn

import gradwalk
from gradwalk.recording.reader import open_recording
from gradwalk.tape import event_at, name_of
from gradwalk_gui.alerts import next_alert
from gradwalk_gui.commands import BY_ID


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """An MLP whose input is divided by zero at step 37, so that the log of it is no number."""
    folder = tmp_path_factory.mktemp("alerts") / "run"
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    with gradwalk.record(folder):
        for step in range(45):
            x = torch.rand(16, 4) + 0.5
            if step == 37:
                x = x - 2.0
            optimizer.zero_grad()
            loss = net(torch.log(x)).square().mean()
            loss.backward()
            optimizer.step()
    with open_recording(folder) as recording:
        yield recording


def test_f8_finds_the_planted_nan_in_one_press_and_says_what_it_is(planted, shell, qtbot):
    shell.session.open(planted)
    window = shell._window
    qtbot.waitUntil(window.desk.isVisible)
    window.activateWindow()
    window.graph.setFocus()
    qtbot.keyClick(window.graph, Qt.Key.Key_F8)
    state = shell.session.state
    assert state.trace.step == 37
    assert name_of(state.trace.graph, event_at(state.trace, state.position - 1)) == "log"
    said = window.notice.text
    assert "step 37" in said
    assert "log" in said
    assert "NaN" in said
    assert "test_alerts.py:" in said
    shell.session.go_to(40, 0)
    window.run(BY_ID["previous-alert"])
    assert shell.session.state.trace.step <= 40
    while shell.session.state.trace.step > 37:
        window.run(BY_ID["previous-alert"])
    assert shell.session.state.trace.step == 37


def test_where_nothing_is_wrong_it_says_so_and_stays(opened):
    opened.session.go_to(1, 4)
    for command in ("next-alert", "previous-alert"):
        opened._window.run(BY_ID[command])
        assert (opened.session.state.step, opened.session.state.position) == (1, 4)
        assert opened._window.notice.text.startswith("There is no NaN, Inf or other alert")


def test_a_search_that_takes_long_ends_and_goes_on_at_the_next_press(planted, opened, monkeypatch):
    found = next_alert(planted, 0, 0, 1, seconds=-1)
    assert (found.step, found.alert, found.through) == (1, None, False)
    monkeypatch.setattr("gradwalk_gui.shell.next_alert", lambda *words: next_alert(*words, seconds=-1))
    opened.session.open(planted)
    for step in (1, 2, 3):
        opened.next_alert(1)
        assert opened.session.state.step == step
        assert "F8 looks on" in opened._window.notice.text
