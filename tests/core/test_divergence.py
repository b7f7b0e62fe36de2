"""Where two steps part."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from gradwalk import open_recording, record
from gradwalk.divergence import differences, first_divergence, fork_of, in_words, report_json, report_lines
from gradwalk.refusal import RefusalError
from gradwalk.sample import SampleRecording, sample_trace
from gradwalk.tape import event_at, name_of


def trained(folder, *, planted: int = -1, name: str = "tanh", steps: int = 5):
    torch.manual_seed(0)
    w, v, x = torch.randn(4, 4, requires_grad=True), torch.randn(4, 1, requires_grad=True), torch.randn(8, 4)
    with record(folder):
        for step in range(steps):
            bent = getattr(x.mm(w), name)()
            loss = bent.mul(1.001 if step == planted else 1.0).mm(v).pow(2).mean()
            loss.backward()
            with torch.no_grad():
                for p in (w, v):
                    p -= 0.1 * p.grad
                    p.grad = None
    return open_recording(folder)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("divergence")
    with trained(folder / "a") as one, trained(folder / "b", planted=3) as other:
        yield one, other


def test_the_first_event_of_the_first_step_that_differs(pair):
    one, other = pair
    parted = first_divergence(one, other, 1e-6)
    assert parted is not None
    first, second, found = parted
    assert (first.step, second.step) == (3, 3)
    assert name_of(first.graph, event_at(first, found[0].event)) == "mul"
    assert found[0].kind == "value"
    assert found[0].apart == pytest.approx(0.001, rel=1e-2)
    assert [d.event for d in found] == sorted({d.event for d in found})
    assert in_words(first, found[0]).startswith(f"#{found[0].event} forward mul: mul output: ")
    assert "test_divergence.py:" in in_words(first, found[0])
    lines = report_lines(parted, 1e-6)
    assert lines[0] == f"step 3: {len(found)} events differ by more than 1e-06, first this:"
    assert len(lines) == len(found) + 1
    assert json.loads(json.dumps(report_json(parted, 1e-6), allow_nan=False))["differences"][0]["event"] == found[0].event


def test_equal_steps_do_not_differ_at_all(pair):
    one, other = pair
    assert first_divergence(one, one, 0.0) is None
    assert differences(one[2], other[2], 0.0) == []
    assert first_divergence(one, other, 0.5) is None
    assert report_lines(None, 0.5) == ["no difference above 0.5"]
    assert report_json(None, 0.5)["differences"] == []


def test_what_differs_from_the_start_comes_first(pair):
    found = differences(pair[0][4], pair[1][4], 1e-9)
    start = [one for one in found if one.event == -1]
    assert {pair[0][4].graph.values[one.thing].name for one in start} == {"w", "v"}
    assert found[: len(start)] == start
    assert in_words(pair[0][4], start[0]).startswith("from the start: ")


def test_a_nan_on_one_side_is_as_far_apart_as_can_be():
    one = sample_trace()
    table = one.gradients.copy()
    edge = 4
    table[1:5, edge], table[5, edge] = math.nan, 3
    (found,) = differences(one, replace(one, gradients=table), 1.0)
    assert (found.kind, found.thing, found.figure, found.apart) == ("gradient", edge, "nan", math.inf)
    assert "nan 0 and 3" in in_words(one, found)
    assert report_json((one, one, [found]), 1.0)["differences"][0]["apart"] == "inf"
    both = replace(one, gradients=table)
    assert differences(both, both, 0.0) == []


def test_what_one_side_did_not_count_is_left_out():
    one = sample_trace()
    table = one.values.copy()
    table[0] = -1
    assert all(found.kind == "gradient" for found in differences(one, replace(sample_trace(1), values=table), 0.0))


def test_other_structures_are_refused(pair, tmp_path):
    with (
        trained(tmp_path / "c", name="sigmoid", steps=1) as third,
        pytest.raises(RefusalError, match="event 1 is tanh in the one"),
    ):
        first_divergence(pair[0], third, 1e-6)

    class Elsewhere(SampleRecording):
        def step_numbers(self):
            return np.array([100])

    with pytest.raises(RefusalError, match="no step in common"):
        first_divergence(pair[0], Elsewhere(1), 1e-6)


@pytest.fixture(scope="module")
def forked(tmp_path_factory):
    """Three steps; the forward of the second has an op more, the backward of the third another Node."""
    folder = tmp_path_factory.mktemp("forked") / "run"
    torch.manual_seed(0)
    w, v, x = torch.randn(4, 4, requires_grad=True), torch.randn(4, 1, requires_grad=True), torch.randn(8, 4)
    with record(folder):
        for step in range(3):
            bent = x.mm(w).tanh()
            bent = bent.sub(1.0) if step == 1 else bent
            bent.mm(v).pow(2).mean().backward()
            with torch.no_grad():
                for p in (w, v)[: 1 if step == 2 else 2]:
                    p -= 0.1 * p.grad
                    p.grad = None
    with open_recording(folder) as recording:
        yield recording


def test_steps_of_other_structures_are_compared_up_to_the_event_at_which_they_part(forked):
    first, second = forked[0], forked[1]
    fork = fork_of(first, second)
    assert (fork.event, fork.how) == (2, "event 2 is mm in the one and sub in the other")
    found = differences(first, second, 1e-6)
    assert [one.event for one in found] == [-1, 0, 1], "the weight, mm and tanh; nothing after"
    assert [first.graph.values[one.thing].name for one in found[:1]] == ["w"], "v is read after the fork"
    parted = first, second, found
    assert report_lines(parted, 1e-6)[-1] == f"compared up to event 2, where the structures part: {fork.how}"
    assert report_json(parted, 1e-6)["structures_part"] == {"event": 2, "how": fork.how}
    assert [one.event for one in differences(second, first, 1e-6)] == [-1, 0, 1]


def test_gradients_before_a_fork_in_the_update_are_compared(forked):
    first, last = forked[0], forked[2]
    fork = fork_of(first, last)
    assert fork.event > 8
    found = differences(first, last, 1e-6)
    assert {one.kind for one in found} == {"value", "gradient"}
    assert max(one.event for one in found) < fork.event


def test_steps_that_agree_until_their_structures_part_are_refused(forked):
    with pytest.raises(
        RefusalError, match=r"step 0 and step 1 .* event 2 is mm in the one and sub in the other; no figure before"
    ):
        differences(forked[0], forked[1], 10.0)
    assert fork_of(forked[0], forked[0]) is None
