"""How long the window's event loop keeps a beat waiting, while a training runs at full speed beside it, and while it lays out.

``python benchmarks/event_loop.py [--seconds 8] [--cards 9000]``. A second process trains and records the two-layer net as fast as
it can; the real window follows it live, with all its panels. A timer beats every 2 ms; how much later than that a beat comes is
its latency. The same without anything to do, and while a made-up model is wholly unfolded in the worker. Prints milliseconds.
Without a display it runs on Qt's offscreen platform. Also prints the memory of the app with 20,000 cards.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from big_graphs import OneStep, model
from PySide6.QtCore import QEventLoop, Qt, QTimer
from PySide6.QtWidgets import QApplication

from gradwalk_gui import app, settings
from gradwalk_gui.shell import Shell

BEAT = 2.0
"""Milliseconds."""
SIZE = (1440, 900)
LARGE = 20_000
"""Cards that the memory is measured with."""
EXAMPLE = Path(__file__).parents[1] / "examples" / "autograd.py"


class Latency:
    """How much later than ``BEAT`` after the one before each beat of a timer comes, in milliseconds."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer(timerType=Qt.TimerType.PreciseTimer, interval=int(BEAT))
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        now = time.perf_counter()
        self.late.append(max((now - self._last) * 1e3 - BEAT, 0.0))
        self._last = now

    def line(self, name: str) -> str:
        """A line of the table; the timer ends."""
        self._timer.stop()
        late = np.array(self.late)
        three = (*np.percentile(late, (50, 95, 99)), late.max())
        return f"{name:44s}{len(late):8,d}" + "".join(f"{number:9.2f}" for number in three)


def run_until(done: Callable[[], bool]) -> None:
    """Run the event loop until something is so."""
    loop, looks = QEventLoop(), QTimer(interval=10)
    looks.timeout.connect(lambda: loop.quit() if done() else None)
    looks.start()
    loop.exec()


def run_for(seconds: float) -> None:
    """Run the event loop for some time."""
    end = time.perf_counter() + seconds
    run_until(lambda: time.perf_counter() > end)


def follow(shell: Shell, folder: Path, seconds: float) -> None:
    """Print how the window fares while it follows a training."""
    ours = [sys.executable, "-m", "gradwalk", "run", "--no-window", "--record", str(folder)]
    command = [*ours, str(EXAMPLE), "--steps", "1000000"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as training:
        shell.follower.await_recording(folder)
        run_until(lambda: shell.session.state.length > 50 or training.poll() is not None)
        before, latency, start = shell.session.state.length, Latency(), time.perf_counter()
        run_for(seconds)
        rate = (shell.session.state.length - before) / (time.perf_counter() - start)
        print(latency.line(f"a training followed ({rate:,.0f} steps a second)"), flush=True)
        training.terminate()


def unfold(shell: Shell, cards: int) -> None:
    """Print how the window fares while a large model is laid out, and drawn for the first time."""
    shell.session.open(OneStep(model(cards)))
    canvas = shell._window.graph
    run_until(lambda: canvas.scene is not None and not canvas.busy)
    run_for(0.5)
    latency, start = Latency(), time.perf_counter()
    shell.session.unfold_all()
    run_until(lambda: not canvas.busy)
    taken = time.perf_counter() - start
    run_for(0.3)
    assert canvas.scene is not None
    print(latency.line(f"{len(canvas.scene.cards):,} cards laid out ({taken:.1f} s)"), flush=True)


def hold(shell: Shell, cards: int) -> None:
    """Print the memory of the app before, with a large model folded as at first, and wholly unfolded and drawn."""
    canvas, before = shell._window.graph, memory()
    shell.session.open(OneStep(model(cards)))
    run_until(lambda: canvas.scene is not None and not canvas.busy)
    run_for(0.3)
    folded = memory()
    shell.session.unfold_all()
    run_until(lambda: not canvas.busy)
    canvas.fit_all()
    run_for(0.5)
    print(f"memory in MB: {before:.0f} before, {folded:.0f} with {cards:,} cards folded, {memory():.0f} all unfolded", flush=True)


def memory() -> float:
    """The resident memory of this process in MB."""
    return psutil.Process().memory_info().rss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each is measured")
    parser.add_argument("--cards", type=int, default=9_000, help="size of the made-up model that is laid out")
    parser.add_argument("--large", type=int, default=LARGE, help="size of the one that the memory is measured with")
    parser.add_argument("--memory", type=int, metavar="CARDS", help="print only what memory the app takes with such a model")
    chosen = parser.parse_args()
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    QApplication([])
    with tempfile.TemporaryDirectory() as folder:
        window, shell = app.build(settings.Settings(), Path(folder) / "config.json")
        window.populate()
        window.desk.arrange("Debug")
        window.resize(*SIZE)
        window.show()
        if chosen.memory:
            hold(shell, chosen.memory)
            return
        print(f"{'milliseconds later than it should':44s}{'beats':>8s}{'p50':>9s}{'p95':>9s}{'p99':>9s}{'max':>9s}")
        run_for(0.5)
        latency = Latency()
        run_for(min(chosen.seconds, 2.0))
        print(latency.line("nothing to do"), flush=True)
        follow(shell, Path(folder) / "run", chosen.seconds)
        unfold(shell, chosen.cards)
        window.close()
    subprocess.run([sys.executable, __file__, "--memory", str(chosen.large)], check=True)


if __name__ == "__main__":
    main()
