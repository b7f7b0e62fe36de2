"""Long recordings: memory while a million steps are written, opening and reading them, following one live. Prints a table.

python benchmarks/recording_at_length.py [--steps N] [--wide-steps N] [--tail-steps N]; the figures of the docs: --full
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from gradwalk.recording.info import run_info
from gradwalk.recording.reader import open_recording
from gradwalk.recording.sink import Sink
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace

sys.path.insert(0, str(Path(__file__).parent))
from recording_writer import timed, varied, wide_trace

FULL = {"steps": 1_000_000, "wide_steps": 10_000, "tail_steps": 20_000}
AT_ONCE = 70
"""Steps between two writes: as many as a training of 0.7 ms a step does in the writer's 50 ms."""


def resident() -> float:
    """Megabytes that this process holds now; NaN where that cannot be asked."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    except OSError:
        return float("nan")


def write(folder: Path, kind: str, steps: int) -> dict[str, float]:
    """Record; gives by how many megabytes the process grew after the first twentieth, and the seconds that it took."""
    traces = varied(wide_trace() if kind == "wide" else sample_trace(), 20)
    sink = Sink(Writer(folder, run_info()))
    at_once = 1 if kind == "wide" else AT_ONCE
    before, start, early, most = time.perf_counter(), max(1, steps // 20), 0.0, 0.0
    for step in range(steps):
        sink.add(replace(traces[step % 20], step=step, loss=1.0 / (step + 1)))
        if step % at_once == at_once - 1:
            sink.writer.flush(60)
        if step == start:
            early = resident()
        elif step % 1000 == 0:
            most = max(most, resident())
    most = max(most, resident())
    sink.close("clean")
    return {"growth": most - early, "seconds": time.perf_counter() - before, "bytes": sink.writer.path.stat().st_size}


def read(folder: Path, steps: int) -> dict[str, float]:
    """Open, all losses, the first step with its graph, 300 steps anywhere; in milliseconds, and megabytes."""
    memory = resident()
    own = time.thread_time()
    opening = timed(lambda: open_recording(folder))
    own_opening = time.thread_time() - own
    recording = open_recording(folder)
    assert len(recording) == steps
    losses = timed(recording.losses)
    first = timed(lambda: recording[0])
    anywhere = np.random.default_rng(0).permutation(steps)[:300]
    own = time.thread_time()
    reads = np.array([timed(lambda i=int(i): recording[i]) for i in anywhere]) * 1e3
    own_read = (time.thread_time() - own) / len(anywhere)
    assert all(recording[int(i)].step == i for i in anywhere[:50])
    return {
        "open": opening * 1e3,
        "own open": own_opening * 1e3,
        "own read": own_read * 1e3,
        "losses": losses * 1e3,
        "first": first * 1e3,
        "median": float(np.median(reads)),
        "p99": float(np.percentile(reads, 99)),
        "memory": resident() - memory,
        "groups": len(recording._tail.index.chunks),
    }


def live(folder: Path, steps: int) -> None:
    """What the training process of the tail measurement does."""
    sink, base = Sink(Writer(folder, run_info())), sample_trace()
    for step in range(steps):
        sink.add(replace(base, step=step, loss=float(step), start=time.time(), tensors={}))
        end = time.perf_counter() + 0.0007
        while time.perf_counter() < end:
            pass
    sink.close("clean")


def follow(folder: Path) -> list[float]:
    """Milliseconds from handing a step over to seeing it, per step; a look every 10 ms, as the window has it."""
    while not (folder / "run.json").exists():
        time.sleep(0.01)
    recording, seen, delays = open_recording(folder), 0, []
    while not recording.closed:
        if recording.poll():
            now = time.time()
            delays += [(now - recording[step].start) * 1e3 for step in range(seen, len(recording), 8)]
            seen = len(recording)
        time.sleep(0.01)
    return delays


def apart(*words: object) -> dict[str, Any]:
    """A part of this in a process of its own, so that memory and caches are its own."""
    command = [sys.executable, __file__, *map(str, words)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return found


def measured(kind: str, steps: int) -> list[str]:
    """One column of the table."""
    place = Path(tempfile.mkdtemp(prefix="gradwalk-"))
    try:
        wrote = apart("write", place / "run", kind, steps)
        whole = apart("read", place / "run", steps)
        file = place / "run/rank00000.0000.mcap"
        os.truncate(file, file.stat().st_size - 40)  # as after a kill: no footer, so no index
        killed = apart("read", place / "run", steps)
    finally:
        shutil.rmtree(place)
    return [
        f"{steps:,}",
        f"{wrote['bytes'] / 1e6:,.0f} MB in {whole['groups']:,} groups",
        f"{wrote['growth']:.1f} MB",
        f"{whole['open']:.0f} ms ({whole['own open']:.0f} ms)",
        f"{killed['open']:.0f} ms ({killed['own open']:.0f} ms)",
        f"{whole['losses']:.0f} ms",
        f"{whole['first']:.1f} ms",
        f"{whole['median']:.2f} / {whole['p99']:.2f} ms ({whole['own read']:.2f} ms)",
        f"{whole['memory']:.0f} MB",
    ]


NAMES = (
    "steps",
    "file",
    "memory growth while writing",
    "open (processor time)",
    "open, killed run",
    "all losses",
    "first step with its graph",
    "read a step anywhere, median / p99 (mean processor time)",
    "memory of the reader",
)
AIMS = ("", "", "10 MB", "200 ms", "200 ms", "", "", "5 ms", "")


def tail(steps: int) -> str:
    """The delays of a live run in words."""
    place = Path(tempfile.mkdtemp(prefix="gradwalk-"))
    with subprocess.Popen([sys.executable, __file__, "live", str(place / "run"), str(steps)]) as child:
        delays = np.array(follow(place / "run"))
        child.wait()
    shutil.rmtree(place)
    return f"{np.median(delays):.0f} / {np.percentile(delays, 99):.0f} / {delays.max():.0f} ms, {steps:,} steps"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000, help="small steps; 0 leaves them out")
    parser.add_argument("--wide-steps", type=int, default=100, help="steps of 5,000 ops; 0 leaves them out")
    parser.add_argument("--tail-steps", type=int, default=2000, help="steps followed live; 0 leaves them out")
    parser.add_argument("--full", action="store_true", help=f"the figures of docs/how-it-is-tested.md: {FULL}")
    given = parser.parse_args()
    if given.full:
        vars(given).update(FULL)
    columns = {"two-layer step": measured("small", given.steps)} if given.steps else {}
    if given.wide_steps:
        columns["5,000-op step"] = measured("wide", given.wide_steps)
    table = Table("", *columns, "aim")
    for name, *cells, aim in zip(NAMES, *columns.values(), AIMS, strict=True):
        table.add_row(name, *cells, aim)
    if columns:
        Console().print(table)
    if given.tail_steps:
        Console().print(f"seen live after, median / p99 / worst (aim: p99 under 100 ms): {tail(given.tail_steps)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        print(json.dumps(write(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))))
    elif sys.argv[1:2] == ["read"]:
        print(json.dumps(read(Path(sys.argv[2]), int(sys.argv[3]))))
    elif sys.argv[1:2] == ["live"]:
        live(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
