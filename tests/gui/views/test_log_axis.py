"""The labels of the loss's logarithmic axis: enough of them, and none on another."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from gradwalk_gui.widgets.log_axis import APART, LogAxis, log_ticks

RANGES = [
    (0.0007, 0.03, 90.0),
    (1e-5, 1e8, 90.0),
    (1e-23, 3e7, 400.0),
    (0.0301, 0.0304, 90.0),
    (0.9, 1.1, 200.0),
    (1.0, 1000.0, 400.0),
    (2.1, 4.9, 90.0),
    (5e-324, 1e300, 60.0),
]


@pytest.mark.parametrize(("low", "high", "size"), RANGES)
def test_labels_stand_apart(low, high, size):
    bottom, top = math.log10(low), math.log10(high)
    ticks = log_ticks(bottom, top, size)
    assert len(ticks) >= 2
    assert all(bottom <= tick <= top for tick in ticks)
    gap = min(b - a for a, b in pairwise(ticks)) * size / (top - bottom)
    assert gap >= APART * 0.99
    assert len(ticks) <= size / APART + 1


def test_a_range_of_nothing_has_no_labels():
    assert log_ticks(1.0, 1.0, 90.0) == log_ticks(math.nan, 2.0, 90.0) == log_ticks(0.0, math.inf, 90.0) == []


@pytest.mark.parametrize(("low", "high", "size"), RANGES)
def test_every_label_says_another_number(qtbot, low, high, size):
    axis = LogAxis("left")
    ticks = log_ticks(math.log10(low), math.log10(high), size)
    texts = axis.logTickStrings(ticks, 1.0, None)
    assert len(set(texts)) == len(texts) == len(ticks)
