"""Tracebacks as they would be without us: our own frames taken out, and PyTorch's on the way to us."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from types import TracebackType

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_EXAMPLES = os.path.join(_PACKAGE, "examples", "")
_DISPATCH = os.path.join("torch", "overrides.py")


def without_us(error: BaseException) -> BaseException:
    """The same exception, its tracebacks (those of its causes too) rid of our frames."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = _cleaned(one.__traceback__)
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
        waiting += getattr(one, "exceptions", ())
    return error


def _cleaned(trace: TracebackType | None) -> TracebackType | None:
    kept: list[TracebackType] = []
    ours = False
    while trace is not None:
        if _is_ours(trace):
            ours = True
        else:
            if ours:
                _drop_the_way_to_us(kept, trace)
            kept.append(trace)
            ours = False
        trace = trace.tb_next
    following = None
    for one in reversed(kept):
        one.tb_next = following
        following = one
    return following


def _is_ours(trace: TracebackType) -> bool:
    file = trace.tb_frame.f_code.co_filename
    return (file.startswith(_PACKAGE) and not file.startswith(_EXAMPLES)) or file == "<frozen runpy>"


def _drop_the_way_to_us(kept: list[TracebackType], following: TracebackType) -> None:
    """A torch function that finds a mode calls itself again through the mode: its first frame, and the dispatch, go."""
    if len(kept) > 1 and kept[-1].tb_frame.f_code.co_filename.endswith(_DISPATCH):
        if kept[-2].tb_frame.f_code is following.tb_frame.f_code:
            del kept[-2:]
        else:
            del kept[-1]


def show_uncaught(error: BaseException) -> None:
    """What Python does with an exception that nobody caught: ``sys.excepthook``. SystemExit from the hook passes."""
    kind, trace = type(error), error.__traceback__
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stdout.flush()
    try:
        sys.excepthook(kind, error, trace)
    except SystemExit:
        raise
    except BaseException as failed:
        print("Error in sys.excepthook:", file=sys.stderr)
        traceback.print_exception(without_us(failed))
        print("\nOriginal exception was:", file=sys.stderr)
        traceback.print_exception(error)
