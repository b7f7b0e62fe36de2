"""Reading a file at a place, never mapped into memory: what is not there is Damaged, not a crash."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from .columns import ReadAt
from .format import Damaged, RecordingError


class Access:
    """One open file. ``size`` is asked anew each time, since the file may grow. May be used by several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise RecordingError(path, f"cannot be read: {error.strerror}") from error
        self._read: Callable[[int, int, int], bytes] = getattr(os, "pread", self._seek_and_read)

    @property
    def size(self) -> int:
        """The length of the file now."""
        try:
            return os.fstat(self._fd).st_size
        except OSError:
            return 0

    def up_to(self, offset: int, length: int) -> bytes:
        """At most ``length`` bytes; fewer only at the end of the file. Raises Damaged where the disk gives an error."""
        try:
            data = self._read(self._fd, length, offset)
            while 0 < len(data) < length:
                more = self._read(self._fd, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except (OSError, OverflowError, ValueError) as error:
            raise Damaged(f"the disk gives an error: {error}") from error
        return data

    def exactly(self, offset: int, length: int) -> bytes:
        """``length`` bytes. Raises Damaged where they are not there; the file's length is checked before anything is read."""
        if offset < 0 or length < 0 or (length > 1 << 16 and offset + length > self.size):
            raise Damaged("the file ends before a record does")
        data = self.up_to(offset, length)
        if len(data) != length:
            raise Damaged("the file ends before a record does")
        return data

    def within(self, start: int, length: int) -> ReadAt:
        """A reader of the ``length`` bytes from ``start``, for blocks of columns."""

        def read(offset: int, count: int) -> bytes:
            if offset < 0 or count < 0 or offset + count > length:
                raise Damaged("a block points outside itself")
            return self.exactly(start + offset, count)

        return read

    def close(self) -> None:
        """Close the file; it may be called again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            self.close()

    def _seek_and_read(self, fd: int, length: int, offset: int) -> bytes:
        with self._lock:
            os.lseek(fd, offset, os.SEEK_SET)
            return os.read(fd, length)
