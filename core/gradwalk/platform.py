"""The one module that spells out where POSIX and Windows differ: files, sockets, processes, and whether there is a screen."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

WINDOWS = sys.platform == "win32"
SOCKET_PATH_LIMIT = 100
"""Bytes that a local socket's path may have everywhere (macOS allows 103)."""

PATIENT_THREADS = ("OMP_WAIT_POLICY", "PASSIVE")
"""An environment variable that lets torch's threads sleep between ops instead of spinning: on a machine that serves a window
besides, small nets train faster, with the same bits."""


# Files


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, complete from the moment that it has its name. Raises OSError."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        aside.unlink()
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(aside, path)


def write_whole(path: Path, text: str) -> None:
    """Write a file that is whole or as it was before; what is no plain file (``/dev/stdout``) is written to. Raises OSError."""
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def is_private(path: Path) -> bool:
    """Whether only this user can read and write a file. Windows keeps a user's files private by their folder."""
    if WINDOWS:
        return True
    status = path.stat()
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)


# Sockets


def listen_locally() -> tuple[socket.socket, str]:
    """A listening socket that only this machine reaches, and its address as text: ``unix:PATH`` or ``tcp:PORT``."""
    family = getattr(socket, "AF_UNIX", None)
    if family is not None and not WINDOWS:
        folder = _short_folder()
        server = socket.socket(family, socket.SOCK_STREAM)
        path = os.path.join(folder, "control")
        server.bind(path)
        server.listen(4)
        return server, f"unix:{path}"
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind(("127.0.0.1", 0))
    server.listen(4)
    return server, f"tcp:{server.getsockname()[1]}"


def _short_folder() -> str:
    _sweep(Path(tempfile.gettempdir()))
    for parent in (None, "/tmp"):
        folder = tempfile.mkdtemp(prefix="gradwalk-", dir=parent)
        if len(os.fsencode(folder)) + len("/control") <= SOCKET_PATH_LIMIT:
            return folder
        os.rmdir(folder)
    raise OSError("no folder for temporary files has a path short enough for a local socket")


def _sweep(parent: Path) -> None:
    """Remove the socket folders of runs that were killed; young ones may be about to be used."""
    for folder in parent.glob("gradwalk-????????"):
        with contextlib.suppress(OSError):
            status = folder.stat()
            old = time.time() - status.st_mtime > 60
            if old and status.st_uid == os.getuid() and not _answers(str(folder / "control")):
                shutil.rmtree(folder, ignore_errors=True)


def connect_locally(address: str, timeout: float) -> socket.socket:
    """A connection to an address that :func:`listen_locally` gave. Raises OSError, also where the socket is another user's."""
    kind, _, where = address.partition(":")
    if kind == "unix" and not WINDOWS:
        if os.stat(where).st_uid != os.getuid():
            raise PermissionError(f"the socket {where} belongs to another user")
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        target: str | tuple[str, int] = where
    elif kind == "tcp" and where.isdecimal() and 0 < int(where) < 65536:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        target = ("127.0.0.1", int(where))
    else:
        raise OSError(f"{address!r} is no address on this machine")
    connection.settimeout(timeout)
    try:
        connection.connect(target)
    except OSError:
        connection.close()
        raise
    return connection


def forget_address(address: str) -> None:
    """Remove what :func:`listen_locally` left in the file system."""
    kind, _, where = address.partition(":")
    if kind == "unix":
        shutil.rmtree(os.path.dirname(where), ignore_errors=True)


# Processes and signals


_DEAF = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
"""Whether this process was started without an ear for Ctrl+C, as a shell script starts what it puts into the background."""


def interrupt_main_thread() -> None:
    """What Ctrl+C does: SIGINT to the main thread, which wakes it from a wait as well.

    A process that was born deaf to SIGINT is given the KeyboardInterrupt itself, once its main thread runs Python again.
    """
    if WINDOWS:
        import _thread

        _thread.interrupt_main()
        return
    ident = threading.main_thread().ident
    if ident is not None and _DEAF and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        import ctypes

        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(KeyboardInterrupt))
    elif ident is not None:
        signal.pthread_kill(ident, signal.SIGINT)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl+C does nothing while the body runs in the main thread."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # another thread: interrupts do not come here
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


def start_detached(command: Sequence[str], log: IO[bytes] | int = subprocess.DEVNULL) -> None:
    """Start a program that lives on its own: not a child of this process, not in its terminal's group, its output in ``log``."""
    if WINDOWS:
        flags = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, creationflags=flags, close_fds=True)
        return
    # A shell starts it in the background and ends, so that the script never finds a child that it did not start.
    shell = ["/bin/sh", "-c", '"$@" &', "sh", *command]
    subprocess.run(shell, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, check=False)


def own_command() -> str:
    """How this user calls ``gradwalk`` from where they are: by its name, or by the path in an environment that is not active."""
    here = Path(sys.executable).with_name("gradwalk.exe" if WINDOWS else "gradwalk")
    found = shutil.which("gradwalk")
    if found is not None and (not here.exists() or os.path.samefile(found, here)):
        return "gradwalk"
    if not here.exists():
        return f"{os.path.basename(sys.executable)} -m gradwalk"
    path = os.path.relpath(here) if here.is_relative_to(Path.cwd()) else str(here)
    return shlex.quote(path)


def python_module(module: str, *arguments: str) -> list[str]:
    """The command that runs ``python -m module`` with this interpreter, not importing from the current folder."""
    if sys.version_info >= (3, 11):
        return [sys.executable, "-P", "-m", module, *arguments]
    return python_code(f"import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)", *arguments)


def python_code(code: str, *arguments: str) -> list[str]:
    """The command that runs ``python -c code`` with this interpreter, not importing from the current folder."""
    if sys.version_info >= (3, 11):
        return [sys.executable, "-P", "-c", code, *arguments]
    return [sys.executable, "-c", f"import sys; sys.path[0] = sys.executable\n{code}", *arguments]


# The screen


def has_display(environment: Mapping[str, str] | None = None) -> bool:
    """Whether a window can be shown here. ``GRADWALK_NO_WINDOW`` or Qt's offscreen platform count as no display."""
    environment = os.environ if environment is None else environment
    if environment.get("GRADWALK_NO_WINDOW") or environment.get("QT_QPA_PLATFORM", "") in ("offscreen", "minimal"):
        return False
    if WINDOWS or sys.platform == "darwin":
        return True
    return _wayland_answers(environment) or _x11_answers(environment.get("DISPLAY", ""))


def _wayland_answers(environment: Mapping[str, str]) -> bool:
    name = environment.get("WAYLAND_DISPLAY", "")
    return bool(name) and _answers(os.path.join(environment.get("XDG_RUNTIME_DIR", ""), name))


def _x11_answers(display: str) -> bool:
    host, colon, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not colon or not number.isdecimal():
        return False
    if host in ("", "unix"):
        path = f"/tmp/.X11-unix/X{number}"
        return _answers(path) or _answers(f"\0{path}")
    with contextlib.suppress(OSError), socket.create_connection((host.strip("[]"), 6000 + int(number)), timeout=2.0):
        return True
    return False


def _answers(path: str) -> bool:
    with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        probe.connect(path)
        return True
    return False
