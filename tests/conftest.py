"""Every test runs without a screen, with the settings of nobody, and away from the user's own folders."""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # custom.py
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.pop("DISPLAY", None)
os.environ.pop("WAYLAND_DISPLAY", None)
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell script started the tests in the background

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="session")
def three(tmp_path_factory):
    """The run folders of the two-layer net in NumPy by hand, with autograd and with a custom Function: 20 steps of one seed."""
    from gradwalk import record

    folder = tmp_path_factory.mktemp("three")
    wishes = ["--seed", "3", "--steps", "20"]
    numpy = [sys.executable, "-m", "gradwalk", "run", "--no-window", "--record", str(folder / "numpy")]
    script = [str(EXAMPLES / "numpy_by_hand.py"), *wishes]
    subprocess.run([*numpy, *script], cwd=folder, check=True, capture_output=True)
    given = sys.argv
    for name in ("autograd", "custom_function"):
        try:
            sys.argv = [name, *wishes]
            with record(folder / name), contextlib.redirect_stdout(io.StringIO()):
                runpy.run_path(str(EXAMPLES / f"{name}.py"))
        finally:
            sys.argv = given
    return folder / "numpy", folder / "autograd", folder / "custom_function"
