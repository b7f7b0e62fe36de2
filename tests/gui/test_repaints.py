"""A move of the playhead within a step paints what it changes, and has nothing laid out again but what is shown of the event."""

from __future__ import annotations

from collections import Counter

import pytest
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QApplication

from gradwalk.sample import SampleRecording
from gradwalk_gui.state import Selection


class Seen(QObject):
    """Counts the events of one type that some widgets get."""

    def __init__(self, kind, **widgets):
        super().__init__()
        self.kind, self.names, self.count = kind, {id(widget): name for name, widget in widgets.items()}, Counter()
        for widget in widgets.values():
            widget.installEventFilter(self)

    def eventFilter(self, widget, event):
        if event.type() == self.kind:
            self.count[self.names[id(widget)]] += 1
        return False


@pytest.fixture
def window(shell, qtbot):
    shell.session.set(reduced_motion=True)
    shell.session.open(SampleRecording(4))
    window = shell._window
    window.desk.arrange("Debug")
    qtbot.waitUntil(lambda: window.desk.isVisible() and window.graph.scene is not None and window.graph.fits)
    shell.session.go_to(0, 3)
    for _ in range(20):
        QApplication.processEvents()
    return window


def walk(shell, qtbot, moves):
    for position in moves:
        shell.session.go_to(0, position)
        for _ in range(5):
            QApplication.processEvents()


def test_what_a_move_does_not_change_is_not_painted(window, shell, qtbot):
    views = window.desk.views
    seen = Seen(
        QEvent.Type.Paint,
        outline=views["outline"].tree.viewport(),
        steps=views["step-ribbon"],
        ops=views["op-ribbon"],
        events=views["events"].list.viewport(),
    )
    walk(shell, qtbot, (4, 5, 6))
    assert (seen.count["outline"], seen.count["steps"]) == (0, 0)
    assert min(seen.count["ops"], seen.count["events"]) >= 3
    shell.session.next_step()
    qtbot.waitUntil(lambda: seen.count["steps"] > 0)


def test_other_source_files_do_not_have_the_window_laid_out_again(window, shell, qtbot):
    header = window.desk.views["source"].header
    for names in (("train.py", "a_module_of_the_script.py"), ("a.py",), ("b.py", "c.py")):
        header.files.show_names(names)
        QApplication.processEvents()
        if len(names[-1]) > 10:
            wide, seen = header.files.width(), Seen(QEvent.Type.LayoutRequest, desk=window.desk)
    assert seen.count["desk"] == 0
    assert header.files.width() == wide > 110


@pytest.mark.parametrize("panel", ["events", "outline"])
def test_a_row_that_was_in_view_stays_so_in_a_lower_panel(window, shell, qtbot, panel):
    view = window.desk.views[panel]
    tree = view.list if panel == "events" else view.tree
    shell.session.next_event()
    op = next(op.id for op in shell.session.state.trace.graph.ops if op.phase == "forward")
    shell.session.select(Selection("op", op))
    window.desk.resizeDocks([window.desk.docks["outline"]], [160], Qt.Orientation.Vertical)
    qtbot.wait(50)
    row = tree.currentIndex()
    lower = view.height() - (tree.viewport().height() - tree.visualRect(row).top() - 4)  # the row is cut at the bottom then
    assert tree.viewport().rect().contains(tree.visualRect(row).center())
    view.resize(view.width(), lower)
    assert tree.viewport().rect().contains(tree.visualRect(row).center())
