"""A training that runs is asked to check its next step; its marks come with the step, or that they do not is said."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt

from gradwalk.control import ControlError, ControlServer
from gradwalk.recording.info import run_info
from gradwalk.recording.reader import Recording
from gradwalk.recording.writer import Writer
from gradwalk.reference import whole
from gradwalk.sample import SampleRecording


@pytest.mark.parametrize("found", [True, False])
def test_a_training_is_asked_to_check_its_next_step(shell, qtbot, tmp_path, focus, monkeypatch, found):
    folder, asked, written = tmp_path / "run", [], {}
    read = Recording.__getitem__
    monkeypatch.setattr(Recording, "__getitem__", lambda self, i: replace(read(self, i), verdicts=written.get(i, ())))
    monkeypatch.setattr(Recording, "checked_steps", lambda self: np.array(sorted(written), np.int64), raising=False)

    def answer(frame):
        asked.append(frame["command"])
        if len(asked) == 1:
            raise ControlError("this training is not recorded op by op")
        return {"after": 1}

    writer = Writer(folder, run_info(device="cpu", script="/somewhere/two_layer.py"))
    server = ControlServer(folder, {"check": answer, "attach": lambda frame: {}}, lambda peer: None)
    try:
        sample = SampleRecording(4)
        for step in (0, 1):
            writer.add(replace(sample[step], tensors={}))
        shell.open_path(str(folder))
        qtbot.waitUntil(lambda: shell.session.state.length >= 1)
        window = shell._window
        action = window.actions_["check-next"]
        qtbot.waitUntil(action.isEnabled)
        focus(window.graph)
        qtbot.keyClick(
            window.graph, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier
        )  # the step has no tensors, and its training can be asked
        qtbot.waitUntil(lambda: window.notice.text == "The next step is not checked: this training is not recorded op by op")
        qtbot.keyClick(window.graph, Qt.Key.Key_F12, Qt.KeyboardModifier.ShiftModifier)
        qtbot.waitUntil(lambda: "the next step is checked in the training" in window.status.text)
        assert "its marks come with the step" in window.notice.text
        for step in (2, 3):
            writer.add(replace(sample[step], tensors={}))
        qtbot.waitUntil(lambda: "step 2 is being checked in the training" in window.status.text)
        shell.session.go_to(2, 3)
        if found:
            written[2] = tuple(whole.check_step(sample[2]).verdicts.values())  # what was found comes after the step
        writer.close("clean")
        wanted = r"Step 2: \d+ ops checked, \d+ agree.*" if found else r"Step 2 came without verdicts: .*"
        qtbot.waitUntil(lambda: re.fullmatch(wanted, window.notice.text) is not None)
        assert "in the training" not in window.status.text
        assert bool(shell.session.state.verdicts) is found
        assert asked == ["check", "check"]
    finally:
        server.close()
        writer.close("clean")
