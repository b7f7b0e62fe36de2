"""Frame time of the graph: real trainings and made-up models, wholly unfolded and all in sight. Prints milliseconds, medians.

``python benchmarks/graph_frame.py [--size 1280x800] [--frames 60] [--cards 500,5000,20000]``. Without a display it runs on
Qt's offscreen platform. The made-up models are five towers side by side, so that they fill a screen. Per graph, with every card
in sight and at 60 %: a frame while the zoom changes and while the picture is panned (by 3 and by 40 pixels a frame), the frame
after another step's numbers came (a new colour for every edge), after one event, and while 300 pulses fly
(of which the canvas paints the part of the picture that they fly in).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from big_graphs import OneStep, model
from PySide6.QtGui import QImage, QRegion
from PySide6.QtWidgets import QApplication

from gradwalk.trace import Compared, Verdict
from gradwalk_gui.graph.animation import Flight, Leg
from gradwalk_gui.graph.canvas import GraphCanvas
from gradwalk_gui.graph.facts import gather
from gradwalk_gui.graph.look import look_at
from gradwalk_gui.graph.overlay import painted_around, reach_of
from gradwalk_gui.session import Session
from gradwalk_gui.state import Steps
from gradwalk_gui.theme import LIGHT

PULSES = 300
TOWERS = 5
COLUMNS = ("zoom", "pan", "long pan", "new colours", "event", f"{PULSES} pulses")


def median(run: Callable[[int], object], times: int) -> float:
    """The median time of a call in milliseconds; it is given its number."""
    taken = []
    for turn in range(times):
        start = time.perf_counter()
        run(turn)
        taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken)


class Bench:
    """A canvas with a wholly unfolded step, painted onto a sheet."""

    def __init__(self, recording: Steps, size: tuple[int, int], frames: int) -> None:
        self.session = Session()
        self.session.open(recording)
        self.session.unfold_all()
        self.session.set(reduced_motion=True)
        self.session.go_to(0, self.session.state.events // 2)
        self.canvas = GraphCanvas(self.session, LIGHT)
        self.canvas.resize(*size)
        while self.canvas.scene is None or self.canvas.busy:
            QApplication.processEvents()
        self.canvas.fit_all()
        self.sheet, self.frames = QImage(*size, QImage.Format.Format_RGB32), frames

    def after(self, act: Callable[[int], object], share: float = 1.0) -> float:
        """The median time of a frame after something was done."""

        def frame(turn: int) -> None:
            act(turn)
            self.canvas.render(self.sheet)

        self.rest()
        return median(frame, max(int(self.frames * share), 8))

    def mark_all(self) -> None:
        """Put a tick, here and there a cross or a dash, on every card of an op."""
        state, right = self.session.state, Compared(("value", 0), "Z", "", (), 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
        assert state.recording is not None
        assert state.trace is not None
        rows = {0: (right, replace(right, off=9.0)), 1: ()}
        made = {op.id: Verdict(op.id, "formula", rows.get(op.id % 20, (right,))) for op in state.trace.graph.ops}
        self.session.know(state.recording, state.step, state.trace, made)

    def rest(self) -> None:
        """Let the picture stand still, and be painted fine."""
        self.canvas.render(self.sheet)
        while self.canvas.moving:
            QApplication.processEvents()
        self.canvas.render(self.sheet)

    def come_closer(self, zoom: float) -> None:
        """Bring a card in the middle of the graph's order into the middle of the picture."""
        assert self.canvas.scene is not None
        left, top, _, _ = self.canvas.scene.cards[len(self.canvas.scene.cards) // 2].tolist()
        self.canvas.zoom_by(zoom / self.canvas.zoom)
        self.canvas.centre_on(left, top)

    def in_sight(self) -> int:
        """How many cards are."""
        canvas = self.canvas
        assert canvas.scene is not None
        left, top = canvas.camera.to_scene(0, 0)
        right, bottom = canvas.camera.to_scene(canvas.width(), canvas.height())
        x, y, wide, high = canvas.scene.cards.T
        return int(((x < right) & (x + wide > left) & (y < bottom) & (y + high > top)).sum())

    def measured(self) -> list[float]:
        """A number per column."""
        return [
            self.after(lambda turn: self.canvas.zoom_by(1.02 if turn % 2 else 1 / 1.02)),
            self.after(lambda turn: self._pan(3 if turn % 2 else -3)),
            self.after(lambda turn: self._pan(40 if turn % self.frames < self.frames / 2 else -40)),
            self.after(self._recolour, 0.3),
            self.after(lambda _: self.session.next_event(), 0.2),
            self._flying(),
        ]

    def _pan(self, right: float) -> None:
        canvas = self.canvas
        x, y = canvas.camera.to_scene(canvas.width() / 2 - right, canvas.height() / 2)
        canvas.centre_on(x, y)

    def _recolour(self, turn: int) -> None:
        """As a step of the same structure with other numbers does."""
        trace, look = self.session.state.trace, self.canvas.look
        assert trace is not None
        assert look is not None
        other = replace(trace, gradients=trace.gradients * (1.0 + turn % 7))
        self.canvas.look = look_at(gather(other, look.facts.scene, "rms"), look.position, look.checks.of)
        self.canvas.update()

    def _flying(self) -> float:
        scene = self.canvas.scene
        assert scene is not None
        lanes = [lane for lane in range(len(scene.picture.lanes)) if len(scene.backward[lane])]
        lanes = (lanes * (PULSES // len(lanes) + 1))[: max(PULSES, len(lanes))]
        some = lanes[:: len(lanes) // PULSES][:PULSES]
        legs = tuple(Leg(lane, 0.0, 1.0, 10.0 ** (-8 + 10 * turn / PULSES)) for turn, lane in enumerate(some))
        self.canvas.animator.launch(Flight(legs, (), 10_000.0))
        self.rest()
        (flight, _), *_ = self.canvas.animator.in_the_air()
        where = painted_around(reach_of(scene, flight), self.canvas.camera).intersected(self.canvas.rect())
        taken = median(lambda _: self.canvas.render(self.sheet, where.topLeft(), QRegion(where)), self.frames)
        self.canvas.animator.land()
        return taken


def measure(name: str, recording: Steps, size: tuple[int, int], frames: int, *, checked: bool = False) -> None:
    """Two lines of the table."""
    bench = Bench(recording, size, frames)
    if checked:
        bench.mark_all()
    assert bench.canvas.scene is not None
    for closer in (False, True):
        if closer:
            bench.come_closer(0.6)
        cards = f"{bench.in_sight():,} of {len(bench.canvas.scene.cards):,}"
        numbers = "".join(f"{number:13.2f}" for number in bench.measured())
        print(f"{'' if closer else name:20s}{cards:>18s}{bench.canvas.zoom:9.1%}{numbers}", flush=True)
    bench.canvas.deleteLater()


def trainings(folder: Path) -> dict[str, Steps]:
    """A few recorded steps of each real training."""
    import torch
    from workloads import WORKLOADS

    import gradwalk
    from gradwalk.recording.reader import open_recording

    made: dict[str, Steps] = {}
    for number, (name, (make, _)) in enumerate(WORKLOADS.items()):
        torch.manual_seed(0)
        step = make().step
        with gradwalk.record(folder / str(number)):
            for _ in range(2):
                step()
        made[name] = open_recording(folder / str(number))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1280x800")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--cards", default="500,5000,20000", help="sizes of the made-up models")
    parser.add_argument("--checked", action="store_true", help="with a mark of the check on every card of an op")
    parser.add_argument("--made-up", action="store_true", help="no real trainings")
    chosen = parser.parse_args()
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    app = QApplication([])
    width, height = (int(part) for part in chosen.size.split("x"))
    print(f"{app.platformName()}, {width}x{height}, milliseconds, medians")
    print(f"{'':20s}{'cards in sight':>18s}{'zoom':>9s}" + "".join(f"{column:>13s}" for column in COLUMNS))
    with tempfile.TemporaryDirectory() as folder:
        for name, recording in () if chosen.made_up else trainings(Path(folder)).items():
            measure(name, recording, (width, height), chosen.frames, checked=chosen.checked)
    for cards in chosen.cards.split(","):
        made_up = OneStep(model(int(cards), stages=6, towers=TOWERS))
        measure(f"made up, {int(cards):,}", made_up, (width, height), chosen.frames, checked=chosen.checked)


if __name__ == "__main__":
    main()
