"""A pulse is in the air, and the graph changes under it."""

from __future__ import annotations

import torch
from torch import nn

import gradwalk


def record(folder):
    """Two structures: four layers, then one."""
    torch.manual_seed(0)
    long, short = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3), nn.Tanh()), nn.Linear(3, 1)
    with gradwalk.record(folder):
        for net in (long, short):
            net(torch.randn(2, 3)).square().mean().backward()
    return gradwalk.open_recording(folder)


def test_a_step_of_another_structure_ends_it(shell, qtbot, tmp_path):
    view, session = shell._window.graph, shell.session
    with record(tmp_path / "run") as recording:
        session.open(recording)
        qtbot.waitUntil(lambda: view.scene is not None and view.isVisible())
        session.set(reduced_motion=False)
        flown = 0
        for position in range(session.state.events - 1):
            session.go_to(0, position)
            session.unfold_all()
            qtbot.waitUntil(lambda: not view.busy)
            session.next_event()
            flown += view.animator.running
            session.go_to(1, 0)
            qtbot.waitUntil(lambda: view.scene.graph.key == recording[1].graph.key)
            assert not view.animator.running
            view.grab()
            session.go_to(0, 0)
            qtbot.waitUntil(lambda: view.scene.graph.key == recording[0].graph.key)
        assert flown > 5


def test_folding_ends_it(shell, qtbot, tmp_path):
    view, session = shell._window.graph, shell.session
    with record(tmp_path / "run") as recording:
        session.open(recording)
        qtbot.waitUntil(lambda: view.scene is not None and view.isVisible())
        session.set(reduced_motion=False)
        for position in range(session.state.events - 1):
            session.unfold_all()
            session.go_to(0, position)
            qtbot.waitUntil(lambda: not view.busy)
            session.next_event()
            session.unfold_to(1)
            qtbot.waitUntil(lambda: not view.busy)
            view.grab()
