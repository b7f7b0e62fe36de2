"""The step ribbon: the health of every training step, a bar as high as its loss; NaN, Inf and errors stand out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QPushButton, QWidget

from ..icons import icon
from ..numbers import number
from ..panel import mix
from ..ribbon import Ribbon, bin_edges, rgb
from ..session import Play, Session, State
from ..theme import Theme, magnitude_table

FLAT = 0.5
"""How high bars are where all losses are equal."""
LOWEST = 0.12
"""How high the bar of the smallest loss is."""


class StepRibbon(Ribbon):
    """Every step of the recording, and the button that follows the live end."""

    title = "Steps"

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.setObjectName("step-ribbon")
        self.follow = QPushButton("Follow live", self)
        self.follow.setObjectName("live")
        self.follow.setCheckable(True)
        self.follow.setAccessibleName("Follow live")
        self.follow.setToolTip("Stay at the newest step   Ctrl+End")
        self.follow.setCursor(Qt.CursorShape.PointingHandCursor)
        self.follow.clicked.connect(self._follow_clicked)
        self._losses = np.zeros(0)
        self._image: tuple[int, int, QImage] | None = None
        self.begin()

    def show_state(self, old: State, new: State) -> None:
        """Take in new steps, or move the playhead."""
        unfinished = len(self._losses) > 0 and np.isnan(self._losses[-1])
        if new.recording is not old.recording or new.length != old.length or unfinished:
            self._losses = new.recording.losses()[: new.length] if new.recording is not None else np.zeros(0)
            self._image = None
        self.follow.setChecked(new.play is Play.FOLLOWING)
        self.follow.setEnabled(new.recording is not None)
        self.setAccessibleDescription(f"step {new.step + 1} of {new.length}")
        self.update()

    def apply_theme(self) -> None:
        """Draw anew."""
        self._image = None
        self.follow.setIcon(icon("live", self.theme.subtle, self.theme.ghost))
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the button at the right."""
        size = self.follow.sizeHint()
        self.follow.setGeometry(
            self.width() - size.width() - 12, (self.height() - size.height()) // 2, size.width(), size.height()
        )
        super().resizeEvent(event)

    def right_margin(self) -> float:
        """The button's room."""
        return self.follow.sizeHint().width() + 24.0

    def count(self) -> int:
        """The steps that are recorded."""
        return len(self._losses)

    def place(self) -> float | None:
        """In the middle of the step that is shown."""
        return self.drawn.step + 0.5 if self.drawn.trace is not None else None

    def pick(self, place: float) -> None:
        """Go to the step, its playhead where it is."""
        step = min(int(place), self.count() - 1)
        if step != self.session.state.step or self.session.state.play is not Play.PAUSED:
            self.session.go_to(step, self.session.state.position)

    def wheel_by(self, by: int) -> None:
        """One step on or back."""
        self.session.next_step(by)

    def describe(self, cell: int) -> str:
        """The step and its loss."""
        loss = float(self._losses[cell])
        trace = self.drawn.recording[cell] if self.drawn.recording is not None else None
        words = "no loss" if trace is None or trace.loss is None else f"loss {number(loss, 5)}"
        about = [trace.label, trace.error.message if trace.error else ""] if trace is not None else []
        return "  ·  ".join([f"step {trace.step if trace is not None else cell:,}", words, *filter(None, about)])

    def _follow_clicked(self) -> None:
        if self.follow.isChecked():
            self.session.follow()
        else:
            self.session.go_to(self.session.state.step, self.session.state.position)

    def paint_cells(self, painter: QPainter, area: QRectF) -> None:
        """One picture per size, made again only when steps or colours change."""
        ratio = self.devicePixelRatioF()
        size = (max(1, round(area.width() * ratio)), max(1, round(area.height() * ratio)))
        if self._image is None or self._image[:2] != size:
            self._image = (*size, bars_image(self._losses, *size, self.theme, gap=round(ratio)))
        painter.drawImage(area, self._image[2])
        self._paint_here(painter, area)
        self._paint_error(painter, area)

    def _paint_here(self, painter: QPainter, area: QRectF) -> None:
        width = area.width() / self.count()
        if width > 3 and self.drawn.trace is not None:
            cell = QRectF(area.left() + self.drawn.step * width, area.top(), width, area.height())
            painter.setPen(QPen(QColor(self.theme.accent), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(cell.adjusted(0.5, 0, -0.5, 0), 3, 3)

    def _paint_error(self, painter: QPainter, area: QRectF) -> None:
        trace = self.drawn.trace
        if trace is None or trace.error is None:
            return
        x = area.left() + (self.drawn.step + 0.5) * area.width() / self.count()
        painter.setPen(QPen(QColor(self.theme.danger), 2))
        painter.setBrush(QBrush(QColor(self.theme.danger), Qt.BrushStyle.BDiagPattern))
        painter.drawEllipse(QPointF(x, area.center().y()), 5, 5)


def bars_image(losses: NDArray[np.float64], width: int, height: int, theme: Theme, gap: int = 1) -> QImage:
    """All bars, ``width`` by ``height`` device pixels; where many share a column the highest, and any bad one, shows."""
    steps = len(losses)
    first = bin_edges(steps, min(steps, width))
    with np.errstate(invalid="ignore"):
        highest = np.fmax.reduceat(losses, first)
    bad = np.logical_or.reduceat(~np.isfinite(losses), first)
    tops = np.where(bad, 1.0, np.nan_to_num(heights_of(highest, finite_range(losses))))
    colours = _colours(tops, bad, theme)
    columns = np.arange(width) * steps // width if steps < width else np.arange(width)
    ground = np.uint32(rgb(theme.panel))
    rows = np.arange(height)[:, None]
    empty = rows < height - np.ceil(tops[columns] * height)[None, :]
    hatched = bad[columns][None, :] & ((rows + np.arange(width)[None, :]) % 6 < 3)
    pixels = np.where(empty | hatched, ground, colours[columns][None, :])
    if steps < width / 4:
        edge = np.flatnonzero(np.diff(columns, prepend=-1))
        for shift in range(max(1, gap)):
            pixels[:, np.minimum(edge + shift, width - 1)] = ground
    pixels = np.ascontiguousarray(pixels, dtype=np.uint32)
    return QImage(pixels.data, width, height, width * 4, QImage.Format.Format_RGB32).copy()


def finite_range(losses: NDArray[np.float64]) -> tuple[float, float]:
    """The smallest and the largest finite loss; (1, 1) where there is none."""
    finite = losses[np.isfinite(losses)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (1.0, 1.0)


def heights_of(losses: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.float64]:
    """How high bars are, 0 to 1, float64 ``[bars]``: log scale where every loss is positive, else linear; NaN stays NaN."""
    low, high = limits
    scaled = losses
    with np.errstate(all="ignore"):
        if low > 0:
            scaled, low, high = np.log10(losses), float(np.log10(low)), float(np.log10(high))
        share = (scaled - low) / (high - low) if high > low else np.where(np.isnan(scaled), np.nan, FLAT)
    heights: NDArray[np.float64] = LOWEST + (1 - LOWEST) * np.clip(share, 0.0, 1.0)
    return heights


def _colours(tops: NDArray[np.float64], bad: NDArray[np.bool_], theme: Theme) -> NDArray[np.uint32]:
    table = magnitude_table(theme).astype(np.uint32)
    packed = 0xFF000000 | table[:, 0] << 16 | table[:, 1] << 8 | table[:, 2]
    usual = packed[(np.nan_to_num(tops) * 255).astype(np.int64)]
    colours: NDArray[np.uint32] = np.where(bad, np.uint32(rgb(mix(theme.bad, theme.panel, 0.9))), usual).astype(np.uint32)
    return colours
