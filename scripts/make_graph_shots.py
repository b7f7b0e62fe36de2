"""Make the pictures of docs/the-graph.md: docs/graphs/*.png, real trainings recorded here, each at three zooms, offscreen."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"
ROOT = Path(__file__).parents[1]
GRAPHS = ROOT / "docs" / "graphs"
SIZE = (1200, 560)
COLOURS = 160
NAMES = {
    "two-layer net": "two-layer-net",
    "ResNet-18-like": "resnet",
    "GPT-2, 12 layers": "gpt2-12",
    "GPT-2, 48 layers": "gpt2-48",
}
CLOSE = {"resnet": "batch_norm", "gpt2-12": "linear", "gpt2-48": "layer_norm", "two-layer-net": "clamp"}
"""The card in the middle of the closest picture."""


def main() -> None:
    """Record, then grab what a canvas shows."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import torch
    from PySide6.QtWidgets import QApplication
    from workloads import WORKLOADS

    import gradwalk
    from gradwalk.recording.reader import open_recording
    from gradwalk_gui.theme import DARK, LIGHT

    QApplication([])
    GRAPHS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for workload, name in NAMES.items():
            torch.manual_seed(0)
            step = WORKLOADS[workload][0]().step
            with gradwalk.record(Path(scratch) / name):
                for _ in range(2):
                    step()
            with open_recording(Path(scratch) / name) as recording:
                for theme in (LIGHT, DARK) if name in ("two-layer-net", "gpt2-12") else (LIGHT,):
                    shots(recording, name, theme)
    for picture in sorted(GRAPHS.glob("*.png")):
        print(picture.relative_to(ROOT), picture.stat().st_size // 1024, "KiB")


def shots(recording: object, name: str, theme: object) -> None:
    """Three pictures: all of it unfolded, as it opens, and close by."""
    from PySide6.QtWidgets import QApplication

    from gradwalk_gui.graph.canvas import GraphCanvas
    from gradwalk_gui.session import Session

    session = Session()
    session.open(recording)  # type: ignore[arg-type]
    session.set(reduced_motion=True)
    session.go_to(0, session.state.events * 3 // 5)
    canvas = GraphCanvas(session, theme)  # type: ignore[arg-type]
    canvas.resize(*SIZE)
    canvas.show()
    canvas.clearFocus()

    def grab(zoom: str) -> None:
        while canvas.scene is None or canvas.busy or canvas.moving:
            QApplication.processEvents()
        save(canvas, GRAPHS / f"{name}-{zoom}-{theme.name}.png")  # type: ignore[attr-defined]

    while canvas.scene is None or canvas.busy:
        QApplication.processEvents()
    grab("opened")
    titles = [card.title for card in canvas.scene.picture.cards]
    left, top, width, height = canvas.scene.cards[titles.index(CLOSE[name])].tolist()
    canvas.zoom_by(1.0 / canvas.zoom)
    canvas.centre_on(left + width / 2, top + height / 2)
    grab("close")
    session.unfold_all()
    while canvas.busy:
        QApplication.processEvents()
    canvas.fit_all()
    if name == "two-layer-net":
        canvas.zoom_by(0.3 / canvas.zoom)
    grab("whole")
    canvas.deleteLater()


def save(canvas: object, path: Path) -> None:
    """A picture in few colours: these are flat."""
    from PIL import Image

    canvas.grab().save(str(path))  # type: ignore[attr-defined]
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
