"""The app: the only place that wires session, window and shell together. Qt is imported inside, after the system was checked."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gradwalk.recording.format import RecordingError
from gradwalk.recording.reader import Recording, open_recording

from . import display, settings
from .alive import run_is_alive
from .session import Session

if TYPE_CHECKING:
    from types import TracebackType

    from PySide6.QtWidgets import QApplication

    from .shell import Shell
    from .theme import Theme
    from .window import Window

FIRST_SHOW_MS = 30
"""The views are made this long after the window was shown, so that it is on screen first."""
RENDERED_SIZE = (1440, 900)
RENDER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    path: Path | None = None
    follow: bool = False
    theme: str = ""
    reset: bool = False
    tour: bool = True
    beside: tuple[Path, ...] = ()


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m gradwalk_gui [PATH] [--paused | --follow] [--theme NAME] [--reset] [--no-tour]``; gives the exit code."""
    options = parse(sys.argv[1:] if argv is None else argv)
    problem = display.problem()
    if problem:
        return _refuse(problem)
    recording: Recording | None = None
    if options.path is not None:
        try:
            recording = open_recording(options.path)
        except RecordingError as error:
            if not is_about_to_start(options.path):
                return _refuse(str(error))
    return _run(options, recording)


def parse(argv: Sequence[str]) -> Options:
    """Options from the command line; ends the process with exit code 2 for what it does not know."""
    parser = argparse.ArgumentParser(prog="gradwalk open", description="Show a recording in the Gradwalk window.")
    parser.add_argument("path", nargs="?", type=Path, help="a run folder or one .mcap file; without it, the welcome page")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--paused", action="store_true", help="stand before the first event of the first step (the default)")
    where.add_argument("--follow", action="store_true", help="follow the newest step while the recording grows")
    parser.add_argument("--theme", choices=("light", "dark", "system"), default="", help="instead of the one in the preferences")
    parser.add_argument("--reset", action="store_true", help="forget the window's arrangement and the preferences")
    parser.add_argument("--no-tour", action="store_true", help="do not start the tour, which else starts once with an example")
    parser.add_argument("--beside", type=Path, action="append", default=[], help="another recording to show side by side with it")
    given = parser.parse_args(argv)
    return Options(given.path, given.follow, given.theme, given.reset, not given.no_tour, tuple(given.beside))


def is_about_to_start(path: Path) -> bool:
    """Whether a run goes on in a folder in which nothing has been recorded yet."""
    return path.is_dir() and not any(path.glob("*.mcap")) and run_is_alive(path)


def _refuse(sentence: str) -> int:
    print(f"gradwalk: {sentence}", file=sys.stderr)
    return 2


def build(kept: settings.Settings, file: Path | None) -> tuple[Window, Shell]:
    """The window and its shell, nothing shown yet; needs a QApplication. Without ``file`` the settings are not saved."""
    from . import style
    from .shell import Shell, theme_of
    from .window import Window

    session = Session()
    session.set(**{name: getattr(kept, name) for name in settings.IN_STATE})
    theme = theme_of(session.state)
    style.apply(application(), theme, kept.font_scale)
    window = Window(session, theme)
    shell = Shell(window, session, kept, file)
    return window, shell


def application() -> QApplication:
    """The QApplication, made if there is none yet."""
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QGuiApplication
    from PySide6.QtWidgets import QApplication

    there = QApplication.instance()
    if there is not None:
        return cast("QApplication", there)
    rounding = Qt.HighDpiScaleFactorRoundingPolicy.PassThrough
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(rounding)
    made = QApplication(["gradwalk", "-style", "fusion"])
    made.setApplicationName("gradwalk")
    made.setApplicationDisplayName("Gradwalk")
    made.setDesktopFileName("gradwalk")
    return made


def _run(options: Options, recording: Recording | None) -> int:
    from PySide6.QtCore import QTimer

    from .signals import quit_on_signals

    app = application()
    file = settings.file()
    kept = settings.Settings() if options.reset else settings.load(file)
    if options.theme:
        kept = replace(kept, theme=options.theme)
    window, shell = build(kept, file)
    shell.restore_window()
    if options.path is not None:
        window.say_waiting("Opening", str(options.path))
    quit_on_signals(window.close)
    _tell_faults(window)
    if options.tour and not kept.toured:
        shell.tour.arm()
    window.show()
    QTimer.singleShot(FIRST_SHOW_MS, lambda: _after_first_show(window, shell, options, recording))
    code = app.exec()
    shell.close()
    return code


def first_line(fault: BaseException) -> str:
    """The first line of an exception's message."""
    return next(iter(str(fault).splitlines()), "no message")


def _tell_faults(window: Window) -> None:
    """A fault of ours ends nothing: the traceback goes to stderr, one sentence to the top of the window."""
    print_it = sys.excepthook

    def tell(kind: type[BaseException], fault: BaseException, traceback: TracebackType | None) -> None:
        print_it(kind, fault, traceback)
        root = fault.__cause__ or fault
        window.notice.say(f"Something went wrong inside Gradwalk ({type(root).__name__}: {first_line(root)})", "error")

    sys.excepthook = tell


def _after_first_show(window: Window, shell: Shell, options: Options, recording: Recording | None) -> None:
    window.populate()
    if options.path is not None and recording is not None:
        shell.show_recording(recording, options.path, follow=options.follow)
        if options.beside:
            shell.others.sides.set_beside(options.beside)
    elif options.path is not None:
        folder = options.path
        shell.follower.await_recording(folder, follow=options.follow, alive=lambda: run_is_alive(folder))
    gc.collect()
    gc.freeze()


def render_window(
    recording_path: Path | str,
    png_path: Path | str,
    theme: str | Theme = "light",
    *,
    layout: str = "",
    beside: Sequence[Path] = (),
) -> None:
    """Write a picture of the real window (1440x900) with a recording open, in the middle of the backward pass of its first step.

    ``layout`` is a named layout; "" for the window as it first opens; ``beside`` are recordings side by side with it.
    Raises RecordingError for a path that is no recording, OSError where the picture cannot be written.
    """
    from PySide6.QtCore import QByteArray

    from gradwalk.tape import phases

    if not os.environ.get("DISPLAY"):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    recording = open_recording(Path(recording_path))
    app = application()
    window, shell = build(
        replace(settings.Settings(), theme=theme if isinstance(theme, str) else theme.name, reduced_motion=True), None
    )
    window.resize(*RENDERED_SIZE)
    window.populate()
    if layout:
        window.desk.arrange(layout)
    else:
        window.desk.restore(QByteArray())
    shell.show_recording(recording, Path(recording_path), follow=False)
    trace = shell.session.state.trace
    if trace is not None:
        middle = [(start + end + 1) // 2 for phase, start, end in phases(trace) if phase == "backward"]
        shell.session.go_to(0, middle[0] if middle else len(trace.tape))
    window.show()
    _settle(app, window)
    if beside:
        shell.others.sides.set_beside(beside)
        _settle(app, window)
    saved = window.grab().save(str(png_path))
    shell.close()
    window.close()
    if not saved:
        raise OSError(f"{png_path} cannot be written")


def _settle(app: QApplication, window: Window) -> None:
    """Wait until the graph is laid out and everything is drawn."""
    import time

    until = time.monotonic() + RENDER_SECONDS
    quiet = 0
    while time.monotonic() < until and quiet < 12:
        app.processEvents()
        busy = any(getattr(view, "busy", False) for view in (window.graph, window.desk.views["sides"]))
        quiet = 0 if busy else quiet + 1
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
