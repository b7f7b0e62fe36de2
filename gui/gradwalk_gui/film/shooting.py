"""Making a film beside the window: it is painted here between other events, and laid out and written by a worker.

QPainter holds the interpreter, so painting in the worker would gain nothing; one picture takes some milliseconds.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal

from gradwalk.trace import Trace

from ..export import ExportError
from ..graph.quiet import window_first
from ..graph.scene import Scene
from ..state import View
from ..theme import Theme
from .make import FilmCancelledError, as_pillow, check, samples_of, write_whole
from .plan import Wishes
from .stage import Stage, scene_of

AHEAD = 3
"""Pictures that may wait to be written."""
TICK_MS = 4
CLOSING = 5.0
"""Seconds that the end of the app waits at most for the worker."""


class Shooting(QObject):
    """One film. ``progressed`` tells how many pictures are made and of how many; ``ended`` carries what went wrong, or "".

    Raises ExportError where such a film cannot be made.
    """

    progressed = Signal(int, int)
    ended = Signal(str)

    def __init__(self, trace: Trace, view: View, path: Path, theme: Theme, wishes: Wishes, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.path, self.pictures = path, check(path, trace, wishes)
        self._wanted = (trace, view, theme, wishes)
        self._scene: Scene | None = None
        self._stage: Stage | None = None
        self._samples: list[Image.Image] | None = None
        self._painted = 0
        self._waiting: queue.Queue[Image.Image] = queue.Queue(AHEAD)
        self._ready, self._cancelled = threading.Event(), threading.Event()
        self._problem: str | None = None
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._worker = threading.Thread(target=self._work, name="film", daemon=True)
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.close)

    def start(self) -> None:
        """Begin."""
        self._worker.start()
        self._timer.start()

    def cancel(self) -> None:
        """Give it up; no file is left, and one that was there before stays as it was."""
        self._cancelled.set()

    def close(self) -> None:
        """Give it up and wait for the worker."""
        self.cancel()
        if self._worker.is_alive():
            self._worker.join(CLOSING)

    # In the window's thread

    def _tick(self) -> None:
        if not self._worker.is_alive() and self._problem is not None:
            self._timer.stop()
            self.ended.emit(self._problem)
        elif self._scene is not None and not self._cancelled.is_set():
            self._paint_next()

    def _paint_next(self) -> None:
        if self._stage is None:
            assert self._scene is not None
            trace, view, theme, wishes = self._wanted
            self._stage = Stage(trace, view, theme, wishes, self._scene)
            self._samples = samples_of(self._stage, self.pictures)
            self._ready.set()
        elif self._painted < len(self.pictures) and not self._waiting.full():
            self._waiting.put(as_pillow(self._stage.paint(self.pictures[self._painted])))
            self._painted += 1
            self.progressed.emit(self._painted, len(self.pictures))

    # In the worker

    def _work(self) -> None:
        try:
            with window_first():
                self._scene = scene_of(self._wanted[0], self._wanted[1])
            self._wait(self._ready)
            assert self._samples is not None
            write_whole(self.path, self.pictures, self._frames(), self._samples, self._wanted[3].fps)
            self._problem = ""
        except FilmCancelledError:
            self._problem = f"{self.path.name} was cancelled; nothing was written."
        except ExportError as error:
            self._problem = str(error)
        except Exception as error:  # whatever went wrong is said in the window, not lost in a thread
            self._problem = f"{self.path.name} could not be made: {error!r}."

    def _frames(self) -> Iterator[Image.Image]:
        for _ in self.pictures:
            while True:
                if self._cancelled.is_set():
                    raise FilmCancelledError
                try:
                    yield self._waiting.get(timeout=0.05)
                    break
                except queue.Empty:
                    continue

    def _wait(self, event: threading.Event) -> None:
        while not event.wait(0.05):
            if self._cancelled.is_set():
                raise FilmCancelledError
