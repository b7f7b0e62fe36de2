"""Pictures of the graph as files and on the clipboard, through the same painting as the window; works without a window.

Every picture is made in memory and written aside first, so that a full disk or a missing permission leaves no half file.
"""

from __future__ import annotations

import html
import json
import math
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMarginsF, QRectF, QSize, QSizeF
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QGuiApplication, QImage, QImageWriter, QPageSize, QPainter, QPdfWriter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QApplication

from gradwalk.scales import is_unscaled, unscaled
from gradwalk.trace import Trace

from .graph import styles
from .graph.camera import Camera
from .graph.canvas import GraphCanvas
from .graph.facts import gather
from .graph.legend import legend_size, paint_legend
from .graph.look import Look, look_at
from .graph.paint import paint_scene
from .graph.scene import Scene, build
from .graph.scenes import default_lay_out
from .graph.surface import Surface, measure_for_scene
from .showing import settled
from .state import View
from .theme import NUMBER_FAMILY, TEXT_FAMILY, Theme, font, load_fonts
from .verdicts import verdicts_of

ENDINGS = (".svg", ".png", ".pdf", ".dot", ".json")
FALL_BACKS = {
    TEXT_FAMILY: "Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif",
    NUMBER_FAMILY: "'JetBrains Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace",
}
LARGEST_SIDE = 32_000
"""Pixels; Qt paints no larger picture."""
LARGEST_AREA = 300_000_000
DPI, PDF_DPI = 96, 1200


class ExportError(Exception):
    """A picture that could not be made or written; the message is one sentence for people."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a picture shows: a scene at a playhead through a camera, on a sheet of ``width`` by ``height`` logical pixels."""

    scene: Scene
    look: Look
    theme: Theme
    camera: Camera
    width: float
    height: float
    legend: tuple[float, float] | None
    """Where the legend's corner is; None for none."""
    outlines: bool = False
    """Whether a vector picture has its letters as shapes."""


def save_graph(
    trace: Trace, position: int, view: View, path: Path, theme: Theme, scale: float = 2.0, *, outlines: bool = False
) -> None:
    """Write the whole graph when ``position`` events have run, in the format of the path's ending.

    ``scale`` is for PNG; ``outlines`` for SVG: letters as shapes, which look the same everywhere and cannot be searched.

    Raises ExportError for an unknown ending, a picture that would be too large, and a file that cannot be written.
    """
    path = Path(path)
    ending = _known_ending(path)
    position = max(0, min(position, len(trace.tape)))
    if ending == ".dot":
        from gradwalk.dot import dot_source

        _write(path, dot_source(trace, position, mode=view.mode, halves=view.halves).encode())
    elif ending == ".json":
        from gradwalk.graph_json import graph_json

        _write(path, (json.dumps(graph_json(trace, position), indent=1, allow_nan=False) + "\n").encode())
    else:
        ensure_application()
        _write(path, _FORMATS[ending](replace(whole_sheet(trace, position, view, theme), outlines=outlines), scale))


def save_shown(canvas: GraphCanvas, path: Path, scale: float = 2.0, *, outlines: bool = False) -> None:
    """Write exactly what the canvas shows, without what is pointed at, in the format of the path's ending.

    A graph as text (.dot, .json) is always the whole one. Raises ExportError as :func:`save_graph`, and where nothing is shown.
    """
    path = Path(path)
    ending = _known_ending(path)
    state = canvas.session.state
    if ending in (".dot", ".json") and state.trace is not None:
        save_graph(state.trace, state.position, state.view, path, canvas.theme, scale)
        return
    _write(path, _FORMATS[ending](replace(shown_sheet(canvas), outlines=outlines), scale))


def copy_image(canvas: GraphCanvas) -> None:
    """Put what the canvas shows on the clipboard, at the resolution of its screen."""
    QGuiApplication.clipboard().setImage(image_of(shown_sheet(canvas), max(canvas.devicePixelRatioF(), 2.0)))


def whole_sheet(trace: Trace, position: int, view: View, theme: Theme) -> Sheet:
    """The sheet of a whole graph with a margin, the legend under it at the right."""
    trace = unscaled(trace)
    view = settled(view, trace.graph)
    scene = build(trace.graph, view, measure_for_scene, default_lay_out())
    look = look_at(gather(trace, scene, view.measure), position, verdicts_of(trace))
    margin = styles.MARGIN
    wide, high = legend_size(scene.picture, view.measure, unscaled=is_unscaled(trace), checked=bool(look.checks.of))
    width, height = math.ceil(max(scene.width, wide) + 2 * margin), math.ceil(scene.height + 2 * margin + high)
    left = (width - scene.width) / 2
    return Sheet(
        scene, look, theme, Camera(1.0, left, margin), width, height, (width - wide - margin / 2, height - high - margin / 2)
    )


def shown_sheet(canvas: GraphCanvas) -> Sheet:
    """The sheet of what a canvas shows. Raises ExportError where it shows nothing."""
    if canvas.scene is None or canvas.look is None:
        raise ExportError("There is no graph to export: open a recording first.")
    legend = canvas.legend_rect()
    corner = None if legend is None else (legend.left(), legend.top())
    return Sheet(canvas.scene, canvas.look, canvas.theme, canvas.camera, canvas.width(), canvas.height(), corner)


def paint_sheet(painter: QPainter, sheet: Sheet, *, vector: bool) -> None:
    """Paint a sheet in logical pixels."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.fillRect(QRectF(0, 0, sheet.width, sheet.height), QColor(sheet.theme.ground))
    camera, measure = sheet.camera, sheet.look.facts.measure
    painter.save()
    painter.translate(camera.x, camera.y)
    painter.scale(camera.zoom, camera.zoom)
    left, top = camera.to_scene(0, 0)
    visible = QRectF(left, top, sheet.width / camera.zoom, sheet.height / camera.zoom)
    surface = Surface(sheet.theme, camera.zoom, vector, measure, vector and sheet.outlines)
    paint_scene(painter, surface, sheet.scene, sheet.look, visible)
    painter.restore()
    if sheet.legend is not None:
        known = is_unscaled(sheet.look.trace)
        surface = replace(surface, zoom=1.0)
        paint_legend(painter, surface, sheet.scene.picture, *sheet.legend, unscaled=known, checked=bool(sheet.look.checks.of))


def image_of(sheet: Sheet, scale: float) -> QImage:
    """A sheet as pixels. Raises ExportError where that would be too many."""
    width, height = math.ceil(sheet.width * scale), math.ceil(sheet.height * scale)
    if scale <= 0:
        raise ExportError(f"A picture needs a scale above 0; it was {scale:g}.")
    if max(width, height) > LARGEST_SIDE or width * height > LARGEST_AREA:
        raise ExportError(
            f"A picture of {width} × {height} pixels is too large: choose a smaller scale than {scale:g}, or SVG or PDF."
        )
    image = QImage(width, height, QImage.Format.Format_ARGB32_Premultiplied)
    if image.isNull():
        raise ExportError(
            f"There is not enough memory for a picture of {width} × {height} pixels: choose a smaller scale than {scale:g}."
        )
    image.setDotsPerMeterX(round(DPI * scale / 0.0254))
    image.setDotsPerMeterY(round(DPI * scale / 0.0254))
    image.fill(QColor(sheet.theme.ground))
    painter = QPainter(image)
    painter.scale(scale, scale)
    paint_sheet(painter, sheet, vector=False)
    painter.end()
    return image


def _png(sheet: Sheet, scale: float) -> bytes:
    image = image_of(sheet, scale)
    image.setText("Software", "Gradwalk")
    return _bytes(lambda device: bool(QImageWriter(device, QByteArray(b"PNG")).write(image)))


def _svg(sheet: Sheet, _scale: float) -> bytes:
    def draw(device: QBuffer) -> bool:
        generator = QSvgGenerator()
        generator.setOutputDevice(device)
        generator.setResolution(DPI)
        generator.setSize(QSize(math.ceil(sheet.width), math.ceil(sheet.height)))
        generator.setViewBox(QRectF(0, 0, math.ceil(sheet.width), math.ceil(sheet.height)))
        generator.setTitle(
            f"Gradwalk: step {sheet.look.trace.step}, {sheet.look.position} of {len(sheet.look.trace.tape)} events"
        )
        generator.setDescription("The graph of one training step, drawn by Gradwalk")
        return _paint(generator, sheet, 1.0)

    text = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", _bytes(draw).decode("utf-8"))
    return _small(_TEXT.sub(_any_font, text)).encode("utf-8")


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not know; a name may hold any."""
_TEXT = re.compile(r'<text ([^>]*?)font-family="([^"]*)" font-size="([\d.]+)" font-weight="(\d+)"([^>]*)>([^<]*)</text>')


def _any_font(found: re.Match[str]) -> str:
    """A text with fall-backs for its font, held to the width that it has in ours, so that nothing overlaps in another."""
    before, family, size, weight, after, text = found.groups()
    used = font(float(size), QFont.Weight(int(weight)), numbers=family == NUMBER_FAMILY)
    width = QFontMetricsF(used).horizontalAdvance(html.unescape(text))
    held = f'textLength="{width:.2f}" lengthAdjust="spacingAndGlyphs"'
    families = FALL_BACKS.get(family, family)
    return f'<text {before}font-family="{families}" font-size="{size}" font-weight="{weight}" {held}{after}>{text}</text>'


def _small(text: str) -> str:
    """SVG without the groups that hold nothing, of which Qt writes many."""
    return re.sub(r"<g [^>]*>\s*</g>\s*", "", text)


def _pdf(sheet: Sheet, _scale: float) -> bytes:
    def draw(device: QBuffer) -> bool:
        writer = QPdfWriter(device)
        points = QSizeF(sheet.width, sheet.height) * 72 / DPI
        writer.setPageSize(QPageSize(points, QPageSize.Unit.Point, "", QPageSize.SizeMatchPolicy.ExactMatch))
        writer.setPageMargins(QMarginsF(0, 0, 0, 0))
        writer.setResolution(PDF_DPI)
        writer.setTitle(f"Gradwalk: step {sheet.look.trace.step}")
        writer.setCreator("Gradwalk")
        return _paint(writer, sheet, PDF_DPI / DPI)

    return _bytes(draw)


def _paint(device: QSvgGenerator | QPdfWriter, sheet: Sheet, scale: float) -> bool:
    painter = QPainter(device)
    if not painter.isActive():
        return False
    painter.scale(scale, scale)
    paint_sheet(painter, sheet, vector=True)
    return bool(painter.end())


_FORMATS: dict[str, Callable[[Sheet, float], bytes]] = {".svg": _svg, ".png": _png, ".pdf": _pdf}


def _bytes(draw: Callable[[QBuffer], bool]) -> bytes:
    held = QByteArray()
    device = QBuffer(held)
    device.open(QIODevice.OpenModeFlag.WriteOnly)
    drawn = draw(device)
    device.close()
    if not drawn:
        raise ExportError("Qt could not draw the picture.")
    return bytes(held.data())


def _known_ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        given = f'The ending "{path.suffix}"' if path.suffix else "A file name without an ending"
        raise ExportError(f"{given} is not one that can be written: choose one of {', '.join(ENDINGS)}.")
    return ending


def _write(path: Path, content: bytes) -> None:
    """Write a file aside, then put it in its place."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise ExportError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.") from error


_kept_alive: list[QApplication] = []


def ensure_application() -> None:
    """Fonts and pictures need an application; without one, one that needs no display."""
    if QGuiApplication.instance() is None:
        _kept_alive.append(QApplication(["gradwalk", "-platform", "offscreen"]))
    load_fonts()
