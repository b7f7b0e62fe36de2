"""Record inside a program: ``with gradwalk.record(path): train()``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .control import ControlServer
from .refusal import RefusalError
from .run import reach
from .run.place import claim, identity, run_folder
from .run.recorded import RunRecording, Subject, Wishes

LEVELS = ("structure", "statistics", "tensors")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What ``with record() as run`` gives: where the recording goes and how far it is."""

    _recording: RunRecording

    @property
    def folder(self) -> Path:
        """The run folder; open it with ``gradwalk open``, or with :func:`gradwalk.open_recording` after the block."""
        return self._recording.folder

    @property
    def steps(self) -> int:
        """How many steps have been recorded."""
        return self._recording.steps


@contextmanager
def record(
    path: str | Path | None = None,
    *,
    level: Literal["structure", "statistics", "tensors"] = "statistics",
    every: int = 1,
    steps: int | None = None,
    pin: Iterable[int] = (),
    check_steps: Iterable[int] = (),
    wait_for_app: bool | float = False,
) -> Iterator[Recorded]:
    """Record the torch code that runs inside the ``with`` block, in this thread and those that it starts.

    ``path`` is the run folder (default: a new one under ``gradwalk-runs``). ``every=n`` records every n-th step and rests in
    between (a forward that no backward follows is not counted then), ``steps=n`` the first n. Steps in ``pin`` keep every tensor;
    those in ``check_steps`` do so too, and their ops are compared with the reference while the training runs.
    While the block runs, ``gradwalk open`` on this machine follows it; ``wait_for_app`` holds the block's start until it does, at
    most 60 s, or so many as it says. An exception passes, and the step that it ended is kept. Inside another recording (also that
    of ``gradwalk run``) the steps go there, and this changes nothing.
    Raises RefusalError for a folder that holds a recording or cannot be written, and ValueError for settings that make no sense.
    """
    pins, checked = _ranges(pin), _ranges(check_steps)
    if level not in LEVELS or every < 1 or (steps is not None and steps < 1) or any(one.start < 0 for one in (*pins, *checked)):
        raise ValueError(f"level is one of {', '.join(LEVELS)}; every and steps count from 1, pinned and checked steps from 0")
    if checked and level == "structure":
        raise ValueError("check_steps needs the tensors of these steps, which the level structure does not keep")
    if wait_for_app < 0:
        raise ValueError("wait_for_app is True, False or a number of seconds")
    outer = RunRecording.active
    if outer is not None and outer.mine:
        yield Recorded(outer)
        return
    recording = _begin(path, Wishes(level, every, steps, pins, checked))
    server = reach.reachable(recording)
    try:
        if wait_for_app and server is not None and recording.rank == 0:
            reach.wait_for_app(recording, reach.WAIT_FOR_APP if wait_for_app is True else wait_for_app)
        yield Recorded(recording)
    except BaseException as error:
        recording.stop(error)
        _finish(recording, server, _ended(error))
        raise
    _finish(recording, server, "clean")


def _ranges(steps: Iterable[int]) -> tuple[range, ...]:
    return tuple(range(step, step + 1) for step in steps)


def _finish(recording: RunRecording, server: ControlServer | None, ended: str) -> None:
    if server is not None:
        server.close()
    recording.finish(ended)


def _begin(path: str | Path | None, wishes: Wishes) -> RunRecording:
    script = str(getattr(sys.modules.get("__main__"), "__file__", None) or "interactive")
    who = identity()
    if path is None:
        folder = run_folder(script, who)
    else:
        folder = Path(path)
        claim(folder, who)
    recording = RunRecording(folder, who, Subject(tuple(sys.argv), script, numpy=False), wishes)
    recording.watch()
    return recording


def _ended(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "stopped"
    return "clean" if isinstance(error, SystemExit) and error.code in (None, 0) else "error"


__all__ = ["Recorded", "RefusalError", "record"]
