"""Trainings recorded to a file, and what the watches find in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from gradwalk import open_recording, record
from gradwalk.recording.reader import Recording

Recorded = Callable[..., Recording]


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    """Record a program and open what was written; an error of autograd ends the program, not the test."""
    opened: list[Recording] = []

    def run(program: Callable[[], object], level: str = "statistics", check_steps: Sequence[int] = ()) -> Recording:
        folder = tmp_path / f"run{len(opened)}"
        torch.manual_seed(0)
        with suppress(RuntimeError), record(folder, level=level, check_steps=check_steps):  # type: ignore[arg-type]
            program()
        opened.append(open_recording(folder))
        return opened[-1]

    yield run
    for recording in opened:
        recording.close()
