"""A file that is only ever appended to, record by record: after an error it ends with the last whole record."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

from .columns import Part

GATHER_FROM = 1 << 20
MAX_PARTS = 512


class AppendOnly:
    """One file, new, open for appending by the process that made it and by no child of it.

    ``size`` is how long the file is, ``crc`` the CRC of everything in it (0 where that is no longer known).
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self.path = path
        self.size = 0
        self.crc = 0
        self._sure = True
        self._pid = os.getpid()
        self._fd = os.open(path, flags, 0o644)

    @property
    def ours(self) -> bool:
        """Whether this process may write."""
        return self._fd >= 0 and os.getpid() == self._pid

    def append(self, parts: Sequence[Part]) -> None:
        """Write all parts, or nothing: on an error the file is cut back and the error raised (OSError)."""
        if not self.ours:
            raise OSError("another process owns this file")
        self._settle()
        length = sum(map(len, parts))
        try:
            _write_all(self._fd, parts, length)
        except BaseException:
            self._cut_back()
            raise
        self.size += length
        crc = self.crc
        for part in parts:
            crc = crc32(part, crc)
        self.crc = crc

    @property
    def checked_crc(self) -> int:
        """The CRC of the whole file, or 0 where it is not known."""
        return self.crc if self._sure else 0

    def close(self) -> None:
        """Close the file; it may be called again."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self._fd, self.size)
        except OSError:
            self._sure = False  # _settle() tries again before the next write

    def _settle(self) -> None:
        """Make the file end at the last whole record; where that cannot be done, go on from where it does end."""
        actual = os.fstat(self._fd).st_size
        if actual == self.size:
            return
        try:
            os.ftruncate(self._fd, self.size)
        except OSError:
            self.size, self._sure = actual, False


def _write_all(fd: int, parts: Sequence[Part], length: int) -> None:
    written = 0
    if length >= GATHER_FROM and len(parts) <= MAX_PARTS and hasattr(os, "writev"):
        written = os.writev(fd, parts)
    if written == length:
        return
    rest = memoryview(b"".join(parts))[written:]
    while rest:
        count = os.write(fd, rest)
        if count <= 0:
            raise OSError("nothing could be written")
        rest = rest[count:]
