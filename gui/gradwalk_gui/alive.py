"""Whether the run behind a run folder goes on. No Qt."""

from __future__ import annotations

import json
from pathlib import Path

from gradwalk.control import file_of
from gradwalk.parent_watch import is_alive


def run_is_alive(folder: Path, rank: int = 0) -> bool:
    """Whether the rank of the run that makes a recording in ``folder`` still goes on, by the file of its control path."""
    try:
        pid = json.loads((folder / file_of(rank)).read_text(encoding="utf-8")).get("pid")
    except (OSError, ValueError, AttributeError):
        return False
    return isinstance(pid, int) and pid > 0 and is_alive(pid)
