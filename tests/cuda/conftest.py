"""Tests that need a CUDA device: ``pytest -m cuda``. Where there is none they are skipped, and say so."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "core" / "recorder"))
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # one result per sum of products

HERE = Path(__file__).parent
NO_DEVICE = "there is no CUDA device here"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder; skip it where there is no device."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cuda)
            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason=NO_DEVICE))


@pytest.fixture(autouse=True)
def _deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
