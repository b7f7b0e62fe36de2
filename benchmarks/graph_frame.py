"""Frame time of the graph: the two-layer net, and made-up models wholly unfolded and all in sight. Prints milliseconds, medians.

``python benchmarks/graph_frame.py [--size 1280x800] [--frames 120] [--cards 500,5000]``. Without a display it runs on Qt's
offscreen platform.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable

from big_graphs import OneStep, model
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from gradwalk.sample import SampleRecording
from gradwalk_gui.graph.animation import flight_of
from gradwalk_gui.graph.canvas import GraphCanvas
from gradwalk_gui.session import Session
from gradwalk_gui.state import Steps
from gradwalk_gui.theme import LIGHT


def median(run: Callable[[], object], times: int) -> float:
    """The median time of a call in milliseconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken)


def measure(name: str, recording: Steps, size: tuple[int, int], frames: int) -> None:
    """Print a line: how long until it shows, then frames after a zoom, a pan, an event, nothing, and with pulses in the air."""
    session = Session()
    session.open(recording)
    session.unfold_all()
    session.set(reduced_motion=True)
    start = time.perf_counter()
    canvas = GraphCanvas(session, LIGHT)
    canvas.resize(*size)
    while canvas.scene is None or canvas.busy:
        QApplication.processEvents()
    canvas.fit_all()
    built = (time.perf_counter() - start) * 1e3
    sheet = QImage(*size, QImage.Format.Format_ARGB32_Premultiplied)
    canvas.render(sheet)

    def after(act: Callable[[int], object], times: int) -> float:
        turns = iter(range(times))

        def frame() -> None:
            act(next(turns))
            canvas.render(sheet)

        return median(frame, times)

    session.go_to(0, session.state.events // 2)
    zoomed = after(lambda turn: canvas.zoom_by(1.02 if turn % 2 else 1 / 1.02), 12)
    middle = canvas.scene.width / 2, canvas.scene.height / 2
    panned = after(lambda turn: canvas.centre_on(middle[0] + (turn % 2) * 3 / canvas.zoom, middle[1]), frames)
    stepped = after(lambda _: session.next_event(), min(10, session.state.events // 2 - 1))
    still = after(lambda _: None, frames)
    assert canvas.look is not None
    events = range(0, session.state.events, max(session.state.events // 500, 1))
    flights = [flight_of(canvas.scene, canvas.look.facts, event, 0.01) for event in events]
    canvas.animator.launch(max(flights, key=lambda flight: len(flight.legs)))
    animated = after(lambda _: None, frames)
    canvas.animator.land()
    print(
        f"{name:18s}{len(canvas.scene.picture.cards):7,d} cards at {canvas.zoom:.2%}  shown {built:8.1f}  zoom {zoomed:7.2f}  "
        f"pan {panned:6.2f}  step {stepped:6.2f}  still {still:5.2f}  animated {animated:5.2f}"
    )
    canvas.deleteLater()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1280x800")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--cards", default="500,5000", help="sizes of the made-up models")
    chosen = parser.parse_args()
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    app = QApplication([])
    width, height = (int(part) for part in chosen.size.split("x"))
    print(f"{app.platformName()}, {width}x{height}, milliseconds, medians")
    measure("two-layer net", SampleRecording(2), (width, height), chosen.frames)
    for cards in chosen.cards.split(","):
        measure(f"made up, {int(cards):,}", OneStep(model(int(cards))), (width, height), chosen.frames)


if __name__ == "__main__":
    main()
