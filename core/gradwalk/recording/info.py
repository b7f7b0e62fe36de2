"""What a run is: program, place, time, settings; the content of ``run.json`` and of a recording's first record."""

from __future__ import annotations

import json
import os
import platform
import socket
import sys
import time
import uuid
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from .columns import read_json
from .format import MAJOR, MAX_TEXT, VERSION, Damaged, NewerVersionError, RecordingError

MAX_WORDS = 8000
"""How many characters of a command line are kept."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One rank of one run. ``started`` is seconds since the epoch; ``steps_planned`` is -1 where nobody said."""

    format: str = VERSION
    run_id: str = ""
    program: tuple[str, ...] = ()
    script: str = ""
    kind: str = ""
    """``torch``, ``numpy``, or an empty string while it is not known."""
    device: str = ""
    world_size: int = 1
    rank: int = 0
    pid: int = 0
    python: str = ""
    torch: str = ""
    host: str = ""
    started: float = 0.0
    level: str = "statistics"
    every: int = 1
    steps_planned: int = -1

    def to_json(self) -> str:
        """The text of ``run.json``."""
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def from_json(text: str | bytes, where: object = "run.json") -> RunInfo:
        """Read it back; unknown fields are left out. Raises RecordingError where it is none or its major version is newer."""
        try:
            record = read_json(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
        except Damaged as error:
            raise RecordingError(where, "this does not describe a Gradwalk run (damaged, or made by something else)") from error
        return RunInfo.from_record(record, where)

    @staticmethod
    def from_record(record: object, where: object) -> RunInfo:
        """The same from parsed JSON."""
        if not isinstance(record, dict) or not isinstance(record.get("format"), str):
            raise RecordingError(where, "this does not describe a Gradwalk run (no format version in it)")
        version_of(record["format"], where)
        known = {field.name: record[field.name] for field in fields(RunInfo) if field.name in record}
        return RunInfo(**{name: _checked(name, value, where) for name, value in known.items()})


def run_info(**known: Any) -> RunInfo:
    """A RunInfo of this process: what is not given (run id, pid, Python, host, start) is filled in."""
    here: dict[str, Any] = {
        "run_id": uuid.uuid4().hex[:12],
        "program": tuple(sys.argv),
        "pid": os.getpid(),
        "python": platform.python_version(),
        "host": socket.gethostname(),
        "started": time.time(),
    }
    return RunInfo(**(here | known))


def bounded(info: RunInfo) -> RunInfo:
    """The same with so little text that it can be read back: of thousands of arguments the first."""
    words: list[str] = []
    room = MAX_WORDS
    for word in info.program:
        room -= len(word) + 1
        if room < 0:
            words.append(f"... ({len(info.program) - len(words):,} more)")
            break
        words.append(word)
    return replace(info, program=tuple(words))


def version_of(text: str, where: object) -> tuple[int, int]:
    """``major.minor`` as numbers. Raises RecordingError where it is no version, or its major one is newer than ours."""
    parts = text.split(".")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        raise RecordingError(where, f"{text[:20]!r} is no format version; this is not a Gradwalk recording")
    major, minor = int(parts[0]), int(parts[1])
    if major > MAJOR:
        raise NewerVersionError(where, major, minor)
    return major, minor


def _checked(name: str, value: object, where: object) -> Any:
    default = RunInfo.__dataclass_fields__[name].default
    if name == "program":
        good = isinstance(value, list) and all(isinstance(part, str) for part in value)
        value = tuple(value) if isinstance(value, list) else value
    elif isinstance(default, float):
        good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18
    elif isinstance(default, int):
        good = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 62
    else:
        good = isinstance(value, str) and len(value) <= MAX_TEXT
    if not good:
        raise RecordingError(where, f"its field {name!r} makes no sense; the description of the run is damaged")
    return float(value) if isinstance(default, float) and isinstance(value, int) else value
