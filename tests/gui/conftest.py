"""The real window with nobody's settings, and small recordings made from the sample."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest
import shiboken6
import torch
from PySide6.QtCore import QCoreApplication, QEvent

from gradwalk.recording.info import run_info
from gradwalk.recording.writer import Writer
from gradwalk.sample import SampleRecording
from gradwalk_gui import app, pictures, settings
from gradwalk_gui.shell import Shell
from gradwalk_gui.theme import load_fonts
from gradwalk_gui.window import Window

sys.path.insert(0, str(Path(__file__).parent))  # nets.py, walking.py
sys.path.insert(0, str(Path(__file__).parents[1] / "live"))  # held.py


@pytest.fixture(autouse=True, scope="session")
def fonts(qapp):
    """What is measured is measured in the bundled fonts, whichever test comes first: widths of texts are kept."""
    load_fonts()


@lru_cache(maxsize=8)
def sample(steps: int) -> SampleRecording:
    """The sample takes a while to compute; it is never changed."""
    return SampleRecording(steps)


def write_recording(folder: Path, steps: int = 4, ended: str = "clean") -> Path:
    """A run folder with the first steps of the sample."""
    writer = Writer(folder, run_info(device="cpu", script="/somewhere/two_layer.py"))
    for step in range(steps):
        writer.add(sample(steps)[step])
    writer.close(ended)
    return folder


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_recording(tmp_path / "run")


@pytest.fixture
def shell(qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """The window on screen with its views, nothing open; what tests start or save stays in ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pictures, "pictures_folder", lambda: tmp_path / "pictures")
    window, made = app.build(settings.Settings(), tmp_path / "config" / "app.json")
    window.populate()
    window.desk.arrange("Debug")
    window.show()
    qtbot.waitExposed(window)
    yield made
    free(window)


@pytest.fixture
def discard() -> Callable[[Window], None]:
    return free


def free(window: Window) -> None:
    """Close a window and free all of it now, so that no later test restyles its widgets."""
    window.close()
    window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    assert not shiboken6.isValid(window)


@pytest.fixture
def opened(shell: Shell, qtbot) -> Shell:
    """The window with three steps of the sample open."""
    shell.session.open(sample(3))
    qtbot.waitUntil(shell._window.desk.isVisible)
    return shell


@pytest.fixture
def focus(qtbot) -> Callable[..., None]:
    def give(widget) -> None:
        widget.activateWindow()
        widget.setFocus()
        qtbot.waitUntil(lambda: widget.hasFocus() or widget.isAncestorOf(widget.window().focusWidget()))

    return give


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    from nets import Transformer, recorded

    torch.manual_seed(0)
    with recorded(tmp_path_factory.mktemp("net") / "run", Transformer(4)) as recording:
        yield recording


@pytest.fixture
def looking(shell, transformer, qtbot, focus):
    """The window with the net open and the focus on the graph."""
    shell.session.open(transformer)
    canvas = shell._window.graph
    qtbot.waitUntil(lambda: shell._window.desk.isVisible() and canvas.scene is not None and canvas.fits)
    qtbot.waitUntil(lambda: shell._window.desk._wanted is None)  # the docks have their sizes
    focus(canvas)
    return shell
