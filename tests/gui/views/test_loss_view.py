"""The loss plot: data, marker, clicks, scales, a million points."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from gradwalk.sample import SampleRecording, sample_trace
from gradwalk_gui.inspection.losses import BadLosses
from gradwalk_gui.session import Session
from gradwalk_gui.theme import DARK
from gradwalk_gui.views.loss import LossView


class Losses:
    """A recording with given losses; every step looks like step 0 of the sample."""

    def __init__(self, losses, numbers=None, none=()):
        self.all, self.length, self.none = np.asarray(losses, float), len(losses), set(none)
        self.numbers = np.arange(len(losses)) if numbers is None else np.asarray(numbers)
        self.trace = sample_trace()
        self.without = type(self.trace)(0, self.trace.graph, self.trace.tape, self.trace.values, self.trace.gradients)

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.without if index in self.none else self.trace

    def losses(self):
        return self.all[: self.length]

    def step_numbers(self):
        return self.numbers[: self.length]

    def source(self, file):
        return None


def opened(recording, **settings):
    session = Session()
    session.set(**settings)
    session.open(recording)
    return session


def place_of(plot, x):
    """The point of the plot widget at a step number, in the middle of its height."""
    (_left, _right), (bottom, top) = plot.box.viewRange()
    scene = plot.box.mapViewToScene(plot.box.viewRect().center().__class__(x, (bottom + top) / 2))
    return plot.plot.mapFromScene(scene)


def drawn(plot):
    return plot.curve.getOriginalDataset()


def test_the_line_is_the_loss_of_every_step(session, sample, show):
    view = show(LossView, session)
    xs, ys = drawn(view.plot())
    assert list(xs) == [0, 1, 2, 3]
    assert np.allclose(10.0**ys, sample.losses())
    session.set(log_loss=False)
    assert np.array_equal(drawn(view.plot())[1], sample.losses())


def test_the_plot_comes_by_itself_once_the_panel_is_shown(session, show, qtbot):
    view = show(LossView, session)
    qtbot.waitUntil(lambda: view._plot is not None)
    assert view._pages.currentWidget() is view.plot()


def test_the_playheads_step_is_marked_with_its_value(session, show):
    view = show(LossView, session)
    session.go_to(2, 0)
    plot = view.plot()
    assert plot.line.value() == 2
    assert plot.marker_text().split() == ["2", "2.3853e7"] or plot.marker_text().split()[0] == "2"
    assert float(plot.marker_text().split()[1]) == pytest.approx(session.state.trace.loss, rel=1e-4)
    assert view.reading.full_text().startswith("step 2")


def test_a_click_and_a_drag_go_to_a_step(session, show, qtbot):
    view = show(LossView, session)
    plot = view.plot()
    qtbot.wait(50)
    viewport = plot.plot.viewport()
    session.go_to(0, 5)
    QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=place_of(plot, 2.2))
    qtbot.waitUntil(lambda: session.state.step == 2)
    assert session.state.position == 5
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=place_of(plot, 2.0))
    start, end = place_of(plot, 2.0), place_of(plot, 3.0)
    for share in np.linspace(0.2, 1, 5):
        QTest.mouseMove(viewport, QPoint(round(start.x() + (end.x() - start.x()) * share), start.y()))
        qtbot.wait(10)
    qtbot.waitUntil(lambda: session.state.step == 3)
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=end)


def test_step_numbers_are_those_of_the_recording(show):
    session = opened(Losses([3.0, 2.0, 1.0], numbers=[10, 20, 40]))
    view = show(LossView, session)
    plot = view.plot()
    assert list(drawn(plot)[0]) == [10, 20, 40]
    assert [plot.nearest(x) for x in (-5, 14, 16, 29, 31, 99)] == [0, 0, 1, 1, 2, 2]
    plot.choose(38)
    assert session.state.step == 2


def test_what_cannot_be_drawn_is_marked_at_the_bottom(show):
    losses = [1.0, np.nan, 2.0, np.inf, -1.0, 0.0, np.nan]
    session = opened(Losses(losses, none=(6,)))
    view = show(LossView, session)
    plot = view.plot()
    assert list(drawn(plot)[0]) == [0, 2]
    assert list(plot.bad_marks.getData()[0]) == [1, 3], "step 6 has no loss, which is not NaN"
    assert list(plot.low_marks.getData()[0]) == [4, 5]
    session.set(log_loss=False)
    assert list(drawn(plot)[0]) == [0, 2, 4, 5]
    assert list(plot.bad_marks.getData()[0]) == [1, 3]
    assert not len(plot.low_marks.getData()[0])


def test_a_million_points_keep_their_full_resolution(show):
    count = 1_000_000
    losses = np.full(count, 10.0)
    losses[777_777] = 1000.0
    recording = Losses(losses)
    recording.length = count - 500
    session = opened(recording)
    view = show(LossView, session)
    plot = view.plot()
    assert len(drawn(plot)[0]) == count - 500
    view.grab()
    shown_x, shown_y = plot.curve.getData()
    assert len(shown_x) < 20_000, "only as many points as the pixels can show"
    assert shown_y.max() == pytest.approx(3.0), "a spike of one step among a million is seen"
    recording.length = count
    session.extended()
    assert len(drawn(plot)[0]) == count
    plot.box.setXRange(777_770, 777_785, padding=0)
    view.grab()
    shown_x, shown_y = plot.curve.getData()
    assert shown_x[np.argmax(shown_y)] == 777_777


def test_it_follows_new_steps_until_the_person_zooms(show, qtbot):
    recording = Losses(np.linspace(10, 1, 100))
    recording.length = 20
    session = opened(recording)
    view = show(LossView, session)
    plot = view.plot()
    recording.length = 50
    session.extended()
    view.grab()
    assert plot.box.viewRange()[0][1] > 48
    plot.hold()
    plot.box.setXRange(5, 10, padding=0)
    recording.length = 100
    session.extended()
    view.grab()
    assert plot.box.viewRange()[0] == pytest.approx([5, 10])
    view.fit.click()
    view.grab()
    assert plot.box.viewRange()[0][1] > 98


def test_the_scale_buttons_and_the_session_agree(session, show):
    view = show(LossView, session)
    assert view.scales[True].isChecked()
    view.scales[False].click()
    assert session.state.log_loss is False
    session.set(log_loss=True)
    assert view.scales[True].isChecked()
    assert not view.scales[False].isChecked()


@pytest.mark.parametrize(
    ("losses", "log", "text"),
    [
        ([], True, "No loss yet"),
        ([np.nan, np.nan], True, "No loss yet"),
        ([-1.0, -2.0], True, "Choose linear"),
        ([-1.0, -2.0], False, ""),
    ],
)
def test_it_says_why_there_is_no_line(show, losses, log, text):
    session = opened(Losses(losses, none=range(len(losses)) if not any(x == x for x in losses) else ()), log_loss=log)
    view = show(LossView, session)
    view.plot()
    assert text in view.message.text()
    assert bool(text) == (view._pages.currentWidget() is view.message)


def test_without_a_recording_it_says_so(show):
    view = show(LossView, Session())
    view.plot()
    assert "Open a recording" in view.message.text()


def test_an_unfinished_step_without_a_loss_is_looked_at_again():
    recording, told = Losses([1.0, np.nan], none=(1,)), BadLosses()
    assert list(told.of(recording, recording.losses())) == [False, False]
    recording.all, recording.none = np.array([1.0, np.nan, np.inf]), set()
    assert list(told.of(recording, recording.all)) == [False, True, True]


def test_the_theme_can_change(session, show):
    view = show(LossView, session)
    view.plot()
    view.set_theme(DARK)
    assert view.plot().curve.opts["pen"].color().name() == DARK.loss
    assert view.grab().toImage().pixelColor(2, 2).name() == DARK.panel


def test_a_closed_recording_leaves_nothing(session, show):
    view = show(LossView, session)
    view.plot()
    session.close()
    assert not len(view.plot()._steps)
    session.open(SampleRecording(2))
    assert len(drawn(view.plot())[0]) == 2


def test_the_axis_at_the_right_is_that_of_the_probes_alone(show):
    view = show(LossView, Session())
    for height in (80, 400, 120):
        view.resize(600, height)
        QApplication.processEvents()
        assert not view.plot().item.getAxis("right").isVisible()


@pytest.mark.parametrize("losses", [[1000, 300, 90, 40, 20, 12, 8, 5], [5, 8, 12, 20, 40, 90, 300, 1000], [3.0] * 8])
@pytest.mark.parametrize("log", [True, False])
def test_what_is_read_off_at_the_line_never_covers_its_point(show, losses, log):
    view = show(LossView, opened(Losses(losses), log_loss=log))
    plot = view.plot()
    for height in (130, 200, 420):
        view.resize(500, height)
        for step in range(len(losses)):
            view.session.go_to(step, 0)
            QApplication.processEvents()
            read = plot.label.mapRectToScene(plot.label.boundingRect())
            point = plot.dot.mapToScene(*plot.dot.getData()[0], *plot.dot.getData()[1])
            assert plot.box.sceneBoundingRect().contains(point)
            assert not read.adjusted(-1, -1, 1, 1).contains(point), (height, step)
            assert plot.box.sceneBoundingRect().adjusted(-1, -1, 1, 1).contains(read), (height, step)
