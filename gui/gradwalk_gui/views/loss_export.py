"""The loss written to a file: a picture (PNG, SVG) or a table (CSV), which holds the probes too."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QBuffer, QIODevice, QRect, QSize, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgGenerator

from ..inspection.losses import bad_losses, step_numbers
from ..loss_picture import SIZE, Curve, curve_of, paint_loss
from ..plots.series import Series, series_of
from ..probes import FIGURES, Probe
from ..saving import check_ending, ensure_application, write_aside
from ..state import Steps
from ..theme import Theme

ENDINGS = (".png", ".svg", ".csv")


def save_loss(
    recording: Steps, path: Path, theme: Theme, *, log: bool = True, scale: float = 2.0, probes: Iterable[Probe] = ()
) -> None:
    """Write the loss of every step; ``scale`` is device pixels per logical pixel of a PNG.

    A loss that was zero or less everywhere is drawn on a linear scale. The CSV has the columns ``step`` and ``loss`` and one for
    each of the ``probes``, floats in the shortest form that gives the same bits again. Raises ExportError.
    """
    ending = check_ending(path, ENDINGS)
    losses = np.asarray(recording.losses(), dtype=np.float64)
    steps = step_numbers(recording, len(losses))
    bad = bad_losses(recording, losses)
    if ending == ".csv":
        write_aside(path, table(steps, losses, bad, series_of(recording, probes)).encode())
        return
    ensure_application()
    curve = curve_of(steps, losses, log=log, bad=bad)
    write_aside(path, _png(curve, theme, scale) if ending == ".png" else _svg(curve, theme))


def table(steps: NDArray[np.float64], losses: NDArray[np.float64], bad: NDArray[np.bool_], probes: Iterable[Series] = ()) -> str:
    """The losses and the probes as CSV; empty where a step has none, ``nan``, ``inf`` and ``-inf`` where it is that."""
    columns = [_texts(losses, bad)]
    names = ["step", "loss"]
    for one in probes:
        names.append(f"{one.probe.name} {FIGURES[one.probe.figure]}")
        columns.append(_texts(one.numbers, one.bad))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(names)
    rows.writerows(zip_longest(map(int, steps.tolist()), *columns, fillvalue=""))
    return text.getvalue()


def _texts(numbers: NDArray[np.float64], bad: NDArray[np.bool_]) -> list[str]:
    return [repr(number) if number == number or is_bad else "" for number, is_bad in zip(numbers.tolist(), bad, strict=True)]


def _png(curve: Curve, theme: Theme, scale: float) -> bytes:
    image = QImage(round(SIZE[0] * scale), round(SIZE[1] * scale), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(scale)
    image.fill(Qt.GlobalColor.white)
    painter = QPainter(image)
    paint_loss(painter, curve, theme)
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    return bytes(buffer.data().data())


def _svg(curve: Curve, theme: Theme) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    size = QSize(round(SIZE[0]), round(SIZE[1]))
    generator.setSize(size)
    generator.setViewBox(QRect(0, 0, size.width(), size.height()))
    generator.setResolution(96)
    generator.setTitle("Loss over training steps")
    painter = QPainter(generator)
    paint_loss(painter, curve, theme)
    painter.end()
    return bytes(buffer.data().data())
