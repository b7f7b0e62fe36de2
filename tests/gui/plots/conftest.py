"""A small training of which every second step has a layer more, and one step a NaN; and the window with it open."""

from __future__ import annotations

import pytest
import torch

import gradwalk
from gradwalk.recording.reader import open_recording

STEPS, NAN = 24, 13


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.extra, self.fc2 = torch.nn.Linear(4, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 1)

    def forward(self, x, *, more):
        h = self.fc1(x).relu()
        return self.fc2(self.extra(h).tanh() if more else h)


def train(folder, steps=STEPS, nan=NAN):
    """Record the net; odd steps run ``extra``."""
    torch.manual_seed(0)
    net = Net()
    with gradwalk.record(folder):
        for step in range(steps):
            net.zero_grad()
            loss = net(torch.randn(6, 4), more=bool(step % 2)).square().mean()
            (loss * float("nan") if step == nan else loss).backward()


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plots") / "run"
    train(folder)
    return folder


@pytest.fixture
def recording(trained):
    with open_recording(trained) as opened:
        yield opened


@pytest.fixture
def window(shell, trained, qtbot):
    """The window with the training open, at step 3 behind its last event."""
    shell.follower.open(trained)
    qtbot.waitUntil(lambda: shell._window.desk.isVisible() and shell._window.graph.scene is not None)
    qtbot.waitUntil(lambda: shell._window.desk._wanted is None)
    shell._window.desk.show_dock("loss")
    shell.session.go_to(3, 10_000)
    return shell


@pytest.fixture
def plots(window):
    return window._window.desk.views["loss"]
