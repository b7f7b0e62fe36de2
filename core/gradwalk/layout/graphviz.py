"""Graphviz as the second engine: ``dot`` in a process of its own with a time limit, and ours where it gives none."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from .cancel import LayoutCancelled
from .dot_text import answer, question
from .engine import lay_out
from .request import Layout, LayoutRequest

EngineName: TypeAlias = Literal["ours", "graphviz"]
LOOK = 0.03
"""Seconds between two looks at whether the layout is still wanted."""
_NO_CONSOLE = getattr(subprocess, "CREATE_NO_WINDOW", 0)


@dataclass(frozen=True, slots=True)
class Engine:
    """A way to lay out; ``program`` is the path of what is started for it, empty for ours."""

    name: EngineName
    title: str
    program: str = ""


def engines() -> tuple[Engine, ...]:
    """The engines that are here, ours first."""
    program = find_dot()
    ours = Engine("ours", "Gradwalk")
    return (ours, Engine("graphviz", "Graphviz", program)) if program else (ours,)


def find_dot() -> str:
    """The path of a ``dot``: what the graphviz package runs (``dot`` on the PATH, or what it was told), or else graphviz-pure."""
    from graphviz.backend import dot_command

    beside_python = sysconfig.get_path("scripts")
    return (
        shutil.which(str(dot_command.DOT_BINARY))
        or shutil.which("graphviz-pure")
        or shutil.which("graphviz-pure", path=beside_python)
        or ""
    )


def lay_out_by_dot(
    request: LayoutRequest, timeout: float = 10.0, cancelled: Callable[[], bool] | None = None, program: str = ""
) -> Layout:
    """The layout that ``dot`` gives within ``timeout`` seconds, or else ours, whose ``note`` then says why.

    Raises LayoutCancelled when ``cancelled`` says True (``dot`` is ended then), and ValueError as ``lay_out`` does.
    """
    program = program or find_dot()
    if not program:
        return _ours(request, cancelled, "Graphviz is not installed (no dot program was found)")
    if not request.boxes:
        return lay_out(request, cancelled)
    try:
        return answer(request, _ask(program, question(request), timeout, cancelled))
    except subprocess.TimeoutExpired:
        return _ours(request, cancelled, f"Graphviz did not finish within {timeout:g} s")
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        return _ours(request, cancelled, f"Graphviz gave no layout ({_reason(error)})")


def _reason(error: Exception) -> str:
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
    return next((line for line in said.splitlines() if line.strip()), type(error).__name__)


def _ours(request: LayoutRequest, cancelled: Callable[[], bool] | None, why: str) -> Layout:
    return replace(lay_out(request, cancelled), note=f"{why}; this is Gradwalk's own layout.")


def _ask(program: str, text: str, timeout: float, cancelled: Callable[[], bool] | None) -> str:
    """What ``dot`` writes. Raises TimeoutExpired, CalledProcessError, OSError, or LayoutCancelled."""
    pipe = subprocess.PIPE
    end = time.monotonic() + timeout
    with subprocess.Popen(
        [program, "-Kdot", "-Tjson0"], stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8", creationflags=_NO_CONSOLE
    ) as process:
        waiting: str | None = text
        try:
            while True:
                if cancelled is not None and cancelled():
                    raise LayoutCancelled
                left = end - time.monotonic()
                try:
                    out, said = process.communicate(waiting, timeout=max(0.0, min(LOOK, left)))
                    break
                except subprocess.TimeoutExpired:
                    waiting = None
                    if left <= LOOK:
                        raise
        finally:
            process.kill()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, program, out, said)
    return out
