"""Probes and the heat map over a long training: how long the reading takes, how long the window is held meanwhile, and a frame.

Records the two-layer net (10,000 steps, or as many as the first argument says), unless the second is a run folder.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
import workloads
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

import gradwalk
from gradwalk.platform import has_display
from gradwalk.recording.reader import open_recording
from gradwalk.recording.tables import tables_from
from gradwalk_gui import pinning
from gradwalk_gui.probes import asked_of
from gradwalk_gui.session import Session
from gradwalk_gui.state import Selection
from gradwalk_gui.theme import LIGHT
from gradwalk_gui.views.loss import LossView

STEPS, SIZE = 10_000, (790, 180)
FRAMES = 60


def record(folder: Path, steps: int) -> None:
    """Train the two-layer net."""
    torch.manual_seed(0)
    net = workloads.WORKLOADS["two-layer net"][0]()
    with gradwalk.record(folder):
        for _ in range(steps):
            net.step()


def held_while(app: QApplication, done: Callable[[], bool]) -> tuple[float, float]:
    """Seconds until something is done, and the longest time for which a timer of 1 ms did not beat meanwhile."""
    beats = [time.perf_counter()]
    timer = QTimer(interval=1)
    timer.timeout.connect(lambda: beats.append(time.perf_counter()))
    timer.start()
    begun = time.perf_counter()
    while not done():
        app.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 5)
    beats.append(time.perf_counter())
    return beats[-1] - begun, max(b - a for a, b in pairwise(beats))


def reading(folder: Path) -> tuple[float, float]:
    """Seconds for the gradients' RMS of all steps by column, and as Traces (of the first thousand steps, scaled up)."""
    by_column, as_traces = open_recording(folder), open_recording(folder)
    for recording in (by_column, as_traces):
        recording.graphs  # noqa: B018 - reads them, which the window has done when it shows a step
    begun, at = time.perf_counter(), 0
    while at < len(by_column):
        at, _ = tables_from(by_column, at, asked_of("rms", gradient=True))
    middle, most = time.perf_counter(), min(len(as_traces), 1000)
    for step in range(most):
        as_traces[step]
    return middle - begun, (time.perf_counter() - middle) * len(as_traces) / most


def move(view: LossView, session: Session) -> float:
    """Milliseconds of a playhead move to another step with all that the panel paints, the median."""
    times = []
    recording = session.state.recording
    assert recording is not None
    for frame in range(FRAMES):
        step = (frame * 7919) % session.state.length
        recording[step]  # what every move reads
        begun = time.perf_counter()
        session.go_to(step, 0)
        view.grab()
        times.append(time.perf_counter() - begun)
    return sorted(times)[FRAMES // 2] * 1e3


def measure(folder: Path) -> None:
    """Open a recording in the panel and print what it takes."""
    app = QApplication.instance() or QApplication([])
    assert isinstance(app, QApplication)
    recording, session = open_recording(folder), Session()
    session.open(recording)
    by_column, as_traces = reading(folder)
    print(f"{len(recording):,} steps of {session.state.events:,} events")
    print(
        f"read by column {by_column * 1e3:.0f} ms, as Traces {as_traces * 1e3:.0f} ms ({as_traces / by_column:.1f} times as long)"
    )
    view = LossView(session, LIGHT)
    view.resize(*SIZE)
    view.show()
    for page in (view.plot, view.probes, view.heat):
        page()
    app.processEvents()
    print(f"{'loss':12} {'':48} a move, painted: {move(view, session):5.1f} ms")
    for name, begin in (("one probe", _pin(session, 1)), ("five probes", _pin(session, 5)), ("heat map", _heat(view))):
        begin()
        took, held = held_while(app, lambda: not view.gatherer.busy)
        told = f"there after {took * 1e3:5.0f} ms, window held {held * 1e3:5.1f} ms at most"
        print(f"{name:12} {told:48} a move, painted: {move(view, session):5.1f} ms")
        session.set(probes=())
    view.close()


def _pin(session: Session, number: int) -> Callable[[], None]:
    def begin() -> None:
        for value in range(number):
            pinning.pin(session, Selection("value", value))

    return begin


def _heat(view: LossView) -> Callable[[], None]:
    return lambda: view.show_page("heat")


def main() -> None:
    """Record, unless a folder is given, and measure."""
    if not has_display():
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    if len(sys.argv) > 2:
        measure(Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        record(Path(folder) / "run", int(sys.argv[1]) if len(sys.argv) > 1 else STEPS)
        measure(Path(folder) / "run")


if __name__ == "__main__":
    main()
