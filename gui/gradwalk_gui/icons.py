"""The bundled icons in the colours of a theme."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from .theme import Theme, assets

SIZES = (16, 20, 24, 32, 48, 64)
"""Device pixels that an icon is drawn in, so that it is sharp from 100 to 200 %."""


@lru_cache(maxsize=256)
def icon(name: str, colour: str, disabled: str = "", checked: str = "") -> QIcon:
    """An icon in a colour (``#rrggbb``), in others while disabled or checked. Raises FileNotFoundError for an unknown name."""
    made = QIcon()
    for mode, ink in ((QIcon.Mode.Normal, colour), (QIcon.Mode.Disabled, disabled or colour)):
        for size in SIZES:
            made.addPixmap(picture(name, ink, size), mode)
    for size in SIZES if checked else ():
        made.addPixmap(picture(name, checked, size), QIcon.Mode.Normal, QIcon.State.On)
    return made


def themed(name: str, theme: Theme) -> QIcon:
    """The icon ``name`` as it stands on buttons and in menus."""
    return icon(name, theme.subtle, theme.ghost)


@lru_cache(maxsize=256)
def picture(name: str, colour: str, size: int, ratio: float = 1.0) -> QPixmap:
    """An icon as a pixmap of ``size`` logical pixels on a screen of device pixel ratio ``ratio``."""
    text = (assets() / "icons" / f"{name}.svg").read_text(encoding="utf-8").replace("currentColor", colour)
    pixels = round(size * ratio)
    made = QPixmap(pixels, pixels)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    QSvgRenderer(QByteArray(text.encode())).render(painter, QRectF(0, 0, pixels, pixels))
    painter.end()
    made.setDevicePixelRatio(ratio)
    return made


def app_icon() -> QIcon:
    """The icon of the program."""
    return icon("gradwalk", "#000000")
