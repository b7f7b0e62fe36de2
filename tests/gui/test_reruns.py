"""An example edited and run again: the dialog, the real run, the ghost of the run before in the plot and the inspector."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog

from gradwalk.recording.info import RunInfo
from gradwalk_gui.again import Again, again_of
from gradwalk_gui.runs import Start, command_of
from gradwalk_gui.state import Selection

LONG = 30_000
STEPS = 6


@pytest.fixture
def ran(shell, qtbot, tmp_path):
    """The window with a run of the NumPy example open that has ended."""
    run = shell.trainings.begin(Start("example", "numpy", str(tmp_path / "first"), steps=STEPS, seed=3))
    qtbot.waitUntil(lambda: not run.alive and shell.session.state.length == STEPS, timeout=LONG)
    qtbot.waitUntil(lambda: shell.follower.recording.closed, timeout=LONG)
    return shell


def dialog_of(shell, qtbot, focus):
    focus(shell._window.graph)
    qtbot.keyClick(shell._window.graph, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    dialog = next(d for d in shell._window.findChildren(QDialog) if d.windowTitle() == "Edit and run again")
    qtbot.waitUntil(dialog.isVisible)
    return dialog


def test_an_edited_example_runs_again_and_the_run_before_is_its_ghost(ran, qtbot, focus):
    shell, window = ran, ran._window
    shell.session.go_to(1, 4)
    old = shell.follower.recording
    losses, w1 = np.array(old.losses()), old[1].tensors["value", 1].data.copy()
    dialog = dialog_of(shell, qtbot, focus)
    assert dialog.rate.placeholderText() == "1e-06, as before"
    qtbot.keyClicks(dialog.rate, "2e-6")
    qtbot.keyClicks(dialog.weights, "w1[3,2]=0.5")
    assert dialog.before.text() == f"w1[3, 2] was {float(old[0].tensors['value', 1].data[3, 2])!r}"
    qtbot.keyClick(dialog.weights, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: shell.session.state.ghost is not None and shell.session.state.length == STEPS, timeout=LONG)
    state = shell.session.state
    assert (state.step, state.position) == (1, 4), "the playhead stays where it was"
    assert state.recording[0].tensors["value", 1].data[3, 2] == 0.5
    assert np.array_equal(state.ghost.losses(), losses)
    assert not np.array_equal(state.recording.losses(), losses)
    loss = window.desk.views["loss"]
    plot = loss.plot()
    assert plot.ghost.getData()[1].tolist() == np.log10(losses).tolist()
    assert "before (grey)" in loss.reading.full_text()
    shell.session.select(Selection("value", 1))
    pane = window.desk.views["inspector"].tensor.pane
    assert "Not as in the run before" in pane.note.text()
    assert pane.grid.before(3, 2) == w1[3, 2]
    pane.grid.pointed.emit(3, 2)
    assert "was" in pane.under.full_text()
    shell.close_recording()
    assert shell.session.state.ghost is None


def test_what_is_typed_wrong_gets_one_sentence_and_another_script_is_not_run(ran, qtbot, focus, monkeypatch):
    dialog = dialog_of(ran, qtbot, focus)
    for rate, weights, sentence in (
        ("", "", "Nothing is changed: type another learning rate, or a weight to set."),
        ("fast", "", "The learning rate is a finite number, such as 2e-6."),
        ("", "w3[0,0]=1", "There is no weight 'w3'; there is w1, w2."),
        ("", "w2[100,0]=1", "There is no element [100, 0] in w2, which is [100, 10]."),
        ("", "w2[0]=1", "There is no element [0] in w2, which is [100, 10]."),
        ("", "w1=1", "'w1=1' changes no weight; write a name, a place and a number, such as w1[3,2]=0.5."),
    ):
        dialog.rate.setText(rate)
        dialog.weights.setText(weights)
        qtbot.keyClick(dialog.weights, Qt.Key.Key_Return)
        assert dialog.isVisible()
        assert dialog.problem.isVisible()
        assert dialog.problem.text() == sentence
    dialog.weights.setText("w1[3, 2] = 0.5  w2[1,1]=-1; w2[0,0]=1e-3")
    assert dialog.start().changes == ("w1[3,2]=0.5", "w2[1,1]=-1.0", "w2[0,0]=0.001")
    assert not dialog.problem.isVisible()
    dialog.reject()
    monkeypatch.setattr(type(ran.follower.recording), "source", lambda self, file: "print('mine')")
    ran.run_again()
    assert "another numpy_by_hand.py than the example" in ran._window.notice.text


def test_only_examples_with_a_seed_can_be_run_again(opened):
    assert not opened._window.actions_["run-again"].isEnabled()
    opened.run_again()
    assert opened._window.notice.text == "Only an example can be edited and run again; this is a recording of something else."
    info = RunInfo(script="/x/autograd.py", program=("autograd.py", "--steps", "7"))
    assert again_of(info) == "autograd.py was started without --seed: the same values cannot be drawn again."
    assert again_of(RunInfo(script="/x/train.py", program=("train.py", "--seed", "3"))).startswith("Only an example")


def test_the_start_before_is_read_off_the_recording():
    program = ("mlp.py", "--device", "cpu", "--seed=5", "--lr", "0.2", "--set", "fc1.bias[0]=1.0", "--optimizer", "adam")
    assert again_of(RunInfo(script="C:\\x\\mlp_digits.py", program=program, level="tensors")) == Again(
        "mlp", 5, "cpu", 500, 0.2, ("fc1.bias[0]=1.0",), ("--optimizer", "adam"), "tensors"
    )
    start = Start("example", "mlp", "/r", "--optimizer adam", "cpu", 7, 5, "statistics", 0.2, ("fc1.bias[0]=1.0",))
    assert command_of(start)[-10:] == [
        "--seed", "5", "--lr", "0.2", "--set", "fc1.bias[0]=1.0", "mlp", "--", "--optimizer", "adam",
    ]  # fmt: skip
