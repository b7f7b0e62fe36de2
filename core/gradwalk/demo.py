"""The examples that come with Gradwalk: where they are, running one, and the pictures of a recording."""

from __future__ import annotations

import math
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from .demo_files import NAME, change_text, example, parse_change
from .demo_three import prepare_three
from .device import probe_cuda
from .platform import PATIENT_THREADS, has_display, python_module
from .refusal import RefusalError
from .run import Options, Run
from .run.place import RUNS, identity, run_folder
from .run.program import find_program
from .run.recorded import say

MOST_SEEDS = 2**31
PICTURES = ("graph.svg", "graph.png", "graph.pdf", "loss.png", "window.png")


@dataclass(frozen=True, slots=True)
class Demo:
    """Which example to run, and how. ``arguments`` are for the example itself."""

    name: str
    device: str = "auto"
    seed: int | None = None
    train_steps: int = 500
    arguments: tuple[str, ...] = ()
    lr: float | None = None
    """The learning rate; None for the example's own."""
    changes: tuple[str, ...] = ()
    """Weights to set before the training starts, each as ``w1[3,2]=0.5``."""

    @property
    def command_line(self) -> list[str]:
        """The arguments that the example is started with."""
        seed = [] if self.seed is None else ["--seed", str(self.seed)]
        lr = [] if self.lr is None else [f"--lr={self.lr!r}"]
        changes = [word for change in self.changes for word in ("--set", change)]
        return ["--device", self.device, "--steps", str(self.train_steps), *seed, *lr, *changes, *self.arguments]


def prepare(demo: Demo, options: Options, pictures: Path | None) -> Callable[[], int]:
    """Check what was asked for, make the run folder, and give what runs the example. Raises RefusalError.

    A seed is always given to the example, and is so part of the recording: it can be run again with the same values.
    """
    if demo.device == "cuda":
        _want_cuda(demo)
    if demo.lr is not None and not math.isfinite(demo.lr):
        raise RefusalError("the learning rate (--lr) is a finite number, such as 1e-6")
    changes = tuple(change_text(*parse_change(change)) for change in demo.changes)
    seed = secrets.randbelow(MOST_SEEDS) if demo.seed is None else demo.seed
    demo = replace(demo, seed=seed, changes=changes)
    if demo.name == NAME:
        if pictures is not None:
            raise RefusalError("--pictures goes with one example, not with compare")
        return prepare_three(demo, options)
    script = example(demo.name)
    os.environ.setdefault(*PATIENT_THREADS)
    if options.window and has_display():
        run = Run(find_program(str(script)), demo.command_line, replace(options, paused=True))
        return run.execute
    if options.folder is None:
        options = replace(options, folder=run_folder(str(script), identity(), pictures or RUNS))
    run = Run(find_program(str(script)), demo.command_line, replace(options, window=False))
    return lambda: _without_window(run, demo, options, pictures is not None)


def _want_cuda(demo: Demo) -> None:
    if demo.name == "numpy":
        raise RefusalError("NumPy computes on the CPU only; leave out --device cuda")
    cuda = probe_cuda()
    if not cuda.available:
        raise RefusalError(f"{cuda.reason}; use --device cpu or --device auto")


def _without_window(run: Run, demo: Demo, options: Options, pictures: bool) -> int:
    wishes = options.wishes
    total = math.ceil(min(demo.train_steps, wishes.steps or demo.train_steps) / wishes.every)
    with _progress(lambda: run.recording.steps, total):
        code = run.execute()
        run.recording.stop()
    run.finish()
    if pictures and code == 0:
        code = _pictures_by_a_child(run.folder)
    return code


@contextmanager
def _progress(done: Callable[[], int], total: int) -> Iterator[None]:
    """A bar on standard error while the body runs; what the example prints stays on standard output, as it is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    one_terminal = sys.stdout.isatty() and sys.stderr.isatty()
    columns = (TextColumn("recording"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"), TimeElapsedColumn())
    ended = threading.Event()
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=one_terminal, redirect_stderr=one_terminal) as progress:
        task = progress.add_task("recording", total=total)

        def watch() -> None:
            while not ended.wait(0.1):
                progress.update(task, completed=done())

        watcher = threading.Thread(target=watch, name="gradwalk-progress", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            progress.update(task, completed=done())


def _pictures_by_a_child(folder: Path) -> int:
    """Qt and torch are kept out of each other's process; what goes wrong with pictures leaves the recording."""
    made = subprocess.run(python_module("gradwalk", "pictures", str(folder)), stdin=subprocess.DEVNULL, check=False)
    if made.returncode < 0:
        say("the pictures could not be drawn; the recording is complete")
        return 1
    return made.returncode


def write_pictures(folder: Path) -> list[Path]:
    """Draw the last step's graph, the loss and the window into a run folder, and give the files."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from gradwalk_gui.app import render_window
    from gradwalk_gui.export import save_graph
    from gradwalk_gui.state import View
    from gradwalk_gui.theme import LIGHT
    from gradwalk_gui.views.loss_export import save_loss

    from .recording.reader import open_recording

    files = [folder / name for name in PICTURES]
    with open_recording(folder) as recording:
        if not len(recording):
            raise RefusalError(f"{folder} holds no step to draw")
        trace = recording[len(recording) - 1]
        for file in files[:3]:
            save_graph(trace, len(trace.tape), View(), file, LIGHT)
        save_loss(recording, files[3], LIGHT)
    render_window(folder, files[4], LIGHT)
    return files
