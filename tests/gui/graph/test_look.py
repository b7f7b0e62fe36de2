"""How the picture looks at each playhead: states, magnitudes, texts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gradwalk.builder import GraphBuilder
from gradwalk.trace import Site, Trace, empty_table
from gradwalk_gui.graph.facts import gather
from gradwalk_gui.graph.hit import Hit
from gradwalk_gui.graph.hover_text import hover_of
from gradwalk_gui.graph.look import State, gradient_text, look_at, loss_text, sum_text, version_text
from gradwalk_gui.graph.magnitudes import HIGH, LOW, fraction, magnitudes, text
from gradwalk_gui.graph.scene import build
from gradwalk_gui.graph.scenes import default_lay_out
from gradwalk_gui.graph.surface import measure_for_scene
from gradwalk_gui.state import View
from gradwalk_gui.theme import MAGNITUDE_RANGE


class Shown:
    """A trace in a view, looked at by titles."""

    def __init__(self, trace, view=None):
        view = view or View()
        self.trace = trace
        self.scene = build(trace.graph, view, measure_for_scene, default_lay_out())
        self.facts = gather(trace, self.scene, view.measure)

    def look(self, position):
        return look_at(self.facts, position)

    def card(self, title, which=0):
        return [i for i, card in enumerate(self.scene.picture.cards) if card.title == title][which]

    def lane(self, source, target):
        cards = self.scene.picture.cards
        return next(
            i
            for i, lane in enumerate(self.scene.picture.lanes)
            if (cards[lane.source].title, cards[lane.target].title) == (source, target)
        )

    def position_of(self, node):
        graph = self.trace.graph
        return next(
            p
            for p, e in enumerate(self.trace.tape)
            if graph.events[e].kind in ("node", "accumulate") and graph.nodes[graph.events[e].ref].name == node
        )


@pytest.fixture
def sample(traces):
    return Shown(traces["sample"]())


def test_at_the_start_all_is_pending_but_what_is_there(sample):
    look = sample.look(0)
    assert look.halves[sample.card("x"), 0] == look.halves[sample.card("w1"), 0] == State.DONE
    assert look.halves[sample.card("clamp")].tolist() == [State.PENDING, State.PENDING]
    assert look.lanes.max() == State.PENDING or (look.lanes[:, 1] == State.NO_GRAD).sum() == 2
    assert look.next.card == sample.card("mm")
    assert look.just is None
    assert gradient_text(look, sample.card("mm")) == "not yet"
    assert loss_text(look, sample.card("loss"), sample.scene.picture.cards[sample.card("loss")]) == "not yet"


def test_every_position_has_its_own_look_and_marks_what_ran_and_what_is_next(sample):
    looks = [sample.look(p) for p in range(len(sample.trace.tape) + 1)]
    for before, after in pairwise(looks):
        assert before.next == after.just
        assert (before.halves <= after.halves).all()
        assert (before.lanes <= after.lanes).all()
    assert looks[-1].next is None


def test_at_the_end_all_is_done_and_lanes_carry_their_gradients(sample):
    look = sample.look(99)
    for i, lane in enumerate(sample.scene.picture.lanes):
        assert look.lanes[i, 0] == State.DONE
        if lane.edges:
            stats = sample.trace.gradients[:, lane.edges[0]]
            assert look.lane_magnitudes[i] == pytest.approx(np.sqrt(stats[4] / stats[0]))
        else:
            assert look.lane_magnitudes[i] == -1


def test_the_loss_shows_its_value_from_its_event_on(sample):
    card = sample.card("loss")
    assert loss_text(sample.look(7), card, sample.scene.picture.cards[card]).startswith("2.9684e7")


def test_a_card_shows_the_largest_gradient_that_it_gives(sample):
    look = sample.look(sample.position_of("ClampBackward1") + 9)
    mm = sample.card("mm", 1)
    lanes = [sample.lane("clamp", "mm"), sample.lane("w2", "mm")]
    assert look.card_magnitudes[mm] == max(look.lane_magnitudes[i] for i in lanes)


def test_the_update_and_the_cleared_gradient_show_on_the_leaf(sample):
    w1, tape = sample.card("w1"), sample.trace.tape
    accumulated, updated, cleared = len(tape) - 6, len(tape) - 4, len(tape)
    assert version_text(sample.look(accumulated), w1) == ""
    assert version_text(sample.look(updated), w1) == "v0 → v1"
    assert gradient_text(sample.look(accumulated), w1) not in ("not yet", "cleared")
    assert gradient_text(sample.look(cleared), w1) == "cleared"
    places = [sample.look(p).just for p in range(len(tape) - 5, len(tape) + 1)]
    assert {place.part for place in places} == {"update"}


def test_gradients_that_meet_are_added_up_with_their_numbers(traces):
    shown = Shown(traces["residual"]())
    card = shown.card("relu")
    at = shown.position_of("AddBackward0")
    texts = [sum_text(shown.look(p), card, shown.scene.picture.cards[card]) for p in (at, at + 1, at + 2)]
    assert texts[0] == "g1 + g2"
    first, second = (shown.facts.magnitudes[edge] for edge in shown.scene.picture.cards[card].meets)
    assert texts[1] == f"{text(first, 'rms')} + …"
    kept = [shown.trace.tensors["gradient", edge].data for edge in shown.scene.picture.cards[card].meets]
    total = np.sqrt(np.mean((kept[0] + kept[1]) ** 2))
    assert texts[2] == f"{text(first, 'rms')} + {text(second, 'rms')} = {text(float(total), 'rms')}"
    waiting = [shown.look(p).waiting.sum() for p in (at, at + 1, at + 2, at + 3)]
    assert waiting == [0, 1, 2, 0]


def test_nan_inf_and_exactly_zero_are_words(traces):
    shown = Shown(traces["bad"]())
    look = shown.look(99)
    assert text(float(look.lane_magnitudes[shown.lane("mm", "clamp")]), "rms") == "NaN"
    assert text(float(look.lane_magnitudes[shown.lane("w2", "mm")]), "rms") == "0 (exactly)"
    assert shown.facts.bad[shown.card("mm", 1)] == "Inf"
    assert np.isnan(look.card_magnitudes[shown.card("clamp")])


def test_what_has_no_path_says_so_and_a_failed_step_does_not(traces):
    graph_only = Shown(traces["sample"]())
    graph_only.facts.when.first[:, 1] = -1
    assert graph_only.look(3).halves[graph_only.card("clamp"), 1] == State.NO_GRAD
    failed = Shown(traces["failed"]())
    look = failed.look(3)
    assert look.halves[failed.card("mm", 1), 0] == State.ERROR
    assert look.halves[failed.card("sub"), 0] == State.PENDING
    assert gradient_text(look, failed.card("clamp")) == "not run"


def test_a_folded_module_is_partly_done_and_shows_the_maximum_at_its_boundary(traces):
    shown = Shown(traces["mlp"](), View(folded=frozenset({"net"})))
    net = shown.card("net")
    assert shown.look(1).halves[net, 0] == State.PARTLY
    assert shown.look(3).halves[net, 0] == State.DONE
    end = shown.look(99)
    assert end.card_magnitudes[net] == end.lane_magnitudes[shown.lane("net", "cross_entropy")]


@pytest.mark.parametrize("mode", ["ops", "tensors"])
@pytest.mark.parametrize("name", ["sample", "mlp", "residual", "by_hand"])
def test_every_event_shows_somewhere(traces, name, mode):
    shown = Shown(traces[name](), View(mode=mode))
    assert None not in shown.facts.when.places


def test_a_backward_written_by_hand_shows_on_the_nodes_of_the_ops_that_it_is_for(traces):
    shown = Shown(traces["by_hand"]())
    cards = [shown.scene.picture.cards[place.card].title for place in shown.facts.when.places]
    assert cards == ["dot", "square", "sum", "loss", "square", "dot", "dot", "w", "w"]
    assert [place.part for place in shown.facts.when.places][4:] == ["backward"] * 3 + ["update"] * 2
    lane = shown.lane("w", "dot")
    assert [int(shown.look(p).lanes[lane, 1]) for p in (6, 7)] == [State.PENDING, State.DONE]
    end = shown.look(9)
    assert gradient_text(end, shown.card("sum")) == "not written out"
    assert gradient_text(end, shown.card("w")) == text(float(shown.facts.magnitudes[2]), "rms")
    assert version_text(end, shown.card("w")) == "v0 → v1"


def test_measures():
    table = np.array([[4.0, 0, 4], [-3, 0, np.nan], [1, 0, np.nan], [0, 0, 0], [16, 0, np.nan], [0, 0, 1], [0, 0, 0], [1, 0, 0]])
    assert [magnitudes(table, measure)[0] for measure in ("rms", "norm", "max", "zeros")] == [2.0, 4.0, 3.0, 0.25]
    assert magnitudes(table, "rms")[1] == -1
    assert np.isnan(magnitudes(table, "max")[2])


def test_the_scale_is_fixed_and_logarithmic():
    assert [fraction(m, "rms") for m in (1e-9, 1e-8, 1e-3, 1e2, 1e9)] == pytest.approx([0, 0, 0.5, 1, 1])
    assert fraction(0.25, "zeros") == 0.25
    assert (LOW, HIGH) == MAGNITUDE_RANGE
    assert text(0.25, "zeros") == "25 %"
    assert [text(m, "rms") for m in (0.0, -1.0, float("inf"))] == ["0 (exactly)", "not counted", "Inf"]


def test_the_hover_card_says_why_there_is_no_gradient(traces):
    build = GraphBuilder()
    w, v, cut, y = (build.add_value((2,), "float32", name=n, requires_grad=n != "c", role="leaf") for n in "wvcy")
    site = build.add_site(Site("model.py", 88, 88, 4, 14, "w.detach()", "forward"))
    build.add_event("op", "forward", build.add_op("detach", (w,), (cut,), site=site))
    build.add_event("op", "forward", build.add_op("mul", (cut, v), (y,)))
    build.add_event("loss", "loss", y)
    trace = Trace(0, build.freeze(), np.arange(3, dtype=np.int32), empty_table(4), empty_table(0))
    shown = Shown(trace)
    for title, sentence in (
        ("w", "w requires grad, but its path to y is cut: detach cuts it off at model.py:88."),
        ("detach", "c has no path back to w: detach cuts it off at model.py:88."),
    ):
        hover = hover_of(shown.scene, shown.look(3), Hit("card", shown.card(title)))
        at = [label for label, _ in hover.rows].index("why none")
        assert " ".join(text for _, text in hover.rows[at:]) == sentence
        assert max(len(text) for _, text in hover.rows) <= 60
