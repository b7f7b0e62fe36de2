"""Making a film: the pictures of its plan, painted one by one and written as they come; whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from PIL import Image
from PySide6.QtGui import QImage

from gradwalk.trace import Trace

from ..export import ExportError, ensure_application
from ..state import View
from ..theme import Theme
from .files import ENDINGS, write_film
from .plan import Picture, Wishes, plan_of
from .stage import Stage
from .video import MISSING, can_write_mp4

Progress = Callable[[int, int], None]
"""Told how many pictures are made, and of how many."""
SMALLEST = 160


class FilmCancelledError(Exception):
    """The film was given up; nothing was written."""


def check(path: Path, trace: Trace, wishes: Wishes) -> tuple[Picture, ...]:
    """The plan of a film that can be made. Raises ExportError, with what to do, where it cannot."""
    if path.suffix.lower() == ".mp4" and not can_write_mp4():
        raise ExportError(f"{MISSING}.")
    if min(wishes.size) < SMALLEST:
        asked = " × ".join(map(str, wishes.size))
        raise ExportError(f"A film needs at least {SMALLEST} × {SMALLEST} pixels; asked for were {asked}.")
    pictures = plan_of(trace, wishes)
    if len(pictures) < 3:
        what = "backward pass" if wishes.phase == "backward" else "forward pass" if wishes.phase == "forward" else "event"
        raise ExportError(f"Step {trace.step} has no {what} to play.")
    return pictures


def save_film(
    trace: Trace, view: View, path: Path, theme: Theme, wishes: Wishes, progress: Progress = lambda _done, _all: None
) -> None:
    """Write a film of a step in the format of the path's ending. Raises ExportError where it cannot be made or written."""
    pictures = check(path, trace, wishes)
    ensure_application()
    stage = Stage(trace, view, theme, wishes)

    def painted() -> Iterator[Image.Image]:
        for number, picture in enumerate(pictures):
            progress(number + 1, len(pictures))
            yield as_pillow(stage.paint(picture))

    write_whole(path, pictures, painted(), samples_of(stage, pictures), wishes.fps)


def samples_of(stage: Stage, pictures: tuple[Picture, ...]) -> list[Image.Image]:
    """Three pictures that have all colours between them."""
    return [as_pillow(stage.paint(pictures[place])) for place in (0, len(pictures) // 2, len(pictures) - 1)]


def write_whole(
    path: Path, pictures: tuple[Picture, ...], frames: Iterator[Image.Image], samples: list[Image.Image], fps: int
) -> None:
    """Write the frames of a plan aside, then put the file in its place. Raises ExportError; what a frame raises passes."""
    ending = path.suffix.lower()
    assert ending in ENDINGS
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write_film(aside, ending, frames, [picture.milliseconds for picture in pictures], fps, samples)
        aside.replace(path)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.") from error
    finally:
        with suppress(OSError):
            aside.unlink()


def as_pillow(image: QImage) -> Image.Image:
    """A copy of an image of Format_RGB32 as RGB."""
    size = (image.width(), image.height())
    return Image.frombuffer("RGB", size, bytes(image.constBits()), "raw", "BGRX", image.bytesPerLine(), 1)
