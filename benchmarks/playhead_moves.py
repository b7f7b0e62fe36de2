"""How long after a key the panels show the playhead where it is now, on a step of thousands of ops.

``python benchmarks/playhead_moves.py [--moves 60] [--panel events ...]``. Trains and records GPT-2 with 48 layers for two
steps, then opens them in the real window and moves the playhead: one event on, anywhere in the step, and by selecting an op.
Three times are taken from the command on: until it returns (*told*: the State's change and what each panel draws at once),
until Qt has painted what is in sight (*painted*), and until nothing is painted any more (*at rest*: sections of the
inspector that are out of sight). The pulses, which fly on for 300 ms, are off. First the whole window as it opens, then each
panel alone at the size that it has there. Without a display it runs on Qt's offscreen platform, where all is painted by the
processor. Prints milliseconds.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication
from workloads import gpt2_deep

import gradwalk
from gradwalk_gui import app, settings
from gradwalk_gui.shell import Shell
from gradwalk_gui.state import Play, Selection
from gradwalk_gui.window import Window

SIZE = (1440, 900)
QUIET = 0.03
"""Seconds without an event painted after which a move is over."""


class Clock(QObject):
    """Tells when widgets are painted: Qt paints all of a window that is to be painted in one go, at an UpdateRequest."""

    def __init__(self, application: QApplication) -> None:
        super().__init__()
        self.painted = False
        application.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Note that something is painted."""
        self.painted = self.painted or event.type() == QEvent.Type.Paint
        return False

    def time_of(self, move: Callable[[], object]) -> tuple[float, float, float]:
        """Milliseconds until ``move`` returns, until the window was painted after it, and until it was painted last."""
        begin = time.perf_counter()
        move()
        told = first = last = time.perf_counter()
        while time.perf_counter() - last < QUIET:
            for turn in (QApplication.sendPostedEvents, QApplication.processEvents):  # timers have their turn in the second
                self.painted = False
                turn()
                if self.painted:
                    last = time.perf_counter()
                    first = last if first == told else first
        return (told - begin) * 1e3, (first - begin) * 1e3, (last - begin) * 1e3


def moves(shell: Shell, number: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """What a person does, by name."""
    session = shell.session
    events = session.state.events
    random = np.random.default_rng(0)
    for i in range(number):
        start = int(random.integers(events - 2))
        yield "", lambda start=start: session.go_to(0, start)
        yield "next event", session.next_event
        end = int(random.integers(events))
        yield "anywhere", lambda end=end: session.go_to(0, end)
        if i % 3 == 0:
            op = int(random.integers(len(session.state.trace.graph.ops)))
            yield "select", lambda op=op: session.select(Selection("op", op))
            yield "", lambda: session.select(None)


def measure(shell: Shell, clock: Clock, number: int, name: str) -> None:
    """Print the figures of one arrangement of the window."""
    taken: dict[str, list[tuple[float, float, float]]] = {}
    for what, move in moves(shell, number):
        times = clock.time_of(move)
        if what:
            taken.setdefault(what, []).append(times)
    for what, times in taken.items():
        figures = [figure for column in np.array(times).T for figure in np.percentile(column, (50, 95))]
        print(f"{name:24s}{what:12s}" + "".join(f"{figure:9.1f}" for figure in figures), flush=True)


def alone(window: Window, shell: Shell, clock: Clock, number: int, names: list[str]) -> None:
    """Each panel by itself: the others are hidden, and the panel keeps its size."""
    sizes = {name: window.desk.views[name].size() for name in names}
    window.hide()
    for name in names:
        view, size = window.desk.views[name], sizes[name]
        home, place = view.parentWidget(), view.pos()
        view.setParent(None)
        view.resize(max(size.width(), 300), max(size.height(), 200))
        view.show()
        clock.time_of(lambda: None)
        measure(shell, clock, number, name)
        view.hide()
        view.setParent(home)
        view.move(place)


def together(window: Window, shell: Shell, clock: Clock, number: int) -> None:
    """The whole window."""
    window.show()
    clock.time_of(lambda: None)
    measure(shell, clock, number, "the whole window")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=60, help="moves of each kind")
    parser.add_argument("--panel", nargs="*", help="these panels only (default: all, then the window)")
    parser.add_argument("--recording", type=Path, help="a recording instead of GPT-2")
    chosen = parser.parse_args()
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    application = QApplication([])
    with tempfile.TemporaryDirectory() as folder:
        file = chosen.recording or Path(folder) / "run"
        if chosen.recording is None:
            torch.manual_seed(0)
            workload = gpt2_deep()
            with gradwalk.record(file):
                for _ in range(2):
                    workload.step()
        window, shell = app.build(settings.Settings(), Path(folder) / "config.json")
        window.populate()
        window.desk.arrange("Debug")
        window.resize(*SIZE)
        window.show()
        with gradwalk.open_recording(file) as recording:
            clock = Clock(application)
            shell.session.open(recording)
            begin = time.perf_counter()
            while time.perf_counter() - begin < 3 or window.graph.busy:
                QApplication.processEvents()
            shell.session.set(play=Play.PAUSED, reduced_motion=True)
            print(f"{shell.session.state.events:,} events; milliseconds, p50 and p95 of each")
            print(f"{'':36s}{'told':>18s}{'painted':>18s}{'at rest':>18s}")
            together(window, shell, clock, chosen.moves)
            names = chosen.panel or list(window.desk.views)
            alone(window, shell, clock, chosen.moves, names)
            window.close()


if __name__ == "__main__":
    main()
