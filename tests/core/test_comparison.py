"""Recordings side by side: numbers and distances of a step, and how far apart they are over all steps."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from gradwalk import open_recording, record
from gradwalk.comparison import TOLERANCE, Comparison, main_rows, names_of
from gradwalk.comparison_report import first_in_words, report, report_json
from gradwalk.comparison_step import lines_of
from gradwalk.refusal import RefusalError
from gradwalk.sample import SampleRecording


@pytest.fixture(scope="module")
def comparison(three):
    return Comparison([open_recording(folder) for folder in three])


def line(comparison, label, place=0):
    return next(line for line in comparison.lines(place) if line.row.label == label)


def trained(folder, *, planted=-1, steps=6, rate=0.1, **more):
    torch.manual_seed(0)
    w, x = torch.randn(4, 3, requires_grad=True), torch.randn(8, 4)
    with record(folder, **more):
        for step in range(steps):
            out = x.mm(w) * (1.01 if step == planted else 1.0)
            loss = out.pow(2).mean()
            loss.backward()
            with torch.no_grad():
                w -= rate * w.grad
                w.grad = None
    return open_recording(folder)


def test_numbers_and_distances_of_a_step(comparison):
    assert names_of(comparison.recordings) == ["numpy", "autograd", "custom_function"]
    loss = line(comparison, "loss")
    recorded = [recording[0].loss for recording in comparison.recordings]
    assert loss.numbers == pytest.approx(recorded, rel=1e-7)
    assert loss.apart[0] is None
    for apart, value in zip(loss.apart[1:], recorded[1:], strict=True):
        assert apart.exact
        assert apart.absolute == pytest.approx(abs(value - recorded[0]), abs=1e-6)
        assert apart.relative == pytest.approx(abs(value - recorded[0]) / recorded[0], rel=1e-3)
        assert 0 < apart.relative < 1e-6
    only = line(comparison, "h_relu.T")
    assert only.numbers[1:] == (None, None)
    assert only.apart == (None, None, None)
    seed = line(comparison, "dL/dloss")
    assert seed.numbers == (None, 1.0, 1.0)
    assert seed.apart[2].relative == 0


def test_elements_are_compared_where_both_have_them_all(comparison):
    w2 = line(comparison, "dL/dw2")
    by_hand, autograd = (recording[0] for recording in comparison.recordings[:2])
    one = by_hand.tensors["value", by_hand.graph.edges[w2.row.cells[0].things[0]].by].data
    two = autograd.tensors["gradient", w2.row.cells[1].things[0]].data
    assert one.dtype == np.float64
    assert two.dtype == np.float32
    assert w2.apart[1].exact
    assert w2.apart[1].absolute == np.abs(one - two).max()
    assert w2.apart[1].relative == np.abs(one - two).max() / np.abs([one, two]).max()


def test_statistics_are_compared_where_the_elements_are_not_kept(comparison):
    traces = [replace(trace, tensors={}) for trace in comparison.traces(0)]
    for told, exact in zip(lines_of(comparison.rows(traces), traces), comparison.lines(0), strict=True):
        for apart, by_elements in zip(told.apart, exact.apart, strict=True):
            assert (apart is None) is (by_elements is None)
            if apart is not None and by_elements is not None:
                assert not apart.exact
                assert apart.relative <= by_elements.relative * 1.001 + 1e-7  # RMS and mean are no further apart than the worst
    few = comparison.lines(0, 3)
    assert [told.row.label for told in few if any(apart and apart.exact for apart in told.apart)] == ["w1", "w2", "loss"]
    w1 = next(one for one in lines_of(comparison.rows(traces), traces) if one.row.label == "dL/dw1").apart[1]
    assert 0 < w1.relative < 1e-5


def test_the_course_is_that_of_every_step(comparison):
    rows = comparison.rows(comparison.traces(0))
    course = comparison.course(comparison.traces(0), None, TOLERANCE)
    assert course.rows == main_rows(rows)
    assert [rows[row].label for row in course.rows] == [
        "w1", "w2", "loss", "dL/dw2", "dL/dw1", "w1 updated", "w2 updated",
    ]  # fmt: skip
    assert course.steps.tolist() == list(range(20))
    assert np.isnan(course.apart[:, 0]).all()
    assert np.isfinite(course.apart[:, 1:]).all()
    assert course.first is None
    assert course.worst.max() < TOLERANCE
    losses = [np.asarray(recording.losses()) for recording in comparison.recordings]
    expected = np.abs(losses[1] - losses[0]) / np.maximum(losses[0], losses[1])
    assert course.apart[2, 1] == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert course.apart[0, 1, 0] < 1e-8  # the same weights at first


def test_the_first_step_and_row_that_part(tmp_path):
    pair = Comparison([trained(tmp_path / "a"), trained(tmp_path / "b", planted=3)])
    made = report(pair, ("a", "b"), None, 1e-4)
    assert made.differs
    assert made.step == 3
    assert made.lines[made.course.first.row].row.label == "out"
    assert made.course.first.relative == pytest.approx(0.01, rel=0.1)
    assert first_in_words(made) == f"first apart by more than 0.0001: step 3, out, {made.course.first.relative:.2g} in b"
    assert (made.course.worst[:3] == 0).all()
    data = json.loads(json.dumps(report_json(made), allow_nan=False))
    assert data["first"]["step"] == 3
    assert data["differs"] is True
    assert [one["label"] for one in data["apart"]] == ["w", "loss", "dL/dw", "w updated"]
    assert data["apart"][1]["relative"][0] is None
    assert len(data["apart"][1]["relative"][1]) == 6
    loose = report(pair, ("a", "b"), None, 0.5)
    assert not loose.differs
    assert loose.step == 5
    assert first_in_words(loose) == "nothing is apart by more than 0.5 in 6 steps"


def test_a_learning_rate_is_not_a_structure(tmp_path):
    pair = Comparison([trained(tmp_path / "a"), trained(tmp_path / "b", rate=0.05)])
    assert all(None not in row.cells for row in pair.rows(pair.traces(0)))
    course = pair.course(pair.traces(0), None, 1e-6)
    assert course.first.step == 0
    labels = [row.label for row in pair.rows(pair.traces(0))]
    assert labels[course.first.row] == "rate * w.grad"


def test_steps_in_common_only(tmp_path):
    every, third = trained(tmp_path / "a", steps=7), trained(tmp_path / "b", steps=7, every=3)
    pair = Comparison([every, third])
    assert pair.steps.tolist() == third.step_numbers().tolist()
    assert 1 < len(pair.steps) < 7
    assert [trace.step for trace in pair.traces(1)] == [pair.steps[1]] * 2
    assert (pair.course(pair.traces(0), None, 1e-6).worst == 0).all()
    with pytest.raises(RefusalError, match="which have"):
        report(pair, ("a", "b"), 1, 1e-6)


def test_what_is_not_counted_has_no_distance(tmp_path):
    structure = trained(tmp_path / "a", level="structure")
    pair = Comparison([structure, trained(tmp_path / "b", level="structure")])
    course = pair.course(pair.traces(0), None, 1e-6)
    labels = [pair.rows(pair.traces(0))[row].label for row in course.rows]
    known = {label for label, apart in zip(labels, course.apart, strict=True) if not np.isnan(apart).all()}
    assert known <= {"loss"}
    assert {line.row.label for line in pair.lines(0) if line.apart[1] is not None} <= {"loss"}


def test_nan_on_one_side_is_infinitely_far(tmp_path):
    def broken(folder, factor):
        torch.manual_seed(0)
        w = torch.randn(3, requires_grad=True)
        with record(folder):
            for _ in range(2):
                (w * factor).sum().backward()
                w.grad = None
        return open_recording(folder)

    pair = Comparison([broken(tmp_path / "a", 1.0), broken(tmp_path / "b", math.nan)])
    made = report(pair, ("a", "b"), None, 1e-4)
    assert made.differs
    assert math.isinf(made.course.worst[0])
    json.dumps(report_json(made), allow_nan=False)


def test_a_sequence_of_traces_will_do():
    """As the window has them while it shows what is no file."""
    pair = Comparison([SampleRecording(3), SampleRecording(3)])
    assert (pair.course(pair.traces(0), None, 0.0).worst == 0).all()
    assert names_of(pair.recordings) == ["recording (1)", "recording (2)"]
