"""Ctrl+C in the terminal, and a polite kill, close the window as a person would."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable

from PySide6.QtCore import QObject, QSocketNotifier
from PySide6.QtWidgets import QApplication


class _Notifier(QObject):
    """Python runs signal handlers only between its own instructions: a byte on a socket wakes Qt's loop up for that."""

    def __init__(self, parent: QObject | None) -> None:
        super().__init__(parent)
        self.woken, self._wake = socket.socketpair()
        self.woken.setblocking(False)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._reader = QSocketNotifier(self.woken.fileno(), QSocketNotifier.Type.Read, self)
        self._reader.activated.connect(self._drain)

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            self.woken.recv(64)


def quit_on_signals(quit_: Callable[[], object]) -> None:
    """Call ``quit_`` on SIGINT and SIGTERM, in the main thread."""
    _Notifier(QApplication.instance())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: quit_())
