"""Start the app beside a run, on its own: the training never notices whether it lives."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import IO

from ..platform import python_module, start_detached


def show_window(folder: Path, *, paused: bool = False) -> bool:
    """Open the app on a recording that grows: at its live end, or paused before the first event. False where that failed."""
    command = python_module("gradwalk_gui", str(folder.resolve()), "--paused" if paused else "--follow")
    log = _log()
    try:
        start_detached(command, log or subprocess.DEVNULL)
    except OSError:
        return False
    finally:
        if log is not None:
            log.close()
    return True


def _log() -> IO[bytes] | None:
    """What the app says goes here, and not among what the script says."""
    from platformdirs import user_log_path

    with contextlib.suppress(OSError):
        folder = user_log_path("gradwalk", appauthor=False, ensure_exists=True)
        return (folder / "window.log").open("wb")
    return None
