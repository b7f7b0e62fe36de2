"""Memory that nobody has written: what happens to be in it is no number of the training, and no NaN of it."""

from __future__ import annotations

import pytest
import torch

import gradwalk


def measured(folder, program, steps=6):
    """Per step the ops by name, each with whether its outputs were measured and kept."""
    w = torch.ones(6, requires_grad=True)
    with gradwalk.record(folder, level="tensors"):
        for _ in range(steps):
            program(w)
    with gradwalk.open_recording(folder) as recording:
        assert [note.kind for note in recording.notes] == ["end"]
        for trace in recording:
            yield [
                (op.name, *[bool(trace.values[0, value] >= 0) and ("value", value) in trace.tensors for value in op.outputs])
                for op in trace.graph.ops
                if op.phase != "update"
            ]


def views(w):
    room = torch.empty(2, 3)
    room.view(-1).fill_(2.0)
    (w * room.view(6)).sum().backward()


def parts(w):
    room = torch.empty(2, 3)
    room[0] = 1.0
    room[1].fill_(2.0)
    (w.view(2, 3) * room).sum().backward()


def dummy(w):
    shape = w.detach().new_empty(1).expand(6)
    (w + torch.zeros_like(shape)).sum().backward()


def out(w):
    room = torch.empty(6)
    torch.mul(w.detach(), 2, out=room)
    (w * room).sum().backward()


WANTED = {
    views: [("empty", False), ("view", False), ("fill_", True, True), ("view", True), ("mul", True), ("sum", True)],
    parts: [
        *[("empty", False), ("setitem", False), ("getitem", False), ("fill_", True, True)],
        *[("view", True), ("mul", True), ("sum", True)],
    ],
    dummy: [("detach", True), ("new_empty", False), ("expand", False), ("zeros_like", True), ("add", True), ("sum", True)],
    out: [("empty", False), ("detach", True), ("mul", True), ("mul", True), ("sum", True)],
}


@pytest.mark.parametrize("program", WANTED, ids=lambda program: program.__name__)
def test_what_nobody_wrote_is_neither_measured_nor_kept(tmp_path, program):
    for found in measured(tmp_path / "run", program):
        assert found == WANTED[program]
