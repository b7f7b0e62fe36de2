"""The panels on a recording read back from disk: which steps keep tensors, a damaged step, live growth."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from gradwalk.recording.info import run_info
from gradwalk.recording.reader import open_recording
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace
from gradwalk.trace import StepError
from gradwalk_gui.inspection.kept import kept_before, nearest_kept
from gradwalk_gui.session import Session
from gradwalk_gui.views.events import EventsView
from gradwalk_gui.views.inspector import InspectorView
from gradwalk_gui.views.loss import LossView
from gradwalk_gui.views.ribbon_step import StepRibbon
from gradwalk_gui.views.source import SourceView

KEEPING = (0, 1, 5)


@pytest.fixture
def recording(tmp_path):
    """Eight steps numbered 100, 102, ...; only some keep tensors."""
    writer = Writer(tmp_path / "run", run_info(device="cpu", script="two_layer.py"))
    for step in range(8):
        trace = replace(sample_trace(step), step=100 + 2 * step)
        writer.add(trace if step in KEEPING else replace(trace, tensors=MappingProxyType({})))
    writer.close("clean")
    with open_recording(tmp_path / "run") as opened:
        yield opened


def test_the_steps_that_keep_tensors_are_known_without_reading_steps(recording):
    assert recording.kept_steps().tolist() == list(KEEPING)
    graph = recording[0].graph
    assert [nearest_kept(recording, step, 8, ("value", 2), graph) for step in (2, 4, 7)] == [1, 5, 5]
    before = kept_before(recording, 5, 8, ("value", 2), graph)
    assert np.array_equal(before.data, sample_trace(1).tensors["value", 2].data)
    assert kept_before(recording, 0, 8, ("value", 2), graph) is None


def test_steps_kept_in_part_have_a_thinner_mark_and_say_so(tmp_path, show):
    writer = Writer(tmp_path / "run", run_info(device="cpu", script="two_layer.py"))
    whole = [replace(sample_trace(step), step=step) for step in range(4)]
    tensors = dict(whole[1].tensors)
    key = next(key for key, kept in tensors.items() if kept.data.size > 3)
    sampled = {**tensors, key: replace(tensors[key], data=tensors[key].data.ravel()[::2].copy(), complete=False)}
    fewer = {key: kept for key, kept in whole[2].tensors.items() if key[0] == "value"}
    for trace, kept in zip(whole, (whole[0].tensors, sampled, fewer, {}), strict=True):
        writer.add(replace(trace, tensors=MappingProxyType(dict(kept))))
    writer.close("clean")
    with open_recording(tmp_path / "run") as recording:
        assert recording.kept_steps().tolist() == [0, 1, 2]
        assert recording.steps_kept_in_part().tolist() == [1, 2]
        session = Session()
        session.open(recording)
        ribbon = show(StepRibbon, session, size=(800, 34))
        said = [ribbon.describe(step).rpartition("  ·  ")[2] for step in range(4)]
        assert said[0] == "tensors kept in full"
        assert said[1] == said[2] == "tensors kept in part: some are not kept, or as a sample"
        assert "tensors" not in said[3]
        area, picture = ribbon.area(), ribbon.grab().toImage()
        marked = []
        for step in range(4):
            x = int(area.left() + (step + 0.8) * area.width() / 4)
            column = [picture.pixelColor(x, y).name() for y in range(int(area.bottom()) + 1, picture.height())]
            marked.append(column.count(ribbon.theme.accent.lower()))
        assert marked[0] > marked[1] == marked[2] > marked[3] == 0


def test_the_inspector_goes_to_the_nearest_step_that_keeps_a_tensor(recording, show):
    session = Session()
    session.open(recording)
    session.go_to(7, 3)
    view = show(InspectorView, session)
    assert view.tensor.pane.go.isVisible()
    view.tensor.pane.go.click()
    assert session.state.step == 5
    assert view.tensor.pane.grid.isVisible()
    assert view.distribution.histogram.histogram().before is not None, "step 1 is the one before that keeps it"


def test_the_loss_plot_uses_the_step_numbers(recording, show):
    session = Session()
    session.open(recording)
    view = show(LossView, session)
    session.go_to(3, 0)
    assert list(view.plot().curve.getOriginalDataset()[0]) == list(range(100, 116, 2))
    assert view.plot().line.value() == 106
    assert view.reading.full_text().startswith("step 106")


def test_a_recording_that_grows_is_followed(tmp_path, show, qtbot):
    writer = Writer(tmp_path / "run", run_info(device="cpu"))
    writer.add(sample_trace(0))
    writer.flush()
    with open_recording(tmp_path / "run") as recording:
        session = Session()
        session.open(recording, follow=True)
        views = [show(view, session) for view in (EventsView, InspectorView, LossView, SourceView)]
        plot = views[2].plot()
        for step in range(1, 6):
            writer.add(sample_trace(step))
            writer.flush()
            recording.poll()
            session.extended()
            assert session.state.step == step
            qtbot.waitUntil(lambda step=step: plot.marker() == step and views[0].model.trace.step == step)
            assert len(plot.curve.getOriginalDataset()[0]) == step + 1
        writer.close("clean")


def test_a_step_without_events_says_what_is_wrong_with_it(show):
    trace = sample_trace()
    error = StepError("RecordingError", "this step cannot be read")
    damaged = replace(trace, tape=trace.tape[:0], done=False, error=error, loss=None)

    class Steps(list):
        def losses(self):
            return np.full(len(self), np.nan)

        def source(self, file):
            return None

    session = Session()
    session.open(Steps([damaged]))
    for view_class in (EventsView, InspectorView, SourceView):
        assert "RecordingError: this step cannot be read" in show(view_class, session).message.text()
