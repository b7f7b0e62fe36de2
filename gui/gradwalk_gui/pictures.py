"""Pictures of what is on screen: exported, copied, saved."""

from __future__ import annotations

import time
from pathlib import Path

import platformdirs
from PySide6.QtGui import QGuiApplication

from .export_dialog import Export
from .state import State
from .window import Window


def suggested(state: State, folder: Path) -> Path:
    """A file name for a picture of the step and the event that are shown, without an ending."""
    step = state.trace.step if state.trace is not None else 0
    return folder / f"graph-step{step}-event{state.position}"


def export_image(window: Window, wanted: Export) -> str:
    """Write the graph; a sentence where that cannot be done."""
    from .export import ExportError, save_graph, save_shown

    state = window.session.state
    if state.trace is None:
        return "There is no step to export."
    try:
        if wanted.whole or wanted.path.suffix.lower() in (".dot", ".json"):
            save_graph(state.trace, state.position, state.view, wanted.path, window.theme, wanted.scale)
        else:
            save_shown(window.graph, wanted.path, wanted.scale)
    except (ExportError, OSError) as error:
        return str(error)
    window.notice.say(f"Wrote {wanted.path}")
    return ""


def export_loss(window: Window, path: Path) -> str:
    """Write the loss curve; a sentence where that cannot be done."""
    from .export import ExportError
    from .views.loss_export import save_loss

    recording = window.session.state.recording
    if recording is None:
        return "There is no loss to export."
    try:
        save_loss(recording, path, window.theme)
    except (ExportError, OSError, ValueError) as error:
        return str(error)
    window.notice.say(f"Wrote {path}")
    return ""


def copy(window: Window, *, whole_window: bool) -> None:
    """Put a picture of the graph (or the window) on the clipboard."""
    if whole_window:
        QGuiApplication.clipboard().setPixmap(window.grab())
    else:
        from .export import copy_image

        copy_image(window.graph)
    window.notice.say("Copied the window as an image." if whole_window else "Copied the graph as an image.")


def screenshot(window: Window, *, whole_window: bool) -> str:
    """Save a picture of the graph (or the window) among the user's pictures; a sentence where that cannot be done."""
    what = "window" if whole_window else "graph"
    file = pictures_folder() / f"gradwalk-{what}-{time.strftime('%Y%m%d-%H%M%S')}.png"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"{file.parent} cannot be made ({error.strerror})"
    if not (window if whole_window else window.graph).grab().save(str(file)):
        return f"{file} cannot be written"
    window.notice.say(f"Saved {file}")
    return ""


def pictures_folder() -> Path:
    """Where screenshots go."""
    return platformdirs.user_pictures_path() / "gradwalk"
