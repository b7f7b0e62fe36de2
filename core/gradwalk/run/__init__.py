"""Become the training process: run a script as ``__main__``, recorded, exactly as python would run it."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..parent_watch import watch_parent
from ..platform import has_display, uninterrupted
from .controlled import controlled
from .place import claim, identity, run_folder
from .program import Program, execute, find_program
from .recorded import RunRecording, Subject, Wishes, say
from .report import sentence_about
from .tracebacks import show_uncaught, without_us
from .window import show_window


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. ``folder``: the run folder (default: a new one under ``gradwalk-runs``)."""

    folder: Path | None = None
    window: bool = True
    paused: bool = False
    wishes: Wishes = field(default_factory=Wishes)


def run_script(script: str, arguments: Sequence[str], options: Options) -> int:
    """Run a script to its end and give the exit code, or raise what makes Python itself end as it would have.

    Raises RefusalError, before anything of the script has run, where the script or the folder will not do.
    """
    return Run(find_program(script), arguments, options).execute()


class Run:
    """One script's run. The recording is closed when Python exits, after the script's threads and its own exit functions."""

    def __init__(self, program: Program, arguments: Sequence[str], options: Options) -> None:
        watch_parent()
        who = identity()
        if options.folder is None:
            self.folder = run_folder(program.path, who)
        else:
            self.folder = options.folder
            claim(self.folder, who)
        subject = Subject((program.name, *arguments), program.path)
        self.recording = RunRecording(self.folder, who, subject, options.wishes)
        self._program, self._arguments = program, arguments
        self._ended = "clean"
        self._rank = who.rank
        self._control = controlled(self.recording)
        if options.window and who.rank == 0 and has_display() and not show_window(self.folder, paused=options.paused):
            say("the window could not be started; the recording goes on without")

    def execute(self) -> int:
        """Run the script; see :func:`run_script`."""
        if self._control is not None and hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._control.forget)
        atexit.register(self.finish)
        self.recording.watch()
        uncaught = self._uncaught()
        if uncaught is None:
            return 0
        self.recording.stop(uncaught)
        show_uncaught(without_us(uncaught))
        if isinstance(uncaught, KeyboardInterrupt):
            self.finish()  # now: code that runs later would make Python forget that it was interrupted
            sys.excepthook = _say_nothing
            raise KeyboardInterrupt
        return 1

    def _uncaught(self) -> BaseException | None:
        """Run the script; what it raised and nobody caught. ``sys.exit`` passes, for Python to act on."""
        try:
            execute(self._program, self._arguments)
        except SystemExit as error:
            self._ended = "clean" if error.code in (None, 0) else "error"
            raise
        except KeyboardInterrupt as error:
            self._ended = "stopped"
            return error
        except BaseException as error:
            self._ended = "error"
            return error
        return None

    def finish(self) -> None:
        """Close the recording and say where it is; does nothing the second time, nor in a forked child."""
        if not self.recording.mine:
            return
        atexit.unregister(self.finish)
        try:
            with uninterrupted():
                if self._control is not None:
                    self._control.close()
                self.recording.finish(self._ended)
                say(sentence_about(self.folder, self._rank, self.recording.steps))
        except Exception as fault:  # the script has ended as it has: nothing of ours changes that
            say(f"{self.folder} could not be closed in good order ({type(fault).__name__}: {fault})")


def _say_nothing(*_: object) -> None:
    """The traceback has been shown; Python only has to end as an interrupted program does."""
