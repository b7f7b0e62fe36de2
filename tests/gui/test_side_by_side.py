"""The panel Side by side in the real window: three programs, one row per quantity, the distance over the steps."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog

from gradwalk.recording.info import run_info
from gradwalk.recording.reader import open_recording
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace
from gradwalk.tape import event_at, name_of
from gradwalk_gui import app, settings
from gradwalk_gui.commands import BY_ID
from gradwalk_gui.inspection.side_table import APART, NUMBER, OP
from gradwalk_gui.start_dialog import StartDialog
from gradwalk_gui.state import Selection


@pytest.fixture
def sides(shell, three, qtbot):
    """The window with the NumPy program open and the other two beside it, at the first step."""
    shell.open_path(str(three[0]))
    qtbot.waitUntil(shell._window.desk.isVisible)
    shell.others.sides.set_beside(three[1:])
    view = panel(shell)
    qtbot.waitUntil(lambda: view.reading is not None and view.reading.at == 20, timeout=30_000)
    return shell


def panel(shell):
    return shell._window.desk.views["sides"]


def cells(view, label):
    """Per column that a row has: its text."""
    table = view.model.table
    row = next(row for row, line in enumerate(table.lines) if line.row.label == label)
    return row, [view.model.data(view.model.index(row, column)) for column in range(view.model.columnCount())]


def test_each_quantity_has_one_row_with_its_op_in_each_program(sides):
    view = panel(sides)
    assert view.isVisible()
    assert view.about.full_text() == "step 0: 19 of 28 quantities in all three"
    heads = [view.model.headerData(column, Qt.Orientation.Horizontal) for column in range(view.model.columnCount())]
    assert heads == ["quantity", "numpy", "", "autograd", "", "apart", "custom_function", "", "apart"]
    _, found = cells(view, "h_relu")
    assert (found[1], found[3], found[6]) == ("maximum", "clamp", "MyReLU")
    assert found[2] == found[4] == found[7]
    assert re.fullmatch(r"\d\.\de-\d\d", found[5])
    assert cells(view, "x.T")[1][1:] == ["transpose", cells(view, "x")[1][2], *[""] * 6]
    row = cells(view, "loss")[0]
    numpy, autograd = sides.session.state.recording[0].loss, sides.session.state.beside[0][0].loss
    assert view.model.table.lines[row].apart[1].absolute == pytest.approx(abs(numpy - autograd), abs=1e-3)


def test_a_click_goes_to_the_event_in_the_recording_that_is_shown(sides, qtbot):
    view = panel(sides)
    row, _ = cells(view, "dL/dw2")
    column = view.model.table.columns.index((OP, 2))
    index = view.model.index(row, column)
    view.list.scrollTo(index)
    qtbot.mouseClick(view.list.viewport(), Qt.MouseButton.LeftButton, pos=view.list.visualRect(index).center())
    state = sides.session.state
    assert name_of(state.trace.graph, event_at(state.trace, state.position - 1)) == "dot"
    assert state.selection.kind == "edge"
    assert state.trace.graph.values[state.trace.graph.edges[state.selection.id].value].name == "w2"
    assert [line.name for line in view.plot.lines] == ["loss", "dL/dw2 in autograd", "dL/dw2 in custom_function"]
    place = state.position
    row = next(row for row, line in enumerate(view.model.table.lines) if line.row.cells[0] is None)
    view.list.show_row(row)
    view.list.setFocus()
    qtbot.keyClick(view.list, Qt.Key.Key_Return)
    assert sides.session.state.position == place
    assert view.about.full_text() == f"numpy has no {view.model.table.lines[row].row.label}"


def test_it_follows_the_step_and_the_selection(sides):
    view, session = panel(sides), sides.session
    session.go_to(13, 4)
    assert view.about.full_text().startswith("step 13: 19 of 28")
    assert view.plot.marker() == 13
    losses = [recording[13].loss for recording in (session.state.recording, *session.state.beside)]
    row, _ = cells(view, "loss")
    assert view.model.table.lines[row].numbers == pytest.approx(losses, rel=1e-7)
    w1 = next(value.id for value in session.state.trace.graph.values if value.name == "w1")
    session.select(Selection("value", w1))
    assert view.chosen == cells(view, "w1")[0]
    assert "w1 in autograd" in view.legend.text()


def test_the_plot_is_the_distance_over_all_steps(sides, qtbot):
    view = panel(sides)
    assert [line.name for line in view.plot.lines] == ["w1", "w2", "loss", "dL/dw2", "dL/dw1"]
    loss = next(line for line in view.plot.lines if line.name == "loss")
    state = sides.session.state
    first, *others = [np.asarray(recording.losses()) for recording in (state.recording, *state.beside)]
    expected = np.max([np.abs(other - first) / np.maximum(first, other) for other in others], axis=0)
    assert loss.apart == pytest.approx(expected, rel=1e-6, abs=1e-12)
    place = view.plot.lines.index(loss)
    drawn = view.plot.curves[place].getData()
    assert drawn[0].tolist() == list(range(20))
    assert 10 ** drawn[1] == pytest.approx(loss.apart)
    view.plot.choose(7.2)
    assert sides.session.state.trace.step == 7


def test_what_is_too_far_apart_is_coloured(sides, monkeypatch):
    view = panel(sides)
    row, _ = cells(view, "loss")
    index = view.model.index(row, view.model.table.columns.index((APART, 1)))
    role = Qt.ItemDataRole.ForegroundRole
    assert view.model.data(index, role).name() == view.theme.subtle
    monkeypatch.setattr("gradwalk_gui.widgets.side_model.TOLERANCE", 1e-12)
    assert view.model.data(index, role).name().lower() == view.theme.bad.lower()
    assert "element by element" in view.model.data(index, Qt.ItemDataRole.ToolTipRole)


def test_the_table_is_copied(sides, qtbot, focus):
    view = panel(sides)
    focus(view.list)
    qtbot.keyClick(view.list, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:2] == ["quantity", "numpy"]
    assert len(lines) == 29


def test_one_more_is_asked_for_and_none_beside_says_what_to_do(shell, three, qtbot):
    shell.open_path(str(three[1]))
    qtbot.waitUntil(shell._window.desk.isVisible)
    shell._window.run(BY_ID["side-by-side"])
    view = panel(shell)
    assert view.isVisible()
    assert view.message.text().startswith("Set another recording beside this one")
    (dialog,) = shell._window.findChildren(QFileDialog)
    dialog.fileSelected.emit(str(three[2]))
    dialog.reject()
    qtbot.waitUntil(lambda: view.model.table is not None)
    assert view.model.table.names == ("autograd", "custom_function")
    assert "22 of 24 quantities in both" in view.about.full_text()
    qtbot.waitUntil(lambda: not view.busy, timeout=30_000)
    worst = max(line.apart.max() for line in view.plot.lines)
    assert ("equal in every step" in view.legend.text()) == bool(worst == 0)
    view.add.click()
    dialog = next(one for one in shell._window.findChildren(QFileDialog) if one.isVisible())
    dialog.fileSelected.emit(str(three[0]))
    dialog.reject()
    assert len(shell.session.state.beside) == 2
    assert not view.add.isEnabled()
    assert not shell._window.actions_["add-beside"].isEnabled()
    held = shell.session.state.beside
    view.alone.click()
    assert shell.session.state.beside == ()
    assert shell.others.sides._held == []
    assert [one._tail.file.access._fd for one in held] == [-1, -1]
    assert view.add.isEnabled()


def test_what_is_no_recording_is_one_sentence(sides, tmp_path):
    before = sides.session.state.beside
    sides.others.sides.set_beside([tmp_path / "nothing"])
    assert "there is no such file or folder" in sides._window.notice.text
    assert sides.session.state.beside is before


def test_another_recording_has_nothing_beside_it(sides, three):
    sides.open_path(str(three[1]))
    assert sides.session.state.beside == ()
    sides.close_recording()
    assert panel(sides).model.table is None


def test_no_step_in_common_is_a_sentence(sides, three):
    state = sides.session.state
    sides.session.go_to(3, 0)

    class Late:
        def __init__(self, recording):
            self.recording = recording

        def __len__(self):
            return len(self.recording)

        def __getitem__(self, index):
            return self.recording[index]

        def step_numbers(self):
            return self.recording.step_numbers() + 1000

    sides.session.set(beside=(Late(state.beside[0]),))
    assert panel(sides).message.text() == "The recordings have no step in common."


def test_the_command_line_and_the_welcome_page_lead_there(shell, three, qtbot):
    options = app.parse([str(three[0]), "--beside", str(three[1]), "--beside", str(three[2])])
    assert options.beside == three[1:]
    app._after_first_show(shell._window, shell, options, open_recording(three[0]))
    qtbot.waitUntil(lambda: panel(shell).model.table is not None)
    assert panel(shell).model.table.names == ("numpy", "autograd", "custom_function")


def test_the_panel_has_room_at_the_start_of_the_app_whatever_was_arranged_before(shell, three, tmp_path, qtbot, discard):
    shell.open_path(str(three[0]))
    qtbot.waitUntil(lambda: shell._window.desk.isVisible() and bool(shell.present_settings().docks))
    assert not panel(shell).isVisible()
    window, started = app.build(shell.present_settings(), tmp_path / "config" / "other.json")
    started.restore_window()
    window.show()
    qtbot.waitExposed(window)
    options = app.parse([str(three[0]), "--beside", str(three[1])])
    app._after_first_show(window, started, options, open_recording(three[0]))
    qtbot.waitUntil(window.desk.isVisible)
    qtbot.waitUntil(lambda: window.desk._wanted is None)
    qtbot.waitUntil(panel(started).isVisible, timeout=1000)
    assert panel(started).height() > window.desk.height() // 3
    discard(window)


def test_the_three_programs_are_set_side_by_side_when_they_have_run(shell, tmp_path, qtbot, monkeypatch):
    """The card of the welcome page: ``gradwalk demo compare`` in a process of its own, and what it prints in the log."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder = tmp_path / "three"
    shell._window.welcome.cards["compare"].clicked.emit()
    (dialog,) = shell._window.findChildren(StartDialog)
    assert dialog.windowTitle() == "Start The three programs side by side"
    dialog.steps.setValue(6)
    dialog.seed.setText("3")
    dialog.level.setCurrentIndex(dialog.level.findData("tensors"))
    dialog.folder.setText(str(folder))
    dialog.go.click()
    qtbot.waitUntil(lambda: len(shell.session.state.beside) == 2, timeout=120_000)
    view = panel(shell)
    assert shell.trainings.result.code == 0
    assert Path(shell.follower.path) == folder / "numpy"
    assert view.model.table.names == ("numpy_by_hand", "autograd", "custom_function")
    assert view.about.full_text() == "step 0: 19 of 28 quantities in all three"
    for name in ("x", "y", "w1", "w2"):  # bit for bit the same, in float64 and float32
        line = view.model.table.lines[cells(view, name)[0]]
        assert [(apart.absolute, apart.exact) for apart in line.apart[1:]] == [(0, True)] * 2
        recordings = shell.session.state.recording, *shell.session.state.beside
        dtypes = [
            recording[0].graph.values[cell.things[0]].dtype for recording, cell in zip(recordings, line.row.cells, strict=True)
        ]
        assert dtypes == ["float64", "float32", "float32"]
    said = shell._window.desk.views["log"].text.toPlainText().splitlines()
    assert "step 5: 28 quantities, 19 of them in all of numpy_by_hand, autograd, custom_function" in said
    (row,) = (line.split() for line in said if line.startswith("h_relu "))
    assert [word for word in row if word.isalpha()] == ["maximum", "clamp", "MyReLU"]
    assert "nothing is apart by more than 0.0001 in 6 steps" in said
    (told,) = (line for line in said if "--beside" in line)
    assert told.endswith(f"open {folder / 'numpy'} --beside {folder / 'autograd'} --beside {folder / 'function'}")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 900])
def test_no_number_is_cut(three, theme, width, qtbot, discard):
    window, shell = app.build(settings.Settings(theme=theme, reduced_motion=True), None)
    window.resize(width, 900)
    window.populate()
    window.desk.arrange("Debug")
    window.show()
    shell.open_path(str(three[0]))
    qtbot.waitUntil(window.desk.isVisible)
    shell.others.sides.set_beside(three[1:])
    view = panel(shell)
    qtbot.waitUntil(lambda: view.reading is not None and view.reading.at == 20, timeout=30_000)
    table, cut = view.model.table, []
    for column, (what, _) in enumerate(table.columns):
        room = view.list.columnWidth(column)
        for row in range(len(table)):
            index = view.model.index(row, column)
            if what in (NUMBER, APART) and view.list.sizeHintForIndex(index).width() > room:
                cut.append(view.model.data(index))
    assert cut == []
    assert not view.grab().isNull()
    discard(window)


def test_recordings_that_grow_are_followed(shell, tmp_path, qtbot):
    """Two trainings of the sample, one of them still being written."""
    writer = Writer(tmp_path / "grows", run_info(device="cpu", script="/somewhere/grows.py"))
    for step in range(3):
        writer.add(sample_trace(step))
    writer.flush()
    other = Writer(tmp_path / "whole", run_info(device="cpu", script="/somewhere/whole.py"))
    for step in range(6):
        other.add(sample_trace(step))
    other.close("clean")
    shell.open_path(str(tmp_path / "grows"))
    qtbot.waitUntil(lambda: shell.session.state.length == 3)
    shell.others.sides.set_beside([tmp_path / "whole"])
    view = panel(shell)
    qtbot.waitUntil(lambda: view.model.table is not None and not view.busy, timeout=30_000)
    rows = view.model.table.lines[0].row
    assert view.model.table.steps.tolist() == [0, 1, 2]
    for step in range(3, 6):
        writer.add(sample_trace(step))
    writer.close("clean")
    qtbot.waitUntil(lambda: len(view.model.table.steps) == 6 and not view.busy, timeout=30_000)
    assert view.model.table.lines[0].row is rows
    qtbot.waitUntil(lambda: len(view.reading.course.steps) == 6)
    assert (view.reading.course.worst == 0).all()
