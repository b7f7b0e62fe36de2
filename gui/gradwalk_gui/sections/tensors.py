"""The tensors of what is looked at: health and histogram of one, the statistics of all, and the one to look into."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSizePolicy

from gradwalk.tape import why_not_counted
from gradwalk.trace import Kept, TensorKey, Trace

from .. import inspector_text as texts
from ..inspection.elements import Histogram, health_of_elements, health_of_stats, histogram_of
from ..inspection.facts import Tensor, absent_text, kept_at, stats_at
from ..inspection.ghost import ghost_kept
from ..inspection.kept import kept_before
from ..inspection.subject import phase_of
from ..numbers import count, shape_text
from ..panel import phase_colour
from ..state import Selection
from ..theme import Theme
from ..widgets.elided_combo import ElidedCombo
from ..widgets.health_bar import HealthBar
from ..widgets.histogram import HistogramPlot
from ..widgets.stats_table import Column, StatsTable, texts_of
from ..widgets.tensor_pane import TensorPane
from .look import Look
from .part import Part


class DistributionPart(Part):
    """A chooser of the tensor, its health bar and its histogram over that of the step before. A single number has neither."""

    chosen = Signal(object)
    """The key of the tensor that was chosen."""

    def __init__(self, theme: Theme) -> None:
        super().__init__("Distribution", theme)
        self.chooser = ElidedCombo()
        self.chooser.setAccessibleName("Tensor to look into")
        self.chooser.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.chooser.activated.connect(self._on_chosen)
        self.health, self.histogram = HealthBar(theme), HistogramPlot(theme)
        for widget in (self.chooser, self.health, self.histogram):
            self.add(widget)
        self.about = self.block("About the histogram")
        self._keys: tuple[TensorKey, ...] = ()

    def recolour(self, theme: Theme) -> None:
        """Change the colours."""
        super().recolour(theme)
        self.health.set_theme(theme)
        self.histogram.set_theme(theme)

    def fill(self, look: Look) -> bool:
        """Chooser, bar and histogram."""
        tensor = look.tensor
        self._show_chooser(look)
        if tensor is None or (tensor.shape == () and len(look.tensors) < 2):
            return False
        kept = kept_at(look.trace, tensor.key) if tensor.there else None
        health, shown, note = None, None, ""
        if not tensor.there:
            note = absent_text(look.trace, tensor)
        elif kept is None:
            health = health_of_stats(stats_at(look.trace, tensor.key))
            note = "counted from the statistics; the elements are not kept for this step"
            note = note if health is not None else why_not_counted(look.trace, *tensor.key)
        else:
            health = health_of_elements(kept)
            if health.total > 1 and look.state.recording is not None:
                shown = histogram_of(kept, _before(look, tensor))
                note = _about(shown)
        self.health.show_health(health)
        self.histogram.show_histogram(shown, self._colour(look.trace, tensor))
        self.about.show_html(texts.note(note, self.theme))
        return True

    def _show_chooser(self, look: Look) -> None:
        self._keys = tuple(tensor.key for tensor in look.tensors)
        labels = [f"{tensor.label}   {shape_text(tensor.shape)}".rstrip() for tensor in look.tensors]
        if [self.chooser.itemText(place) for place in range(self.chooser.count())] != labels:
            self.chooser.clear()
            self.chooser.addItems(labels)
        if look.tensor is not None:
            self.chooser.setCurrentIndex(self._keys.index(look.tensor.key))
        self.chooser.setVisible(len(labels) > 1)

    def _colour(self, trace: Trace, tensor: Tensor) -> str:
        if tensor.is_gradient:
            return self.theme.backward
        phase = phase_of(trace, Selection("value", tensor.key[1]))
        return phase_colour(phase, self.theme) if phase in ("update", "backward") else self.theme.forward

    def _on_chosen(self, place: int) -> None:
        if 0 <= place < len(self._keys):
            self.chosen.emit(self._keys[place])


def _before(look: Look, tensor: Tensor) -> Kept | None:
    """The tensor as it was in the last step before that keeps it."""
    assert look.state.recording is not None
    return kept_before(look.state.recording, look.state.step, look.state.length, tensor.key, look.trace.graph)


def _about(shown: Histogram | None) -> str:
    """What there is to say about a histogram."""
    if shown is None:
        return ""
    notes = ["grey: the step before"] * (shown.before is not None)
    notes += [f"without {count(shown.zeros, 'exact zero')}"] * bool(shown.zeros)
    return "; ".join(notes + ["of a sample"] * shown.sample)


class StatisticsPart(Part):
    """Minimum, maximum, mean, RMS, NaN, Inf and zeros of every tensor."""

    def __init__(self, theme: Theme) -> None:
        super().__init__("Statistics", theme)
        self.table = StatsTable(theme)
        self.add(self.table)

    def recolour(self, theme: Theme) -> None:
        """Change the colours."""
        super().recolour(theme)
        self.table.set_theme(theme)

    def fill(self, look: Look) -> bool:
        """A column per tensor."""
        columns = []
        for tensor in look.tensors:
            colour = self.theme.backward if tensor.is_gradient else self.theme.forward
            stats = stats_at(look.trace, tensor.key) if tensor.there else None
            why = why_not_counted(look.trace, *tensor.key) if tensor.there else absent_text(look.trace, tensor)
            told = texts_of(stats) if stats is not None else ()
            columns.append(Column(tensor.label, shape_text(tensor.shape), told, colour, why if stats is None else ""))
        self.table.show_columns(tuple(columns))
        return bool(columns)


class TensorPart(Part):
    """The elements of the tensor that is looked into."""

    def __init__(self, theme: Theme) -> None:
        super().__init__("Tensor", theme)
        self.pane = TensorPane(theme)
        self.add(self.pane)

    def recolour(self, theme: Theme) -> None:
        """Change the colours."""
        super().recolour(theme)
        self.pane.set_theme(theme)

    def fill(self, look: Look) -> bool:
        """The pane."""
        show_in(self.pane, look)
        return look.tensor is not None


def show_in(pane: TensorPane, look: Look) -> None:
    """Show the tensor that is looked into in a pane, or why it cannot be shown."""
    tensor = look.tensor
    kept = kept_at(look.trace, tensor.key) if tensor is not None and tensor.there else None
    if tensor is None:
        pane.show_text("There is no tensor to look into.")
    elif not tensor.there:
        pane.show_text(absent_text(look.trace, tensor))
    elif kept is None:
        pane.show_not_kept()
    else:
        pane.step = look.trace.step
        pane.show_kept(kept, tensor.label, look.state.colour_range, ghost_kept(look.state, tensor.key))
