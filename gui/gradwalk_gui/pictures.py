"""Pictures of what is on screen: exported, copied, saved."""

from __future__ import annotations

import time
from pathlib import Path

import platformdirs
from PySide6.QtGui import QGuiApplication

from .export_dialog import Export
from .film.plan import Wishes
from .state import State
from .verdicts import with_verdicts
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
    if wanted.film is not None:
        return _begin_film(window, wanted.path, wanted.film)
    try:
        if wanted.whole or wanted.path.suffix.lower() in (".dot", ".json"):
            trace = with_verdicts(state.trace, state.verdicts)
            save_graph(trace, state.position, state.view, wanted.path, window.theme, wanted.scale, outlines=wanted.outlines)
        else:
            save_shown(window.graph, wanted.path, wanted.scale, outlines=wanted.outlines)
    except (ExportError, OSError) as error:
        return str(error)
    window.notice.say(f"Wrote {wanted.path}")
    return ""


def _begin_film(window: Window, path: Path, wishes: Wishes) -> str:
    """Have a film made beside the window; the activity corner tells how far it is."""
    from .export import ExportError
    from .film.shooting import Shooting

    state, activity = window.session.state, window.status.activity
    assert state.trace is not None
    try:
        shooting = Shooting(with_verdicts(state.trace, state.verdicts), state.view, path, window.theme, wishes, window)
    except ExportError as error:
        return str(error)
    name = f"film {path}"

    def progressed(made: int, of: int) -> None:
        activity.begin(name, f"Writing {path.name}: {made * 100 // of} %", shooting.cancel)

    def ended(problem: str) -> None:
        activity.end(name)
        window.notice.say(problem or f"Wrote {path}")
        shooting.deleteLater()

    shooting.progressed.connect(progressed)
    shooting.ended.connect(ended)
    progressed(0, 1)
    shooting.start()
    return ""


def export_loss(window: Window, path: Path) -> str:
    """Write the loss curve; a sentence where that cannot be done."""
    from .export import ExportError
    from .views.loss_export import save_loss

    recording = window.session.state.recording
    if recording is None:
        return "There is no loss to export."
    try:
        save_loss(recording, path, window.theme, probes=window.session.state.probes)
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
