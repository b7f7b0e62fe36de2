"""A training that the app started never survives the app: it watches for the app's end, however that came about.

The app puts its process id into ``GRADWALK_PARENT_PID``; the training calls :func:`watch_parent` at its start. The watch is a
daemon thread, so it needs no signal handler, no pipe and nothing of the script's own streams.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

from .platform import interrupt_main_thread

VARIABLE = "GRADWALK_PARENT_PID"
POLL = 0.25
"""Seconds between two looks."""
GRACE = 3.0
"""Seconds that the script has to end after the interrupt (which is what Ctrl+C is to it)."""


def watch_parent() -> bool:
    """End this process soon after the one named in the environment has ended; False where none is named.

    The variable is taken out of the environment: programs that the script starts are the script's business.
    """
    named = os.environ.pop(VARIABLE, "")
    if not named.isdecimal() or int(named) <= 0:
        return False
    gone = _has_gone(int(named))
    threading.Thread(target=_watch, args=(gone,), name="gradwalk-parent-watch", daemon=True).start()
    return True


def _watch(gone: Callable[[], bool]) -> None:
    while not gone():
        time.sleep(POLL)
    interrupt_main_thread()
    time.sleep(GRACE)
    os._exit(1)


def _has_gone(pid: int) -> Callable[[], bool]:
    """A test for the end of a process. A child of it asks for its parent, which cannot be mistaken for a later process."""
    if sys.platform != "win32" and os.getppid() == pid:
        return lambda: os.getppid() != pid
    return lambda: not is_alive(pid)


def is_alive(pid: int) -> bool:
    """Whether a process runs on this machine."""
    if sys.platform == "win32":
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_alive_on_windows(pid: int) -> bool:
    import ctypes

    synchronize, timed_out = 0x00100000, 0x00000102
    kernel: object = getattr(ctypes, "windll").kernel32  # noqa: B009  (absent from the other systems' stubs)
    handle = kernel.OpenProcess(synchronize, False, pid)  # type: ignore[attr-defined]
    if not handle:
        return False
    running = kernel.WaitForSingleObject(handle, 0) == timed_out  # type: ignore[attr-defined]
    kernel.CloseHandle(handle)  # type: ignore[attr-defined]
    return bool(running)
