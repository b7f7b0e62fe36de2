"""The shared runner: a program runs plain and recorded, in one process, and nothing of it may differ."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import gradwalk
from gradwalk.recording.reader import Recording

sys.path.insert(0, str(Path(__file__).parent))
from bits import assert_same_bits, outcome
from scenario import Program

WRONG = ("fault", "off", "disk", "dropped", "exception")
"""Kinds of notes that the recording of a program must not hold."""


@pytest.fixture
def harmless(tmp_path: Path) -> Callable[..., Recording]:
    """Run a program plain, then recorded; give back the recording, in which all the ``ops`` must be and no fault of ours."""

    def run(program: Program, ops: str, level: str = "statistics") -> Recording:
        plain = outcome(program)
        with gradwalk.record(tmp_path / level, level=level):
            recorded = outcome(program)
        assert_same_bits(recorded, plain)
        recording = gradwalk.open_recording(tmp_path / level)
        wrong = [note.message for note in recording.notes if note.kind in WRONG]
        assert not wrong, "\n".join(wrong)
        assert recording.ended == "clean"
        held = {op.name for trace in recording for op in trace.graph.ops}
        assert ops
        assert set(ops.split()) <= held, f"recorded: {' '.join(sorted(held))}"
        assert all(trace.done for trace in recording)
        return recording

    return run


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
