"""Frame time of the graph while it animates: the two-layer net, and a picture of 500 cards. Prints milliseconds, medians.

``python benchmarks/graph_frame.py [--size 1280x800] [--frames 120]``. Without a display it runs on Qt's offscreen platform.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from gradwalk.builder import GraphBuilder
from gradwalk.sample import SampleRecording
from gradwalk.trace import NONE, Trace, empty_table
from gradwalk_gui.graph.animation import flight_of
from gradwalk_gui.graph.canvas import GraphCanvas
from gradwalk_gui.session import Session, Steps
from gradwalk_gui.theme import LIGHT


def chain(ops: int) -> Trace:
    """A step of ``ops`` ops in a row, every fourth with a parameter, and its backward."""
    build = GraphBuilder()
    value = build.add_value((64, 64), "float32", name="x", role="leaf", requires_grad=True)
    first, made, leaves = value, [], []
    for i in range(ops):
        inputs = (value,)
        if i % 4 == 0:
            leaves.append(build.add_value((64, 64), "float32", name=f"w{i}", role="leaf", requires_grad=True))
            inputs = (value, leaves[-1])
        out = build.add_value((64, 64), "float32", requires_grad=True)
        made.append((build.add_op("mm" if len(inputs) == 2 else "relu", inputs, (out,)), inputs, out))
        build.add_event("op", "forward", made[-1][0])
        value = out
    build.add_event("loss", "loss", value)
    nodes = {out: build.add_node("MmBackward0", op=op) for op, _, out in made}
    nodes |= {leaf: build.add_node("AccumulateGrad", leaf=leaf) for leaf in (first, *leaves)}
    build.add_edge(NONE, nodes[value], value=value)
    for _, inputs, out in reversed(made):
        for taken in inputs:
            build.add_edge(nodes[out], nodes[taken], value=taken)
        build.add_event("node", "backward", nodes[out])
    graph = build.freeze()
    gradients = empty_table(len(graph.edges))
    gradients[[0, 4]] = [[1.0], [1e-4]]
    gradients[5:] = 0
    return Trace(0, graph, np.arange(len(graph.events), dtype=np.int32), empty_table(len(graph.values)), gradients, loss=1.0)


@dataclass
class OneStep:
    """A recording of one step."""

    trace: Trace

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int, /) -> Trace:
        return [self.trace][index]

    def losses(self) -> np.ndarray:
        """The loss of the step."""
        return np.array([1.0])

    def source(self, file: str) -> str | None:
        """No source."""
        return None


def median(run: Callable[[], object], times: int) -> float:
    """The median time of a call in milliseconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken)


def measure(name: str, recording: Steps, size: tuple[int, int], frames: int) -> None:
    session = Session()
    session.open(recording)
    start = time.perf_counter()
    canvas = GraphCanvas(session, LIGHT)
    canvas.resize(*size)
    while canvas.scene is None or canvas.busy:
        QApplication.processEvents()
    canvas.fit_all()
    built = (time.perf_counter() - start) * 1e3
    sheet = QImage(*size, QImage.Format.Format_ARGB32_Premultiplied)

    def paint() -> None:
        canvas.render(sheet)

    def paint_all() -> None:
        canvas.layer.forget()
        canvas.render(sheet)

    session.set(reduced_motion=True)
    session.go_to(0, session.state.events // 2)
    whole = median(paint_all, 10)

    def step() -> None:
        session.next_event()
        canvas.render(sheet)

    stepped = median(step, min(10, session.state.events // 2 - 1))
    still = median(paint, frames)
    flight = max(
        (flight_of(canvas.scene, canvas.look.facts, p, 0.01) for p in range(session.state.events)), key=lambda f: len(f.legs)
    )  # type: ignore[union-attr, arg-type]
    canvas.animator.launch(flight)
    animated = median(paint, frames)
    canvas.animator.land()
    cards = len(canvas.scene.cards) if canvas.scene is not None else 0
    print(
        f"{name:14s} {cards:5d} cards  zoom {canvas.zoom:4.2f}   build {built:7.1f}   paint all {whole:6.2f}   "
        f"step {stepped:6.2f}   still frame {still:5.2f}   animated frame {animated:5.2f}"
    )
    canvas.deleteLater()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1280x800")
    parser.add_argument("--frames", type=int, default=120)
    chosen = parser.parse_args()
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    app = QApplication([])
    width, height = (int(part) for part in chosen.size.split("x"))
    print(f"{app.platformName()}, {width}x{height}, milliseconds, medians")
    measure("two-layer net", SampleRecording(2), (width, height), chosen.frames)
    measure("chain", OneStep(chain(400)), (width, height), chosen.frames)


if __name__ == "__main__":
    main()
