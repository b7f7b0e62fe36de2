"""A recording inside a program that the app can reach, and that may wait for it."""

from __future__ import annotations

import os
import weakref

from ..control import ControlServer
from .controlled import controlled
from .recorded import RunRecording, say

WAIT_FOR_APP = 60.0
"""Seconds that a run that is to wait for an app waits at most, unless it says another number."""


def reachable(recording: RunRecording) -> ControlServer | None:
    """Let a run be told things; None where this machine does not allow it."""
    server = controlled(recording)
    if server is not None and hasattr(os, "register_at_fork"):
        this = weakref.ref(server)
        os.register_at_fork(after_in_child=lambda: _forget(this()))
    return server


def wait_for_app(recording: RunRecording, seconds: float) -> bool:
    """Wait until an app has attached, at most so long; says so. False where none came."""
    say(f"waiting for the app, at most {seconds:g} s: gradwalk open {recording.folder}")
    there = recording.attached.wait(seconds)
    if not there:
        say("no app has come; the training goes on")
    return there


def _forget(server: ControlServer | None) -> None:
    """In a forked child."""
    if server is not None:
        server.forget()
