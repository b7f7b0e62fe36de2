"""Make the pictures of the README: assets/shots/*.png, from the demos as they really run, rendered offscreen."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"
SHOTS = Path(__file__).parents[1] / "assets" / "shots"


def record(name: str, folder: Path, steps: int) -> Path:
    """Record a demo without a window; the run folder."""
    run = folder / name
    options = ["--no-window", "--seed", "0", "--train-steps", str(steps), "--record", str(run)]
    subprocess.run([sys.executable, "-m", "gradwalk", "demo", name, *options], check=True, stdout=subprocess.DEVNULL)
    return run


def main() -> None:
    """Record, then draw."""
    from gradwalk import open_recording
    from gradwalk_gui.app import render_window
    from gradwalk_gui.export import save_graph
    from gradwalk_gui.state import View
    from gradwalk_gui.theme import DARK, LIGHT
    from gradwalk_gui.views.loss_export import save_loss

    SHOTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        autograd = record("autograd", Path(scratch), 500)
        mlp = record("mlp", Path(scratch), 60)
        for theme in (LIGHT, DARK):
            render_window(autograd, SHOTS / f"window-{theme.name}.png", theme=theme.name)
        render_window(autograd, SHOTS / "learn-light.png", layout="Learn")
        three = [record(name, Path(scratch), 500) for name in ("numpy", "function")]
        for theme in (LIGHT, DARK):
            picture = SHOTS / f"side-by-side-{theme.name}.png"
            render_window(three[0], picture, theme=theme.name, beside=(autograd, three[1]))
        with open_recording(mlp) as recording:
            trace = recording[0]
            save_graph(trace, len(trace.tape), View(), SHOTS / "mlp-light.png", LIGHT, scale=1.5)
            save_graph(trace, len(trace.tape), View(), SHOTS / "mlp-dark.png", DARK, scale=1.5)
        with open_recording(autograd) as recording:
            save_loss(recording, SHOTS / "loss.png", LIGHT)
    for picture in sorted(SHOTS.glob("*.png")):
        print(picture.relative_to(SHOTS.parents[1]), picture.stat().st_size // 1024, "KiB")


if __name__ == "__main__":
    main()
