"""How much memory the recording may hold: a small process, or one that may not grow much, is given less."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

OWN_PART, ALLOWED_PART = 4, 16
"""One part in so many of what the process takes now, and of what it may take."""
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def share(most: int, least: int) -> int:
    """Bytes, from ``least`` to ``most``: at most a quarter of what the process takes, and a sixteenth of what it may take."""
    return scaled(most, least, own_size(), allowed_size())


def scaled(most: int, least: int, own: int | None, allowed: int | None) -> int:
    """The same for a process of ``own`` bytes that may take ``allowed``; None: not known, and no reason to give less."""
    parts = [most]
    if own is not None:
        parts.append(own // OWN_PART)
    if allowed is not None:
        parts.append(allowed // ALLOWED_PART)
    return max(least, min(parts))


def own_size() -> int | None:
    """Bytes that this process holds in memory now; None where that cannot be asked (it is not a Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def allowed_size() -> int | None:
    """Bytes that this process may hold: of the machine, its container and ``ulimit -v`` the least; None where nobody says."""
    return min(_limits(), default=None)


def _limits() -> Iterator[int]:
    with suppress(OSError, ValueError, AttributeError):
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for place in _LIMITS:
        with suppress(OSError, ValueError):  # "max" is no number
            yield int(Path(place).read_text(encoding="ascii"))
    with suppress(ImportError, OSError, ValueError):
        import resource  # not on Windows

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            yield soft
