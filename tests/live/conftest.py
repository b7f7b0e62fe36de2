"""Trainings in second processes that are held."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def train(tmp_path):
    from held import Training

    made = []

    def start(*args, **kwargs):
        made.append(Training(tmp_path, *args, **kwargs))
        return made[-1]

    yield start
    for one in made:
        one.link.close()
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()
