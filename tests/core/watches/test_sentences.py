"""Every alert names step, event, cause and source: each watch on a recorded training that has what it looks for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn
from trainings import MLP, train

from gradwalk.cli import main
from gradwalk.tape import event_at, name_of
from gradwalk.watches import KINDS, Alert, look
from gradwalk.watches.unread import without

HERE = r"(?:test_sentences|trainings)\.py:\d+"
EVENT = r"step (?P<step>\d+), (?P<phase>forward|loss|backward|update) #(?P<event>\d+)"


class Wrong(torch.autograd.Function):
    """3 x, whose backward forgets the factor."""

    @staticmethod
    def forward(ctx, x):
        return 3 * x

    @staticmethod
    def backward(ctx, grad):
        return grad


class Cut(MLP):
    def hidden(self, x, step):
        return super().hidden(x, step).detach()


class Aside(MLP):
    """What its first layer gives is not used."""

    def forward(self, x, step):
        self.hidden(x, step)
        return self.fc2(torch.ones(32, 16))


def nan_in_forward():
    w = torch.tensor([-1.0, 2.0], requires_grad=True)
    w.log().sum().backward()


def nan_in_a_weight():
    net = MLP()
    with torch.no_grad():
        net.fc1.weight[0, 0] = float("nan")
    train(net, 1)


def inf_in_backward():
    w = torch.zeros(3, requires_grad=True)
    (w.sqrt() + 1).sum().backward()


def one_of_two_given():
    net = MLP()
    train(net, 2, parameters=net.fc2.parameters())


def dead():
    net = MLP()
    with torch.no_grad():
        net.fc1.bias.fill_(-100)
    train(net, 2)


def tanhs():
    net = nn.Sequential(*[layer for _ in range(30) for layer in (nn.Linear(16, 16), nn.Tanh())], nn.Linear(16, 1))
    net(torch.randn(8, 16)).pow(2).mean().backward()


def large():
    net = nn.Sequential(*[nn.Linear(16, 16) for _ in range(12)])
    with torch.no_grad():
        for layer in net:
            layer.weight *= 8
    net(torch.randn(8, 16)).pow(2).mean().backward()


def written():
    h = torch.randn(4, requires_grad=True).sigmoid()
    h += 1
    h.sum().backward()


def wrong_function():
    w = torch.randn(4, requires_grad=True)
    Wrong.apply(w).sum().backward()


def spiked():
    train(MLP(), 30, target=lambda step: 60.0 if step in (20, 21) else 1.0)


CASES: list[tuple[str, Callable[[], object], str, str]] = [
    ("nan", nan_in_forward, "log", "made the first NaN"),
    ("nan", nan_in_a_weight, "linear", "reads the leaf fc1.weight, which held NaN"),
    ("nan", inf_in_backward, "SqrtBackward0", "made the first Inf"),
    ("no-grad", lambda: train(Cut(), 3), "detach", "fc1.weight requires grad, but its path to loss is cut: detach cuts"),
    ("no-grad", lambda: train(Aside(), 1), "linear", "fc1.weight requires grad, but loss does not depend on it"),
    ("unchanged", lambda: train(MLP(), 2, lr=0.0), "SGD.step", "fc1.weight is unchanged: its update left every element"),
    ("unchanged", one_of_two_given, "AccumulateGrad", "fc1.weight is unchanged: it got a gradient of RMS"),
    ("unchanged", dead, "SGD.step", "fc1.weight is unchanged: its update left it as it was, for its gradient is exactly 0"),
    ("spike", spiked, "loss", "the loss jumped to"),
    ("vanishing", tanhs, "AccumulateGrad", "the gradient vanishes on its way back"),
    ("exploding", large, "AccumulateGrad", "the gradient of net."),
    ("zero-grad", dead, "AccumulateGrad", "the gradient of fc1.weight is exactly 0 in every element"),
    ("dead-relu", dead, "relu", "is dead: all its 512 outputs are 0"),
    ("update-ratio", lambda: train(MLP(), 1, lr=20.0), "SGD.step", "the update of fc1.weight is"),
    ("inplace", written, "add_", "wrote in place to h"),
    ("mismatch", wrong_function, "WrongBackward", "dL/dx of Wrong is "),
]


def first_of(recording, kind: str) -> Alert:
    return look(recording, [kind]).findings[0].alert


@pytest.mark.parametrize(("kind", "program", "event", "cause"), CASES)
def test_an_alert_names_step_event_cause_and_source(kind, program, event, cause, recorded):
    recording = recorded(program, "tensors", [0] if kind == "mismatch" else [])
    alert = first_of(recording, kind)
    said = re.match(EVENT, alert.sentence)
    assert said, alert.sentence
    assert (int(said["step"]), int(said["event"])) == (alert.step, alert.event)
    trace = recording[alert.step]
    blamed = event_at(trace, alert.event)
    assert (said["phase"], name_of(trace.graph, blamed)) == (blamed.phase, event)
    assert cause in alert.sentence, alert.sentence
    assert re.search(HERE, alert.sentence), alert.sentence


def test_the_table_has_every_watch():
    assert {kind for kind, *_ in CASES} == set(KINDS)


class Spare(MLP):
    def __init__(self):
        super().__init__()
        self.spare = nn.Linear(2, 2)


class Half(nn.Linear):
    """A layer that runs without its bias."""

    def forward(self, x):
        return x @ self.weight.T


class Outer(MLP):
    def __init__(self):
        super().__init__()
        self.fc2 = Half(16, 1)


@pytest.mark.parametrize(
    ("net", "name", "module"), [(Spare, "spare.weight", r"net \(Spare\)"), (Outer, "fc2.bias", r"net\.fc2 \(Half\)")]
)
def test_a_parameter_that_no_op_reads_has_no_event_and_says_what_runs_without_it(net, name, module, recorded):
    alert = first_of(recorded(lambda: train(net(), 3)), "no-grad")
    assert alert.event == -1
    assert re.fullmatch(
        rf"step 0: {name} is never used: no op of the step reads it; {module} runs without it, {HERE}; "
        r"it gets no gradient in any of the 3 steps",
        alert.sentence,
    ), alert.sentence


def test_a_parameter_whose_module_is_not_known(recorded):
    trace = recorded(lambda: train(Spare(), 2))[0]
    spare = next(value.id for value in trace.graph.values if value.name == "spare.weight")
    bare = replace(trace, graph=replace(trace.graph, modules=()))
    assert re.fullmatch(rf"no op of the step reads it; the forward runs without it, {HERE}", without(bare, spare))


def test_the_event_of_a_spike_is_that_of_its_own_step(recorded):
    recording = recorded(spiked)
    alert = first_of(recording, "spike")
    assert alert.step == 20
    assert event_at(recording[20], alert.event).kind == "loss"


def test_check_says_the_same_in_both_forms(recorded, capsys):
    recording = recorded(spiked)
    alert = first_of(recording, "spike")
    assert main(["check", str(recording.path), "--fail-on", "spike"]) == 1
    assert capsys.readouterr().out.splitlines()[0] == f"spike: {alert.sentence}"
    assert main(["check", str(recording.path), "--fail-on", "spike", "--json"]) == 1
    (told, *_) = json.loads(capsys.readouterr().out)["findings"]
    assert (told["step"], told["event"], told["sentence"]) == (20, alert.event, alert.sentence)
