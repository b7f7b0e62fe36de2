"""From a path to the file to read: what is a recording, what is none, and one clear sentence for each case."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .access import Access
from .folder import RUN_FILE, later_segments, rank_files, rank_of, read_run
from .format import MAGIC, MAJOR, MARKER, MINOR, PROFILE, Damaged, NewerVersionError, Opcode, RecordingError
from .index import KNOWN_CHANNELS, Index
from .info import RunInfo, version_of
from .mcap import RECORD, read_text
from .scan import Scan
from .sync import read_sync

LOOK = 1 << 20
"""How far into a file whose start is damaged a Sync record is looked for."""


class Found(NamedTuple):
    """What a path stands for. ``file`` is None while the run has not written anything yet."""

    path: Path
    folder: Path | None
    file: Path | None
    run: RunInfo | None


def find(path: Path, rank: int | None = None) -> Found:
    """The file behind a path. Raises RecordingError where there is none."""
    try:
        if path.is_dir():
            return _in_folder(path, rank)
        if not path.exists():
            raise RecordingError(path, "there is no such file or folder; give a run folder or an .mcap file in one")
        if not path.is_file():
            raise RecordingError(path, "this is no file; give a run folder or an .mcap file in one")
    except OSError as error:
        raise RecordingError(path, f"cannot be read: {error.strerror}") from error
    if path.name == RUN_FILE:
        return _in_folder(path.parent, rank)
    name = rank_of(path)
    if rank is not None and name is not None and name != rank:
        raise RecordingError(path, f"this is the file of rank {name}, not of rank {rank}; give the run folder to choose a rank")
    return Found(path, path.parent, path, _run_beside(path))


def _in_folder(folder: Path, rank: int | None) -> Found:
    ranks = rank_files(folder)
    try:
        run = read_run(folder)
    except RecordingError as error:
        if isinstance(error, NewerVersionError) or not ranks:
            raise
        run = None  # damaged, but each rank's file knows the run too
    if rank is not None and rank not in ranks:
        there = ", ".join(map(str, ranks)) or "none"
        raise RecordingError(folder, f"there is no rank {rank} in this recording; ranks: {there}")
    if ranks:
        return Found(folder, folder, ranks[min(ranks) if rank is None else rank], run)
    if run is None:
        raise RecordingError(folder, f"there is no recording in this folder{_hint(folder)}")
    return Found(folder, folder, None, run)


def _hint(folder: Path) -> str:
    runs = sorted(child for child in folder.iterdir() if child.is_dir() and (child / RUN_FILE).is_file())
    return f"; it holds {len(runs)} run folders, such as {runs[-1].name}: open one of those" if runs else "; give a run folder"


def _run_beside(path: Path) -> RunInfo | None:
    try:
        return read_run(path.parent)
    except RecordingError:
        return None


def file_in(folder: Path) -> Path | None:
    """The file of the lowest rank, once there is one."""
    try:
        ranks = rank_files(folder)
    except OSError:
        return None
    return ranks[min(ranks)] if ranks else None


def check(access: Access) -> bool:
    """Whether a file has begun; False while too little of it is there to say.

    Raises RecordingError where it is no recording of Gradwalk, or one of a newer major version.
    """
    try:
        start = access.up_to(0, 4096)
    except Damaged as error:
        raise RecordingError(access.path, f"cannot be read: {error}") from error
    if start[: len(MAGIC)] == MAGIC[: len(start)] and len(start) < len(MAGIC) + RECORD.size:
        if not start and access.path.suffix != ".mcap":
            raise RecordingError(access.path, "this file is empty, so it is no recording")
        return False
    if start.startswith(MAGIC) and _profile(start) == PROFILE:
        return True
    if _has_sync(access):
        return True
    if start.startswith(MAGIC):
        raise RecordingError(access.path, "this is an MCAP file, but not one that Gradwalk recorded")
    raise RecordingError(access.path, "this is not a recording; give a run folder or an .mcap file that Gradwalk wrote")


def _profile(start: bytes) -> str:
    opcode, _ = RECORD.unpack_from(start, len(MAGIC))
    try:
        return read_text(start, len(MAGIC) + RECORD.size)[0] if opcode == Opcode.HEADER else ""
    except Damaged:
        return PROFILE if len(start) < 64 else ""


def _has_sync(access: Access) -> bool:
    """Whether a Sync record of ours stands near the start: then the file is a damaged recording."""
    block = access.up_to(0, LOOK)
    place = block.find(MARKER)
    while place >= RECORD.size:
        offset = place - RECORD.size
        _, length = RECORD.unpack_from(block, offset)
        try:
            read_sync(block[place : place + length], offset)
        except Damaged:
            place = block.find(MARKER, place + 1)
            continue
        return True
    return False


def info_of(scan: Scan, run: RunInfo | None) -> RunInfo:
    """The run as the file itself says, else as ``run.json`` says. Raises RecordingError for a newer major version."""
    if "format" in scan.metadata:
        version_of(scan.metadata["format"], scan.access.path)
    try:
        return RunInfo.from_json(scan.metadata.get("run", ""), scan.access.path)
    except RecordingError:
        return run or RunInfo()


def skipped(scan: Scan, index: Index) -> list[str]:
    """What a file holds that this version does not know, in words."""
    found: list[str] = []
    written = scan.metadata.get("format", "") if scan.newer else ""
    if written or index.newest_minor > MINOR:
        found.append(f"written in format {written or f'{MAJOR}.{index.newest_minor}'}, newer than {MAJOR}.{MINOR}")
    for number, count in sorted(index.unknown.items()):
        found.append(f"{count} messages on the channel {scan.channels.get(number, str(number))[:80]!r}")
    unused = [
        name for number, name in sorted(scan.channels.items()) if number not in KNOWN_CHANNELS and number not in index.unknown
    ]
    found += [f"the channel {name[:80]!r}" for name in unused]
    with suppress(OSError):
        found += [f"the further file {name}" for name in later_segments(scan.access.path)]
    return found
