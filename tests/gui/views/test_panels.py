"""What all panels share: they listen, sleep while hidden, let go at their end, and run alone."""

from __future__ import annotations

import gc
import subprocess
import sys

import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from gradwalk_gui.numbers import bytes_text, count, exact, magnitude, number, shape_text
from gradwalk_gui.panel import Panel, mix
from gradwalk_gui.theme import DARK, LIGHT
from gradwalk_gui.views.alerts import AlertsView
from gradwalk_gui.views.breakpoints import BreakpointsView
from gradwalk_gui.views.events import EventsView
from gradwalk_gui.views.gradients import GradientsView
from gradwalk_gui.views.inspector import InspectorView
from gradwalk_gui.views.loss import LossView
from gradwalk_gui.views.outline import OutlineView
from gradwalk_gui.views.saved import SavedView
from gradwalk_gui.views.source import SourceView
from gradwalk_gui.views.tensor import TensorView
from gradwalk_gui.widgets.elided_combo import ElidedCombo, NumberBox
from gradwalk_gui.widgets.text import ElidedLabel, TextBlock, breakable, breakable_code

VIEWS = (
    *(
        AlertsView,
        BreakpointsView,
        EventsView,
        GradientsView,
        InspectorView,
        LossView,
        OutlineView,
        SavedView,
        SourceView,
        TensorView,
    ),
)


class Counting(Panel):
    title = "Counting"

    def __init__(self, session, theme, parent=None):
        super().__init__(session, theme, parent)
        self.calls = []
        self.begin()

    def show_state(self, old, new):
        self.calls.append((old.position, new.position))


def test_a_panel_is_told_the_old_and_the_new_state(session, show):
    view = show(Counting, session)
    session.next_event()
    session.next_event()
    session.go_to(0, 2)
    assert view.calls == [(0, 0), (0, 1), (1, 2)]


def test_a_hidden_panel_sleeps_and_catches_up_in_one_go(session, show):
    view = show(Counting, session)
    view.hide()
    for _ in range(5):
        session.next_event()
    assert len(view.calls) == 1
    view.show()
    assert view.calls[1:] == [(0, 5)]


def test_a_tab_that_was_never_in_front_sleeps_too(session, qtbot):
    tabs = QTabWidget()
    qtbot.addWidget(tabs)
    tabs.addTab(QWidget(), "front")
    view = Counting(session, LIGHT)
    tabs.addTab(view, "behind")
    tabs.show()
    session.go_to(0, 4)
    assert len(view.calls) == 1
    tabs.setCurrentIndex(1)
    assert view.calls[1:] == [(0, 4)]


def test_a_panel_that_was_never_shown_is_up_to_date(session, qtbot):
    view = Counting(session, LIGHT)
    qtbot.addWidget(view)
    session.go_to(0, 4)
    assert view.calls[-1] == (0, 4)


@pytest.mark.parametrize("view_class", VIEWS)
def test_a_deleted_view_no_longer_listens_and_leaves_nothing(session, view_class, qtbot):
    before = {id(widget) for widget in QApplication.allWidgets()}
    listeners = len(session.changed)
    parent = QWidget()
    view = view_class(session, LIGHT, parent)
    parent.show()
    if view_class in (LossView, SavedView):
        view.plot()
    session.go_to(0, 9)
    assert len(session.changed) == listeners + 1
    parent.close()
    parent.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert not shiboken6.isValid(view)
    session.go_to(1, 3)
    del view, parent
    gc.collect()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert len(session.changed) == listeners
    assert [widget for widget in QApplication.allWidgets() if id(widget) not in before] == []


@pytest.mark.parametrize("view_class", VIEWS)
@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_every_view_has_a_title_an_accessible_name_and_fits_300_pixels(session, show, view_class, theme):
    view = show(view_class, session, theme, size=(300, 400))
    assert view.title
    assert view.accessibleName() == view.title
    assert view.width() == 300
    assert view.minimumSizeHint().width() <= 300
    view.resize(1200, 200)
    view.grab()


def test_every_view_runs_alone_on_the_sample(tmp_path):
    program = (
        "import runpy, sys\n"
        "for name in sys.argv[2:]:\n"
        "    sys.argv[1:2], kept = ['--save', f'{sys.argv[1]}/{name}.png', '--theme', 'dark'], sys.argv[:]\n"
        "    sys.argv[5:] = []\n"
        "    try:\n"
        "        runpy.run_module(f'gradwalk_gui.views.{name}', run_name='__main__')\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0, name\n"
        "    sys.argv[:] = kept\n"
    )
    names = ["alerts", "breakpoints", "events", "gradients", "inspector", "loss", "outline", "saved", "source", "tensor"]
    ran = subprocess.run([sys.executable, "-c", program, str(tmp_path), *names], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert sorted(path.stem for path in tmp_path.iterdir()) == names


def test_importing_the_views_loads_no_plotting_library():
    names = ("alerts", "breakpoints", "events", "gradients", "inspector", "loss", "outline", "saved", "source", "tensor")
    views = ", ".join(f"gradwalk_gui.views.{name}" for name in names)
    check = f"import {views}, sys; sys.exit('pyqtgraph' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_long_names_are_elided_with_the_whole_in_the_tool_tip(qtbot):
    label = ElidedLabel()
    qtbot.addWidget(label)
    label.resize(80, 20)
    label.set_full_text("encoder.layers.11.self_attn.out_proj.weight")
    assert "…" in label.text()
    assert label.toolTip() == label.full_text() == label.accessibleName()
    label.set_full_text("w1")
    assert (label.text(), label.toolTip()) == ("w1", "")


def test_text_that_may_break_is_copied_as_it_was(qtbot):
    block = TextBlock()
    qtbot.addWidget(block)
    code = "y = functional.softmax(scores.masked_fill(mask==0,x),dim=-1)"
    assert breakable_code(code) != code
    parts = breakable_code(code), breakable("NativeLayerNormBackward0")
    block.show_html(f"<div>{'<br>'.join(parts)}</div>")
    block.show()
    block.setSelection(0, len("|".join(parts)))
    QTest.keySequence(block, QKeySequence(QKeySequence.StandardKey.Copy))
    assert QGuiApplication.clipboard().text() == f"{code}\nNativeLayerNormBackward0"


def test_a_text_is_as_high_as_its_label_says_and_stays_selected_at_another_width(qtbot):
    block, label = TextBlock(), QLabel()
    qtbot.addWidget(block)
    qtbot.addWidget(label)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setWordWrap(True)
    for text in ("<p>one</p>", "<table><tr><td>RMS</td><td>0.25</td></tr></table>" * 6, "<b>many words that wrap</b> " * 30):
        block.show_html(text)
        label.setText(text)
        for width in (90, 273, 500):
            label.setFixedWidth(width)
            assert block.heightForWidth(width) == label.heightForWidth(width)
    block.resize(273, 200)
    block.show()
    block.setSelection(0, 9)
    block.resize(200, 300)
    assert block.heightForWidth(173) > block.heightForWidth(440)
    assert block.selectedText() == "many word"


def test_a_text_is_painted_at_its_own_width_whatever_other_width_was_asked_about(qtbot):
    block, label = TextBlock(), TextBlock()
    for each in (block, label):
        qtbot.addWidget(each)
        each.show_html('<table width="100%"><tr><td>Z agrees</td><td align="right">error map</td></tr></table>')
        each.resize(200, 40)
        each.show()
        assert not each.grab().isNull()
    block.heightForWidth(380)
    block.setFixedHeight(60)
    label.setFixedHeight(60)
    assert block.grab().toImage() == label.grab().toImage()


def test_a_long_choice_is_elided_with_the_whole_in_the_tool_tip(qtbot):
    combo = ElidedCombo()
    qtbot.addWidget(combo)
    combo.addItems(["blocks.11.out.weight.grad   768 × 3072", "x"])
    combo.resize(140, 28)
    combo.show()
    assert not combo.grab().isNull()
    assert combo.toolTip() == combo.currentText()
    combo.setCurrentIndex(1)
    combo.grab()
    assert combo.toolTip() == ""


def test_the_wheel_scrolls_the_panel_past_its_boxes_and_changes_none(qtbot):
    area, sheet = QScrollArea(), QWidget()
    qtbot.addWidget(area)
    combo, box = ElidedCombo(), NumberBox()
    column = QVBoxLayout(sheet)
    for widget in (combo, box):
        column.addWidget(widget)
    column.addStretch(1)
    combo.addItems(["a", "b"])
    sheet.setMinimumHeight(2000)
    area.setWidget(sheet)
    area.resize(200, 200)
    area.show()
    for widget in (combo, box):
        area.verticalScrollBar().setValue(0)
        turn(widget)
        assert area.verticalScrollBar().value() > 0
    area.verticalScrollBar().setValue(0)
    assert (combo.currentIndex(), box.value()) == (0, 0)
    box.setFocus()
    turn(box, up=True)
    assert box.value() == 1


def turn(widget, *, up=False):
    """Turn the wheel by one notch over a widget."""
    window = widget.window()
    place = widget.mapTo(window, widget.rect().center())
    QTest.wheelEvent(window.windowHandle(), QPointF(place), QPoint(0, 120 if up else -120))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1.0, "1"), (-0.12345, "-0.1235"), (29679304.0, "2.968e7"), (3.2e-5, "3.2e-5"), (1e-300, "1e-300"),
        (99999.0, "99999"), (0.001, "0.001"), (float("nan"), "NaN"), (float("inf"), "Inf"), (float("-inf"), "-Inf"),
    ],
)  # fmt: skip
def test_numbers_are_short(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (0.1, "float64", "0.1"),
        (float(np.float32(0.1)), "float32", "0.1"),
        (3.0, "int64", "3"),
        (1.0, "bool", "1"),
        (np.inf, "float32", "Inf"),
    ],
)
def test_exact_texts_give_the_element_again(value, dtype, text):
    assert exact(value, dtype) == text


def test_sizes_and_shapes():
    assert [bytes_text(size) for size in (0, 999, 1000, 25_600, 999_950, 4_000_000_000)] == [
        "0 B", "999 B", "1.0 KB", "25.6 KB", "1.0 MB", "4.0 GB",
    ]  # fmt: skip
    assert (shape_text(()), shape_text((3,)), shape_text((64, 10))) == ("scalar", "3", "64 × 10")
    assert (count(1, "event"), count(5000, "event")) == ("1 event", "5,000 events")
    assert magnitude(None) == "not counted"
    assert mix("#ffffff", "#000000", 0.5).name() == "#808080"
