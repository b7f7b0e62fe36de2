"""A pulse is in the air, and the graph changes under it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import gradwalk


@pytest.fixture
def structures(shell, qtbot, tmp_path):
    """The window with two structures, four layers and then one; pulses fly."""
    torch.manual_seed(0)
    long, short = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3), nn.Tanh()), nn.Linear(3, 1)
    with gradwalk.record(tmp_path / "run"):
        for net in (long, short):
            net(torch.randn(2, 3)).square().mean().backward()
    with gradwalk.open_recording(tmp_path / "run") as recording:
        shell.session.open(recording)
        qtbot.waitUntil(lambda: shell._window.graph.scene is not None and shell._window.graph.isVisible())
        shell.session.set(reduced_motion=False)
        yield shell


def in_the_air(shell, qtbot):
    """At each place of the first step, just when its event has begun to fly."""
    view, session = shell._window.graph, shell.session
    for position in range(session.state.events - 1):
        session.go_to(0, position)
        session.unfold_all()
        qtbot.waitUntil(lambda: view.scene.graph.key == session.state.trace.graph.key and not view.busy)
        session.next_event()
        yield view.animator.running


def test_a_step_of_another_structure_ends_it(structures, qtbot):
    view, session, flown = structures._window.graph, structures.session, 0
    for flies in in_the_air(structures, qtbot):
        flown += flies
        session.go_to(1, 0)
        qtbot.waitUntil(lambda: view.scene.graph.key == session.state.trace.graph.key)
        assert not view.animator.running
        view.grab()
    assert flown > 5


def test_folding_ends_it(structures, qtbot):
    view, flown = structures._window.graph, 0
    for flies in in_the_air(structures, qtbot):
        flown += flies
        structures.session.unfold_to(1)
        qtbot.waitUntil(lambda: not view.busy)
        view.grab()
    assert flown > 5
