"""``gradwalk check --end-to-end``, as typed: what it prints, as JSON, and what it refuses."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwalk import record
from gradwalk.cli import main


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """``whole``, a net in micro-batches of two with a layer before a batch norm; ``bare``, without its tensors."""
    folder = tmp_path_factory.mktemp("chained")
    for name, level in (("whole", "tensors"), ("bare", "structure")):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
        with record(folder / name, level=level):
            for _step in range(2):
                F.cross_entropy(net(torch.randn(6, 4)).sinc(), torch.randint(0, 2, (6,))).backward()
            optimizer.step()
    return folder


@pytest.fixture
def gradwalk(capsys, runs):
    def run(*words):
        code = main([str(runs / word) if word in ("whole", "bare") else word for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_it_prints_the_error_of_each_parameter_from_the_loss_on(gradwalk):
    code, said, errors = gradwalk("check", "whole", "--step", "-1", "--end-to-end")
    lines = said.splitlines()
    assert (code, errors) == (0, "")
    assert lines[0].startswith("step 1: ")
    assert lines[0].endswith(" tensors again in float64, from the leaves to the loss and back")
    assert lines[1].startswith("cross_entropy output: relative error ")
    assert [line.split()[0] for line in lines[3:9]] == [
        f"net.{name}" for name in ("3.bias", "3.weight", "1.weight", "1.bias", "0.bias", "0.weight")
    ]
    depths = [int(line.split()[1]) for line in lines[3:9]]
    assert depths == sorted(depths)
    assert all(float(line.split()[2]) < 1e-5 for line in lines[3:9])
    assert lines[7].rstrip().endswith("cancels")
    assert "the chain goes on from the recorded value at #6 sinc (there is no formula for sinc)" in lines
    assert "taken from the recording: randn, randint" in lines
    assert "what .grad held" not in said, "the micro-batch before was computed too"


def test_as_json_with_every_tensor(gradwalk):
    code, said, _ = gradwalk("check", "whole", "--step", "0", "--end-to-end", "--json")
    found = json.loads(said)
    assert code == 0
    assert {one["name"] for one in found["restarts"]} == {"sinc"}
    assert len(found["parameters"]) == 6
    assert {one["edge"] for one in found["parameters"]} <= {one["edge"] for one in found["gradients"]}
    assert {one["name"] for one in found["values"]} >= {"linear output", "dropout output", "cross_entropy output"}
    [loss] = found["loss"]
    assert loss["depth"] == 0
    assert 0 <= loss["relative"] < 1e-6


def test_what_it_refuses_in_a_sentence(gradwalk):
    goes = "gradwalk: --end-to-end goes with --step N, and with neither --steps nor --fail-on\n"
    assert gradwalk("check", "whole", "--end-to-end") == (2, "", goes)
    assert gradwalk("check", "whole", "--step", "0", "--end-to-end", "--fail-on", "nan") == (2, "", goes)
    code, said, error = gradwalk("check", "bare", "--step", "0", "--end-to-end")
    assert (code, said) == (2, "")
    assert error.startswith("gradwalk: not computed: the elements of ")
    assert "in step 0 of the recording; record it with --level tensors, or pin the step: gradwalk run --pin N" in error
