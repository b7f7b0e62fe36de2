"""Rows of different length, reduced all at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwalk.ragged import ragged

ROWS = st.lists(st.lists(st.integers(0, 50), max_size=5), max_size=12)


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_rows_come_back_as_they_were(rows):
    made = ragged(rows)
    assert len(made) == len(rows)
    assert [made[i].tolist() for i in range(len(rows))] == rows
    assert made.rows.tolist() == [i for i, row in enumerate(rows) for _ in row]


@settings(deadline=None, max_examples=60)
@given(ROWS, st.sampled_from(["maximum", "minimum", "add"]), st.integers(0, 50))
def test_reducing_is_a_loop_over_the_rows_without_what_is_left_out(rows, name, limit):
    made, ufunc = ragged(rows), getattr(np, name)
    numbers = made.flat.astype(np.float64) * 1.5
    kept = [[number for number in row if number <= limit] for row in rows]
    found = made.reduced(ufunc, numbers, -1.0, where=made.flat <= limit)
    assert found.tolist() == [ufunc.reduce(np.array(row) * 1.5) if row else -1.0 for row in kept]


def test_nan_wins_a_maximum():
    made = ragged([[0, 1], [2]])
    assert np.isnan(made.reduced(np.maximum, np.array([1.0, np.nan, 3.0]), -1.0)).tolist() == [True, False]
