"""``gradwalk demo compare``: the two-layer net in NumPy by hand, with autograd and with a custom Function, side by side.

Each program runs in a process of its own and records into a folder of its own. They are given one seed, with which all three draw
the same data and weights: float32 numbers, which the NumPy program computes with in float64.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from .demo_files import NAME, THREE
from .platform import has_display, own_command, python_module
from .run import Options
from .run.place import RUNS, identity, run_folder
from .run.recorded import say

if TYPE_CHECKING:
    from .demo import Demo


def prepare_three(demo: Demo, options: Options) -> Callable[[], int]:
    """Make the folder, and give what runs the three and shows them."""
    folder = options.folder or run_folder(NAME, identity(), RUNS)
    return lambda: _run_three(demo, options, folder)


def _run_three(demo: Demo, options: Options, folder: Path) -> int:
    with _ended_together():
        for name in THREE:
            one = replace(demo, name=name, device="cpu" if name == "numpy" else demo.device)
            code = subprocess.run(
                python_module("gradwalk", *_command(one, options, folder / name)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                check=False,
            ).returncode
            if code:
                say(f"the example {name} ended with exit code {code}; there is nothing to compare")
                return code if code > 0 else 1
    first, *others = (str(folder / name) for name in THREE)
    beside = [word for other in others for word in ("--beside", other)]
    if options.window and has_display():
        return subprocess.run(python_module("gradwalk", "open", first, *beside), check=False).returncode
    _print_comparison([folder / name for name in THREE])
    say(f"on a machine with a display, see them side by side with: {own_command()} open {' '.join([first, *beside])}")
    return 0


def _command(demo: Demo, options: Options, folder: Path) -> list[str]:
    wishes = options.wishes
    steps = [] if wishes.steps is None else ["--steps", str(wishes.steps)]
    pins = ["--pin", ",".join(f"{part.start}-{part.stop - 1}" for part in wishes.pinned)] if wishes.pinned else []
    told = ["--no-window", "--record", str(folder), "--level", wishes.level, "--every", str(wishes.every), *steps, *pins]
    lr = [] if demo.lr is None else ["--lr", repr(demo.lr)]
    changes = [word for change in demo.changes for word in ("--set", change)]
    run = ["--device", demo.device, "--seed", str(demo.seed), "--train-steps", str(demo.train_steps), *lr, *changes]
    return ["demo", *told, *run, demo.name, *(["--", *demo.arguments] if demo.arguments else [])]


@contextmanager
def _ended_together() -> Iterator[None]:
    """The program that runs ends with this process, also where that is asked to end."""

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_comparison(folders: list[Path]) -> None:
    from contextlib import ExitStack

    from .comparison import TOLERANCE, Comparison, names_of
    from .comparison_report import print_report, report
    from .recording.reader import open_recording

    with ExitStack() as stack:
        recordings = [stack.enter_context(open_recording(folder)) for folder in folders]
        print_report(report(Comparison(recordings), names_of(recordings), None, TOLERANCE))
