"""Reading by turns, the numbers of a probe, and a plot of a million of them."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QObject, QTimer

from gradwalk.recording.tables import Tables
from gradwalk_gui import pinning
from gradwalk_gui.plots.gather import Gatherer
from gradwalk_gui.plots.probe_plot import ProbePlot
from gradwalk_gui.plots.series import Series, line_of, lone_points
from gradwalk_gui.probes import Probe, from_text, to_text
from gradwalk_gui.state import Selection
from gradwalk_gui.theme import DARK, LIGHT


def leaf(trace, name):
    return next(value.id for value in trace.graph.values if value.name == name and value.role == "leaf")


class Slow:
    """A recording whose parts take some seconds each to read; ``asked`` says when each was."""

    def __init__(self, trace, parts, seconds):
        self.trace, self.parts, self.seconds, self.asked = trace, parts, seconds, []

    def __len__(self):
        return self.parts

    def tables(self, start, asked):
        self.asked.append(time.monotonic())
        time.sleep(self.seconds)
        values, gradients = self.trace.values[:, :, None], self.trace.gradients[:, :, None]
        return start + 1, [Tables(self.trace.graph, np.array([start]), values, gradients)]


def test_reading_never_holds_the_window(qtbot, recording):
    trace = recording[3]
    probe = pinning.probe_of(trace.graph, Selection("value", leaf(trace, "fc1.weight")))
    series, slow, timer, beats = Series(probe), Slow(trace, 60, 0.004), QTimer(interval=5), [time.monotonic()]
    timer.timeout.connect(lambda: beats.append(time.monotonic()))
    timer.start()
    gatherer = Gatherer(timer)
    gatherer.follow(slow, len(slow), [series])
    assert series.at == 0, "nothing is read before its turn"
    qtbot.waitUntil(lambda: not gatherer.busy)
    timer.stop()
    assert len(beats) > 20
    assert np.all(series.numbers == series.numbers[0])


def test_a_part_that_takes_long_is_followed_by_a_rest(qtbot, recording):
    probe = pinning.probe_of(recording[3].graph, Selection("value", leaf(recording[3], "fc1.weight")))
    series, slow = Series(probe), Slow(recording[3], 3, 0.05)
    owner = QObject()
    gatherer = Gatherer(owner)
    gatherer.follow(slow, len(slow), [series])
    qtbot.waitUntil(lambda: not gatherer.busy)
    assert all(later - begun > 0.05 + 0.1 for begun, later in pairwise(slow.asked))


def test_a_million_steps_are_as_many_points_as_the_pixels_show(qtbot, recording):
    probe = Probe("value", "w", "w")
    series, steps = Series(probe), np.arange(1_000_000.0)
    series.take(len(steps), ())
    series.numbers[:] = 10.0
    series.numbers[777_777] = 1000.0
    series.numbers[100_000:200_000] = np.nan
    plot = ProbePlot(LIGHT)
    qtbot.addWidget(plot)
    plot.resize(600, 200)
    plot.show()
    plot.show_series(steps, [series], log=True)
    plot.grab()
    xs, ys = plot.curves[0].getData()
    assert len(xs) < 10_000
    assert np.nanmax(ys) == pytest.approx(3.0), "a spike of one step among a million is seen"
    wide = 2 * 1_000_000 / plot.width()  # a point stands for about two pixels
    assert np.isnan(ys[(xs > 100_000 + wide) & (xs < 200_000 - wide)]).all(), "a gap is a gap"
    plot.hold()
    plot.box.setXRange(777_770, 777_785, padding=0)
    plot.grab()
    xs, ys = plot.curves[0].getData()
    assert xs[np.nanargmax(ys)] == 777_777
    plot.set_theme(DARK)
    assert plot.curves[0].opts["pen"].color().name() == DARK.inks[0].lower()


def test_lines_of_few_points_keep_them_all():
    xs, ys = np.arange(5.0), np.array([1.0, np.nan, 2.0, np.nan, np.nan])
    assert line_of(xs, ys, 100)[0] is xs
    assert list(lone_points(ys)) == [0, 2]


def test_probes_as_text():
    probes = (Probe("op", "forward:/mm", "mm", "mean", 3), Probe("edge", "a", "b"))
    assert from_text(to_text(probes)) == probes
    for bad in ("", "{", "[[1]]", '[["op", "p", "n", "mean", -1]]', '[["edge", "p", "n", "mean", 0]]', '{"a": 1}'):
        assert from_text(bad) == ()
    texts = pinning.remember(("rubbish", '["a", "[]"]'), "b", probes)
    assert pinning.remembered(texts, "b") == probes
    assert pinning.remembered(texts, "c") == ()
    assert len(texts) == 2
