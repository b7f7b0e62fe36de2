"""Reading a file at a place, never mapped into memory: what is not there is Damaged, not a crash."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from .columns import ReadAt
from .format import Damaged, RecordingError

START = 1024
"""Bytes at the start of a file that tell which recording it is."""
ENDS_EARLY = "the file ends before a record does"


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

    def renew(self, least: int) -> bool:
        """Read from now on the file that was put in this one's place (as rsync does), once it has ``least`` bytes; True if so.

        While there is none at the path, the one that was opened is read. Raises RecordingError for another recording.
        """
        try:
            there = os.stat(self.path)
            if self._is_mine(there) or there.st_size < START:
                return False
            fd = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError:
            return False
        try:
            self._check_start(fd)
            long_enough = there.st_size >= least
            if long_enough:
                os.dup2(fd, self._fd, inheritable=False)
        finally:
            os.close(fd)
        return long_enough

    def _is_mine(self, there: os.stat_result) -> bool:
        try:
            mine = os.fstat(self._fd)
        except OSError:  # a file of a network that is not there any more
            return False
        return os.path.samestat(mine, there)

    def _check_start(self, fd: int) -> None:
        """Raises RecordingError unless a file begins as this one does."""
        try:
            mine = self._read(self._fd, START, 0)
            same = self._read(fd, len(mine), 0) == mine
        except OSError:
            return
        if not same:
            raise RecordingError(self.path, "another recording lies in its place now; open it again")

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
            raise Damaged(ENDS_EARLY)
        data = self.up_to(offset, length)
        if len(data) != length:
            raise Damaged(ENDS_EARLY)
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
