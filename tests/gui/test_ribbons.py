"""Both ribbons: what their pixels say, clicks and drags, a million steps."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtWidgets import QApplication

from gradwalk import sample
from gradwalk.tape import phases
from gradwalk.trace import STATISTICS, StepError
from gradwalk_gui.panel import phase_colour
from gradwalk_gui.ribbon import bin_edges
from gradwalk_gui.session import Session
from gradwalk_gui.state import Play
from gradwalk_gui.theme import LIGHT
from gradwalk_gui.views.ribbon_op import OpRibbon, bad_events, phase_codes
from gradwalk_gui.views.ribbon_step import ABSENT, BAD, FINE, RAISED, StepRibbon, bars_image, finite_range, health_of, heights_of

sample_trace = lru_cache(maxsize=4)(sample.sample_trace)
SampleRecording = lru_cache(maxsize=4)(sample.SampleRecording)


class Losses:
    """A recording that is all one step but for its losses."""

    def __init__(self, losses, trace=None) -> None:
        self._losses, self._trace = np.asarray(losses, dtype=np.float64), trace or sample_trace(0)

    def __len__(self) -> int:
        return len(self._losses)

    def __getitem__(self, index: int):
        return replace(self._trace, step=index, loss=float(self._losses[index]))

    def losses(self):
        return self._losses

    def source(self, file: str) -> None:
        return None


def shown(qtbot, kind, recording, width: int = 800):
    session = Session()
    session.open(recording)
    ribbon = kind(session, LIGHT)
    qtbot.addWidget(ribbon)
    ribbon.resize(width, ribbon.height_hint)
    ribbon.show()
    return session, ribbon


def colour_at(ribbon, cell: float) -> QColor:
    area = ribbon.area()
    x = area.left() + (cell + 0.5) * area.width() / ribbon.count()
    return ribbon.grab().toImage().pixelColor(round(x), round(area.bottom() - 3))


def click(qtbot, ribbon, cell: float) -> None:
    area = ribbon.area()
    place = QPoint(round(area.left() + cell * area.width() / ribbon.count()), ribbon.height() // 2)
    qtbot.mouseClick(ribbon, Qt.MouseButton.LeftButton, pos=place)


def test_each_event_has_the_colour_of_its_phase_once_it_has_run(qtbot):
    session, ribbon = shown(qtbot, OpRibbon, SampleRecording(1))
    session.last_event()
    for phase, start, end in phases(session.state.trace):
        for cell in (start, end - 1):
            assert colour_at(ribbon, cell) == QColor(phase_colour(phase, LIGHT)), (phase, cell)
    session.first_event()
    assert colour_at(ribbon, 3) != QColor(LIGHT.forward)


def test_a_click_and_a_drag_move_the_playhead(qtbot):
    session, ribbon = shown(qtbot, OpRibbon, SampleRecording(1))
    click(qtbot, ribbon, 7)
    assert session.state.position == 7
    area = ribbon.area()
    qtbot.mousePress(ribbon, Qt.MouseButton.LeftButton, pos=QPoint(round(area.left()), 12))
    qtbot.mouseMove(ribbon, QPoint(round(area.right()) + 30, 12))
    qtbot.mouseRelease(ribbon, Qt.MouseButton.LeftButton, pos=QPoint(round(area.right()), 12))
    assert session.state.position == session.state.events


def test_the_wheel_steps(qtbot):
    session, ribbon = shown(qtbot, OpRibbon, SampleRecording(2))
    for delta in (-120, -120, 120):
        QApplication.sendEvent(
            ribbon,
            QWheelEvent(
                QPointF(5, 5), QPointF(5, 5), QPoint(), QPoint(0, delta), Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
            ),
        )  # fmt: skip
    assert session.state.position == 1


def test_tool_tips_name_the_event_and_the_step(qtbot):
    _, ops = shown(qtbot, OpRibbon, SampleRecording(1))
    assert ops.describe(0).startswith("#0  mm")
    assert "backward" in ops.describe(8)
    _, steps = shown(qtbot, StepRibbon, Losses([4.0, np.nan]))
    assert steps.describe(0) == "step 0  ·  loss 4"


def test_events_that_made_nan_are_marked(qtbot):
    trace = sample_trace(0)
    gradients = trace.gradients.copy()
    gradients[STATISTICS.index("nan"), 4] = 3
    values = trace.values.copy()
    values[STATISTICS.index("inf"), trace.graph.ops[1].outputs[0]] = 1
    bad = bad_events(replace(trace, gradients=gradients, values=values))
    assert np.flatnonzero(bad).tolist() == [1, 10]
    assert not bad_events(trace).any()
    _, ribbon = shown(qtbot, OpRibbon, Losses([1.0], replace(trace, gradients=gradients)))
    assert colour_at(ribbon, 10) == QColor(LIGHT.bad)
    assert "NaN or Inf" in ribbon.describe(10)


def test_many_events_are_binned_and_every_phase_keeps_its_place(qtbot):
    trace = sample_trace(0)
    long = replace(trace, tape=np.repeat(trace.tape, 5000))
    session, ribbon = shown(qtbot, OpRibbon, Losses([1.0], long))
    session.last_event()
    codes = phase_codes(long)
    for cell in (10, 40_000, 104_000):
        assert colour_at(ribbon, cell) == QColor(phase_colour(("forward", "loss", "backward", "update")[codes[cell]], LIGHT))


def test_bins_cover_all_cells_in_order():
    first = bin_edges(1_000_003, 700)
    assert first[0] == 0
    assert len(first) == 700
    assert (np.diff(first) >= 1_000_003 // 700).all()
    assert (bin_edges(5, 5) == np.arange(5)).all()


def test_the_sign_on_the_button_stands_out_while_it_follows(shell, opened, qtbot):
    """It is drawn in the colour of the text, on green as on the panel."""
    window = shell._window
    button = window.findChild(StepRibbon).follow
    for following, ink in ((False, LIGHT.subtle), (True, LIGHT.panel)):
        shell.session.set(theme="light")
        button.setChecked(following)
        picture = button.grab().toImage()
        sign = picture.copy(12, 5, 12, picture.height() - 10)
        colours = {sign.pixelColor(x, y).name() for x in range(sign.width()) for y in range(sign.height())}
        assert ink.lower() in colours


def test_a_click_goes_to_a_step_and_follow_follows(qtbot):
    session, ribbon = shown(qtbot, StepRibbon, Losses(np.linspace(9, 1, 50)))
    session.go_to(0, 4)
    click(qtbot, ribbon, 20.5)
    assert (session.state.step, session.state.position) == (20, 4)
    qtbot.mouseClick(ribbon.follow, Qt.MouseButton.LeftButton)
    assert session.state.play is Play.FOLLOWING
    assert ribbon.follow.isChecked()
    qtbot.mouseClick(ribbon.follow, Qt.MouseButton.LeftButton)
    assert session.state.play is Play.PAUSED
    assert session.state.step == 49


def heights(image) -> list[int]:
    ground = QColor(LIGHT.panel)
    return [
        sum(image.pixelColor(x, y) != ground for y in range(image.height())) for x in range(image.width())
    ]  # fmt: skip


def test_bars_are_as_high_as_the_logarithm_of_the_loss():
    losses = np.array([1e4, 1e3, 1e2, 1e1])
    share = heights_of(losses, finite_range(losses))
    assert np.allclose(np.diff(share), np.diff(share)[0])
    assert share[0] == 1.0
    image = bars_image(np.repeat(losses, 100), np.zeros(400, np.uint8), 400, 24, LIGHT)
    tall = heights(image)
    assert tall[50] == 24
    assert tall[50] > tall[150] > tall[250] > tall[350] > 0


def test_negative_losses_are_drawn_on_a_linear_scale():
    losses = np.array([-1.0, 0.0, 1.0])
    share = heights_of(losses, finite_range(losses))
    assert np.isclose(share[1] - share[0], share[2] - share[1])


def test_one_bad_step_among_a_million_is_seen():
    losses = np.full(1_000_000, 2.0)
    losses[400_321] = np.inf
    health = health_of(Losses(losses), losses, {})
    image, ink = bars_image(losses, health, 1000, 24, LIGHT), QColor(LIGHT.bad)
    bad = [any(image.pixelColor(x, y) == ink for y in range(24)) for x in range(1000)]
    assert np.flatnonzero(bad).tolist() == [400]


@pytest.mark.parametrize("losses", [[], [np.nan], [np.inf, np.nan], [0.0], [3.0, 3.0], [1e-300, 1e300]])
def test_strange_losses_are_drawn(qtbot, losses):
    session, ribbon = shown(qtbot, StepRibbon, Losses(losses))
    session.last_event()
    assert not ribbon.grab().isNull()


def test_new_steps_are_taken_in(qtbot):
    recording = Losses([1.0, 2.0])
    session, ribbon = shown(qtbot, StepRibbon, recording)
    recording._losses = np.array([1.0, 2.0, 3.0])
    session.extended()
    assert ribbon.count() == 3


class Odd(Losses):
    """Steps with a loss, a step without, one with NaN, and a last one that raised."""

    def __init__(self) -> None:
        super().__init__([2.0, np.nan, np.nan, 1.0, np.nan, 0.5, np.nan])

    def __getitem__(self, index: int):
        loss = None if index in (1, 2) else float(self._losses[index])
        error = StepError("ValueError", "no good") if index == 6 else None
        return replace(self._trace, step=index, loss=loss, error=error)


def test_no_loss_and_nan_and_an_exception_look_different(qtbot):
    _, ribbon = shown(qtbot, StepRibbon, Odd())
    assert ribbon._health.tolist() == [FINE, ABSENT, ABSENT, FINE, BAD, FINE, RAISED]
    assert colour_at(ribbon, 1) == QColor(LIGHT.ghost)
    assert {colour_at(ribbon, 4 + shift / 40).name() for shift in range(9)} >= {LIGHT.bad.lower(), LIGHT.panel}
    assert {colour_at(ribbon, 6 + shift / 40).name() for shift in range(9)} >= {LIGHT.danger.lower(), LIGHT.panel}
    assert "no good" in ribbon.describe(6)
    assert "no loss" in ribbon.describe(1)
    assert "loss NaN" in ribbon.describe(4)


def test_a_stretch_is_read_once(qtbot):
    losses = np.full(100_000, np.nan)
    read = []

    class Counting(Losses):
        def __getitem__(self, index: int):
            read.append(index)
            return super().__getitem__(index)

    looked_at: dict[int, int] = {}
    recording = Counting(losses)
    assert (health_of(recording, losses, looked_at) == BAD).all()
    health_of(recording, losses, looked_at)
    assert read == [0]
