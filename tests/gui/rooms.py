"""What has no room in a window: panels that overlap, leave it or are cut, and controls of the tool bar that cannot be reached.

Run as a program it looks at windows of all sizes and prints what is wrong; the display's scale comes from the environment.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from PySide6.QtCore import QRect
from PySide6.QtWidgets import QToolButton

SIZES = ((1024, 640), (1280, 720), (1366, 768), (1920, 1080))


def settle(window, turns: int = 12) -> None:
    """Let the window take its size and draw."""
    from PySide6.QtWidgets import QApplication

    for _ in range(turns):
        QApplication.processEvents()
        time.sleep(0.005)


def faults(window) -> list[str]:
    """Everything that is wrong now, in words."""
    return [*_docks(window.desk), *_bar(window.desk.transport)]


def _docks(desk) -> list[str]:
    shown = {name: dock for name, dock in desk.docks.items() if dock.isVisible() and not dock.visibleRegion().isEmpty()}
    places = {name: dock.geometry() for name, dock in shown.items()}
    places["graph"] = desk.centralWidget().geometry()
    found = [f"{name} leaves the window: {at}" for name, at in places.items() if not desk.rect().contains(at)]
    names = sorted(places)
    pairs = [(a, b) for number, a in enumerate(names) for b in names[number + 1 :]]
    found += [f"{a} lies over {b}" for a, b in pairs if places[a].intersects(places[b])]
    for name, dock in shown.items():
        needs, has = dock.widget().minimumSizeHint().expandedTo(dock.widget().minimumSize()), dock.widget().size()
        if needs.width() > has.width() or needs.height() > has.height():
            found.append(f"{name} is cut: it has {has.toTuple()} and needs {needs.toTuple()}")
    return found


def _bar(bar) -> list[str]:
    ends = bar.findChild(QToolButton, "qt_toolbar_ext_button")
    found = ["Qt hides a part of the bar"] if ends is not None and ends.isVisible() else []
    entries = [action.objectName() for action in bar.more.fill()]
    if bar.more.isVisible() != bool(entries):
        found.append("the button of the bar's end and its menu do not agree")
    for action in bar.actions():
        widget = bar.widgetForAction(action)
        if widget is bar.more or (action is bar._stop and not bar._actions["stop"].isEnabled()):
            continue
        whole = widget.isVisible() and bar.rect().contains(QRect(widget.pos(), widget.size()))
        name = widget.objectName().removeprefix("button-") or widget.accessibleName()
        reached = name in entries or (name == "Colour by" and any(entry.startswith("measure-") for entry in entries))
        if widget.accessibleName() and not (whole or reached):
            found.append(f"{name} cannot be reached")
    return found


def each(window, shell, docks=("tensor", "inspector", "loss", "alerts", "gradients", "saved", "breakpoints")) -> list[str]:
    """What is wrong at any size, whichever panel is in front."""
    found = []
    for width, height in SIZES:
        window.resize(width, height)
        for name in docks:
            window.desk.show_dock(name)
            settle(window)
            if (window.width(), window.height()) != (width, height):
                found.append(f"{width}x{height} became {window.width()}x{window.height()}")
            found += [f"{width}x{height}, {name} in front: {fault}" for fault in faults(window)]
    return found


def main(recording: str) -> int:
    """Open a recording and print what is wrong."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from PySide6.QtCore import QByteArray

    from gradwalk.recording.reader import open_recording
    from gradwalk_gui import app, settings

    made = app.application()
    window, shell = app.build(settings.Settings(reduced_motion=True), None)
    window.populate()
    window.desk.restore(QByteArray())
    with open_recording(Path(recording)) as opened:
        shell.show_recording(opened, Path(recording), follow=False)
        window.show()
        settle(window, 40)
        print(f"scale {window.devicePixelRatioF():g}")
        print("\n".join(each(window, shell)))
        shell.close()
        window.close()
    made.processEvents()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
