"""What recording costs and how fast a recording reads: a small step and a step of 5,000 ops. Prints a table.

python benchmarks/recording_writer.py [--steps N]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # else the training's stand-in takes all cores

import numpy as np
from rich.console import Console
from rich.table import Table

from gradwalk.builder import GraphBuilder
from gradwalk.recording.info import run_info
from gradwalk.recording.reader import open_recording
from gradwalk.recording.sink import Sink
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace
from gradwalk.trace import Trace


def wide_trace(ops: int = 5000) -> Trace:
    """A step of many ops, one Node and one edge each, with numbers that look like statistics."""
    build = GraphBuilder()
    value = build.add_value((64, 64), "float32", name="x")
    for number in range(ops):
        output = build.add_value((64, 64), "float32")
        build.add_event("op", "forward", build.add_op("relu", (value,), (output,)))
        build.add_event("node", "backward", build.add_node("ReluBackward0", op=number))
        build.add_edge(number, max(number - 1, 0), value=value)
        value = output
    graph = build.freeze()
    random = np.random.default_rng(0)
    events = len(graph.events)
    return Trace(
        step=0,
        graph=graph,
        tape=np.arange(events, dtype=np.int32),
        values=random.standard_normal((8, len(graph.values))),
        gradients=random.standard_normal((8, len(graph.edges))),
        loss=1.0,
        times=np.arange(events) * 1e-6,
        durations=np.full(events, 1e-6),
    )


_MATRIX = np.ones((96, 96), np.float32)
_PRODUCT = np.empty_like(_MATRIX)


def busy(seconds: float) -> None:
    """What a training step does: calls into C of some ten microseconds, which let go of the interpreter, as torch's do."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        np.matmul(_MATRIX, _MATRIX, out=_PRODUCT)


def varied(base: Trace, count: int) -> list[Trace]:
    """Steps whose numbers differ in all digits."""
    random = np.random.default_rng(1)
    made = []
    for _ in range(count):
        values = base.values * random.standard_normal(base.values.shape)
        gradients = base.gradients * random.standard_normal(base.gradients.shape)
        values[5:7] = gradients[5:7] = 0
        made.append(replace(base, values=values, gradients=gradients, tensors={}))
    return made


def record(folder: Path, traces: list[Trace], steps: int, step_time: float) -> tuple[float, float, int]:
    """Median seconds of a hand-over, CPU seconds of the writer's thread per step, and bytes per step."""
    writer = Writer(folder, run_info())
    sink = Sink(writer)
    costs = []
    start = time.process_time() - time.thread_time()
    for step in range(steps):
        trace = replace(traces[step % len(traces)], step=step, loss=1.0 / (step + 1))
        before = time.perf_counter()
        sink.add(trace)
        costs.append(time.perf_counter() - before)
        busy(step_time)
    sink.close("clean")
    thread = time.process_time() - time.thread_time() - start
    return statistics.median(costs), thread / steps, writer.path.stat().st_size // steps


def timed(act: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    before = time.perf_counter()
    act()
    return time.perf_counter() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000, help="small steps to record (a twentieth of that of large ones)")
    steps = parser.parse_args().steps
    table = Table("", "two-layer step", "5,000-op step", "aim", title=f"recording, {steps:,} and {steps // 20:,} steps")
    rows: list[list[str]] = []
    for base, count, step_time in ((sample_trace(), steps, 0.0007), (wide_trace(), steps // 20, 0.02)):
        folder = Path(tempfile.mkdtemp()) / "run"
        cost, thread, size = record(folder, varied(base, 20), count, step_time)
        opening = timed(lambda folder=folder: open_recording(folder))
        with open_recording(folder) as recording:
            whole = sum(bool(np.isfinite(recording[i].values[1]).any()) for i in range(len(recording)))
        with open_recording(folder) as recording:
            losses = timed(recording.losses)
            first = timed(lambda recording=recording: recording[0])
            reads = [
                timed(lambda i=i, recording=recording: recording[i])
                for i in np.random.default_rng(0).permutation(len(recording))[:200]
            ]
        rows.append(
            [
                f"{cost * 1e6:.1f} us",
                f"{thread * 1e6:.0f} us",
                f"{size:,} B",
                f"{count - whole:,}",
                f"{opening * 1e3:.1f} ms",
                f"{losses * 1e3:.1f} ms",
                f"{first * 1e3:.1f} ms",
                f"{statistics.median(reads) * 1e3:.2f} ms",
                f"{max(reads) * 1e3:.2f} ms",
            ]
        )
        shutil.rmtree(folder.parent)
    names = (
        "hand-over",
        "writer's thread, CPU",
        "file, per step",
        "steps that lost something",
        "open",
        "all losses",
        "first step, with its graph",
        "read a step, median",
        "worst of 200",
    )
    aims = ("5 us / 700 us", "", "", "0", "200 ms", "", "", "5 ms", "")
    for name, small, large, aim in zip(names, *rows, aims, strict=True):
        table.add_row(name, small, large, aim)
    Console().print(table)


if __name__ == "__main__":
    main()
