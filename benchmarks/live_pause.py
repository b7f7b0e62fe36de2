"""How long it takes from "next event" until the training is held again (one after the other as fast as that comes), and until its
step so far can be read (stopping to look each time), in milliseconds.

``python benchmarks/live_pause.py [--events 200]``. A second process trains each workload.
"""

from __future__ import annotations

import argparse
import contextlib
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gradwalk.control import ControlError
from gradwalk.control_link import ControlLink
from gradwalk.recording.reader import open_recording

SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import torch
from workloads import WORKLOADS
torch.manual_seed(0)
step = WORKLOADS[{name!r}][0]().step
for _ in range(10_000):
    step()
"""


def connected(folder: Path, frames: queue.Queue[dict[str, Any]]) -> ControlLink:
    """A connection, as soon as the run listens."""
    for _ in range(600):
        with contextlib.suppress(ControlError):
            return ControlLink(folder, lambda frame: frames.put(dict(frame)), lambda: None)
        time.sleep(0.05)
    raise SystemExit(f"the run in {folder} never listened")


def come(frames: queue.Queue[dict[str, Any]], event: str) -> None:
    """Wait until the training is ``held``, or its step so far is ``shown``."""
    while frames.get(timeout=60)["event"] != event:
        pass


def measure(name: str, events: int) -> None:
    """One line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        script, run = Path(folder) / "train.py", Path(folder) / "run"
        script.write_text(SCRIPT.format(here=str(Path(__file__).parent), name=name), encoding="utf-8")
        command = [sys.executable, "-m", "gradwalk", "run", "--no-window", "--record", str(run), str(script)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        frames: queue.Queue[dict[str, Any]] = queue.Queue()
        link = connected(run, frames)
        link.send("breakpoints", breakpoints=[{"text": "$phase(bwd)", "when": "after"}]).result(20)
        come(frames, "shown")
        link.send("breakpoints", breakpoints=[]).result(20)
        told, read = [], []
        for _ in range(events):  # as fast as the answers come
            start = time.perf_counter()
            link.send("next-event")
            come(frames, "held")
            told.append((time.perf_counter() - start) * 1e3)
        with open_recording(run) as recording:
            for _ in range(events // 4):  # looked at each time
                start = time.perf_counter()
                link.send("next-event")
                come(frames, "shown")
                recording.poll()
                assert not recording[len(recording) - 1].done
                read.append((time.perf_counter() - start) * 1e3)
        link.close()
        process.kill()
        process.wait()
    row = [f"{statistics.median(part):10.1f}{statistics.quantiles(part, n=20)[-1]:10.1f}" for part in (told, read)]
    print(f"{name:24s}{row[0]}{row[1]}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200)
    chosen = parser.parse_args()
    from workloads import WORKLOADS

    print(f"{'':24s}{'held p50':>10s}{'p95':>10s}{'read p50':>10s}{'p95':>10s}")
    for name in WORKLOADS:
        measure(name, chosen.events)


if __name__ == "__main__":
    main()
