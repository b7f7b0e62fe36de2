"""The trainings that are going on now on this machine: found by their control files, listed to be followed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtWidgets import QWidget

from gradwalk.control import FILE, ControlClient, ControlError
from gradwalk.recording.folder import read_run
from gradwalk.recording.format import RecordingError

from .alive import run_is_alive
from .chooser import Chooser, Entry
from .theme import Theme

TIMEOUT = 0.6
"""Seconds that a run has to say how far it is."""
MOST_FOLDERS = 2000


@dataclass(frozen=True, slots=True)
class Running:
    """A training that goes on. ``started`` is seconds since the epoch."""

    folder: Path
    program: str
    pid: int
    steps: int
    started: float


def running_in(places: Iterable[Path]) -> list[Running]:
    """The trainings in these folders and right below them, the newest first."""
    folders = [folder for folder in _with_control(places) if run_is_alive(folder)]
    if not folders:
        return []
    with ThreadPoolExecutor(len(folders)) as pool:
        found = [run for run in pool.map(_ask, folders) if run is not None]
    return sorted(found, key=lambda run: run.started, reverse=True)


def _with_control(places: Iterable[Path]) -> Iterator[Path]:
    """Folders with a control file, each once."""
    seen: set[Path] = set()
    for folder in (folder for place in places for folder in (place, *_below(place))):
        file = (folder / FILE).resolve()
        if file not in seen and file.is_file():
            seen.add(file)
            yield file.parent


def _below(place: Path) -> list[Path]:
    """What lies in a folder, by name from the last; nothing where it cannot be read."""
    try:
        return sorted(place.iterdir(), reverse=True)[:MOST_FOLDERS] if place.is_dir() else []
    except OSError:
        return []


def _ask(folder: Path) -> Running | None:
    """What a run says of itself; None where nobody listens any more."""
    started, program = (folder / FILE).stat().st_mtime, ""
    try:
        info = read_run(folder)
    except RecordingError:
        info = None
    if info is not None:
        started, program = info.started, " ".join(info.program)
    try:
        with ControlClient(folder, TIMEOUT) as client:
            status = client.status()
    except ControlError:
        return None
    return Running(folder, program, int(status["pid"]), int(status["steps"]), started)


def age(seconds: float) -> str:
    """How long ago, in one unit: ``40 s``, ``12 min``, ``3 h``, ``2 d``."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


class RunningList(Chooser):
    """Lists trainings; ``attach`` is called with the folder of the one that is chosen."""

    def __init__(
        self, runs: list[Running], attach: Callable[[Path], object], theme: Theme, parent: QWidget | None = None
    ) -> None:
        super().__init__("Attach to a running training", "Trainings that are going on", theme, parent)
        self._runs, self._attach = runs, attach
        self.fill()

    def entries(self, text: str) -> Iterator[Entry]:
        """The trainings whose folder, program or pid hold every word."""
        for run in self._runs:
            about = f"{run.folder.name} {run.program} {run.pid}".lower()
            if all(word in about for word in text.lower().split()):
                steps = f"{run.steps:,} step{'' if run.steps == 1 else 's'}"
                note = f"pid {run.pid}   {steps}   {age(time.time() - run.started)}"
                yield Entry(run.folder.name, run.program, note, run.folder)

    def chosen(self, what: object) -> None:
        """Follow it."""
        assert isinstance(what, Path)
        self._attach(what)
