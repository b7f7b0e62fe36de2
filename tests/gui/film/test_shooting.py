"""Films made from the window: the dialog asks, the window stays awake, Cancel leaves nothing."""

from __future__ import annotations

import os
import time

import pytest
from nets import Transformer, recorded
from PIL import Image
from PySide6.QtCore import QTimer

from gradwalk_gui.export_dialog import FILMS, FORMATS, Export, ExportDialog
from gradwalk_gui.film import shooting
from gradwalk_gui.film.plan import Wishes
from gradwalk_gui.film.shooting import Shooting
from gradwalk_gui.state import View
from gradwalk_gui.theme import LIGHT


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    with recorded(tmp_path_factory.mktemp("shooting") / "run", Transformer(8)) as recording:
        yield recording[1]


def test_the_dialog_asks_only_what_a_format_has(qtbot, tmp_path):
    wanted = []
    dialog = ExportDialog(tmp_path / "graph", lambda export: wanted.append(export) or "")
    qtbot.addWidget(dialog)
    rows = {
        "what": dialog.shown,
        "scale": dialog.scale,
        "letters": dialog.outlines,
        "play": dialog.phase,
        "speed": dialog.speed,
        "size": dialog.size_,
    }
    there = {}
    for place, (ending, _) in enumerate(FORMATS):
        dialog.format.setCurrentIndex(place)
        there[ending] = {name for name, row in rows.items() if row.isVisibleTo(dialog)}
    assert there[".svg"] == {"what", "letters"}
    assert there[".png"] == {"what", "scale"}
    assert there[".pdf"] == {"what"}
    assert there[".dot"] == set()
    assert all(there[ending] == {"play", "speed", "size"} for ending in FILMS)
    dialog.format.setCurrentIndex(dialog.format.findData(".webp"))
    dialog.phase.setCurrentIndex(2)
    dialog.speed.setCurrentIndex(dialog.speed.findData(3.0))
    dialog.size_.setCurrentIndex(0)
    dialog.go.click()
    assert wanted == [Export(tmp_path / "graph.webp", True, 1.0, film=Wishes("step", 3.0, size=(960, 600)))]
    dialog.format.setCurrentIndex(0)
    dialog.outlines.setChecked(True)
    dialog.go.click()
    assert wanted[1] == Export(tmp_path / "graph.svg", False, 2.0, outlines=True)


def test_the_window_exports_a_film_and_says_so(opened, qtbot, tmp_path):
    window = opened._window
    opened.export_image()
    dialog = window.findChild(ExportDialog)
    dialog.format.setCurrentIndex(dialog.format.findData(".gif"))
    dialog.speed.setCurrentIndex(dialog.speed.count() - 1)
    dialog.file.setText(str(tmp_path / "flow.gif"))
    dialog.go.click()
    assert dialog.result() == 1
    qtbot.waitUntil(lambda: "flow.gif" in window.notice.text, timeout=20_000)
    assert window.notice.text == f"Wrote {tmp_path / 'flow.gif'}"
    with Image.open(tmp_path / "flow.gif") as film:
        assert film.n_frames > 5
    assert not window.status.activity._jobs


def test_the_window_stays_awake_while_a_film_is_made(trace, qtbot, tmp_path):
    film = Shooting(trace, View(), tmp_path / "flow.gif", LIGHT, Wishes(speed=3.0, size=(960, 600)))
    beats = []
    timer = QTimer(interval=2)
    timer.timeout.connect(lambda: beats.append(time.perf_counter()))
    timer.start()
    told = []
    film.progressed.connect(lambda made, of: told.append((made, of)))
    with qtbot.waitSignal(film.ended, timeout=60_000) as ended:
        film.start()
    timer.stop()
    assert ended.args == [""]
    assert told == [(made + 1, len(film.pictures)) for made in range(len(film.pictures))]
    assert len(beats) > 50
    assert os.listdir(tmp_path) == ["flow.gif"]


@pytest.mark.parametrize("after", [0, 5])
def test_cancel_leaves_the_old_file_and_nothing_else(trace, qtbot, tmp_path, after):
    path = tmp_path / "flow.webp"
    path.write_bytes(b"the old film")
    film = Shooting(trace, View(), path, LIGHT, Wishes(size=(640, 400)))
    film.progressed.connect(lambda made, _of: film.cancel() if made == after else None)
    with qtbot.waitSignal(film.ended, timeout=20_000) as ended:
        film.start()
        if not after:
            film.cancel()
    assert ended.args == ["flow.webp was cancelled; nothing was written."]
    assert path.read_bytes() == b"the old film"
    assert os.listdir(tmp_path) == ["flow.webp"]


def test_what_goes_wrong_in_the_worker_is_said(trace, qtbot, tmp_path, monkeypatch):
    film = Shooting(trace, View(), tmp_path / "no" / "flow.gif", LIGHT, Wishes(speed=5.0, size=(320, 200)))
    with qtbot.waitSignal(film.ended, timeout=20_000) as ended:
        film.start()
    assert "cannot be written" in ended.args[0]

    def broken(*_arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(shooting, "scene_of", broken)
    film = Shooting(trace, View(), tmp_path / "flow.gif", LIGHT, Wishes(speed=5.0, size=(320, 200)))
    with qtbot.waitSignal(film.ended, timeout=20_000) as ended:
        film.start()
    assert "could not be made: ZeroDivisionError()" in ended.args[0]
    assert not os.listdir(tmp_path)


def test_the_end_of_the_app_ends_a_film(trace, qtbot, tmp_path):
    film = Shooting(trace, View(), tmp_path / "flow.gif", LIGHT, Wishes(size=(640, 400)))
    film.start()
    film.close()
    assert not film._worker.is_alive()
    assert not os.listdir(tmp_path)
