"""The benchmarks of the graph run, at small sizes, and print a line for each thing that they measure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(name: str, *words: str) -> str:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, str(BENCHMARKS / name), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_frames():
    told = run("graph_frame.py", "--made-up", "--frames", "4", "--cards", "150")
    far, near = re.findall(r"([\d,]+) of ([\d,]+) +[\d.]+%((?: +\d+\.\d\d){6})$", told, re.MULTILINE)
    assert far[0] == far[1], "all in sight"
    assert int(near[0]) < int(near[1])


def test_layout():
    told = run("graph_layout.py", "--only", "synthetic, 1,000", "--actions", "3", "--dot", "")
    assert re.search(r"^synthetic, 1,000 +2,\d+ .*\( *\d+\.\d\).* \(\d+\.\d\)$", told, re.MULTILINE)


def test_the_event_loop():
    told = run("event_loop.py", "--seconds", "1", "--cards", "200", "--large", "300")
    lines = re.findall(r"^(nothing to do|a training followed|\d+ cards laid out).*?((?: +[\d.]+){4})$", told, re.MULTILINE)
    assert len(lines) == 3
    assert re.search(r"^memory in MB: \d+ before, \d+ with 300 cards folded, \d+ all unfolded$", told, re.MULTILINE)
