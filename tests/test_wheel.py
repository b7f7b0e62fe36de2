"""The built wheel works in a fresh environment, from a folder that is not the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def call(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_wheel_runs_a_demo_and_exports_elsewhere(tmp_path):
    call(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("gradwalk-*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    bin_folder = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    call(bin_folder / "python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel, cwd=tmp_path)
    away = tmp_path / "elsewhere"
    away.mkdir()
    call(bin_folder / "gradwalk", "demo", "numpy", "--no-window", "--train-steps", "20", "--record", "run", cwd=away)
    call(bin_folder / "python", "-m", "gradwalk", "export", "run", "--step", "3", "-o", "graph.svg", cwd=away)
    picture = (away / "graph.svg").read_text(encoding="utf-8")
    assert "dot" in picture
    assert "Inter" in picture
