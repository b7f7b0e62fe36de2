"""A copy of a recording: whole or not there at all. Of one that still grows, all that was written when it began."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from .folder import RUN_FILE, rank_of
from .format import RecordingError

PIECE = 4 << 20
"""Bytes copied between two looks at whether to go on."""


class CopyStoppedError(Exception):
    """The copy was given up; nothing of it is left."""


def copy_recording(source: Path, target: Path, told: Callable[[int, int], bool] = lambda done, all_: True) -> None:
    """Copy a run folder (its ``run.json`` and the file of every rank) or one ``.mcap`` file to ``target``, which must not exist.

    ``told`` hears how many bytes of how many are copied, and says whether to go on. Raises RecordingError where the source cannot
    be read or the target cannot be written, CopyStoppedError where ``told`` says no.
    """
    if os.path.lexists(target):
        raise RecordingError(target, "there is something of this name already; choose another name, nothing is overwritten")
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        _copy(source, aside, told)
        aside.rename(target)
    except OSError as error:
        raise RecordingError(target, f"the copy cannot be written: {error.strerror or error}") from error
    finally:
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink(missing_ok=True)


def _copy(source: Path, aside: Path, told: Callable[[int, int], bool]) -> None:
    sizes = {file: file.stat().st_size for file in parts_of(source)}
    if source.is_dir():
        aside.mkdir()
    done, whole = 0, sum(sizes.values())
    for file, size in sizes.items():
        with file.open("rb") as old, (aside / file.name if source.is_dir() else aside).open("xb") as new:
            left = size
            while left > 0:
                if not told(done, whole):
                    raise CopyStoppedError
                piece = old.read(min(left, PIECE))
                if not piece:
                    break
                new.write(piece)
                left, done = left - len(piece), done + len(piece)
    told(whole, whole)


def parts_of(source: Path) -> list[Path]:
    """The files that a recording is: what else lies in its folder is not of it. Raises RecordingError where there is none."""
    if source.is_file():
        return [source]
    try:
        there = sorted(file for file in source.iterdir() if file.is_file())
    except OSError as error:
        raise RecordingError(source, f"cannot be read: {error.strerror}") from error
    found = [file for file in there if file.name == RUN_FILE or rank_of(file) is not None]
    if not found:
        raise RecordingError(source, "there is no recording in this folder")
    return found
