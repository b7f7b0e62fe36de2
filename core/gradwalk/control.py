"""The control path: the app tells a running recording what to do, as lines of JSON over a local socket.

``control.json`` in the run folder (mode 0600, there while the run lasts) holds the address and a random token of rank 0,
``control.rank00001.json`` those of rank 1, and so on. The first frame of
a connection is ``{"token": ...}``; then each ``{"id": 1, "command": "status"}`` is answered by ``{"id": 1, "ok": true, ...}`` or
``{"id": 1, "ok": false, "error": "..."}``. Frames without an id come from the run by itself (``{"event": ...}``). A frame that is
too long or is no JSON object ends its connection; a connection that ends never matters to the training.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import selectors
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from .platform import connect_locally, forget_address, is_private, listen_locally, write_private

PROTOCOL = 1
FILE = "control.json"
"""Of rank 0."""
FRAME_LIMIT = 65536
"""Bytes of the longest frame."""
SEND_TIMEOUT = 2.0
CONNECTION_LIMIT = 16

Answer: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[Mapping[str, Any]], Answer]


class ControlError(Exception):
    """A run cannot be reached, or refused what it was told; the message is one sentence."""


def file_of(rank: int) -> str:
    """The name of a rank's file in the run folder."""
    return FILE if rank == 0 else f"control.rank{rank:05d}.json"


# The training process


class ControlServer:
    """Answers commands on a thread of its own. ``handlers`` maps a command's name to what answers it (called on that thread).

    A handler gets the frame, with the number of the connection that it came by as ``peer``; a ControlError that it raises is the
    answer's sentence. ``left`` is told the number of a connection that has ended.
    """

    def __init__(
        self, folder: Path, handlers: Mapping[str, Handler], left: Callable[[int], None] = lambda peer: None, rank: int = 0
    ) -> None:
        self._handlers = handlers
        self._left = left
        self._peers = 0
        self._file = folder / file_of(rank)
        self._token = secrets.token_hex(16)
        self._pid = os.getpid()
        self._server, self._address = listen_locally()
        self._connections: dict[socket.socket, _Connection] = {}
        self._lock = threading.Lock()
        self._afterwards: list[Callable[[], None]] = []
        self._wake_up, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        about = {"protocol": PROTOCOL, "address": self._address, "token": self._token, "pid": self._pid}
        write_private(self._file, json.dumps(about))
        self._thread = threading.Thread(target=self._serve, name="gradwalk-control", daemon=True)
        self._thread.start()

    def tell(self, event: Mapping[str, Any]) -> None:
        """Send a frame to everybody who is connected."""
        with self._lock:
            connections = [connection for connection in self._connections.values() if connection.trusted]
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.send(event)

    def afterwards(self, function: Callable[[], None]) -> None:
        """For a handler: call ``function`` when its answer has been sent."""
        self._afterwards.append(function)

    def forget(self) -> None:
        """In a forked child: let go of the sockets, which stay the parent's."""
        for mine in (self._server, self._woken, self._wake_up, *self._connections):
            mine.close()

    def close(self) -> None:
        """End every connection and remove the file; does nothing in a forked child."""
        if os.getpid() != self._pid:
            return
        with contextlib.suppress(OSError):
            self._file.unlink()
        forget_address(self._address)
        with contextlib.suppress(OSError):
            self._wake_up.send(b"x")
        self._thread.join(timeout=SEND_TIMEOUT)

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._woken:
                    self._end()
                    return
                if key.fileobj is self._server:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._read(key.fileobj)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            made, _ = self._server.accept()
            if len(self._connections) >= CONNECTION_LIMIT:
                made.close()
                return
            made.settimeout(SEND_TIMEOUT)
            self._peers += 1
            with self._lock:
                self._connections[made] = _Connection(made, self._peers)
            self._selector.register(made, selectors.EVENT_READ)

    def _read(self, which: socket.socket) -> None:
        connection = self._connections[which]
        try:
            for frame in connection.receive():
                connection.send(self._answer(connection, frame))
        except (OSError, ValueError):
            self._drop(which)
        while self._afterwards:
            self._afterwards.pop(0)()

    def _answer(self, connection: _Connection, frame: Mapping[str, Any]) -> Answer:
        number = frame.get("id")
        if not connection.trusted:
            if not hmac.compare_digest(str(frame.get("token", "")).encode(), self._token.encode()):
                raise ValueError("wrong token")
            connection.trusted = True
            return {"id": number, "ok": True, "protocol": PROTOCOL}
        handler = self._handlers.get(str(frame.get("command")))
        if handler is None:
            return {"id": number, "ok": False, "error": f"there is no command {frame.get('command')!r}"}
        try:
            return {"id": number, "ok": True, **handler({**frame, "peer": connection.peer})}
        except ControlError as refusal:
            return {"id": number, "ok": False, "error": str(refusal)}
        except Exception as error:  # a fault in a command must end neither the thread nor the training
            return {"id": number, "ok": False, "error": f"{type(error).__name__}: {error}"}

    def _drop(self, which: socket.socket) -> None:
        self._selector.unregister(which)
        with self._lock:
            connection = self._connections.pop(which)
        which.close()
        self._left(connection.peer)

    def _end(self) -> None:
        for connection in [*self._connections]:
            self._drop(connection)
        self._selector.close()
        for mine in (self._server, self._woken, self._wake_up):
            mine.close()


class _Connection:
    """One connection and what has come of its next frame."""

    def __init__(self, made: socket.socket, peer: int) -> None:
        self.peer = peer
        self.trusted = False
        self._socket = made
        self._buffer = b""
        self._lock = threading.Lock()

    def receive(self) -> list[dict[str, Any]]:
        """The frames that are complete. Raises OSError where the connection has ended, ValueError for what is no frame."""
        data = self._socket.recv(FRAME_LIMIT)
        if not data:
            raise ConnectionError("the other side has left")
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > FRAME_LIMIT:
            raise ValueError("frame too long")
        return [frame_of(line) for line in lines]

    def send(self, frame: Mapping[str, Any]) -> None:
        """Send one frame. Raises OSError."""
        with self._lock:
            self._socket.sendall(json.dumps(frame, allow_nan=False).encode() + b"\n")


def frame_of(line: bytes) -> dict[str, Any]:
    """A frame from a line of JSON. Raises ValueError for what is none."""
    if len(line) > FRAME_LIMIT:
        raise ValueError("frame too long")
    try:
        frame = json.loads(line)
    except RecursionError:
        raise ValueError("frame too deep") from None
    if not isinstance(frame, dict):
        raise ValueError("not an object")
    return frame


# The app


class ControlClient:
    """A connection to a rank of the run that writes ``folder``. Raises ControlError where there is none, at once or later."""

    def __init__(self, folder: Path | str, timeout: float = 5.0, rank: int = 0) -> None:
        about = about_of(Path(folder) / file_of(rank))
        self._number = 0
        try:
            self._connection = connect_locally(about["address"], timeout)
        except OSError as error:
            raise ControlError(f"the run in {folder} does not answer ({error.strerror or error})") from None
        self._file = self._connection.makefile("rb")
        self._exchange({"id": 0, "token": about["token"]})

    def status(self) -> Answer:
        """What the run says of itself: ``pid``, ``steps`` recorded so far, ``device``, ..."""
        return self.send("status")

    def stop(self) -> None:
        """End the run as Ctrl+C would; its recording is closed."""
        self.send("stop")

    def send(self, command: str, **arguments: Any) -> Answer:
        """Any command, and its answer."""
        self._number += 1
        return self._exchange({**arguments, "command": command, "id": self._number})

    def close(self) -> None:
        """Leave; the run goes on."""
        self._file.close()
        self._connection.close()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exchange(self, frame: Mapping[str, Any]) -> Answer:
        try:
            self._connection.sendall(json.dumps(frame).encode() + b"\n")
            answer = self._read()
            while answer.get("id") != frame.get("id"):
                answer = self._read()
        except (OSError, ValueError):
            self.close()
            raise ControlError("the run has ended, or refuses to be controlled from here") from None
        if not answer.get("ok"):
            raise ControlError(str(answer.get("error", "the run refused")))
        return answer

    def _read(self) -> Answer:
        line = self._file.readline(FRAME_LIMIT + 1)
        if not line.endswith(b"\n"):
            raise ConnectionError("the run has left")
        return frame_of(line)


def about_of(file: Path) -> dict[str, str]:
    """What ``control.json`` says: address and token. Raises ControlError."""
    try:
        if not is_private(file):
            raise ControlError(f"{file} can be read by others, so it is not used")
        with file.open("rb") as opened:
            about = frame_of(opened.read(FRAME_LIMIT))
    except FileNotFoundError:
        raise ControlError(f"no run is going on in {file.parent}") from None
    except (OSError, ValueError):
        raise ControlError(f"{file} cannot be read") from None
    if about.get("protocol") != PROTOCOL:
        raise ControlError(f"the run in {file.parent} speaks another version of the control protocol")
    return {"address": str(about.get("address")), "token": str(about.get("token"))}
