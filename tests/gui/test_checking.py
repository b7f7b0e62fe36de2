"""Check this step: by its key in the real window, on a net with a wrong gradient; what is marked where, Cancel."""

from __future__ import annotations

import re
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from custom import Cube
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QPushButton
from torch import nn

import gradwalk
from gradwalk.recording.reader import open_recording
from gradwalk.reference import whole
from gradwalk.sample import SampleRecording
from gradwalk.verdicts import Mark
from gradwalk_gui.check_mark import mark_icon
from gradwalk_gui.graph.hit import Hit
from gradwalk_gui.graph.hover_text import described, hover_of
from gradwalk_gui.inspection.gradient_table import CHECK as GRADIENT_CHECK
from gradwalk_gui.inspection.gradient_table import NAME
from gradwalk_gui.sections.check_text import AGREES, DIFFERS
from gradwalk_gui.state import Selection
from gradwalk_gui.verdicts import NO_VERDICTS, remember, verdicts_of
from gradwalk_gui.widgets.event_model import CHECK

WITHOUT = 5
"""A step that keeps no tensors."""


class Spoiled(nn.Module):
    """What ``exp`` keeps for its backward is written to through NumPy, which autograd cannot see: its gradient is wrong."""

    def forward(self, x):
        kept = torch.exp(x)
        out = kept.neg()
        kept.detach().numpy()[...] *= 1.5
        return out


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.spoiled, self.last = nn.Linear(6, 5), Spoiled(), nn.Linear(5, 4)

    def forward(self, x):
        return torch.special.erfcx(self.last(self.spoiled(torch.tanh(self.first(x)))))


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    torch.manual_seed(0)
    net, folder = Net(), tmp_path_factory.mktemp("net") / "run"
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    batches = [torch.randn(8, 6) for _ in range(24)]
    with gradwalk.record(folder):
        for batch in batches:
            optimizer.zero_grad()
            net(batch).square().mean().backward()
            optimizer.step()
    with open_recording(folder) as opened:
        assert not len(opened[WITHOUT].tensors)
        yield opened


@pytest.fixture
def looking(shell, recording, qtbot, focus):
    """The window at the end of the first step, with the focus on the graph."""
    shell.session.set(reduced_motion=True, closed=("NumPy reference",))
    shell.session.open(recording)
    shell.session.last_event()
    canvas = shell._window.graph
    qtbot.waitUntil(lambda: shell._window.desk.isVisible() and canvas.scene is not None and canvas.fits)
    focus(canvas)
    return shell


def press(shell, qtbot):
    qtbot.keyClick(shell._window.graph, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)


def check(shell, qtbot):
    press(shell, qtbot)
    qtbot.waitUntil(lambda: not shell.checker.busy)


def op_of(shell, name):
    return next(op.id for op in shell.session.state.trace.graph.ops if op.name == name and op.phase == "forward")


def marks(canvas):
    """The mark of each card of an op, by its title."""
    cards = canvas.scene.picture.cards
    return {card.title: Mark(int(mark)) for card, mark in zip(cards, canvas.look.checks.cards, strict=True) if card.ops}


def more_of(notice):
    return next(button for button in notice.findChildren(QPushButton) if button.isVisible() and button.text())


SUMMARY = r"Step 0: (\d+) ops checked, (\d+) agree, 1 differs: exp backward; 1 has no reference\."


def test_a_step_is_checked_by_its_key_and_marked_everywhere(looking, qtbot):
    window, canvas = looking._window, looking._window.graph
    looking.session.unfold_all()
    qtbot.waitUntil(lambda: not canvas.busy)
    events = window.desk.views["events"]
    assert events.list.isColumnHidden(CHECK)
    assert set(marks(canvas).values()) == {Mark.UNKNOWN}
    check(looking, qtbot)
    found = re.fullmatch(SUMMARY, window.notice.text)
    assert found, window.notice.text
    assert int(found[1]) == int(found[2]) + 1 > 5
    seen = marks(canvas)
    assert seen.pop("exp") is Mark.DIFFERS
    assert seen.pop("special_erfcx") is Mark.NO_REFERENCE
    assert set(seen.values()) == {Mark.AGREES}
    frames = {
        frame.title: Mark(int(mark)) for frame, mark in zip(canvas.scene.picture.frames, canvas.look.checks.frames, strict=True)
    }
    assert (frames["spoiled"], frames["first"]) == (Mark.DIFFERS, Mark.UNKNOWN)
    assert canvas.legend_rect() is None or canvas._is_checked()
    # in the list of events: the op ran as it should, its Node did not
    assert not events.list.isColumnHidden(CHECK)
    rows = [events.model.row_at(row) for row in range(events.model.rowCount())]
    texts = {(row.phase, row.name): events.model.text_of(row, CHECK) for row in rows}
    assert texts["forward", "exp"] == "agrees"
    assert texts["backward", "ExpBackward0"] == "differs"
    assert texts["forward", "special_erfcx"] == "no reference"
    assert texts["backward", "TanhBackward0"] == "agrees"
    assert not any(text for (phase, _), text in texts.items() if phase == "update")
    looking.session.set(filter="$check(differs)")
    assert [events.model.row_at(row).name for row in range(events.model.rowCount())] == ["ExpBackward0"]
    assert events.found.text().startswith("1 of ")
    lit, _ = canvas._bright()
    assert [canvas.scene.picture.cards[place].title for place in np.flatnonzero(lit.cards)] == ["exp"]
    looking.session.next_step()
    assert events.model.rowCount() == 0, "the next step is not checked"


def test_marks_in_the_tables_are_pale_before_the_playhead(looking, qtbot):
    check(looking, qtbot)
    desk, session, theme = looking._window.desk, looking.session, looking._window.theme
    desk.show_dock("gradients")
    gradients, events = desk.views["gradients"].model, desk.views["events"]
    came = gradients.table.came
    row = next(row for row in range(len(came)) if gradients.mark_of(row) is Mark.AGREES)
    cell = gradients.index(int(gradients.order.tolist().index(row)), GRADIENT_CHECK)

    def shown():
        icon = gradients.data(cell, Qt.ItemDataRole.DecorationRole)
        return icon.pixmap(14, 14).toImage() == mark_icon(theme, Mark.AGREES).pixmap(14, 14).toImage()

    session.go_to(0, int(came[row]))
    qtbot.waitUntil(lambda: not shown())
    assert gradients.data(cell, Qt.ItemDataRole.ForegroundRole).name() == theme.subtle.lower()
    session.go_to(0, int(came[row]) + 1)
    qtbot.waitUntil(shown)
    assert gradients.data(cell, Qt.ItemDataRole.ForegroundRole) is None
    forward = next(n for n in range(events.model.rowCount()) if events.model.mark_of(events.model.row_at(n)) is Mark.AGREES)

    def strong():
        box = events.list.visualRect(events.model.index(forward, CHECK))
        image = events.list.viewport().grab(box).toImage()
        return sum(image.pixelColor(x, y) == QColor(theme.update) for x in range(image.width()) for y in range(image.height()))

    session.go_to(0, forward)
    assert strong() == 0
    session.go_to(0, events.model.row_at(forward).position + 1)
    qtbot.waitUntil(lambda: strong() > 0)


def test_the_summary_leads_to_what_differs(looking, qtbot):
    check(looking, qtbot)
    looking.session.first_event()
    looking.session.set(closed=())
    button = more_of(looking._window.notice)
    assert button.text() == "Go to it"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    state = looking.session.state
    assert state.selection == Selection("op", op_of(looking, "exp"))
    assert state.trace.graph.nodes[state.last_event.ref].name == "ExpBackward0", "the playhead stands just after what differs"
    text = looking._window.desk.views["inspector"].check.result.text()
    assert (text.count(AGREES), text.count(DIFFERS)) == (1, 1)


def test_a_folded_module_has_the_cross_of_what_is_in_it_and_says_what(looking, qtbot):
    looking.session.fold_all()
    canvas = looking._window.graph
    check(looking, qtbot)
    qtbot.waitUntil(lambda: not canvas.busy)
    (place,) = [i for i, card in enumerate(canvas.scene.picture.cards) if card.kind == "module"]
    assert Mark(int(canvas.look.checks.cards[place])) is Mark.DIFFERS
    hover = dict(hover_of(canvas.scene, canvas.look, Hit("card", place)).rows)
    assert hover["NumPy"].startswith("1 of ")
    assert "NumPy reference: differs" in described(canvas.scene, canvas.look, place)
    looking.session.unfold_all()
    qtbot.waitUntil(lambda: not canvas.busy)
    place = next(i for i, card in enumerate(canvas.scene.picture.cards) if card.title == "tanh")
    rows = hover_of(canvas.scene, canvas.look, Hit("card", place)).rows
    assert any(label == "NumPy" and text.startswith("value: agrees, max rel. error ") for label, text in rows)


def test_the_table_of_gradients_has_the_verdict_of_what_gave_each_and_sorts_by_it(looking, qtbot):
    window = looking._window
    window.desk.show_dock("gradients")
    view = window.desk.views["gradients"]
    qtbot.waitUntil(view.isVisible)
    view.show_everything(True)
    assert view.list.isColumnHidden(GRADIENT_CHECK)
    check(looking, qtbot)
    qtbot.waitUntil(lambda: not view.list.isColumnHidden(GRADIENT_CHECK))
    header = view.list.header()
    assert "worst of those whose sum it is" in view.model.headerData(
        GRADIENT_CHECK, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole
    )
    view.list.sortByColumn(GRADIENT_CHECK, Qt.SortOrder.DescendingOrder)
    first = view.model.index(0, NAME).data()
    assert first.startswith("tanh"), "the gradient that exp gave"
    assert view.model.index(0, GRADIENT_CHECK).data() == "differs"
    assert view.model.index(1, GRADIENT_CHECK).data() == "no reference"
    copied = view.model.as_text([0], [NAME, GRADIENT_CHECK], "\t").splitlines()
    assert copied[0].endswith("\tcheck")
    assert copied[1].endswith("\tdiffers")
    view.show_everything(False)
    texts = {
        view.model.index(row, NAME).data(): view.model.index(row, GRADIENT_CHECK).data() for row in range(view.model.rowCount())
    }
    assert set(texts.values()) == {"agrees"}
    assert len(texts) == 4, "weight and bias of two layers: the wrong backward lies between, each op by itself is right"
    header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)


def test_cancel_ends_it_and_what_was_found_stays(looking, qtbot, monkeypatch):
    go_on, original, asked = threading.Event(), whole.check, []

    def slow(trace, op):
        asked.append(op.name)
        if len(asked) == 3:
            assert go_on.wait(20)
        return original(trace, op)

    monkeypatch.setattr(whole, "check", slow)
    press(looking, qtbot)
    activity = looking._window.status.activity
    qtbot.waitUntil(lambda: activity.text.startswith("Checking step 0: 2 of "))
    assert 0 < activity._bar.value() < activity._bar.maximum()
    qtbot.mouseClick(activity.cancel, Qt.MouseButton.LeftButton)
    assert activity.text == ""
    go_on.set()
    qtbot.waitUntil(lambda: not looking.checker.busy)
    assert len(asked) == 3
    said = r"Step 0: stopped after 3 of \d+ ops; 3 ops checked, 2 agree, 1 differs: exp backward\."
    assert re.fullmatch(said, looking._window.notice.text)
    assert len(looking.session.state.verdicts.by_op) == 3


def test_a_wrong_custom_function_that_was_checked_while_it_ran_is_found_with_one_key(shell, qtbot, focus, tmp_path):
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    with gradwalk.record(tmp_path / "run", check_steps=[0]):
        Cube.apply(net(torch.randn(4, 3))).sum().backward()
    with open_recording(tmp_path / "run") as opened:
        shell.session.open(opened)
        canvas = shell._window.graph
        qtbot.waitUntil(lambda: shell._window.desk.isVisible() and canvas.scene is not None and canvas.fits)
        focus(canvas)
        qtbot.waitUntil(lambda: "mismatch" in {row.finding.alert.kind for row in shell.session.state.alerts.rows})
        qtbot.keyClick(canvas, Qt.Key.Key_F8)
        state = shell.session.state
        assert state.trace.graph.nodes[state.last_event.ref].name == "CubeBackward"
        check(shell, qtbot)
        assert re.search(r" 1 differs: Cube backward", shell._window.notice.text)
        assert marks(canvas)["Cube"] is Mark.DIFFERS


def test_verdicts_stay_with_their_step_and_go_with_the_recording(looking, qtbot, recording):
    check(looking, qtbot)
    known = looking.session.state.verdicts
    looking.session.next_step()
    assert looking.session.state.verdicts is NO_VERDICTS
    looking.session.next_step(-1)
    assert looking.session.state.verdicts.by_op == known.by_op
    press(looking, qtbot)
    looking.session.open(SampleRecording(2))
    assert not looking.checker.busy
    assert looking.session.state.checked == ()
    looking.session.know(recording, 0, recording[0], known.by_op)
    assert looking.session.state.checked == (), "what comes late for another recording is dropped"


def test_a_step_without_tensors_says_where_some_are(looking, qtbot):
    looking.session.go_to(WITHOUT, 3)
    press(looking, qtbot)
    notice = looking._window.notice
    assert notice.text == "Step 5 keeps no tensors, so its ops cannot be computed again. Step 4 is the nearest that does."
    assert not looking.checker.busy
    qtbot.mouseClick(more_of(notice), Qt.MouseButton.LeftButton)
    assert (looking.session.state.step, looking.session.state.position) == (4, 3)


class Steps(list):
    def losses(self):
        return np.array([trace.loss for trace in self])

    def source(self, file):
        return None


def test_where_no_step_keeps_tensors_it_says_how_to_get_some(looking, qtbot, recording):
    looking.session.open(Steps([recording[WITHOUT]]))
    press(looking, qtbot)
    assert looking._window.notice.text.endswith("Record it with --pin 5 (gradwalk run), or ask a running training with F12.")


def test_what_was_found_while_the_step_ran_is_shown_without_a_run(looking, qtbot, recording, monkeypatch):
    first = recording[0]
    written = tuple(whole.check_step(first).verdicts.values())
    bare = replace(recording[WITHOUT], verdicts=written)
    monkeypatch.setattr(whole, "check", lambda *_: pytest.fail("nothing is computed"))
    looking.session.open(Steps([bare]))
    canvas = looking._window.graph
    looking.session.unfold_all()
    qtbot.waitUntil(lambda: canvas.fits and not canvas.busy)
    assert marks(canvas)["exp"] is Mark.DIFFERS
    assert not looking._window.desk.views["events"].list.isColumnHidden(CHECK)
    check(looking, qtbot)
    assert re.match(r"Step 5: \d+ ops checked, .* 1 differs: exp backward", looking._window.notice.text)


def test_one_op_that_is_looked_at_is_marked_too(looking, qtbot):
    canvas = looking._window.graph
    looking.session.unfold_all()
    qtbot.waitUntil(lambda: not canvas.busy)
    looking.session.set(closed=())
    looking.session.select(Selection("op", op_of(looking, "tanh")))
    qtbot.waitUntil(lambda: marks(canvas)["tanh"] is Mark.AGREES)
    assert list(marks(canvas).values()).count(Mark.UNKNOWN) > 4
    looking.session.fold_all()
    qtbot.waitUntil(lambda: not canvas.busy)
    assert Mark.UNKNOWN in marks(canvas).values(), "one op does not speak for its module"


def test_of_many_steps_the_ones_checked_last_are_remembered(recording, monkeypatch):
    monkeypatch.setattr("gradwalk_gui.verdicts.REMEMBERED", 30)
    checked = ()
    for step in (0, 1, 2, 3):
        found = whole.check_step(recording[step]).verdicts
        checked = remember(checked, step, recording[step], found)
    assert [one.step for one in checked] == [1, 2, 3], "three steps of nine verdicts have room"
    assert not verdicts_of(recording[0], 0, checked)
    assert verdicts_of(recording[3], 3, checked)
    grown = replace(recording[3], tape=recording[3].tape[:-1])
    assert not verdicts_of(grown, 3, checked), "it was another step then"


def test_in_a_low_window_the_legend_leaves_the_room_to_the_graph(looking, qtbot):
    canvas = looking._window.graph
    check(looking, qtbot)
    canvas.resize(900, 420)
    high = canvas.legend_rect()
    canvas.resize(900, 280)
    low = canvas.legend_rect()
    assert low.height() < high.height()
    canvas.grab()
    assert canvas._legend.height() == round(low.height() * canvas.devicePixelRatioF())
    canvas.resize(900, 420)
    canvas.grab()
    assert canvas._legend.height() == round(high.height() * canvas.devicePixelRatioF())
