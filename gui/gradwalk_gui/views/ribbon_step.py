"""The step ribbon: the health of every training step, a bar as high as its loss; NaN, Inf and errors stand out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QPushButton, QWidget

from ..icons import icon
from ..kept_steps import kept_steps, steps_kept_in_part
from ..numbers import number
from ..ribbon import Ribbon, bin_edges, rgb, strip
from ..session import Session
from ..state import Play, State, Steps
from ..theme import Theme, magnitude_table

FLAT = 0.5
"""How high bars are where all losses are equal."""
LOWEST = 0.12
"""How high the bar of the smallest loss is."""
FINE, ABSENT, BAD, RAISED = range(4)
"""The health of a step, worse ones later: a loss, none, NaN or Inf, an exception."""
KEPT_HEIGHT = 3.0
"""Of the line that marks the steps with tensors, logical pixels; half of it where they are kept in part."""
RUNS_LOOKED_AT = 32
"""Of so many stretches without a finite loss the first step is read to see why; of more, NaN is assumed."""


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
        self._losses, self._health = np.zeros(0), np.zeros(0, np.uint8)
        self._looked_at: dict[int, int] = {}
        self.kept = np.zeros(0, np.int64)
        """The steps that keep tensors."""
        self.in_part = np.zeros(0, np.int64)
        """Those of them that keep some of their tensors, or samples."""
        self._image: tuple[int, int, QImage] | None = None
        self.begin()

    def show_state(self, old: State, new: State) -> None:
        """Take in new steps, or move the playhead."""
        if new.recording is not old.recording:
            self._looked_at.clear()
        last_again = new.trace is not old.trace and new.step == new.length - 1
        others = new.recording is not old.recording or (new.length, new.kept) != (old.length, old.kept) or last_again
        if not others and old.trace is new.trace is not None and (new.step, new.play) == (old.step, old.play):
            return  # a move within a step changes nothing here
        if others:
            self._take(new.recording, new.length)
        self.follow.setChecked(new.play is Play.FOLLOWING)
        self.follow.setEnabled(new.recording is not None)
        self.setAccessibleDescription(f"step {new.step + 1} of {new.length}")
        self.update()

    def _take(self, recording: Steps | None, length: int) -> None:
        self._image = None
        self._looked_at.pop(len(self._losses) - 1, None)  # what was the last step may be complete only now
        self._losses = recording.losses()[:length] if recording is not None else np.zeros(0)
        self._health = np.zeros(0, np.uint8) if recording is None else health_of(recording, self._losses, self._looked_at)
        self.kept = kept_steps(recording)
        self.kept = self.kept[self.kept < length]
        self.in_part = np.intersect1d(steps_kept_in_part(recording), self.kept)

    def apply_theme(self) -> None:
        """Draw anew."""
        self._image = None
        self.follow.setIcon(icon("live", self.theme.subtle, self.theme.ghost, self.theme.panel))
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
        about.append(self._kept_at(cell))
        return "  ·  ".join([f"step {trace.step if trace is not None else cell:,}", words, *filter(None, about)])

    def _kept_at(self, cell: int) -> str:
        if cell in self.in_part:
            return "tensors kept in part: some are not kept, or as a sample"
        return "tensors kept in full" if cell in self.kept else ""

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
            self._image = (*size, bars_image(self._losses, self._health, *size, self.theme))
        painter.drawImage(area, self._image[2])
        if len(self.kept):
            whole = np.setdiff1d(self.kept, self.in_part)
            for row, kept in enumerate((self.kept, whole)):  # a thin line where they are kept in part
                below = QRectF(area.left(), area.bottom() + 1 + row * KEPT_HEIGHT / 2, area.width(), KEPT_HEIGHT / 2)
                painter.drawImage(below, strip(kept_colours(kept, self.count(), size[0], self.theme)))
        self._paint_here(painter, area)

    def _paint_here(self, painter: QPainter, area: QRectF) -> None:
        width = area.width() / self.count()
        if width > 3 and self.drawn.trace is not None:
            cell = QRectF(area.left() + self.drawn.step * width, area.top(), width, area.height())
            painter.setPen(QPen(QColor(self.theme.accent), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(cell.adjusted(0.5, 0, -0.5, 0), 3, 3)


def health_of(recording: Steps, losses: NDArray[np.float64], looked_at: dict[int, int]) -> NDArray[np.uint8]:
    """The health of every step, uint8 ``[steps]``; ``looked_at`` keeps what was read, by the first step of a stretch."""
    odd = ~np.isfinite(losses)
    health = np.where(odd, BAD, FINE).astype(np.uint8)
    edges = np.flatnonzero(np.diff(odd.astype(np.int8), prepend=0, append=0))
    for start, end in zip(edges[::2].tolist()[:RUNS_LOOKED_AT], edges[1::2].tolist(), strict=False):
        if start not in looked_at:
            trace = recording[start]
            looked_at[start] = RAISED if trace.error is not None else ABSENT if trace.loss is None else BAD
        health[start:end] = looked_at[start]
    return health


def bars_image(losses: NDArray[np.float64], health: NDArray[np.uint8], width: int, height: int, theme: Theme) -> QImage:
    """All bars, ``width`` by ``height`` device pixels; where many share a column the highest shows, and the worst health."""
    steps = len(losses)
    first = bin_edges(steps, min(steps, width))
    with np.errstate(invalid="ignore"):
        highest = np.fmax.reduceat(losses, first)
    worst = np.maximum.reduceat(health, first)
    tops = np.nan_to_num(heights_of(highest, finite_range(losses)))
    colours = np.choose(worst, [_colours(tops, theme), *(np.uint32(rgb(c)) for c in (theme.ghost, theme.bad, theme.danger))])
    tops = np.choose(worst, [tops, LOWEST, 1.0, 1.0])
    columns = np.arange(width) * steps // width if steps < width else np.arange(width)
    ground = np.uint32(rgb(theme.panel))
    rows = np.arange(height)[:, None]
    empty = rows < height - np.ceil(tops[columns] * height)[None, :]
    hatched = (worst[columns] >= BAD)[None, :] & ((rows + np.arange(width)[None, :]) % 6 < 2)
    pixels = np.where(empty | hatched, ground, colours[columns][None, :])
    if steps < width / 4:
        pixels[:, np.flatnonzero(np.diff(columns, prepend=-1))] = ground
    pixels = np.ascontiguousarray(pixels, dtype=np.uint32)
    return QImage(pixels.data, width, height, width * 4, QImage.Format.Format_RGB32).copy()


def kept_colours(kept: NDArray[np.int64], steps: int, width: int, theme: Theme) -> NDArray[np.uint32]:
    """The line below the bars, uint32 ``[width]`` device pixels: marked under each step that keeps tensors."""
    colours = np.full(width, rgb(theme.panel), np.uint32)
    first, last = kept * width // steps, np.maximum((kept + 1) * width // steps - 1, kept * width // steps)
    starts, ends = (np.bincount(places, minlength=width + 1)[: width + 1] for places in (first, last + 1))
    colours[np.cumsum(starts - ends)[:width] > 0] = rgb(theme.accent)
    return colours


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


def _colours(tops: NDArray[np.float64], theme: Theme) -> NDArray[np.uint32]:
    table = magnitude_table(theme).astype(np.uint32)
    packed = 0xFF000000 | table[:, 0] << 16 | table[:, 1] << 8 | table[:, 2]
    chosen: NDArray[np.uint32] = packed[(tops * 255).astype(np.int64)].astype(np.uint32)
    return chosen
