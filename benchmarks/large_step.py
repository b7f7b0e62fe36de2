"""A step that is larger than what may wait for the file: how it is written, checked and computed end to end from there.

``python benchmarks/large_step.py``. Trains GPT-2 with 12 layers (87 million weights) for four steps, of which the
second is pinned, in a process of its own; then times ``gradwalk check`` on the file, with ``--fail-on mismatch`` and with
``--end-to-end``. Prints seconds of wall time, sizes, and what was said. It takes 3 GB of memory and of the temporary folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TRAINING = """
import resource, sys
sys.path.insert(0, sys.argv[1])
import torch
from workloads import gpt2

torch.manual_seed(0)
workload = gpt2()
for _ in range(4):
    workload.step()
print(f"the training took {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB at most")
"""


def timed(*words: str) -> tuple[float, str]:
    """Seconds that a command of ``gradwalk`` takes, and what it says."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "gradwalk", *words], capture_output=True, text=True, check=True)
    return time.perf_counter() - start, done.stdout


def size_of(folder: Path) -> float:
    """Gigabytes that a folder takes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e9


def main() -> None:
    """Record, check, compute, print."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(f"{os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        script, run = Path(folder) / "train.py", Path(folder) / "run"
        script.write_text(TRAINING, encoding="utf-8")
        seconds, said = timed("run", "--no-window", "--record", str(run), "--pin", "1", str(script), str(Path(__file__).parent))
        print(f"{said.splitlines()[0]}; recorded in {seconds:.1f} s, {size_of(run):.1f} GB in the file")
        seconds, said = timed("check", str(run), "--fail-on", "mismatch", "--step", "1")
        print(f"checked in {seconds:.1f} s: {said.splitlines()[1]}")
        seconds, said = timed("check", str(run), "--step", "1", "--end-to-end")
        print(f"end to end in {seconds:.1f} s, {len(said.splitlines())} lines")


if __name__ == "__main__":
    main()
