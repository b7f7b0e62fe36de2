"""A backward pass that is written out by hand, next to the chain of formulas in float64."""

from __future__ import annotations

import pytest

from gradwalk.reference.chain import chain
from gradwalk.trace import NONE

from .conftest import two_layers


def test_what_is_typed_in_right_is_exact_and_what_is_wrong_shows_from_there_on(scripts):
    right = scripts.taped(two_layers(1, "8, 20, 6, 3")).sink.traces[0]
    made = chain(right)
    assert not made.sentence
    assert not made.restarts
    assert all(one.relative < 1e-14 for one in (*made.values.values(), *made.gradients.values()))
    assert len([edge for edge in made.gradients if right.graph.edges[edge].target == NONE]) == 2
    text = two_layers(1, "8, 20, 6, 3").replace("grad_h_relu = grad_y_pred", "grad_h_relu = 1.5 * grad_y_pred")
    wrong = scripts.taped(text).sink.traces[0]
    found = chain(wrong)
    by_name = {wrong.graph.values[wrong.graph.edges[edge].value].name: one.relative for edge, one in found.gradients.items()}
    assert by_name["w2"] < 1e-14
    assert by_name["h_relu"] == by_name["h"] == pytest.approx(0.5)
    assert by_name["w1"] == pytest.approx(0.5)
