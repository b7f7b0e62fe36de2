"""Verdicts in a recording: they may come after their step, the last one counts, and the end of a run waits for them, a while."""

from __future__ import annotations

import math
import threading
from dataclasses import replace

import pytest

from gradwalk.recording import checks
from gradwalk.recording.checks import Checker, Checks
from gradwalk.recording.reader import open_recording
from gradwalk.recording.sink import Sink
from gradwalk.recording.verdicts import Verdicts
from gradwalk.reference import whole
from gradwalk.refusal import RefusalError
from gradwalk.trace import Compared, Verdict

ROW = Compared(("gradient", 2), "dL/dw", "X^T dL/dZ", (1, 0), 1.0, -1.0, 2.0, 2.0, math.inf, math.inf, kinks=2)
FIRST = Verdict(0, "formula", (ROW, replace(ROW, tensor=("value", 3), place=(), off=0.0)))
SECOND = Verdict(1, "ops inside", (), "not checked: schön \ud800")


def test_a_verdict_comes_after_its_step_and_the_last_one_counts(writer, trace):
    writer.add(replace(trace(0), verdicts=(FIRST,)))
    writer.add(trace(1))
    writer.flush()
    with open_recording(writer.folder) as recording:
        assert [one.verdicts for one in recording] == [(FIRST,), ()]
        writer.add_verdicts(Verdicts(0, (SECOND,)))
        writer.add_verdicts(Verdicts(1, (FIRST, SECOND)))
        writer.add_verdicts(Verdicts(1, (replace(FIRST, sentence="again"),)))
        writer.flush()
        assert recording.poll()
        assert recording[0].verdicts == (FIRST, SECOND)
        assert recording[1].verdicts == (replace(FIRST, sentence="again"), SECOND)
        assert recording.checked_steps().tolist() == [0, 1]
        assert (recording.gaps, recording.skipped) == ([], [])


def test_thousands_of_verdicts_are_kept(writer, trace):
    found = [replace(FIRST, rows=FIRST.rows * (1 + number % 7), sentence=f"{number} " + "x" * 2000) for number in range(2500)]
    writer.add(trace(0))
    for at in range(0, 2500, 1250):
        writer.add_verdicts(Verdicts(0, tuple(found[at : at + 1250])))
    writer.close("clean")
    with open_recording(writer.folder) as recording:
        (last,) = recording[0].verdicts
        assert (last.rows, last.sentence) == (found[-1].rows, found[-1].sentence[:600])
        assert recording.gaps == []


def test_which_steps_are_checked():
    some = Checks([range(1), range(100, 101)])
    assert [some.begins(step, step + 1) for step in (0, 1, 99, 100)] == [True, False, False, True]
    assert not some.begins(101, 102)
    assert not some.near
    some.ask(None)
    assert some.near
    assert [some.begins(step, step + 1) for step in (102, 103)] == [True, False]
    some.ask(105)
    assert not some.begins(104, 106)
    assert not some.near
    assert some.begins(105, 106)


def test_a_step_that_will_not_come_is_refused(writer):
    sink = Sink(writer, every=2, steps=10)
    sink.plan(4)
    with pytest.raises(RefusalError, match="step 4 has begun already"):
        sink.check(4)
    with pytest.raises(RefusalError, match="step 7 is not recorded"):
        sink.check(7)
    assert sink.check(6) == 4
    assert sink.plan(6) is sink.plan(6)
    assert sink.everything(6)
    sink.plan(8)
    with pytest.raises(RefusalError, match="records its first 10 steps only"):
        sink.check()
    with pytest.raises(RefusalError, match="structure only"):
        Sink(writer, level="structure").check()


def test_the_end_waits_for_checks_under_way_but_not_for_ever(trace, monkeypatch):
    begun, go_on, given = threading.Event(), threading.Event(), []

    def slowly(one, told):
        begun.set()
        go_on.wait(10)
        return whole.StepCheck(one.step, {0: FIRST} if told(0, 1) else {})

    monkeypatch.setattr(whole, "check_step", slowly)
    monkeypatch.setattr(checks, "LITTLE_PATIENCE", 0.05)
    checker = Checker(given.append)
    checker.add(trace(0))
    assert begun.wait(10)
    checker.add(trace(1))
    checker.close(stopped=True)
    assert given == []
    go_on.set()
    patient = Checker(given.append)
    patient.add(trace(5))
    patient.close(stopped=False)
    assert Verdicts(5, (FIRST,)) in given
