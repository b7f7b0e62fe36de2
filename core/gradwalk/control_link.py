"""A lasting connection to a run: answers come as futures, and what the run tells by itself comes to ``told``."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from .control import FRAME_LIMIT, Answer, ControlError, about_of, file_of, frame_of
from .platform import connect_locally

GONE = "the run has ended, or has let go of the connection"


class ControlLink:
    """Reads on a thread of its own, on which ``told`` (a frame) and ``lost`` (once, at the end) are called.

    Raises ControlError where the rank of the run in ``folder`` cannot be reached. Closing it, or the end of this process, lets
    the training go on.
    """

    def __init__(
        self,
        folder: Path,
        told: Callable[[Mapping[str, Any]], None],
        lost: Callable[[], None],
        timeout: float = 5.0,
        rank: int = 0,
    ) -> None:
        about = about_of(folder / file_of(rank))
        try:
            self._connection = connect_locally(about["address"], timeout)
        except OSError as error:
            raise ControlError(f"the run in {folder} does not answer ({error.strerror or error})") from None
        self._told, self._lost = told, lost
        self._waiting: dict[int, Future[Answer]] = {}
        self._number = 0
        self._closed = False
        self._lock = threading.Lock()
        self._file = self._connection.makefile("rb")
        self._connection.settimeout(None)
        threading.Thread(target=self._read, name="gradwalk-control-link", daemon=True).start()
        self._send({"id": 0, "token": about["token"]})

    def send(self, command: str, **arguments: Any) -> Future[Answer]:
        """Tell the run something. The future gives the answer, or raises ControlError."""
        answer: Future[Answer] = Future()
        with self._lock:
            self._number += 1
            number = self._number
            self._waiting[number] = answer
        self._send({**arguments, "command": command, "id": number})
        return answer

    def close(self) -> None:
        """Leave; the training goes on. ``lost`` is not called for it."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._connection.shutdown(2)
        self._connection.close()

    def _send(self, frame: Mapping[str, Any]) -> None:
        try:
            with self._lock:
                self._connection.sendall(json.dumps(frame).encode() + b"\n")
        except (OSError, ValueError):
            self._give_up()

    def _read(self) -> None:
        try:
            while (line := self._file.readline(FRAME_LIMIT + 1)).endswith(b"\n"):
                self._take(frame_of(line))
        except (OSError, ValueError):
            pass  # the same as its end
        self._file.close()
        self._connection.close()
        self._give_up()
        if not self._closed:
            self._lost()

    def _take(self, frame: Answer) -> None:
        if "event" in frame:
            self._told(frame)
            return
        with self._lock:
            answer = self._waiting.pop(frame.get("id", -1), None)
        if answer is None:
            return
        if frame.get("ok"):
            answer.set_result(frame)
        else:
            answer.set_exception(ControlError(str(frame.get("error", "the run refused"))))

    def _give_up(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            answer.set_exception(ControlError(GONE))
