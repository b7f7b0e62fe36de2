"""Two ranks on the CPU, started by torchrun as on a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("train.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
LAUNCH = [*TORCHRUN, "--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
OURS = ["--no-python", sys.executable, "-m", "gradwalk", "run", "--no-window", "--record", "run"]

ABORTED, PLAIN_TRIES = "terminate called without an active exception", 3
"""How torch's own threads now and then end a rank on a busy machine as it leaves. A plain run is tried again; a recorded one
never: nothing of ours is in a plain run, and nothing of ours may do that."""


@pytest.fixture(scope="session")
def recorded_command():
    """What starts two ranks of ``train.py`` that are recorded into the folder ``run``."""
    return [*LAUNCH, *OURS, str(SCRIPT)]


@pytest.fixture(scope="session")
def environment():
    """For processes that are launched as ranks."""
    hidden = ("RANK", "WORLD_SIZE", "GRADWALK_PARENT_PID", "DISPLAY", "WAYLAND_DISPLAY", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "OMP_NUM_THREADS": "1", "GRADWALK_NO_WINDOW": "1"}


@pytest.fixture(scope="module")
def torchrun(tmp_path_factory, environment):
    """Run ``train.py`` on two ranks, plain or recorded into the folder that the result has as ``folder``."""

    def run(*arguments, recorded=True):
        place = tmp_path_factory.mktemp("ranks")
        command = [*LAUNCH, *(OURS if recorded else []), str(SCRIPT), *arguments]
        for _ in range(1 if recorded else PLAIN_TRIES):
            result = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=120, check=False)
            if ABORTED not in result.stderr:
                break
        result.folder = place / "run"
        return result

    return run
