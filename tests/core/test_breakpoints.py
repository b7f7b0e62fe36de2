"""Breakpoints on the record: where the playhead stops."""

from __future__ import annotations

import numpy as np
import pytest

from gradwalk.breakpoints import at_event, at_line, at_node, checked, hit_by, stops
from gradwalk.filter import FilterError, matches, parse
from gradwalk.filter.one_event import OneEvent, matches_one
from gradwalk.gate import Breakpoint
from gradwalk.sample import SampleRecording
from gradwalk.tape import event_at, name_of, site_of


@pytest.fixture(scope="module")
def trace():
    return SampleRecording(2)[0]


def test_before_stops_in_front_of_what_matches_and_after_behind_it(trace):
    mm = np.flatnonzero(matches(parse("$op(mm)"), trace))
    assert len(mm)
    assert np.flatnonzero(stops(trace, [Breakpoint("$op(mm)")])).tolist() == mm.tolist()
    assert np.flatnonzero(stops(trace, [Breakpoint("$op(mm)", "after")])).tolist() == (mm + 1).tolist()
    both = stops(trace, [Breakpoint("$op(mm)"), Breakpoint("$op(mm)", "after"), Breakpoint("$op(sum)", enabled=False)])
    assert set(np.flatnonzero(both)) == {*mm, *(mm + 1)}
    assert not stops(trace, [Breakpoint("$op(")]).any(), "what cannot be read stops nothing"


def test_an_events_own_breakpoint_finds_it_and_nothing_of_another_name_or_line(trace):
    for position in range(len(trace.tape)):
        event = event_at(trace, position)
        found = np.flatnonzero(matches(parse(at_event(trace.graph, event)), trace)).tolist()
        assert position in found
        if event.kind != "accumulate":
            assert {name_and_line(trace.graph, event_at(trace, i)) for i in found} == {name_and_line(trace.graph, event)}


def test_a_node_has_the_same_breakpoint_before_it_has_run(trace):
    for event in trace.graph.events:
        if event.kind in ("node", "accumulate"):
            assert at_node(trace.graph, event.ref) == at_event(trace.graph, event)


def name_and_line(graph, event):
    site = site_of(graph, event)
    return name_of(graph, event), site and (site.file, site.line)


def test_a_lines_breakpoint_finds_the_events_of_the_line(trace):
    site = trace.graph.sites[0]
    found = np.flatnonzero(stops(trace, [Breakpoint(at_line(site.file, site.line))]))
    assert len(found)
    assert {site_of(trace.graph, event_at(trace, int(i))).line for i in found} == {site.line}


@pytest.mark.parametrize("text", [
    "$nan()", "+mm $grad(rms>1)", "a | -$time(ms>1)", "$value(max>3)",
    "$dtype(float32)", "+mm -$device(cuda*)", "$saved(bytes>1e6)", "$kind(node) | $dtype(float16)", "$kind(op, node) $dtype(*)",
])  # fmt: skip
def test_what_is_only_known_after_an_event_cannot_stop_before_it(text):
    assert checked(text, "after") == parse(text)
    with pytest.raises(FilterError, match="only known after it"):
        checked(text, "before")


@pytest.mark.parametrize("text", ["$kind(node) $dtype(float16)", "$kind(node, accumulate) $device(cpu)", "$kind(Node) $saved()"])
def test_what_a_node_sends_and_keeps_is_known_before_it(text):
    assert checked(text, "before") == parse(text)


@pytest.mark.parametrize("text", ["", "   "])
def test_a_breakpoint_has_to_say_where(text):
    with pytest.raises(FilterError, match="has to say where"):
        checked(text, "after")


def test_numbers_are_not_asked_for_where_the_name_does_not_match():
    def never():
        raise AssertionError("this would wait for the device")

    event = OneEvent("mm", "forward", "op", outputs=[never], edges=[never])
    assert not matches_one(parse("$nan() $op(sum)"), event)
    assert matches_one(parse("$nan() | mm"), event)
    assert hit_by(event, "after", [Breakpoint("$value(rms>1) $op(sum)", "after"), Breakpoint("mm", "after")]).text == "mm"


def test_one_event_that_runs_is_asked_as_a_recorded_one_is():
    row = (4.0, -2.0, 1.0, -1.0, 6.0, 0.0, 0.0, 1.0)
    event = OneEvent(
        "AddmmBackward0", "backward", "node", ("addmm",), "encoder.layers.3", "/a/model.py:88", ("float16",), ("cuda:0",),
        ("recomputed",), (4096, 2), 0.002, edges=[lambda: row],
    )  # fmt: skip
    for text in (
        "addmm", "Addmm*", "$phase(bwd)", "$kind(node)", "$module(encoder.*)", "$module(layers.3)", "$src(model.py:88)",
        "$dtype(float16)", "$device(cuda*)", "$tag(recomputed)", "$saved(bytes>1e3)", "$time(ms>1)", "$grad(absmax=2)",
        "$grad(zeros>0.2)", "-$nan()", "$grad(rms>1.2, rms<1.3)",
    ):  # fmt: skip
        assert matches_one(parse(text), event), text
    for text in ("mm1", "$phase(fwd)", "$value(max>0)", "$grad(nan>0)", "$src(other.py)", "$time(ms>3)"):
        assert not matches_one(parse(text), event), text
