"""The window on small and large screens, at 100 and 200 %: nothing overlaps, nothing is cut, every control can be reached."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QStyle, QStyleOptionComboBox
from rooms import SIZES, faults, settle

from gradwalk.tape import index
from gradwalk.trace import NONE
from gradwalk_gui.commands import BY_ID
from gradwalk_gui.overflow import gone_of
from gradwalk_gui.settings import FONT_SCALES
from gradwalk_gui.state import Selection
from gradwalk_gui.transport import GOING
from gradwalk_gui.widgets.one_element import OneElement
from gradwalk_gui.widgets.source_header import FileBox
from gradwalk_gui.window import SMALLEST

FRONT = ("tensor", "inspector", "loss", "alerts", "gradients", "saved", "breakpoints")


@pytest.fixture
def looks(opened, qtbot):
    """The window with a step open in its backward, and a tensor to look into."""
    desk, session = opened._window.desk, opened.session
    qtbot.waitUntil(lambda: desk._wanted is None)
    graph = session.state.trace.graph
    op = next(op for op in graph.ops if op.inputs and index(graph).nodes_of_op[op.id] and op.site != NONE)
    session.go_to(0, session.state.events - 2)
    session.select(Selection("op", op.id))
    return opened


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "{}x{}".format(*size))
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_overlaps_and_all_can_be_reached(size, theme, looks):
    window = looks._window
    looks.session.set(theme=theme)
    window.resize(*size)
    for name in FRONT:
        window.desk.show_dock(name)
        settle(window)
        assert (window.width(), window.height()) == size
        assert faults(window) == [], name


@pytest.mark.parametrize("layout", ["learn", "debug", "monitor", "present"])
def test_the_named_layouts_fit_into_a_small_screen(layout, looks):
    window = looks._window
    window.resize(*SIZES[0])
    window.run(BY_ID[f"layout-{layout}"])
    settle(window, 30)
    assert faults(window) == []


def room_for_text(box):
    """What the style leaves a combo box for its text, and what the text takes."""
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    room = box.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, box)
    return room.width() - 2, box.fontMetrics().horizontalAdvance(box.currentText())


def test_the_name_of_the_file_is_not_cut(looks):
    box = looks._window.findChild(FileBox)
    for name in ("cnn.py", "cnnlong.py", "train_model.py"):
        box.show_names([name])
        settle(looks._window)
        room, text = room_for_text(box)
        assert room >= text, name


def test_a_gradient_is_chosen_by_its_whole_name(looks):
    window = looks._window
    arithmetic = window.findChild(OneElement)
    arithmetic.button.setChecked(True)
    settle(window)
    box = arithmetic.which
    assert box.isVisibleTo(window)
    for gradient in range(box.count()):
        box.setCurrentIndex(gradient)
        assert not box.grab().isNull()
        assert (box.currentText()[:4], box.toolTip()) == ("dL/d", "")


def test_at_200_percent(recording):
    command = [sys.executable, str(Path(__file__).with_name("rooms.py")), str(recording)]
    environment = {**os.environ, "QT_SCALE_FACTOR": "2", "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["scale 2", ""]


def test_with_a_notice_and_the_bar_of_a_held_training_too(looks):
    window = looks._window
    window.resize(*SIZES[0])
    window.notice.say("step 0: spare.weight is never used: no op of the step reads it")
    window.held.show()
    settle(window)
    assert window.notice.isVisible()
    assert faults(window) == []
    outline = window.desk.views["outline"]
    assert outline.tree.isHeaderHidden()
    assert outline.tree.viewport().height() >= outline.tree.visualRect(outline.model.index(0, 0)).height()


@pytest.mark.parametrize("bar", ["notice", "held"])
def test_in_the_smallest_window_a_bar_pushes_nothing_over_another(bar, looks):
    window = looks._window
    window.resize(*SMALLEST)
    settle(window)
    assert window.desk.docks["ribbons"].title_bar.isVisible()
    if bar == "notice":
        window.notice.say("step 0: spare.weight is never used")
    else:
        window.held.show()
    settle(window)
    assert faults(window) == []
    assert not window.desk.docks["ribbons"].title_bar.isVisible()
    window.notice.hide()
    window.held.hide()
    settle(window)
    assert window.desk.docks["ribbons"].title_bar.isVisible()
    assert faults(window) == []


def test_what_does_not_fit_in_a_low_tensor_panel_scrolls(looks):
    window = looks._window
    window.resize(*SIZES[0])
    window.desk.show_dock("tensor")
    settle(window)
    area = window.desk.views["tensor"].area
    bar = area.verticalScrollBar()
    assert bar.isVisible()
    assert bar.maximum() + area.viewport().height() >= area.widget().minimumSizeHint().height()
    area.ensureWidgetVisible(window.desk.views["tensor"].pane.buttons["export"])
    assert not window.desk.views["tensor"].pane.buttons["export"].visibleRegion().isEmpty()


def test_the_menu_at_the_bars_end_does_what_the_buttons_did(looks, qtbot):
    window, session = looks._window, looks.session
    bar = window.desk.transport
    window.resize(*SMALLEST)
    settle(window)
    assert faults(window) == []
    assert bar.more.isVisible()
    assert not bar.more.icon().isNull()
    entries = {action.objectName(): action for action in bar.more.fill()}
    assert "theme" in entries
    before = session.state.theme
    entries["theme"].trigger()
    assert session.state.theme != before
    window.resize(1440, 900)
    settle(window)
    assert not bar.more.isVisible()
    assert all(bar._buttons[name].isVisible() for name in GOING)


def test_with_the_largest_text_more_goes_into_the_menu(looks):
    window = looks._window
    usual = looks.present_settings()
    try:
        looks.apply_settings(replace(usual, font_scale=FONT_SCALES[-1]))
        window.resize(*SMALLEST)
        settle(window)
        assert [action.objectName() for action in window.desk.transport.more.fill()][:3] == ["theme", "export-image", "fit-all"]
        assert not [fault for fault in faults(window) if "bar" in fault or "reached" in fault]
    finally:
        looks.apply_settings(usual)


@pytest.mark.parametrize(
    ("widths", "room", "gone"),
    [
        ([30, 40, 50], 120, []),
        ([30, 40, 50], 110, [1]),
        ([30, 40, 50], 10, [0, 1, 2]),
        ([30, 40, 150], 120, [2]),
        ([30, 40, 150], 70, [0, 2]),
        ([], -5, []),
    ],
)
def test_which_must_go(widths, room, gone):
    assert gone_of(widths, room, 25) == gone
