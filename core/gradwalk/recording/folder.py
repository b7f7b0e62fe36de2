"""The run folder: file names, ``run.json``, who may write into it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from .format import MAX_HEADER, RecordingError
from .info import RunInfo

RUN_FILE = "run.json"
USED = "this folder already holds a recording; choose a new folder, recordings are never overwritten"
_NAME = re.compile(r"rank(\d{5})\.(\d{4})\.mcap")


def file_name(rank: int, segment: int = 0) -> str:
    """The name of a rank's file."""
    return f"rank{rank:05d}.{segment:04d}.mcap"


def rank_of(path: Path) -> int | None:
    """Whose file it is by its name, or None where the name does not tell."""
    name = _NAME.fullmatch(path.name)
    return int(name[1]) if name else None


def rank_files(folder: Path) -> dict[int, Path]:
    """The first file of every rank in a run folder. Raises OSError."""
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        name = _NAME.fullmatch(path.name)
        if name and int(name[2]) == 0 and path.is_file():
            found[int(name[1])] = path
    return found


def later_segments(path: Path) -> list[str]:
    """Names of further files of the same rank, which this version does not read."""
    own = _NAME.fullmatch(path.name)
    if own is None:
        return []
    names = (_NAME.fullmatch(other.name) for other in path.parent.iterdir())
    return sorted(name[0] for name in names if name and name[1] == own[1] and int(name[2]) > 0)


def read_run(folder: Path) -> RunInfo | None:
    """The content of ``run.json``, or None where there is none. Raises RecordingError."""
    path = folder / RUN_FILE
    try:
        if path.exists() and not path.is_file():
            raise RecordingError(path, "this is no file, so it cannot describe a run")
        with path.open("rb") as file:
            text = file.read(MAX_HEADER)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordingError(path, f"cannot be read: {error.strerror}") from error
    return RunInfo.from_json(text, path)


def write_run(folder: Path, info: RunInfo, *, first: bool = False) -> bool:
    """Write ``run.json`` aside, then put it in place at once; ``first`` only where there is none yet (False: there is one).

    Raises OSError.
    """
    aside, target = folder / f".{RUN_FILE}.{os.getpid()}.{info.rank}", folder / RUN_FILE
    try:
        aside.write_text(info.to_json(), encoding="utf-8")
        if not first:
            os.replace(aside, target)
        elif not _put_first(aside, target):
            return False
    finally:
        aside.unlink(missing_ok=True)
    return True


def _put_first(aside: Path, target: Path) -> bool:
    """Of several processes that do this at once, one wins (where the file system knows hard links)."""
    try:
        os.link(aside, target)
    except FileExistsError:
        return False
    except (OSError, AttributeError):
        if target.exists():
            return False
        os.replace(aside, target)
    return True


def claim(folder: Path, info: RunInfo) -> Path:
    """Make the run folder and say which file this rank writes.

    Raises RecordingError where the folder cannot be made, or already holds a recording (another rank of the same run may join).
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = joins(folder, info) and info.rank not in rank_files(folder)
    except OSError as error:
        raise RecordingError(
            folder, f"this folder cannot be made or read: {error.strerror}; choose another with --record"
        ) from error
    if not free:
        raise RecordingError(folder, USED)
    return folder / file_name(info.rank)


def joins(folder: Path, info: RunInfo) -> bool:
    """Whether a folder is free, or holds the same run. Raises RecordingError where its ``run.json`` makes no sense."""
    files = rank_files(folder)  # looked at first: of a run that starts just now, run.json comes before any file
    run = read_run(folder)
    return not files if run is None else run.run_id == info.run_id
