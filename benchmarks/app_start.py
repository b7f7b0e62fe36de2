"""How long the window takes from the interpreter's start to its first paint, and until the views are there; the best of several.

Without a display it measures on Qt's offscreen platform.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from gradwalk.platform import has_display

RUNS = 7
PROBE = """
import os, sys, time
import gradwalk_gui.app as app
original_build, original_after = app.build, app._after_first_show
begun = float(os.environ["GRADWALK_BEGUN"])
def build(*arguments):
    window, shell = original_build(*arguments)
    from PySide6.QtCore import QEvent, QObject
    class FirstPaint(QObject):
        def eventFilter(self, watched, event):
            if event.type() == QEvent.Type.Paint:
                print("painted", time.time() - begun, flush=True)
                watched.removeEventFilter(self)
            return False
    window.probe = FirstPaint()
    window.centralWidget().installEventFilter(window.probe)
    return window, shell
def after(window, *arguments):
    original_after(window, *arguments)
    print("views", time.time() - begun, flush=True)
    print("torch", "torch" in sys.modules, flush=True)
    window.close()
app.build, app._after_first_show = build, after
sys.exit(app.main([]))
"""


def start() -> dict[str, str]:
    """Start the app once; what it printed, by name."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CONFIG_HOME": folder, "GRADWALK_BEGUN": repr(time.time())}
        if not has_display():
            environment["QT_QPA_PLATFORM"] = "offscreen"
        done = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=True)
    return dict(line.split() for line in done.stdout.splitlines())


def main() -> None:
    start()  # warms the file cache
    runs = [start() for _ in range(RUNS)]
    painted, views = (sorted(float(run[name]) for run in runs) for name in ("painted", "views"))
    print(f"window painted after {painted[0]:.2f} s (median {painted[RUNS // 2]:.2f} s)")
    print(f"views there after    {views[0]:.2f} s (median {views[RUNS // 2]:.2f} s)")
    print(f"torch imported: {any(run['torch'] == 'True' for run in runs)}")


if __name__ == "__main__":
    main()
