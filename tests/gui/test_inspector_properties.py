"""Section 7 of the inspector in the real window: strides and hooks of a real recording, and nothing of them in an old one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import gradwalk
from gradwalk_gui.state import Selection

sys.path.insert(0, str(Path(__file__).parent / "views"))
from inspected import plain

GOLDEN = Path(__file__).parents[1] / "core" / "recording" / "golden"


def clip(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.clamp(-1, 1)


def seen(*args: object) -> None:
    pass


@pytest.fixture(scope="module")
def hooked(tmp_path_factory):
    torch.manual_seed(0)
    net, folder = nn.Sequential(nn.Linear(6, 5)), tmp_path_factory.mktemp("hooked") / "run"
    net[0].weight.register_hook(clip)
    net[0].register_forward_hook(seen)
    with gradwalk.record(folder):
        h = net(torch.ones(4, 6))
        turned = h.t()
        assert turned.grad_fn is not None
        turned.grad_fn.register_prehook(seen)
        turned.square().sum().backward()
    return folder


def test_strides_and_hooks_are_said(shell, hooked):
    session = shell.session
    shell.open_path(str(hooked))
    graph, text = session.state.trace.graph, lambda: plain(shell._window.desk.views["inspector"].properties.text)
    weight = next(value for value in graph.values if value.name == "0.weight" or value.name.endswith("weight"))
    session.select(Selection("value", weight.id))
    assert "strides (6, 1) dtype float32" in text()
    assert f"hooks clip (hook, {Path(__file__).name}:{clip.__code__.co_firstlineno})" in text()
    session.select(Selection("op", next(op.id for op in graph.ops if op.name == "t")))
    assert "strides (1, 5), not contiguous" in text()
    assert "hooks" not in text()
    session.select(Selection("node", next(node.id for node in graph.nodes if node.name == "TBackward0" and node.hooks)))
    assert "hooks seen (prehook, " in text()
    session.select(Selection("module", next(call.id for call in graph.modules if call.kind == "Linear")))
    assert "hooks seen (forward hook, " in text()


def test_an_old_recording_says_nothing_of_them(shell):
    shell.open_path(str(GOLDEN / "format-1.0.mcap"))
    shell.session.select(Selection("value", 1))
    text = plain(shell._window.desk.views["inspector"].properties.text)
    assert "dtype bfloat16" in text
    assert "strides" not in text
    assert "hooks" not in text
