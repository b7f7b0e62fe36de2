"""Writes golden/format-<version>.mcap: what a release's files look like. Run it once per format version, never again.

python tests/core/recording/make_golden.py
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from gradwalk.builder import GraphBuilder
from gradwalk.recording.format import MINOR, VERSION
from gradwalk.recording.info import RunInfo
from gradwalk.recording.verdicts import Verdicts
from gradwalk.recording.writer import Writer
from gradwalk.trace import Compared, Frame, Graph, Hook, Kept, Saved, Site, StepError, TensorKey, Trace, Verdict

GOLDEN = Path(__file__).parent / "golden"
INFO = RunInfo(
    run_id="golden",
    program=("train.py", "--epochs", "3"),
    script="train.py",
    kind="torch",
    device="cuda:0",
    world_size=2,
    pid=4121,
    python="3.11.7",
    torch="2.13.0",
    host="server",
    started=1.75e9,
    level="tensors",
    every=2,
    steps_planned=500,
)
SOURCE = "y = x.mm(w)  # schön\n"


def golden_graph(name: str, minor: int = MINOR) -> Graph:
    """A graph with all that a file of this minor version holds: strides and hooks since 1.1, masks of dropouts since 1.2."""
    clip = (Hook("hook", "clip", "train.py", 9),) if minor >= 1 else ()
    strides = [(1, 4), (2, 1), (2, 1)] if minor >= 1 else [None] * 3
    build = GraphBuilder()
    module = build.add_module("fc", "net.fc", "Linear", hooks=clip)
    site = build.add_site(Site("train.py", 1, 1, 4, 11, "x.mm(w)", "main", (Frame("train.py", 1, "main"),)))
    x = build.add_value((4, 3), "float32", name="x", strides=strides[0])
    w = build.add_value((3, 2), "bfloat16", name="w", role="leaf", requires_grad=True, strides=strides[1], hooks=clip)
    y = build.add_value((4, 2), "float32", name=name, device="cuda:0", requires_grad=True, strides=strides[2])
    mm = build.add_op("mm", (x, w), (y,), arguments=(("out", "None"),), module=module, site=site, variable=name)
    build.add_event("op", "forward", mm)
    build.add_event("loss", "loss", y)
    node = build.add_node("MmBackward0", op=mm, sequence=7, saved=(Saved("self", x, (4, 3), "float32", 48),), hooks=clip)
    grad = build.add_node("AccumulateGrad", leaf=w)
    build.add_edge(-1, node, value=y)
    build.add_edge(node, grad, output=1, value=w)
    build.add_edge(grad, -1, value=w)
    build.add_event("node", "backward", node)
    build.add_event("accumulate", "backward", grad)
    return build.freeze()


def golden_traces(minor: int = MINOR) -> list[Trace]:
    """Eight steps of two graphs, without any random numbers."""
    graphs = golden_graph("y", minor), golden_graph("z", minor)
    traces = []
    for step in range(8):
        values = (np.arange(24, dtype=np.float64).reshape(8, 3) - 7) / (step + 3)
        traces.append(
            Trace(
                step=2 * step,
                graph=graphs[step % 3 == 1],
                tape=np.arange(4, dtype=np.int32),
                values=values,
                gradients=values**2,
                loss=100.0 / (step + 1),
                start=1.75e9 + step,
                times=np.arange(4) / 8,
                durations=np.full(4, 0.125),
            )
        )
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    tensors: dict[TensorKey, Kept] = {
        ("value", 0): Kept(x, "float32", (4, 3)),
        ("value", 1): Kept(np.array([[1, -2], [0.5, 3], [0, 4]], np.float32), "bfloat16", (3, 2)),
        ("gradient", 1): Kept(np.arange(5, dtype=np.float64), "float64", (100, 7), complete=False),
    }
    if minor >= 2:
        tensors["mask", 0] = Kept(x % 5 > 0, "bool", (4, 3))
    traces[1] = replace(traces[1], tensors=tensors, shapes={0: (9, 3), 2: (9, 2)})
    if minor >= 1:
        traces[3] = replace(traces[3], strides={0: (3, 1), 2: (0, -1)})
    traces[2] = replace(traces[2], loss=None, label="forward only")
    error = StepError("ValueError", "shapes differ", 1, "Traceback ...")
    traces[7] = replace(traces[7], done=False, error=error, tape=traces[7].tape[:2], times=np.zeros(2), durations=np.zeros(2))
    return traces


def golden_verdicts() -> tuple[Verdict, ...]:
    """Those of step 6 (since format 1.1)."""
    row = Compared(("gradient", 1), "dL/dw", "(f(x + h d) - f(x - h d)) / 2h", (2, 1), 1.5, -1.5, 3.0, 2.0, 1e7, 400.0, 3)
    return (Verdict(0, "central differences", (row, replace(row, place=(), off=0.5)), "schön"),)


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        writer = Writer(Path(place) / "run", INFO)
        writer.source("train.py", SOURCE)
        for trace in golden_traces():
            writer.add(trace)
            writer.scalar("lr", trace.step, 0.5)
            if trace.step == 8:
                writer.add_verdicts(Verdicts(6, golden_verdicts()))
            if trace.step in (4, 10):
                writer.flush()
        writer.note("exception", "ValueError: shapes differ", 14)
        writer.close("error")
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / f"format-{VERSION}.mcap").write_bytes(writer.path.read_bytes())


if __name__ == "__main__":
    main()
