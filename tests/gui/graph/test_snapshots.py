"""A few pictures of the graph, kept as PNGs: a change of how it looks is seen, and is either meant or mended.

Tolerance: both pictures are blurred over 3 x 3 pixels; at most ``SHARE`` of the pixels may then differ by more than ``LEVELS`` of
255 in a channel. The blur and the levels let another version of Qt or FreeType smooth an edge in another way; a moved line, a
missing letter or another colour is more. Fonts are bundled, numbers come from NumPy with fixed seeds.

To renew them after a change that is meant: ``GRADWALK_RENEW_SNAPSHOTS=1 pytest tests/gui/graph/test_snapshots.py``.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QImage

from gradwalk_gui.export import image_of, shown_sheet
from gradwalk_gui.graph.camera import Camera
from gradwalk_gui.theme import DARK, LIGHT

FOLDER = Path(__file__).parent / "snapshots"
SHARE, LEVELS = 0.004, 28
SIZE = (900, 420)


def blurred(image: QImage) -> np.ndarray:
    """The picture as int ``[h, w, 3]``, each pixel the mean of its neighbourhood."""
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.width(), 4)[..., :3].astype(float)
    padded = np.pad(rows, ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = rows.shape[:2]
    return sum(padded[y : y + height, x : x + width] for y in range(3) for x in range(3)) / 9


def canvas_of(open_canvas, trace, theme):
    canvas = open_canvas(trace, theme=theme)
    canvas.session.set(reduced_motion=True, minimap=False)
    canvas.resize(*SIZE)
    canvas.fit_all()
    return canvas


def the_middle_of_a_backward_pass(open_canvas, traces, theme):
    canvas = canvas_of(open_canvas, traces["sample"](), theme)
    canvas.session.go_to(0, 12)
    return canvas


def modules_all_done(open_canvas, traces, theme):
    canvas = canvas_of(open_canvas, traces["mlp"](), theme)
    canvas.session.last_event()
    canvas.fit_all()
    return canvas


def nan_and_inf(open_canvas, traces, theme):
    canvas = canvas_of(open_canvas, traces["bad"](), theme)
    canvas.session.last_event()
    return canvas


def gradients_that_meet_close_by(open_canvas, traces, theme):
    canvas = canvas_of(open_canvas, traces["residual"](), theme)
    canvas.session.last_event()
    canvas._move_to(Camera(1.0, -canvas.scene.width / 3, 30.0))
    return canvas


def far_away(open_canvas, traces, theme):
    canvas = canvas_of(open_canvas, traces["mlp"](), theme)
    canvas.session.last_event()
    canvas.zoom_by(0.2 / canvas.zoom)
    return canvas


SCENES = (
    (the_middle_of_a_backward_pass, LIGHT),
    (the_middle_of_a_backward_pass, DARK),
    (modules_all_done, DARK),
    (nan_and_inf, LIGHT),
    (gradients_that_meet_close_by, LIGHT),
    (far_away, LIGHT),
    (far_away, DARK),
)


@pytest.mark.parametrize(
    ("scene", "theme"), SCENES, ids=[f"{scene.__name__}-{'dark' if theme.dark else 'light'}" for scene, theme in SCENES]
)
def test_it_looks_as_it_did(open_canvas, traces, scene, theme, tmp_path):
    name = f"{scene.__name__}-{'dark' if theme.dark else 'light'}.png"
    image = image_of(
        shown_sheet(scene(open_canvas, traces, theme)), 1.0
    )  # the painting alone: widgets over it have their own style
    if os.environ.get("GRADWALK_RENEW_SNAPSHOTS"):
        FOLDER.mkdir(exist_ok=True)
        image.convertToFormat(QImage.Format.Format_RGB888).save(str(FOLDER / name))
    kept = QImage(str(FOLDER / name))
    assert kept.size() == image.size(), f"{FOLDER / name} is missing or of another size"
    differ = (np.abs(blurred(kept) - blurred(image)) > LEVELS).any(axis=2)
    if differ.mean() > SHARE:
        image.save(str(tmp_path / name))
    assert differ.mean() <= SHARE, f"it looks otherwise now: compare {tmp_path / name} with {FOLDER / name}"


def test_the_tolerance_sees_a_letter_that_is_missing_and_a_line_that_moved():
    kept = QImage(str(FOLDER / "the_middle_of_a_backward_pass-light.png"))
    moved = kept.copy(3, 0, kept.width() - 3, kept.height()).scaled(kept.size())
    assert (np.abs(blurred(kept) - blurred(moved)) > LEVELS).any(axis=2).mean() > SHARE
