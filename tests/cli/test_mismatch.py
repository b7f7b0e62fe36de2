"""``gradwalk check --fail-on mismatch``: which ops differ from their formula, what is said of the others, and the exit code."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import torch
from custom import Cube

from gradwalk import open_recording, record
from gradwalk.cli import main
from gradwalk.trace import Compared, Verdict
from gradwalk.watches import look


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """``right``, ``wrong`` (a custom Function whose gradient is), each two steps, ``file``, which was not checked while it ran,
    and ``bare``, without tensors.
    """
    folder = tmp_path_factory.mktemp("mismatch")
    for name, level in (("right", "tensors"), ("wrong", "tensors"), ("file", "tensors"), ("bare", "structure")):
        w = torch.tensor([[1.0, 2.0], [-3.0, 0.5]], requires_grad=True)
        with record(folder / name, level=level, check_steps=range(2) if name == "wrong" else ()):
            for _ in range(2):
                h = torch.ones(2, 2).mm(w)
                loss = (h.pow(3) if name == "right" else Cube.apply(h)).sum()
                loss.backward()
                with torch.no_grad():
                    w -= 0.01 * w.grad
                    w.grad = None
    return folder


@pytest.fixture
def gradwalk(capsys, runs):
    """Run a command in this process: exit code, output, errors. Names of runs are paths."""

    def run(*words):
        code = main([str(runs / word) if word in ("right", "wrong", "file", "bare") else word for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_right_ops_pass(gradwalk):
    code, said, _ = gradwalk("check", "right", "--fail-on", "mismatch")
    lines = said.splitlines()
    assert code == 0
    assert lines[0] == "2 steps; looked for mismatch: nothing found"
    assert lines[1] == "8 ops of 2 steps from 0 to 1 checked: 8 agree, 0 differ, 0 have no reference"
    assert lines[2:] == []


def test_a_wrong_gradient_is_told_with_its_place_and_numbers(gradwalk):
    code, said, _ = gradwalk("check", "wrong", "--fail-on", "mismatch", "--step", "0")
    lines = said.splitlines()
    assert code == 1
    assert lines[0].startswith("mismatch: step 0, backward #11 CubeBackward: dL/dx of Cube is ")
    assert re.search(r" at \[[01], [01]\] where central differences give ", lines[0])
    assert ", 0.333 of the largest element, " in lines[0]
    assert lines[0].rpartition(", ")[2].startswith("test_mismatch.py:")
    assert lines[1] == "1 step; looked for mismatch: 1 finding"
    assert " of step 0 checked: " in lines[2]
    assert ", 1 differs, " in lines[2]
    again = gradwalk("check", "wrong", "--fail-on", "all")
    assert again[0] == 1
    assert "[2 times, up to step 1]" in again[1]
    code, said, _ = gradwalk("check", "wrong")
    assert (code, " checked: " in said) == (1, False), "what was found while it ran is read, nothing is computed"
    assert gradwalk("check", "file")[0] == 0, "to compute costs, so it is done on request"


def test_on_a_file_alone_a_custom_function_is_not_accused_by_the_ops_inside_it(gradwalk):
    code, said, _ = gradwalk("check", "file", "--fail-on", "mismatch", "--json")
    assert code == 0
    step = json.loads(said)["reference"][0]
    (cube,) = [op for op in step["ops"] if op["name"] == "Cube"]
    assert (step["differ"], cube["agrees"], [row["agrees"] for row in cube["rows"]]) == (0, None, [True, None])
    row = cube["rows"][1]
    assert (row["place"][1], row["recorded"], row["expected"]) == (1, 12.5, 18.75)
    assert row["max_relative_error"] == pytest.approx(1 / 3)
    said = gradwalk("check", "file", "--fail-on", "mismatch")[1]
    assert (
        "2 without reference: custom Function, not checked while it ran; Cube gives another dL/dh than the ops inside its "
        "forward (--check-steps decides)"
    ) in said


def test_the_verdict_on_each_op_as_json(gradwalk):
    code, said, _ = gradwalk("check", "wrong", "--fail-on", "mismatch", "--json")
    told = json.loads(said)
    assert code == 1
    assert [one["kind"] for one in told["findings"]] == ["mismatch"]
    assert [(step["step"], step["differ"]) for step in told["reference"]] == [(0, 1), (1, 1)]
    ops = {op["name"]: op for op in told["reference"][0]["ops"]}
    assert ops["mm"]["agrees"]
    assert [row["symbol"] for row in ops["mm"]["rows"]] == ["Z", "dL/dW"]
    assert (ops["Cube"]["agrees"], ops["Cube"]["by"], ops["Cube"]["rows"][0]["agrees"]) == (False, "central differences", False)
    assert ops["Cube"]["source"].endswith(f"test_mismatch.py:{ops['Cube']['source'].rpartition(':')[2]}")
    assert "reference" not in json.loads(gradwalk("check", "wrong", "--json")[1])


def test_without_tensors_it_says_so(gradwalk):
    code, said, error = gradwalk("check", "bare", "--fail-on", "mismatch")
    assert (code, said) == (2, "")
    assert "no op can be checked: none of these steps keeps its tensors; record with --level tensors" in error
    code, said, _ = gradwalk("check", "bare", "--fail-on", "all")
    assert code == 0
    assert said.splitlines()[-1] == "mismatch: no op can be checked: none of these steps keeps its tensors"


def test_what_was_found_while_a_step_ran_is_an_alert(runs):
    with open_recording(runs / "file") as recording:
        trace = recording[0]
        cube = next(op.id for op in trace.graph.ops if op.custom)
        row = Compared(("value", trace.graph.ops[cube].outputs[0]), "Z", "Z", (1, 0), 2.0, 1.0, 1.0, 0.5, 8e6, 1e5)
        checked = replace(trace, verdicts=(Verdict(cube, "central differences", (row,)),))
        (finding,) = look([checked], ["mismatch"]).findings
        assert finding.alert.sentence.startswith(
            "step 0, forward #4 Cube: Z is 2 at [1, 0] where central differences give 1: largest difference 1, 0.5 of the "
            "largest element, 1e+05 times what rounding explains, test_mismatch.py:"
        )
        assert finding.alert.event == 4
        assert not look([trace], ["mismatch"]).findings
        assert look([checked]).findings, "it is read where nothing is asked for"
