"""Each kind of alert on a training that has what it looks for, and none on one that has nothing."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from effort import calls
from torch import nn
from trainings import MLP, train

from gradwalk.builder import GraphBuilder
from gradwalk.tape import event_at, name_of
from gradwalk.trace import Trace, empty_table
from gradwalk.watches import KINDS, ON, WATCHES, look

HERE = r"(?:test_watches|trainings)\.py:\d+"


def found(recording, *kinds: str) -> list[str]:
    """The sentences, the kind of each checked."""
    report = look(recording, kinds or KINDS)
    assert report.steps == len(recording)
    assert {finding.alert.kind for finding in report.findings} <= set(kinds or KINDS)
    return [finding.alert.sentence for finding in report.findings]


def test_a_clean_training_gives_nothing_at_all(recorded):
    assert found(recorded(lambda: train(MLP(), 40, lr=0.01))) == []


def test_a_planted_nan_is_told_from_what_it_leads_to(recorded):
    class Planted(MLP):
        def hidden(self, x, step):
            h = super().hidden(x, step)
            return (h - 1).log() if step == 37 else h

    recording = recorded(lambda: train(Planted(), 40))
    report = look(recording)
    (finding,) = report.findings
    alert = finding.alert
    assert (alert.kind, alert.severity, alert.step, alert.carried, finding.times) == ("nan", "error", 37, False, 1)
    assert re.fullmatch(
        rf"step 37, forward #\d+ log in net made the first NaN; its input is finite \(min -1, max [\d.]+\), float32, {HERE}; "
        r"\d+ later events carried it on",
        alert.sentence,
    ), alert.sentence
    trace = recording[37]
    assert name_of(trace.graph, event_at(trace, alert.event)) == "log"
    later = look([recording[38]]).findings
    assert [one.alert.carried for one in later] == [True] * 4
    assert re.fullmatch(
        rf"step 38, forward #\d+ linear in net\.fc1 reads the leaf fc1\.weight, "
        rf"which held NaN \(128 of 128\) from the start, {HERE}",
        later[0].alert.sentence,
    ), later[0].alert.sentence


def test_a_node_that_makes_inf_from_finite_numbers(recorded):
    def program():
        w = torch.zeros(3, requires_grad=True)
        (w.sqrt() + 1).sum().backward()

    (sentence,) = found(recorded(program), "nan")
    assert re.fullmatch(
        rf"step 0, backward #\d+ SqrtBackward0 made the first Inf; its incoming gradient is finite \(max 1\); of its forward, "
        rf"its input is finite \(max 0, 3 zeros\), {HERE}; 1 later event carried it on",
        sentence,
    ), sentence


def test_an_input_with_nan_and_a_mask_with_inf(recorded):
    def masked():
        w = torch.randn(4, 4, requires_grad=True)
        scores = (w * 2).masked_fill(torch.eye(4).bool(), float("-inf"))
        scores.softmax(-1).pow(2).sum().backward()

    def poisoned():
        x, w = torch.tensor([1.0, float("nan")]), torch.ones(2, requires_grad=True)
        (x * w).sum().backward()

    assert found(recorded(masked), "nan") == []
    (sentence,) = found(recorded(poisoned), "nan")
    assert re.fullmatch(
        rf"step 0, forward #0 mul reads the input x, which held NaN \(1 of 2\) from the start, {HERE}", sentence
    ), sentence


def test_a_row_that_is_masked_throughout(recorded):
    def program():
        w = torch.randn(2, 4, requires_grad=True)
        scores = w.masked_fill(torch.ones(2, 4).bool(), float("-inf"))
        scores.softmax(-1).sum().backward()

    (sentence,) = found(recorded(program), "nan")
    assert "softmax made the first NaN; input scores holds 8 Inf, float32" in sentence


def test_a_detach_leaves_parameters_without_gradient(recorded):
    class Cut(MLP):
        def hidden(self, x, step):
            return super().hidden(x, step).detach()

    sentences = found(recorded(lambda: train(Cut(), 3)), "no-grad")
    assert len(sentences) == 2
    for name, sentence in zip(("weight", "bias"), sentences, strict=True):
        assert re.fullmatch(
            rf"step 0, forward #\d+ detach in net: fc1\.{name} requires grad, but its path to loss is cut: detach cuts .* off "
            rf"at {HERE}; it gets no gradient in any of the 3 steps",
            sentence,
        ), sentence


def test_an_unused_parameter(recorded):
    class Unused(MLP):
        def __init__(self):
            super().__init__()
            self.spare = nn.Linear(2, 2)

    sentences = found(recorded(lambda: train(Unused(), 2)), *ON)
    assert re.fullmatch(
        rf"step 0: spare\.weight is never used: no op of the step reads it; net \(Unused\) runs without it, {HERE}; "
        r"it gets no gradient in any of the 2 steps",
        sentences[0],
    ), sentences[0]
    assert len(sentences) == 2


def test_a_parameter_that_is_used_in_some_steps_only(recorded):
    class Sometimes(MLP):
        def hidden(self, x, step):
            return super().hidden(x, step).detach() if step % 2 == 0 else super().hidden(x, step)

    recording = recorded(lambda: train(Sometimes(), 4))
    assert found(recording, "no-grad") == []
    assert len(look([recording[2]], ["no-grad"]).findings) == 2


def test_a_frozen_parameter_that_the_optimizer_was_not_given(recorded):
    def program():
        net = MLP()
        train(net, 3, parameters=net.fc2.parameters())

    sentences = found(recorded(program), *ON)
    assert len(sentences) == 2
    assert re.fullmatch(
        rf"step 0, backward #\d+ AccumulateGrad: fc1\.weight is unchanged: it got a gradient of RMS [\d.e-]+, {HERE}, but none "
        rf"of the updates from #\d+ on, {HERE}, wrote to it; was it given to the optimizer\? \(the same in 3 steps\)",
        sentences[0],
    ), sentences[0]


def test_parameters_frozen_on_purpose_are_no_finding(recorded):
    def program():
        net = MLP()
        net.fc1.requires_grad_(False)
        train(net, 3, lr=0.01, parameters=net.fc2.parameters())

    assert found(recorded(program)) == []


def test_an_update_that_changes_nothing(recorded):
    sentences = found(recorded(lambda: train(MLP(), 2, lr=0.0)), "unchanged")
    assert len(sentences) == 4
    assert re.fullmatch(
        rf"step 0, update #\d+ SGD\.step: fc1\.weight is unchanged: its update left every element as it was, {HERE}; "
        r"is the learning rate 0, or too small\? \(the same in 2 steps\)",
        sentences[0],
    ), sentences[0]


def test_two_optimizers_that_take_turns_are_no_finding(recorded):
    def program():
        net, x = MLP(), torch.randn(32, 8)
        both = torch.optim.SGD(net.fc1.parameters(), 0.05), torch.optim.SGD(net.fc2.parameters(), 0.05)
        for step in range(6):
            net.zero_grad()
            net(x, step).pow(2).mean().backward()
            both[step % 2].step()

    assert found(recorded(program), *ON) == []


def test_vanishing_gradients_in_thirty_tanh_layers(recorded):
    def program():
        net = nn.Sequential(*[layer for _ in range(30) for layer in (nn.Linear(16, 16), nn.Tanh())], nn.Linear(16, 1))
        loss = net(torch.randn(8, 16)).pow(2).mean()
        loss.backward()

    (sentence,) = found(recorded(program), "vanishing", "exploding", *ON)
    said = re.fullmatch(
        rf"step 0, backward #\d+ AccumulateGrad: the gradient vanishes on its way back, "
        rf"from RMS ([\d.e+-]+) at (net\.60\.\w+) to ([\d.e+-]+) at net\.0\.weight, {HERE}; "
        r"\d+ weights of 31 get less than 1e-07",
        sentence,
    )
    assert said, sentence
    assert float(said[3]) < 1e-7 < 1e-2 < float(said[1])


def test_a_bias_before_a_batch_norm_is_no_vanishing_gradient(recorded):
    def program():
        net = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
        net(torch.randn(16, 8)).pow(2).mean().backward()

    assert found(recorded(program), "vanishing", "zero-grad") == []


def test_exploding_gradients(recorded):
    def program():
        net = nn.Sequential(*[nn.Linear(16, 16) for _ in range(12)])
        with torch.no_grad():
            for layer in net:
                layer.weight *= 8
        net(torch.randn(8, 16)).pow(2).mean().backward()

    (sentence,) = found(recorded(program), "vanishing", "exploding")
    assert re.fullmatch(
        rf"step 0, backward #\d+ AccumulateGrad: the gradient of net\.\d+\.weight has RMS [\d.]+e\+\d+, {HERE}; "
        r"\d+ parameters of 24 get more than 1e\+03",
        sentence,
    ), sentence


def test_an_in_place_write_that_autograd_refuses(recorded):
    def program():
        w = torch.randn(4, requires_grad=True)
        h = torch.sigmoid(w)
        h += 1
        h.sum().backward()

    recording = recorded(program)
    (sentence,) = found(recording, *ON)
    assert re.fullmatch(
        rf"step 0, forward #1 (add_|__iadd__|iadd) wrote in place to h, {HERE}, which SigmoidBackward0 had kept for its "
        rf"backward, {HERE}, "
        r"and autograd refused to go on",
        sentence,
    ), sentence


def test_an_in_place_write_that_autograd_does_not_see(recorded):
    def program():
        w = torch.randn(4, requires_grad=True)
        h = torch.sigmoid(w)
        h.data.add_(1)
        (h * 2).sum().backward()

    (sentence,) = found(recorded(program), *ON)
    assert "which SigmoidBackward0 had kept for its backward" in sentence
    assert sentence.endswith("its gradient is wrong")


def test_in_place_writes_that_do_no_harm(recorded):
    def program():
        w = torch.randn(4, requires_grad=True)
        for _ in range(2):
            h = (w * 2).relu_() + w
            h.add_(1)
            (h * 2).sum().backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
                w.grad.zero_()

    assert found(recorded(program), *ON) == []


def test_a_dead_relu_and_its_zero_gradient(recorded):
    def program():
        net = MLP()
        with torch.no_grad():
            net.fc1.bias.fill_(-100)
        train(net, 2)

    sentences = found(recorded(program), "dead-relu", "zero-grad", "unchanged")
    assert [
        s for s in sentences if re.fullmatch(rf"step 0, forward #1 relu in net is dead: all its 512 outputs are 0, {HERE}", s)
    ]
    assert [s for s in sentences if "AccumulateGrad: the gradient of fc1.weight is exactly 0 in every element" in s]
    assert [
        s
        for s in sentences
        if re.search(r"fc1\.bias is unchanged: its update left it as it was, for its gradient is exactly 0", s)
    ]


def test_most_units_of_a_relu_are_dead(recorded):
    def program():
        net = MLP()
        with torch.no_grad():
            net.fc1.bias[:12] = -100
        train(net, 1)

    (sentence,) = found(recorded(program), "dead-relu")
    assert re.search(r"12 of its 16 units are 0 for all 32 rows", sentence)


def test_an_update_that_is_large_beside_the_weight(recorded):
    sentences = found(recorded(lambda: train(MLP(), 1, lr=20.0)), "update-ratio")
    assert re.fullmatch(
        rf"step 0, update #\d+ SGD\.step: the update of fc1\.weight is [\d.]+ times its weights, {HERE}", sentences[0]
    )
    assert found(recorded(lambda: train(MLP(), 1, lr=0.01)), "update-ratio") == []


def test_a_loss_spike(recorded):
    recording = recorded(lambda: train(MLP(), 30, target=lambda step: 60.0 if step in (20, 21) else 1.0))
    sentences = found(recording, "spike")
    assert re.fullmatch(
        r"step 20, loss #\d+: the loss jumped to 3\.\d+e\+03, \d+(\.\d+)?(e\+\d+)? times the median of the 20 steps "
        rf"before \([\d.]+\), {HERE}; in the step before, the largest gradient was that of fc2\.bias \(RMS [\d.e-]+\)",
        sentences[0],
    ), sentences[0]


def test_the_table_of_kinds():
    assert len(set(KINDS)) == len(WATCHES)
    assert ON == ("nan", "no-grad", "unchanged", "inplace", "mismatch")
    assert all((watch.in_step is None) != (watch.in_steps is None) for watch in WATCHES)


def test_structure_alone_gives_no_false_alarm(recorded):
    assert found(recorded(lambda: train(MLP(), 3), level="structure")) == []


def test_thousands_of_steps_are_looked_at_with_little_work_for_each(recorded):
    def program():
        w1, w2, x = torch.randn(8, 8, requires_grad=True), torch.randn(8, 1, requires_grad=True), torch.randn(4, 8)
        for _ in range(2000):
            x.mm(w1).clamp(min=0).mm(w2).pow(2).mean().backward()
            with torch.no_grad():
                for w in (w1, w2):
                    w -= 0.001 * w.grad
                    w.grad = None

    recording = recorded(program)
    reports = []
    assert calls(lambda: reports.append(look(recording, KINDS))) < 1000 * 2000
    assert (reports[0].steps, reports[0].findings) == (2000, ())


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_without_anything(kind):
    empty = Trace(0, GraphBuilder().freeze(), np.zeros(0, np.int32), empty_table(0), empty_table(0))
    assert look([empty], [kind]).findings == ()
    assert look([], [kind]).steps == 0


def test_an_update_by_hand_between_two_backwards(recorded):
    def program():
        w, x = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
        h = w * x
        (h * 2).sum().backward(retain_graph=True)
        w.data -= 0.1 * w.grad
        (h * 3).sum().backward()

    sentences = found(recorded(program), "inplace")
    assert any(re.search(r"wrote in place to w, .*, which MulBackward0 had kept .*: its gradient is wrong", s) for s in sentences)
