"""Two gloo ranks with a planted divergence: the switch between them, and Compare, which finds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PySide6.QtCore import Qt

import gradwalk
from gradwalk.recording.reader import open_recording
from gradwalk.tape import event_at, name_of
from gradwalk_gui.compare import Compare
from gradwalk_gui.rank_box import RankList
from gradwalk_gui.ranks import beside
from gradwalk_gui.shell import Shell
from gradwalk_gui.state import Play, Selection

PLANTED = 3
TRAIN = """
import sys
import torch
import torch.distributed as dist
import gradwalk
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1))
with gradwalk.record("run"):
    for step in range(5 + rank):
        hidden = net[1](net[0](torch.ones(3, 4)))
        scaled = hidden * (1.001 if rank == 1 and step == 3 else 1.0)
        net.zero_grad()
        net[2](scaled).pow(2).mean().backward()
        if step < 5:
            for parameter in net.parameters():
                dist.all_reduce(parameter.grad)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter -= 0.01 * parameter.grad
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, "-c", TRAIN]
    processes = [subprocess.Popen([*command, str(rank), str(folder / "meet")], cwd=folder) for rank in (0, 1)]
    assert [process.wait(90) for process in processes] == [0, 0]
    return folder / "run"


@pytest.fixture
def ranks(shell: Shell, run: Path, qtbot) -> Shell:
    """The window with rank 0 open."""
    shell.open_path(str(run))
    qtbot.waitUntil(shell._window.desk.isVisible)
    return shell


def test_a_switch_keeps_step_position_and_selection(ranks: Shell, qtbot):
    session, box = ranks.session, ranks.others.box
    assert box.isVisible()
    assert [box.itemText(place) for place in range(box.count())] == ["rank 0", "rank 1"]
    session.go_to(3, 4)
    session.select(Selection("op", 2))
    box.setFocus()
    qtbot.keyClick(box, Qt.Key.Key_Down)
    assert (ranks.follower.recording.rank, box.currentText()) == (1, "rank 1")
    state = session.state
    assert (state.trace.step, state.position, state.selection) == (3, 4, Selection("op", 2))
    session.go_to(5, 2)  # rank 0 has no such step: the last one
    ranks._window.actions_["next-rank"].trigger()
    assert (ranks.follower.recording.rank, session.state.trace.step, session.state.position) == (0, 4, 2)
    assert "rank 1" in [entry.text.lower() for entry in rank_list(ranks).entries("")]
    assert "Only rank 0" not in ranks._window.unreachable


def rank_list(shell: Shell) -> RankList:
    shell._window.actions_["choose-rank"].trigger()
    return shell._window.findChildren(RankList)[-1]


def test_the_list_of_ranks_switches(ranks: Shell, qtbot):
    dialog = rank_list(ranks)
    dialog.field.setText("1")
    qtbot.keyClick(dialog.field, Qt.Key.Key_Return)
    assert ranks.follower.recording.rank == 1


def test_a_window_at_the_live_end_is_at_the_end_of_the_other_rank(ranks: Shell):
    ranks.session.follow()
    ranks._window.actions_["previous-rank"].trigger()
    assert (ranks.follower.recording.rank, ranks.session.state.step) == (1, 5)
    assert ranks.session.state.play is Play.PAUSED  # that rank has ended


def test_ranks_go_round():
    assert [beside((0, 2, 5), 5, 1), beside((0, 2, 5), 0, -1), beside((0, 2), 7, 1)] == [0, 5, 0]


def test_one_rank_has_no_switch(shell: Shell, recording: Path):
    shell.open_path(str(recording))
    assert not shell.others.box.isVisible()
    assert not shell._window.actions_["next-rank"].isEnabled()


def asked(shell: Shell, qtbot, what: str, **fields: str) -> Compare:
    """The dialog after a search."""
    shell._window.actions_["compare"].trigger()
    dialog = shell._window.findChildren(Compare)[-1]
    dialog.what.setCurrentIndex(dialog.what.findText(what))
    for name, text in fields.items():
        getattr(dialog, name).setText(text)
    dialog.start.click()
    qtbot.waitUntil(dialog.start.isEnabled, timeout=20_000)
    return dialog


def test_compare_finds_the_planted_divergence_and_enter_goes_there(ranks: Shell, run: Path, qtbot):
    dialog = asked(ranks, qtbot, "Rank 1 of this run")
    assert dialog.said.text().startswith(f"Step {PLANTED}: ")
    assert "mul" in dialog.list.item(0).text()
    assert dialog.list.currentRow() == 0
    qtbot.keyClick(dialog.list, Qt.Key.Key_Return)
    state = ranks.session.state
    assert state.trace.step == PLANTED
    event = event_at(state.trace, state.position - 1)
    assert name_of(state.trace.graph, event).startswith("mul")
    assert state.selection == Selection("value", state.trace.graph.ops[event.ref].outputs[0])
    assert dialog.isVisible()
    qtbot.keyClick(dialog.list, Qt.Key.Key_Down)
    qtbot.keyClick(dialog.list, Qt.Key.Key_Return)
    assert ranks.session.state.position > state.position
    dialog.tolerance.setText("0.1")
    dialog.start.click()
    qtbot.waitUntil(dialog.start.isEnabled, timeout=20_000)
    assert (dialog.said.text(), dialog.list.count()) == ("No figure differs by more than 0.1.", 0)


def test_compare_says_where_the_structures_part(shell: Shell, tmp_path: Path, qtbot):
    torch.manual_seed(0)
    w, x = torch.randn(4, 4, requires_grad=True), torch.randn(8, 4)
    with gradwalk.record(tmp_path / "forked"):
        for step in range(2):
            bent = x.mm(w).sub(1.0) if step else x.mm(w).tanh()
            bent.sum().backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
                w.grad = None
    shell.follower.open(tmp_path / "forked")
    qtbot.waitUntil(lambda: shell.session.state.trace is not None)
    shell.session.go_to(0, 0)
    dialog = asked(shell, qtbot, "Another step of this recording", step="1")
    assert dialog.list.count() == 2, "the weight and mm"
    assert dialog.said.text().endswith(
        "Compared up to event 1, where the structures part: event 1 is tanh in the one and sub in the other."
    )
    qtbot.keyClick(dialog.list, Qt.Key.Key_Down)
    qtbot.keyClick(dialog.list, Qt.Key.Key_Return)
    assert shell.session.state.position == 1
    dialog.reject()


def test_the_shown_step_alone_and_another_step(ranks: Shell, qtbot):
    ranks.session.go_to(1, 0)
    dialog = asked(ranks, qtbot, "Another step of this recording", step="2")
    assert dialog.said.text().startswith("Steps 1 and 2: ")
    assert dialog.list.item(0).text().startswith("from the start")
    qtbot.keyClick(dialog.list, Qt.Key.Key_Return)
    assert (ranks.session.state.step, ranks.session.state.position) == (1, 0)
    dialog.what.setCurrentIndex(dialog.what.findText("Rank 1 of this run"))
    dialog.every.setChecked(False)
    dialog.start.click()
    qtbot.waitUntil(dialog.start.isEnabled, timeout=20_000)
    assert dialog.said.text() == "No figure differs by more than 1e-6."


def test_another_recording_and_one_sentence_for_what_cannot_be_compared(ranks: Shell, recording: Path, run: Path, qtbot):
    same = asked(ranks, qtbot, "Another recording", path=str(run / "run.json"))
    assert same.said.text() == "No figure differs by more than 1e-6."
    other = asked(ranks, qtbot, "Another recording", path=str(recording))
    assert "their structures differ" in other.said.text()
    for fields, sentence in (
        ({"path": ""}, "choose the recording to compare with"),
        ({"path": str(run / "none")}, "there is no such file or folder"),
        ({"path": str(run), "tolerance": ""}, "the tolerance is a number"),
    ):
        assert sentence in asked(ranks, qtbot, "Another recording", **fields).said.text()
    assert "there is no step 77" in asked(ranks, qtbot, "Another step of this recording", step="77").said.text()
    assert "give the number" in asked(ranks, qtbot, "Another step of this recording", step="x").said.text()


def test_both_ranks_are_there(run: Path):
    with open_recording(run, 1) as recording:
        assert (recording.ranks, len(recording)) == ((0, 1), 6)
