"""Colour by |update| / |weight|, and by the number of NaN and Inf: on cards, lanes and in the legend, in both themes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor
from torch import nn

import gradwalk
from gradwalk.gradients import gradients_of
from gradwalk.recording.reader import open_recording
from gradwalk.recording.tables import tables_from
from gradwalk.tape import moments
from gradwalk_gui.commands import BY_ID, MEASURES
from gradwalk_gui.graph.legend import legend_size
from gradwalk_gui.graph.look import NO_UPDATE, NO_WEIGHT, NOT_YET, gradient_text, sum_text
from gradwalk_gui.graph.magnitudes import MeasureName, fraction, fractions, is_bad, magnitudes, meaning, text, ticks
from gradwalk_gui.graph.surface import magnitude_colour
from gradwalk_gui.plots.heat import Heat
from gradwalk_gui.state import Selection
from gradwalk_gui.theme import DARK, LIGHT


class Net(nn.Module):
    """Two layers; the second step has NaN in half of the batch, the third no update."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, 6), nn.Linear(6, 1)

    def forward(self, x, step):
        h = self.fc1(x).tanh()
        if step == 1:
            h = h * torch.tensor([[1.0], [float("nan")]]).repeat(4, 1)
        return self.fc2(h + 0.5 * h)


def record(folder, level):
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with gradwalk.record(folder, level=level):
        for step in range(3):
            optimizer.zero_grad()
            net(torch.rand(8, 4), 1 if step == 1 else 0).square().mean().backward()
            if step != 2:
                optimizer.step()
            if step == 1:
                with torch.no_grad():
                    for weight in net.parameters():
                        weight.nan_to_num_(0.1)
    return open_recording(folder)


@pytest.fixture(params=["statistics", "tensors"])
def showing(request, shell, qtbot, tmp_path):
    """The window with the training open, and whether its weights were kept."""
    with record(tmp_path / "run", request.param) as recording:
        shell.session.open(recording)
        canvas = shell._window.graph
        qtbot.waitUntil(lambda: shell._window.desk.isVisible() and canvas.scene is not None and canvas.fits)
        yield shell, canvas


def choose(shell, measure):
    bar = shell._window.desk.transport
    place = [value for value, _ in MEASURES].index(measure)
    bar._measure.setCurrentIndex(place)
    bar._measure.activated.emit(place)
    assert shell.session.state.view.measure == measure


def card(canvas, title, which=0):
    return [i for i, one in enumerate(canvas.scene.picture.cards) if one.title == title][which]


def updated_at(trace, name):
    when = moments(trace)
    return min(
        int(when.values[value.id])
        for value in trace.graph.values
        if value.base >= 0 and trace.graph.values[value.base].name == name and when.values[value.id] >= 0
    )


def test_the_ratio_of_a_weight_is_there_once_its_update_has_run(showing):
    shell, canvas = showing
    choose(shell, "update")
    trace = shell.session.state.trace
    rows = {row.name: row for row in gradients_of(trace)}
    at, pill, op = updated_at(trace, "fc1.weight"), card(canvas, "weight"), card(canvas, "linear")
    shell.session.go_to(0, at)
    assert gradient_text(canvas.look, pill) == NOT_YET
    assert canvas.look.card_magnitudes[pill] == -1
    shell.session.go_to(0, at + 1)
    assert canvas.look.card_magnitudes[pill] == pytest.approx(rows["fc1.weight"].update_ratio)
    shown = text(rows["fc1.weight"].update_ratio, "update")
    assert gradient_text(canvas.look, pill) == (shown if rows["fc1.weight"].exact else f"≥ {shown}")
    shell.session.go_to(0, shell.session.state.events)
    both = [rows[name].update_ratio for name in ("fc1.weight", "fc1.bias")]
    assert canvas.look.card_magnitudes[op] == pytest.approx(max(both))
    assert gradient_text(canvas.look, card(canvas, "tanh")) == NO_WEIGHT
    assert "rms" not in sum_text(canvas.look, card(canvas, "tanh"), canvas.scene.picture.cards[card(canvas, "tanh")])


def test_a_weight_without_an_update_says_so(showing):
    shell, canvas = showing
    choose(shell, "update")
    shell.session.go_to(2, 10_000)
    texts = {gradient_text(canvas.look, place) for place, one in enumerate(canvas.scene.picture.cards) if one.kind == "leaf"}
    assert texts == {NO_UPDATE}


def test_a_folded_module_shows_the_largest_ratio_of_its_weights(showing, qtbot):
    shell, canvas = showing
    choose(shell, "update")
    shell._window.run(BY_ID["fold-all"])
    qtbot.waitUntil(lambda: canvas.fits and any(one.kind == "module" for one in canvas.scene.picture.cards))
    shell.session.go_to(0, shell.session.state.events)
    most = max(row.update_ratio for row in gradients_of(shell.session.state.trace))
    assert canvas.look.card_magnitudes[card(canvas, "net")] == pytest.approx(most)


def test_nan_and_inf_are_counted_and_marked(showing):
    shell, canvas = showing
    choose(shell, "bad")
    shell.session.go_to(0, shell.session.state.events)
    assert set(canvas.look.card_magnitudes.tolist()) <= {-1.0, 0.0}
    shell.session.go_to(1, shell.session.state.events)
    rows = {row.name: row for row in gradients_of(shell.session.state.trace)}
    pill = card(canvas, "weight", 1)
    assert canvas.look.card_magnitudes[pill] == rows["fc2.weight"].nan + rows["fc2.weight"].inf > 0
    assert gradient_text(canvas.look, card(canvas, "weight", 1)) in (f"{rows['fc2.weight'].nan:,}", "cleared")


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
@pytest.mark.parametrize("measure", ["update", "bad"])
def test_cards_and_legend_have_the_colours_of_the_measure(measure, theme, showing, qtbot):
    shell, canvas = showing
    shell.session.set(theme=theme.name)
    choose(shell, measure)
    shell.session.go_to(1 if measure == "bad" else 0, 10_000)
    place = card(canvas, "weight", 1)
    magnitude = float(canvas.look.card_magnitudes[place])
    assert magnitude > 0
    shell.session.select(Selection("value", canvas.scene.picture.cards[place].ref))
    shell._window.run(BY_ID["fit-selection"])
    assert magnitude_colour(theme, magnitude, measure).rgb() in colours(canvas)
    choose(shell, "rms")
    assert legend_size(canvas.scene.picture, "rms") != legend_size(canvas.scene.picture, measure)


def colours(canvas) -> set[int]:
    """The colours on the canvas."""
    image = canvas.grab().toImage()
    pixels = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), image.width())
    return {QColor.fromRgb(int(pixel)).rgb() for pixel in np.unique(pixels)}


def test_the_heat_map_of_updates(showing, qtbot):
    shell, _ = showing
    recording, heat, at = shell.session.state.recording, Heat("update"), 0
    assert heat.asked.gradients == frozenset()
    while at < len(recording):
        at, tables = tables_from(recording, at, heat.asked)
        heat.take(at, tables)
    rows = {row.name: row for row in gradients_of(replace(recording[0], tensors={}))}
    for row in heat.order:
        assert heat.cells((row,))[0, 0] == pytest.approx(rows[heat.parameters[row].name].update_ratio)
        assert heat.cells((row,))[0, 2] == -1, "the last step has no update"
    choose(shell, "update")
    shell._window.desk.show_dock("loss")
    plots = shell._window.desk.views["loss"]
    plots.chooser["heat"].click()
    shown = plots.heat().map
    qtbot.waitUntil(lambda: shown.heat.measure == "update" and shown.heat.at == 3 and bool(shown.groups))
    plots.grab()
    area = shown.area()
    assert "|update| / |weight| ≥ 0.0" in shown.describe(QPointF(shown.x_of(0), area.top() + 2))


def test_the_scale_of_counts():
    table = np.array([[4.0, 4, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [2, 0, 0], [1, 0, 0], [0, 0, 0]])
    assert magnitudes(table, "bad").tolist() == [3, 0, -1]
    assert [fraction(number, "bad") for number in (0, 1, 1e6, 1e9)] == pytest.approx([0, 1 / 7, 1, 1])
    assert fractions(np.array([0.0, 1, 1e6, -1]), "bad").tolist() == pytest.approx([0, 1 / 7, 1, 0])
    assert [is_bad(number, "bad") for number in (0.0, 1.0, -1.0)] == [False, True, False]
    assert [name for _, name in ticks("bad")] == ["0", "1", "100", "1e4", "1e6"]
    assert [text(number, "bad") for number in (0.0, 1234.0, 2e6, -1.0)] == ["0", "1,234", "2e6", "not counted"]


def test_every_measure_has_words():
    for measure, _ in MEASURES:
        named: MeasureName = measure
        assert meaning(named)
        assert ticks(named)[0][0] == 0
