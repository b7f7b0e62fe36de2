"""Trainings with nothing wrong in them that look odd to a watch: none of them is a finding."""

from __future__ import annotations

import torch
from trainings import MLP, train

from gradwalk.watches import ON, look
from gradwalk.why import without_gradient


def found(recording, *kinds: str) -> list[str]:
    return [finding.alert.sentence for finding in look(recording, kinds or ON).findings]


def test_weights_that_an_optimizer_moves_between_the_calls_of_its_closure_are_no_finding(recorded):
    """The line search ends with its last try: the update of the last step leaves the weights as that step had them."""

    def program():
        net, x = MLP(), torch.randn(32, 8)
        optimizer = torch.optim.LBFGS(net.parameters(), lr=0.5, max_iter=3, line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            loss = (net(x, 0) - 1).pow(2).mean()
            loss.backward()
            return loss

        for _ in range(4):
            optimizer.step(closure)

    assert found(recorded(program), *ON) == []


def test_an_input_that_asks_for_its_gradient_is_no_weight(recorded):
    def program():
        net, batches = MLP(), torch.randn(4, 32, 8).unbind()
        optimizer = torch.optim.SGD(net.parameters(), 0.01)
        for step in range(4):
            batch = torch.from_numpy(batches[step].numpy().copy()).requires_grad_()
            optimizer.zero_grad()
            net(batch, step).pow(2).mean().backward()
            optimizer.step()

    assert found(recorded(program), *ON) == []


def test_a_mask_in_every_step_is_not_the_first_inf_of_the_run(recorded):
    """The steps up to the first accident keep their tensors, and the note names that; masks of Inf come before it."""

    def program():
        w = torch.ones(4, 4, requires_grad=True)
        for step in range(80):
            mask = torch.zeros(4, 4).masked_fill(torch.eye(4).bool(), float("-inf"))
            scores = w * (mask + 0)
            rows = (scores if step == 70 else w + mask).softmax(1)
            rows.sum().backward()
            w.grad = None

    recording = recorded(program)
    (note,) = [note for note in recording.notes if note.kind == "nan"]
    assert note.step == 70
    assert note.message == "step 70: the first NaN of the run; 4 NaN in the gradient of w"
    assert all(recording[step].tensors for step in range(63, 71))
    assert found(recording, "nan")[0].startswith("step 70, backward #")


def test_a_second_net_that_is_made_after_the_first_has_learnt_is_no_finding(recorded):
    """Its parameters are initialised in the step in which they get their first gradient: under no_grad, in place."""

    def program():
        train(MLP(), 3, lr=0.01)
        train(MLP(), 3, lr=0.01)

    recording = recorded(program)
    first = recording[3]
    assert any(op.name == "kaiming_uniform_" for op in first.graph.ops)
    assert without_gradient(first) == []
    assert found(recording, *ON) == []
