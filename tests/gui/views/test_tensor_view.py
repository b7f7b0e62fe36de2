"""The tensor viewer: any axes, single numbers, a range locked over steps, copied and saved exactly."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from gradwalk.builder import GraphBuilder
from gradwalk.sample import sample_trace
from gradwalk.trace import Kept, Trace, empty_table
from gradwalk_gui.inspection.copying import MOST, file_name, numpy_code
from gradwalk_gui.inspection.elements import largest
from gradwalk_gui.inspection.slicing import Slice, first_slice, sliced, with_axis
from gradwalk_gui.numbers import number
from gradwalk_gui.session import Session
from gradwalk_gui.state import Selection
from gradwalk_gui.views.tensor import TensorView
from gradwalk_gui.widgets.tensor_files import write_npy

FIVE = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.float32).reshape(2, 3, 4, 5, 6) - 300


class Steps(list):
    def losses(self):
        return np.full(len(self), np.nan)

    def source(self, file):
        return None


def step_with(*tensors):
    """Steps of one op; ``tensors`` are the Kept of its output, one per step."""
    build = GraphBuilder()
    build.add_value(tensors[0].shape, tensors[0].dtype, name="z")
    build.add_event("op", "forward", build.add_op("noop", (), (0,)))
    graph = build.freeze()
    tape, values, gradients = np.zeros(1, np.int32), empty_table(1), empty_table(0)
    held = [MappingProxyType({("value", 0): tensor}) for tensor in tensors]
    session = Session()
    session.open(Steps(Trace(i, graph, tape, values, gradients, tensors=each) for i, each in enumerate(held)))
    session.go_to(0, 1)
    session.select(Selection("value", 0))
    return session


def kept(array, **more):
    return Kept(array, more.pop("dtype", array.dtype.name), more.pop("shape", array.shape), **more)


def test_five_dimensions_are_sliced_along_any_two_axes(show):
    view = show(TensorView, step_with(kept(FIVE)), size=(700, 600))
    pane = view.pane
    assert [box.prefix() for box in pane.choosers] == ["dim 0: ", "dim 1: ", "dim 2: "]
    QTest.keyClick(pane.choosers[0], Qt.Key.Key_Up)
    assert np.array_equal(pane.grid.data(), FIVE[1, 0, 0])
    QTest.keyClick(pane.chooser.rows, Qt.Key.Key_Home)
    assert pane.chooser.slice.rows == 0
    assert [box.prefix() for box in pane.choosers] == ["dim 1: ", "dim 2: ", "dim 3: "]
    pane.choosers[2].setValue(4)
    assert np.array_equal(pane.grid.data(), FIVE[:, 0, 0, 4, :])
    QTest.keyClick(pane.chooser.columns, Qt.Key.Key_Home)
    assert np.array_equal(pane.grid.data(), FIVE[:, 0, 0, 4, :].T), "rows and columns change places"
    QTest.mouseMove(pane.grid, QPoint(2, 2))
    pane.grid.pointed.emit(3, 1)
    assert pane.under.full_text() == f"[1, 0, 0, 4, 3] = {FIVE[1, 0, 0, 4, 3]:.1f}"


def test_slices_are_those_of_numpy():
    data = FIVE.astype(np.float64)
    what = first_slice(data.shape)
    assert what == Slice(3, 4, (0,) * 5)
    for rows in range(5):
        for columns in range(5):
            if rows != columns:
                chosen = with_axis(with_axis(what, rows=rows), columns=columns)
                expected = np.moveaxis(data, (rows, columns), (0, 1))[:, :, 0, 0, 0]
                assert np.array_equal(sliced(data, chosen), expected)
    assert sliced(np.arange(3.0), first_slice((3,))).tolist() == [[0.0, 1.0, 2.0]]


def test_the_wheel_zooms_down_to_single_numbers(show):
    data = np.random.default_rng(0).standard_normal((300, 200)).astype(np.float32)
    view = show(TensorView, step_with(kept(data)), size=(500, 500))
    grid = view.pane.grid
    assert grid.height() > 150
    at = QPointF(grid.width() * 0.413, grid.height() * 0.617)
    before = grid.cell_at(at)
    for _ in range(40):
        event = QWheelEvent(
            *(at, at, QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier),
            *(Qt.ScrollPhase.NoScrollPhase, False),
        )
        QApplication.sendEvent(grid, event)
    assert grid.cell_at(at) == before
    assert grid.cell()[0] >= 46, "numbers have room"
    for key in (Qt.Key.Key_Down, *[Qt.Key.Key_Right] * 3):
        QTest.keyClick(grid, key)
    assert view.pane.under.full_text() == f"[0, 3] = {data[0, 3]!s}"
    assert grid.cell_at(QPointF(1, 1)) == (0, 0), "it came into view"
    QTest.keyClick(grid, Qt.Key.Key_Left)
    assert view.pane.under.full_text() == f"[0, 2] = {data[0, 2]!s}"
    QTest.keyClick(grid, Qt.Key.Key_0)
    assert grid.cell()[0] < 5


def test_a_line_is_a_plot_and_a_row_of_numbers(show):
    view = show(TensorView, step_with(kept(np.linspace(-1, 1, 500))), size=(500, 500))
    assert view.pane.line.isVisible()
    assert view.pane.grid.isVisible()
    assert view.pane.grid.data().shape == (1, 500)


def test_a_locked_range_holds_over_steps_until_it_is_let_go(show):
    session = step_with(*(kept(np.array([[scale, -2 * scale]], np.float32)) for scale in (1, 10)))
    view = show(TensorView, session)
    lock = view.pane.buttons["lock"]
    QTest.mouseClick(lock, Qt.MouseButton.LeftButton)
    assert session.state.colour_range == 2
    session.next_step()
    assert view.pane.grid._scale == 2
    assert "±2 locked" in view.pane.under.full_text()
    QTest.keyClick(lock, Qt.Key.Key_Space)
    assert session.state.colour_range is None
    assert view.pane.grid._scale == 20
    assert "±20 " in view.pane.under.full_text()


def test_nan_and_inf_are_hatched_in_their_colour(show):
    view = show(TensorView, step_with(kept(np.array([[np.nan, 1.0], [-1.0, -np.inf]], np.float32))), size=(400, 400))
    grid = view.pane.grid
    picture = grid.grab().toImage()
    wide, high = grid.cell()

    def colours(row, column):
        left, top = round(column * wide) + 3, round(row * high) + 3
        return {picture.pixelColor(x, y).name() for x in range(left, left + 12) for y in range(top, top + 12)}

    bad = view.theme.bad.lower()
    assert {bad, view.theme.panel} <= colours(0, 0)
    assert {bad, view.theme.panel} <= colours(1, 1)
    assert bad not in colours(0, 1)
    data = np.zeros((200, 200), np.float32)
    data[:100] = np.nan
    small = show(TensorView, step_with(kept(data)), size=(400, 400)).pane.grid
    assert small.cell()[1] < 6
    picture, (wide, high) = small.grab().toImage(), small.cell()
    assert {bad, view.theme.panel} <= colours(5, 20), "hatched too where cells are too small for one each"
    assert bad not in colours(130, 20)
    assert grid.text_of(0, 0) == "NaN"
    assert grid.text_of(1, 1) == "-Inf"


def test_copied_code_makes_the_same_array_again(show):
    data = np.array([[0.1, np.nan, -np.inf], [1e-30, 3.0, -0.0]], np.float32)
    said = []
    view = show(TensorView, step_with(kept(data)))
    view.said.connect(lambda *what: said.append(what))
    QTest.mouseClick(view.pane.buttons["copy"], Qt.MouseButton.LeftButton)
    names = {}
    exec(QGuiApplication.clipboard().text(), names)
    assert names["z"].dtype == np.float32
    assert names["z"].tobytes() == data.tobytes()
    assert said == [("Copied 6 elements of z as NumPy code.", False)]


@pytest.mark.parametrize(
    "array",
    [
        np.array(2.5), np.array([True, False]), np.arange(40, dtype=np.int64), np.zeros((0, 3), np.float32),
        np.array([1 + 2j, complex(np.nan, 0)]), FIVE, np.float16([0.1]),
    ],
)  # fmt: skip
def test_code_of_every_kind_of_array_is_exact(array):
    names = {}
    exec(numpy_code(kept(array), "dL/d(mm output)"), names)
    made = names["dL_d_mm_output"]
    assert (made.dtype, made.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(made, array)


def test_what_is_too_large_a_sample_or_widened_is_said(show, tmp_path):
    view = show(TensorView, step_with(kept(np.zeros(MOST + 1, np.float32))))
    said = []
    view.said.connect(lambda *what: said.append(what))
    QTest.mouseClick(view.pane.buttons["copy"], Qt.MouseButton.LeftButton)
    assert said == [("100,001 elements are too many to be copied as code (at most 100,000); save them as .npy.", True)]
    sample = kept(np.zeros(8, np.float32), dtype="bfloat16", shape=(40, 50), complete=False)
    assert numpy_code(sample, "w").splitlines()[:2] == [
        "# An evenly spaced sample of 8 elements of 40 × 50.",
        "# bfloat16, widened to float32.",
    ]
    sentence, failed = write_npy(sample, tmp_path / "w.npy")
    assert (failed, sentence.endswith("An evenly spaced sample of 8 elements of 40 × 50. bfloat16, widened to float32.")) == (
        False,
        True,
    )
    session = step_with(sample)
    assert "sample of 8 elements of 40 × 50" in show(TensorView, session).pane.note.text()


def test_a_tensor_is_saved_as_npy_or_one_sentence_says_why_not(tmp_path):
    assert write_npy(kept(FIVE), tmp_path / "five") == (f"Saved to {tmp_path / 'five.npy'}.", False)
    assert np.array_equal(np.load(tmp_path / "five.npy", allow_pickle=False), FIVE)
    for path, why in (
        (tmp_path / "no" / "x.npy", "No such file or directory"),
        (tmp_path / "x.pkl", ".pkl is not one that is known"),
    ):
        sentence, failed = write_npy(kept(FIVE), path)
        assert failed
        assert why in sentence
    sentence, failed = write_npy(kept(np.array([object()], dtype=object), dtype="object"), tmp_path / "o.npy")
    assert failed
    assert not (tmp_path / "o.npy").exists()
    assert file_name("dL/dy_pred", 12) == "dL_dy_pred-step12.npy"


def test_the_inspector_opens_it_in_a_window_of_its_own_and_they_share_the_tensor(opened, qtbot):
    window, session = opened._window, opened.session
    session.go_to(0, 12)
    session.select(Selection("op", 2))
    QApplication.processEvents()
    inspector, viewer = window.desk.views["inspector"], window.desk.views["tensor"]
    dock = window.desk.docks["tensor"]
    assert not dock.isVisible()
    inspector.area.ensureWidgetVisible(inspector.tensor.pane.grid)
    QTest.mouseDClick(inspector.tensor.pane.grid, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(viewer.isVisible)
    assert dock.isFloating()
    assert viewer.name.full_text() == "y_pred"
    QTest.keyClick(viewer.distribution.chooser, Qt.Key.Key_Down)
    assert session.state.tensor == ("gradient", 3)
    assert np.array_equal(inspector.tensor.pane.grid.data(), viewer.pane.grid.data())
    session.go_to(0, 3)
    assert "not yet computed" in viewer.pane.note.text()
    QApplication.processEvents()
    assert not inspector.tensor.pane.buttons["maximise"].isVisible(), "a tensor that is not there cannot be enlarged"


def test_each_step_without_a_lock_has_its_own_range(session, show):
    view = show(TensorView, session, size=(500, 600))
    session.go_to(0, 3)
    for step in (0, 1):
        session.go_to(step, 3)
        data = sample_trace(step).tensors["value", session.state.trace.graph.ops[2].outputs[0]].data
        assert number(largest(data.astype(np.float64))) in view.pane.under.full_text()
    bare = replace(sample_trace(), tensors=MappingProxyType({}))
    session.open(Steps([bare]))
    session.go_to(0, 3)
    assert "Not kept for this step" in view.pane.note.text()
