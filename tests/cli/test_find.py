"""``gradwalk check``, ``diff`` and what ``show`` finds, as typed: what they print and their exit codes."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from gradwalk import record
from gradwalk.cli import main
from gradwalk.watches import KINDS


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """``clean``, and ``nan``, which goes wrong at step 3."""
    folder = tmp_path_factory.mktemp("find")
    for name in ("clean", "nan"):
        torch.manual_seed(0)
        net, x = nn.Linear(4, 2), torch.randn(8, 4)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
        with record(folder / name):
            for step in range(6):
                optimizer.zero_grad()
                h = net(x) * (float("nan") if name == "nan" and step == 3 else 1.0)
                h.pow(2).mean().backward()
                optimizer.step()
    return folder


@pytest.fixture
def gradwalk(capsys, runs):
    """Run a command in this process: exit code, output, errors. Names of runs are paths."""

    def run(*words):
        code = main([str(runs / word) if word in ("clean", "nan") else word for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_check_tells_ci(gradwalk):
    looked = "looked for nan, no-grad, unchanged, inplace, mismatch"
    assert gradwalk("check", "clean") == (0, f"6 steps; {looked}: nothing found\n", "")
    code, said, _ = gradwalk("check", "nan")
    lines = said.splitlines()
    assert code == 1
    assert lines[0].startswith("nan: step 3, forward #1 mul made the first NaN; its input is finite (")
    assert "test_find.py:" in lines[0]
    assert lines[-1].endswith(": 1 finding")
    assert gradwalk("check", "nan", "--fail-on", "no-grad,inplace")[0] == 0
    assert gradwalk("check", "nan", "--steps", "0:3", "--fail-on", "all")[0] == 0
    assert gradwalk("check", "nan", "--step", "3")[0] == 1


def test_check_as_json(gradwalk):
    code, said, _ = gradwalk("check", "nan", "--json", "--fail-on", "all")
    found = json.loads(said)
    assert (code, found["steps"], found["unread"], found["kinds"]) == (1, 6, 0, list(KINDS))
    first = found["findings"][0]
    assert (first["kind"], first["severity"], first["step"], first["event"], first["times"]) == ("nan", "error", 3, 1, 1)
    assert gradwalk("check", "clean", "--json")[0] == 0


def test_show_with_a_filter(gradwalk):
    code, said, _ = gradwalk("show", "nan", "--step", "3", "--filter", "$nan() $phase(fwd)", "--json")
    assert code == 0
    assert [event["name"] for event in json.loads(said)] == ["mul", "pow", "mean"]
    said = gradwalk("show", "nan", "--step", "3", "--filter", "$nan() $phase(fwd)")[1]
    assert "3 events of" in said.splitlines()[-1]


def test_show_gradients_and_saved_tensors(gradwalk):
    rows = json.loads(gradwalk("show", "clean", "--step", "0", "--gradients", "--json")[1])
    assert [(row["shape"], row["exact"], row["said"]) for row in rows] == [([2, 4], True, ""), ([2], True, "")]
    table = gradwalk("show", "clean", "--step", "0", "--gradients")[1]
    assert table.splitlines()[0] == "step 0: gradients of 2 parameters"
    assert "weight" in table
    assert "2x4" in table
    kept = json.loads(gradwalk("show", "clean", "--step", "0", "--saved", "--json")[1])
    assert kept["peak"] == max(kept["held"]) > 0
    assert {row["name"] for row in kept["ops"]} >= {"linear", "pow"}
    assert "are held for the backward alone" in gradwalk("show", "clean", "--step", "0", "--saved")[1]


def test_diff(gradwalk):
    assert gradwalk("diff", "clean", "clean") == (0, "no difference above 1e-06\n", "")
    code, said, _ = gradwalk("diff", "clean", "nan", "--step", "3")
    lines = said.splitlines()
    assert code == 1
    assert lines[0].startswith("step 3: ")
    assert lines[1].startswith("#1 forward mul: h: nan 0 and 16")
    found = json.loads(gradwalk("diff", "clean", "nan", "--json")[1])
    assert (found["step"], found["other_step"], found["differences"][0]["event"]) == (3, 3, 1)
    assert gradwalk("diff", "clean", "clean", "--step", "0", "--other-step", "1", "--tolerance", "1e9")[0] == 0


def test_diff_of_two_ranks(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in (0, 1):
        monkeypatch.setenv("RANK", str(rank))
        torch.manual_seed(0)
        w = torch.randn(4, 4, requires_grad=True)
        with record(tmp_path / "run"):
            for step in range(3):
                h = w * (1.5 if rank == 1 and step == 2 else 1.0)
                h.pow(2).sum().backward()
                with torch.no_grad():
                    w -= 0.1 * w.grad
                    w.grad = None
    run = str(tmp_path / "run")
    assert main(["diff", run, run, "--rank", "0", "--other-rank", "1"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("step 2: ")
    assert lines[1].startswith("#0 forward mul: h: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "nan", "--fail-on", "nan,typo"), "--fail-on does not know 'typo'; it takes nan, no-grad, "),
        (("check", "nan", "--steps", "3"), "--steps is a range such as 100:200"),
        (("check", "nan", "--steps", "10:20"), "none of the 6 steps of the recording from 0 to 5 is in 10:20"),
        (("check", "nan", "--step", "9"), "step 9 is not in the recording"),
        (("check", "nan", "--step", "1", "--steps", "1:2"), "check takes either --step N or --steps A:B"),
        (("check", "missing"), "missing"),
        (("show", "nan", "--step", "0", "--filter", "$grad(rms"), "the filter '$grad(rms' cannot be read: a closing parenthesis"),
        (("show", "nan", "--step", "0", "--filter", "mm", "--saved"), "show takes one of --filter, --gradients and --saved"),
        (("diff", "nan", "missing"), "missing"),
        (("diff", "nan", "clean", "--other-step", "1"), "--other-step goes with --step"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(gradwalk, words, said):
    code, out, err = gradwalk(*words)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert said in err
