"""Live pause through the window: real keys, a real training in a second process, breakpoints in forward and backward."""

from __future__ import annotations

import pytest
from held import BY_HAND, TWO_LAYERS, Training, plainly
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest

from gradwalk.gate import Breakpoint
from gradwalk_gui.held import Held
from gradwalk_gui.inspection.formula import card_of
from gradwalk_gui.state import Selection
from gradwalk_gui.views.breakpoints import RESTS
from gradwalk_gui.widgets.gutter import BREAKPOINTS


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return plainly(tmp_path_factory.mktemp("plain"), TWO_LAYERS, "40")


@pytest.fixture
def train(tmp_path, request):
    """Of 40 steps, or of as many as a test asks for."""
    run = Training(tmp_path, TWO_LAYERS, getattr(request, "param", "40"))
    run.tell("pause")
    run.next("held")  # so that the window comes in time
    yield run
    run.link.close()
    if run.process.poll() is None:
        run.process.kill()
    run.process.communicate()


@pytest.fixture
def held_by(shell, train, qtbot):
    """The window on the run."""
    shell.session.set(reduced_motion=True)
    shell.follower.open(train.run)
    qtbot.waitUntil(lambda: shell.session.state.trace is not None, timeout=20_000)
    return shell


def press(shell, key, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(shell._window, key, modifier)


def hold(shell, train, qtbot, text, when="before"):
    """Set a breakpoint; the window hears that the training is held already, lets it go, and waits for the breakpoint."""
    shell.session.set(breakpoints=(Breakpoint(text, when),))
    qtbot.waitUntil(lambda: shell.session.state.held is not None, timeout=10_000)
    assert shell.session.state.held.why == "paused"
    shell._window.held.buttons["continue"].click()
    qtbot.waitUntil(lambda: (shell.session.state.held or NOBODY).why == f"breakpoint {text}", timeout=20_000)


NOBODY = Held("", "before", "", 0, 0)


def test_the_red_bar_says_where_the_training_waits_and_f10_and_f5_take_it_on(held_by, train, qtbot, plain):
    shell, window, session = held_by, held_by._window, held_by.session
    hold(held_by, train, qtbot, "$op(sum)")
    line = train.script.read_text(encoding="utf-8").splitlines().index("    loss = (out - y).pow(2).sum()") + 1
    assert window.held.isVisible()
    assert window.held.sentence.full_text().startswith(f"Training is waiting before sum at train.py:{line}, step ")
    assert window.held.sentence.full_text().endswith("(breakpoint $op(sum))")
    qtbot.waitUntil(lambda: not session.state.trace.done and session.state.trace.step == session.state.held.step)
    qtbot.waitUntil(lambda: session.state.position == session.state.held.position)
    assert (session.state.step + 1, session.state.position) == (session.state.length, len(session.state.trace.tape))
    trace = session.state.trace
    sub = next(op for op in trace.graph.ops if op.name == "sub")
    card = card_of(trace, session.state.position, Selection("op", sub.id))
    unders = [token.under for row in card.rows for token in row.tokens if token.text == "dL/dX"]
    assert unders
    assert set(unders) == {"not yet"}, "it has a path: its gradient comes when the training goes on"
    window.graph.setFocus()
    names = []
    for _ in range(3):
        before = session.state.held
        press(shell, Qt.Key.Key_F10)
        qtbot.waitUntil(lambda before=before: session.state.held not in (None, before), timeout=10_000)
        names.append(session.state.held.name)
        qtbot.waitUntil(lambda: session.state.position == session.state.held.position)
    assert names == ["sum", "SumBackward0", "PowBackward0"], "the training itself went on, event by event, into the backward"
    press(shell, Qt.Key.Key_F10, Qt.KeyboardModifier.ShiftModifier)
    assert session.state.position == session.state.held.position - 1, "going back is on the record"
    assert session.state.held.name == "PowBackward0"
    step = session.state.held.step
    press(shell, Qt.Key.Key_F5)
    qtbot.waitUntil(lambda: session.state.held is not None and session.state.held.step > step, timeout=10_000)
    session.set(breakpoints=())
    press(shell, Qt.Key.Key_F5)
    qtbot.waitUntil(lambda: session.state.held is None, timeout=10_000)
    assert not window.held.isVisible()
    assert train.end()[:2] == (0, plain)


def stops_of(train, qtbot, count):
    """The next so many places at which the training was held, as it told itself; and no more come by themselves."""
    seen = []

    def come():
        while not train.frames.empty():
            frame = train.frames.get()
            if frame["event"] == "held":
                seen.append((frame["step"], frame["name"]))
        return len(seen) >= count

    qtbot.waitUntil(come, timeout=20_000)
    QTest.qWait(400)
    come()
    assert len(seen) == count
    return seen


@pytest.fixture
def waiting(held_by, train, qtbot):
    """The window on a training that waits before ``sum``, where no breakpoint holds it any more."""
    hold(held_by, train, qtbot, "$op(sum)")
    held_by.session.set(breakpoints=())
    state = held_by.session.state
    qtbot.waitUntil(lambda: held_by.session.state.position == state.held.position)
    held_by._window.graph.setFocus()
    while not train.frames.empty():
        train.frames.get()
    return held_by


@pytest.mark.parametrize("every", [0, 10, 60], ids=["at once", "10 ms", "60 ms"])
def test_every_press_of_f10_is_an_event_however_quickly_they_come(waiting, train, qtbot, plain, every):
    session = waiting.session
    for _ in range(40):
        press(waiting, Qt.Key.Key_F10)
        if every:
            QTest.qWait(every)
    seen = stops_of(train, qtbot, 40)
    assert [name for _, name in seen[:3]] == ["sum", "SumBackward0", "PowBackward0"]
    qtbot.waitUntil(lambda: (session.state.held.step, session.state.held.name) == seen[-1], timeout=10_000)
    press(waiting, Qt.Key.Key_F5)
    assert train.end()[:2] == (0, plain)


def test_presses_of_other_keys_wait_for_their_turn(waiting, train, qtbot, plain):
    session = waiting.session
    step = session.state.held.step
    for _ in range(3):
        press(waiting, Qt.Key.Key_F10)
    for _ in range(2):
        press(waiting, Qt.Key.Key_F10, Qt.KeyboardModifier.ShiftModifier)
    assert [name for _, name in stops_of(train, qtbot, 3)] == ["sum", "SumBackward0", "PowBackward0"]
    qtbot.waitUntil(lambda: session.state.position == session.state.held.position - 2, timeout=10_000)
    press(waiting, Qt.Key.Key_F10)
    press(waiting, Qt.Key.Key_F10)
    assert session.state.position == session.state.held.position, "on the record, up to where the training waits"
    press(waiting, Qt.Key.Key_F10)
    press(waiting, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
    press(waiting, Qt.Key.Key_F10)
    waiting._window.held.buttons["live-step"].click()
    waiting._window.held.buttons["live-event"].click()
    seen = stops_of(train, qtbot, 5)
    assert [at - step for at, _ in seen] == [0, 1, 1, 2, 2]
    assert [name for _, name in seen] == ["SubBackward0", "matmul", "clamp", "matmul", "clamp"]
    press(waiting, Qt.Key.Key_F5)
    assert train.end()[:2] == (0, plain)


@pytest.mark.parametrize("end", ["continue", "detach"])
def test_to_let_the_training_go_clears_the_presses_that_wait(waiting, train, qtbot, plain, end):
    for _ in range(60):
        press(waiting, Qt.Key.Key_F10)
    waiting._window.held.buttons[end].click()
    assert train.end()[:2] == (0, plain)
    seen = 0
    while not train.frames.empty():
        seen += train.frames.get()["event"] == "held"
    assert seen <= 1
    qtbot.waitUntil(lambda: waiting.session.state.held is None, timeout=10_000)


def test_to_stop_clears_the_presses_that_wait(waiting, train, qtbot, plain):
    for _ in range(60):
        press(waiting, Qt.Key.Key_F10)
    waiting.stop_training()
    assert [name for _, name in stops_of(train, qtbot, 1)] == ["sum"]
    press(waiting, Qt.Key.Key_F5)
    assert train.end()[:2] == (0, plain)


def test_a_breakpoint_on_the_way_to_the_next_step_clears_the_presses_that_wait(waiting, train, qtbot):
    session = waiting.session
    session.set(breakpoints=(Breakpoint("$op(sum)", "after"),))
    for _ in range(4):
        press(waiting, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
    assert [name for _, name in stops_of(train, qtbot, 1)] == ["sum"]
    qtbot.waitUntil(lambda: session.state.held.why == "breakpoint $op(sum)", timeout=10_000)


def test_f9_sets_a_breakpoint_in_the_backward_and_the_bars_buttons_work(held_by, train, qtbot, plain):
    shell, window, session = held_by, held_by._window, held_by.session
    hold(held_by, train, qtbot, "$op(MmBackward0)", "after")
    assert session.state.held.when == "after"
    qtbot.waitUntil(lambda: session.state.position == session.state.held.position)
    node = next(node for node in session.state.trace.graph.nodes if node.name == "MyReLUBackward")
    session.set(breakpoints=())
    session.select(Selection("node", node.id))
    press(shell, Qt.Key.Key_F9)
    assert [one.text.split()[0] for one in session.state.breakpoints] == ["$op(MyReLUBackward)"]
    window.held.buttons["continue"].click()
    qtbot.waitUntil(lambda: session.state.held is not None and session.state.held.name == "MyReLUBackward", timeout=10_000)
    step = session.state.held.step
    window.held.buttons["live-step"].click()
    qtbot.waitUntil(lambda: session.state.held is not None and session.state.held.step == step + 1, timeout=10_000)
    window.held.buttons["detach"].click()
    qtbot.waitUntil(lambda: session.state.held is None)
    assert train.end()[:2] == (0, plain)


@pytest.mark.parametrize("train", ["100000"], indirect=True)
def test_after_detach_the_breakpoints_rest_until_they_are_to_hold_again(held_by, train, qtbot):
    window, session = held_by._window, held_by.session
    hold(held_by, train, qtbot, "$op(MyReLUBackward)", "before")
    window.desk.show_dock("breakpoints")
    view = window.desk.views["breakpoints"]
    qtbot.waitUntil(lambda: not view.hold.isVisible())  # panels draw by turns
    window.actions_["detach"].trigger()
    qtbot.waitUntil(lambda: session.state.held is None and view.hold.isVisible())
    qtbot.waitUntil(lambda: view.note.full_text() == RESTS)
    qtbot.waitUntil(lambda: "the training is not held at it" in window.status.text)
    view.hold.click()
    qtbot.waitUntil(lambda: session.state.held is not None and session.state.held.name == "MyReLUBackward", timeout=10_000)
    qtbot.waitUntil(lambda: not view.hold.isVisible())  # panels draw by turns


def test_pause_and_a_tensor_fetched_whole_while_it_waits(held_by, train, qtbot):
    window, session = held_by._window, held_by.session
    train.tell("detach")
    window.actions_["pause"].trigger()
    qtbot.waitUntil(lambda: session.state.held is not None and not session.state.trace.done, timeout=10_000)
    qtbot.waitUntil(lambda: session.state.position == session.state.held.position)

    def weight():
        return next((v for v in session.state.trace.graph.values if v.name == "w1"), None)

    def goes_on(held):
        now = session.state.held
        return now is not None and now is not held and not session.state.trace.done and session.state.position == now.position

    while weight() is None:  # it waits where it was met, maybe before the step has read a weight
        held = session.state.held
        window.actions_["next-event"].trigger()
        qtbot.waitUntil(lambda held=held: goes_on(held), timeout=10_000)
    value = weight()
    session.select(Selection("value", value.id))
    window.actions_["fetch"].trigger()
    qtbot.waitUntil(lambda: bool(session.state.fetched))
    kept = session.state.trace.tensors["value", value.id]
    assert (kept.shape, kept.data.shape, kept.complete) == ((6, 5), (6, 5), True)
    window.actions_["detach"].trigger()
    assert train.end()[0] == 0


def test_a_tensor_that_is_gone_is_said_in_a_sentence_until_another_one_comes(held_by, train, qtbot):
    window, session = held_by._window, held_by.session
    hold(held_by, train, qtbot, "$op(SubBackward0)", "after")
    qtbot.waitUntil(lambda: session.state.position == session.state.held.position)
    graph = session.state.trace.graph
    gone = next(op.outputs[0] for op in graph.ops if op.name == "sub")
    session.select(Selection("value", gone))
    window.actions_["fetch"].trigger()
    qtbot.waitUntil(lambda: window.notice.text == f"%{gone} sub is freed: nothing holds it any more")
    session.select(Selection("value", next(v.id for v in graph.values if v.name == "w1")))
    window.actions_["fetch"].trigger()
    qtbot.waitUntil(lambda: bool(session.state.fetched))
    assert window.notice.text == ""
    window.actions_["detach"].trigger()
    assert train.end()[0] == 0


def test_a_training_that_waits_runs_to_what_is_selected(held_by, train, qtbot, plain):
    window, session = held_by._window, held_by.session
    hold(held_by, train, qtbot, "$op(PowBackward0)", "after")
    session.set(breakpoints=())
    qtbot.waitUntil(lambda: session.state.position == session.state.held.position)
    graph, step = session.state.trace.graph, session.state.step
    ran = next(op for op in graph.ops if op.name == "mul_")
    to_run = next(node for node in graph.nodes if node.name == "MulBackward0")
    for kind, number, place in (("node", to_run.id, (step, "MulBackward0")), ("op", ran.id, (step + 1, "mul_"))):
        session.select(Selection(kind, number))
        press(held_by, Qt.Key.Key_F10, Qt.KeyboardModifier.ControlModifier)

        def there(place=place):
            held = session.state.held or NOBODY
            return (held.step, held.name, held.when) == (*place, "before") and session.state.position == held.position

        qtbot.waitUntil(there, timeout=10_000)
        assert window.notice.text == ""
    assert session.state.breakpoints == ()
    window.actions_["continue"].trigger()
    assert train.end()[:2] == (0, plain), "the place is no breakpoint any more"


LATE = """
    import time
    import torch

    torch.manual_seed(0)
    w = torch.randn(3, requires_grad=True)
    for step in range(40):
        loss = w.pow(2).sum()
        # a few steps later
        if step >= 10:
            late = loss.detach().sqrt()
        loss.backward()
        with torch.no_grad():
            w -= 1e-3 * w.grad
        w.grad = None
        time.sleep(0.01)
"""


def click_beside(source, line, qtbot):
    """A click in the room for breakpoints."""
    qtbot.waitUntil(lambda: any(at == line for at, _ in source.code.lines_in_view()))
    box = next(box for at, box in source.code.lines_in_view() if at == line)
    where = QPoint(BREAKPOINTS // 2, round(box.center().y()))
    QTest.mouseClick(source.code.gutter, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, where)
    return source.code.gutter.grab().toImage().pixelColor(where).name(), QPointF(where)


def test_a_breakpoint_at_a_line_that_has_not_run_is_hollow_until_the_training_comes_there(shell, tmp_path, qtbot):
    window, session, run = shell._window, shell.session, Training(tmp_path, LATE)
    try:
        run.tell("pause")
        run.next("shown")
        shell.follower.open(run.run)
        window.desk.show_dock("source")
        source, code = window.desk.views["source"], window.desk.views["source"].code
        qtbot.waitUntil(lambda: bool(session.state.trace) and bool(code.marks()), timeout=20_000)
        line = run.script.read_text(encoding="utf-8").splitlines().index("        late = loss.detach().sqrt()") + 1
        colour, at = click_beside(source, line, qtbot)
        assert (colour, code.hollow_stops()) == (QColor(window.theme.panel).name(), {line})
        assert code.gutter.told_of_stop(at) == "No op recorded on this line so far"
        said = f"No op was recorded on line {line} so far: the training is held there as soon as one runs"
        assert window.notice.text == said
        qtbot.waitUntil(lambda: session.state.held is not None, timeout=10_000)
        window.actions_["continue"].trigger()
        qtbot.waitUntil(lambda: (session.state.held or NOBODY).step == 10, timeout=10_000)
        assert session.state.held.source == f"{run.script}:{line}"
        press(shell, Qt.Key.Key_F10)
        qtbot.waitUntil(lambda: code.stops() == {line} and not code.hollow_stops(), timeout=10_000)
        click_beside(source, line - 2, qtbot)
        assert len(session.state.breakpoints) == 1, "a comment never runs, and the next line that has an op has one already"
        window.actions_["detach"].trigger()
        assert run.end()[0] == 0
    finally:
        run.link.close()
        run.process.kill()
        run.process.communicate()


def test_closing_the_window_while_it_holds_lets_the_training_end_with_the_same_bits(held_by, train, qtbot, plain):
    hold(held_by, train, qtbot, "$op(sum)")
    train.link.close()
    held_by._window.close()
    assert train.end()[:2] == (0, plain)


def test_a_program_in_numpy_waits_in_its_hand_written_backward_and_is_shown_so_far(shell, qtbot, tmp_path):
    train = Training(tmp_path, BY_HAND, "400")
    try:
        shell.session.set(reduced_motion=True)
        qtbot.waitUntil(lambda: train.tell("status")["steps"] > 1, timeout=20_000)
        shell.follower.open(train.run)
        window, session = shell._window, shell.session
        session.set(breakpoints=(Breakpoint("grad_h_relu"),))
        qtbot.waitUntil(lambda: session.state.held is not None and not session.state.trace.done, timeout=20_000)
        assert window.held.sentence.full_text().startswith("Training is waiting before dot at train.py:")
        assert session.state.last_event.phase == "backward"
        assert {value.name for value in session.state.trace.graph.values if value.role == "leaf"} == {"w1", "w2"}
        window.graph.setFocus()
        for name in ("dot", "copy", "less"):
            before = session.state.held
            press(shell, Qt.Key.Key_F10)
            qtbot.waitUntil(lambda before=before: session.state.held not in (None, before), timeout=10_000)
            qtbot.waitUntil(lambda: session.state.position == session.state.held.position == session.state.events)
            assert session.state.held.name == name
        value = next(v for v in session.state.trace.graph.values if v.name == "grad_h")
        session.select(Selection("value", value.id))
        window.actions_["fetch"].trigger()
        qtbot.waitUntil(lambda: bool(session.state.fetched))
        assert session.state.trace.tensors["value", value.id].shape == (8, 5)
        window.actions_["detach"].trigger()
        assert train.end()[:2] == (0, plainly(tmp_path, BY_HAND, "400"))
    finally:
        train.link.close()
        train.process.kill()
        train.process.communicate()
