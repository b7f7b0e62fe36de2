"""Dialogs: how to start, how to export, which file to open; and the log."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFileDialog, QPushButton, QToolButton

from gradwalk.device import Cuda
from gradwalk_gui import start_dialog
from gradwalk_gui.commands import BY_ID
from gradwalk_gui.export_dialog import Export, ExportDialog
from gradwalk_gui.open_dialog import RecordingDialog, kind_of, recording_path
from gradwalk_gui.session import Session
from gradwalk_gui.start_dialog import CudaProbe, StartDialog, new_name
from gradwalk_gui.theme import DARK, LIGHT
from gradwalk_gui.views.log import LogView


@pytest.fixture
def ask(qtbot, tmp_path, monkeypatch):
    """Start dialogs whose question about CUDA is answered by the test."""
    monkeypatch.setattr(start_dialog, "probe_cuda", lambda: Cuda(True, "Some GPU"))

    def make(kind: str, target: str, answer: Cuda | None = None) -> StartDialog:
        probe = CudaProbe()
        probe.answer = answer
        dialog = StartDialog(kind, target, tmp_path / "runs", probe)
        dialog.probe = probe
        qtbot.addWidget(dialog)
        return dialog

    return make


def test_cuda_is_offered_when_it_was_found(ask, qtbot):
    dialog = ask("example", "autograd")
    assert dialog.device.itemText(1).startswith("CUDA (looking")
    assert not dialog.device.model().item(1).isEnabled()
    qtbot.waitUntil(lambda: dialog.device.itemText(1) == "CUDA (Some GPU)")
    dialog.device.setCurrentIndex(1)
    assert dialog.start().device == "cuda"


def test_no_cuda_cannot_be_chosen_and_says_why(ask):
    dialog = ask("example", "autograd", Cuda(False, reason="there is no CUDA device here"))
    assert dialog.device.itemText(1) == "CUDA (none found)"
    assert not dialog.device.model().item(1).isEnabled()
    assert dialog.device.toolTip() == "there is no CUDA device here"


def test_numpy_computes_on_the_cpu(ask):
    dialog = ask("example", "numpy")
    assert dialog.device.count() == 1
    assert not dialog.device.isEnabled()


def test_what_is_asked_for(ask, tmp_path):
    dialog = ask("example", "function", Cuda(False))
    dialog.steps.setValue(60)
    dialog.seed.setText("7")
    dialog.level.setCurrentIndex(2)
    start = dialog.start()
    assert (start.kind, start.target, start.steps, start.seed, start.level) == ("example", "function", 60, 7, "tensors")
    assert Path(start.folder).parent == tmp_path / "runs"
    script = ask("script", "/somewhere/train.py")
    script.arguments.setText("--epochs 3")
    start = script.start()
    assert (start.kind, start.arguments, start.steps, start.seed) == ("script", "--epochs 3", 0, None)


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [("seed", "many", "seed"), ("seed", "-1", "seed"), ("folder", "", "full path"), ("folder", "relative", "full path")],
)
def test_what_cannot_be_started_is_said_in_the_dialog(ask, field, text, sentence):
    dialog = ask("example", "autograd", Cuda(False))
    getattr(dialog, field).setText(text)
    dialog.go.click()
    assert dialog.result() == 0
    assert sentence in dialog.problem.text()


def test_a_folder_with_something_in_it_and_an_open_quote_are_refused(ask, tmp_path):
    (tmp_path / "file").write_text("x")
    dialog = ask("script", str(tmp_path / "train.py"))
    dialog.folder.setText(str(tmp_path))
    dialog.go.click()
    assert "something in" in dialog.problem.text()
    dialog.folder.setText(str(tmp_path / "new"))
    dialog.arguments.setText("'open")
    dialog.go.click()
    assert "quotation" in dialog.problem.text()
    dialog.arguments.setText("")
    dialog.go.click()
    assert dialog.result() == 1


def test_run_folders_have_names_of_their_own():
    assert new_name("two layer/net") != new_name("two layer/net")
    assert new_name("a b").split("-")[2] == "a_b"


def test_the_start_dialog_starts_what_it_says(shell, qtbot, monkeypatch, tmp_path):
    begun = []
    monkeypatch.setattr(shell.trainings, "begin", begun.append)
    monkeypatch.setattr(start_dialog, "probe_cuda", lambda: Cuda(False))
    shell._window.welcome.cards["autograd"].clicked.emit()
    dialog = next(d for d in shell._window.findChildren(QDialog) if d.windowTitle() == "Start Tensors and autograd")
    qtbot.waitUntil(dialog.isVisible)
    dialog.seed.setText("5")
    dialog.go.click()
    assert begun[0].seed == 5
    assert begun[0].folder.startswith(str(tmp_path / "gradwalk-runs"))


# Export


def test_the_export_dialog_says_what_to_write(qtbot, tmp_path):
    wanted = []
    dialog = ExportDialog(tmp_path / "graph", lambda export: wanted.append(export) or "")
    qtbot.addWidget(dialog)
    assert dialog.file.text().endswith("graph.svg")
    assert not dialog.scale.isVisibleTo(dialog)
    dialog.format.setCurrentIndex(1)
    dialog.scale.setCurrentIndex(2)
    dialog.go.click()
    assert wanted == [Export(tmp_path / "graph.png", False, 3.0)]
    assert dialog.result() == 1


def test_dot_is_always_the_whole_graph_and_an_ending_chooses_the_format(qtbot, tmp_path):
    dialog = ExportDialog(tmp_path / "graph", lambda export: "")
    qtbot.addWidget(dialog)
    dialog.file.setText(str(tmp_path / "mine.dot"))
    dialog.file.textEdited.emit(dialog.file.text())
    assert dialog.format.currentData() == ".dot"
    assert dialog.export().whole
    assert not dialog.shown.isVisibleTo(dialog)


def test_what_cannot_be_written_is_said_in_the_dialog(qtbot, tmp_path):
    dialog = ExportDialog(tmp_path / "graph", lambda export: f"{export.path} cannot be written")
    qtbot.addWidget(dialog)
    dialog.go.click()
    assert dialog.result() == 0
    assert "cannot be written" in dialog.problem.text()
    dialog.file.setText(" ")
    dialog.go.click()
    assert dialog.problem.text() == "Which file?"


def test_the_window_exports_each_kind(opened, qtbot, tmp_path):
    opened.session.go_to(0, 9)
    starts = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF", ".dot": b"digraph"}
    for ending, whole in product(starts, (False, True)):
        opened._window.run(BY_ID["export-image"])
        dialog = next(d for d in opened._window.findChildren(QDialog) if d.windowTitle() == "Export image" and d.isVisible())
        dialog.format.setCurrentIndex(dialog.format.findData(ending))
        dialog.whole.setChecked(whole)
        file = tmp_path / f"{'whole' if whole else 'shown'}{ending}"
        dialog.file.setText(str(file))
        dialog.go.click()
        assert dialog.problem.text() == ""
        assert opened._window.notice.text == f"Wrote {file}"
        assert starts[ending] in file.read_bytes()[:200]


def test_a_bad_folder_is_one_sentence_in_the_export_dialog(opened, tmp_path):
    opened._window.run(BY_ID["export-image"])
    dialog = next(d for d in opened._window.findChildren(QDialog) if d.windowTitle() == "Export image")
    dialog.file.setText(str(tmp_path / "no" / "such" / "graph.svg"))
    dialog.go.click()
    assert "graph.svg" in dialog.problem.text()
    assert "Traceback" not in dialog.problem.text()


def test_the_loss_curve_is_exported(opened, tmp_path):
    for ending in (".png", ".svg", ".csv"):
        file = tmp_path / f"loss{ending}"
        opened._write_loss(str(file))
        assert opened._window.notice.kind == "info"
        assert file.stat().st_size > 30
        opened._write_loss(str(tmp_path / "no" / f"loss{ending}"))
        assert opened._window.notice.kind == "error"


# Opening


def test_what_a_path_is(tmp_path):
    assert kind_of(Path("train.py")) == "script"
    assert kind_of(Path("run-1")) == "recording"
    assert recording_path(Path("/r/run.json")) == Path("/r")
    assert recording_path(Path("/r/rank00000.0000.mcap")) == Path("/r/rank00000.0000.mcap")


def test_the_dialog_takes_a_run_folder(qtbot, recording):
    dialog = RecordingDialog(None, "Open", str(recording.parent))
    dialog.setOption(RecordingDialog.Option.DontUseNativeDialog)
    dialog.setFileMode(RecordingDialog.FileMode.ExistingFile)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.selectFile(str(recording))
    with qtbot.waitSignal(dialog.fileSelected) as chosen:
        dialog.accept()
    assert chosen.args == [str(recording)]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_the_arrows_of_the_file_dialog_can_be_seen(theme, opened, qtbot):
    opened.session.set(theme=theme.name)
    opened._window.run(BY_ID["open"])
    dialog = next(d for d in opened._window.findChildren(QFileDialog) if d.isVisible())
    up = dialog.findChild(QToolButton, "toParentButton")
    image = up.grab().toImage()
    ground, middle = QColor(theme.panel).lightness(), []
    for x in range(image.width()):
        middle += [image.pixelColor(x, y).lightness() for y in range(image.height())]
    assert up.isEnabled()
    assert max(abs(one - ground) for one in middle[image.height() * 4 : -image.height() * 4]) > 120
    dialog.reject()


def test_fields_and_their_buttons_stand_apart(opened, qtbot):
    opened._window.run(BY_ID["export-image"])
    dialog = next(d for d in opened._window.findChildren(ExportDialog) if d.isVisible())
    browse = next(button for button in dialog.findChildren(QPushButton) if button.text() == "Choose...")
    assert browse.geometry().left() - dialog.file.geometry().right() >= 8
    dialog.reject()


# Others


def test_the_log_keeps_the_order_and_overwrites_progress(qtbot):
    log = LogView(Session(), LIGHT)
    qtbot.addWidget(log)
    log.started("train.py is running")
    log.append("one\n10 %")
    log.append("\r50 %")
    log.append("\r100 %\r\nend\n")
    log.append("bad\n", error=True)
    assert log.text.toPlainText() == "one\n100 %\nend\nbad\n"
    assert log.stop.isEnabled()
    log.ended("train.py has ended")
    assert not log.stop.isEnabled()
    log.started("again")
    assert log.text.toPlainText() == ""


def test_about_names_versions_without_importing_torch(opened):
    opened._window.run(BY_ID["about"])
    dialog = next(d for d in opened._window.findChildren(QDialog) if d.windowTitle() == "About Gradwalk")
    assert "gradwalk 0" in dialog.versions.text()
    assert "torch" in dialog.versions.text()
    dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Close).click()
    assert not dialog.isVisible()
