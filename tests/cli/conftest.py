"""The commands as a user types them: in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def environment(tmp_path):
    hidden = ("RANK", "WORLD_SIZE", "GRADWALK_PARENT_PID", "PYTHONUNBUFFERED", "DISPLAY", "WAYLAND_DISPLAY")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # several processes at once must not wait for each other
    return {**kept, **threads, "XDG_STATE_HOME": str(tmp_path / "state"), "GRADWALK_NO_WINDOW": "1", "COLUMNS": "100"}


@pytest.fixture
def python(tmp_path, environment):
    """Run python with arguments in an empty folder; ``input`` goes to its standard input."""

    def run(*arguments, input="", cwd=tmp_path, **more):  # noqa: A002
        command = [sys.executable, *map(str, arguments)]
        changed = {**environment, **more.pop("env", {})}
        return subprocess.run(
            command, input=input, cwd=cwd, env=changed, capture_output=True, text=True, timeout=120, check=False, **more
        )

    return run


@pytest.fixture
def gradwalk(python):
    """Run the command ``gradwalk``."""
    return lambda *arguments, **more: python("-m", "gradwalk", *arguments, **more)


@pytest.fixture
def write(tmp_path):
    """Write a script into the empty folder."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def without_our_lines(text: str) -> str:
    """Standard error without what Gradwalk itself says there."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("gradwalk: "))


EXAMPLES = Path(__file__).parents[2] / "examples"
