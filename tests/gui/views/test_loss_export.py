"""The loss as PNG, SVG and CSV."""

from __future__ import annotations

import csv
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PySide6.QtGui import QColor, QImage

from gradwalk.sample import sample_trace
from gradwalk_gui.inspection.losses import nice_ticks, outline_of
from gradwalk_gui.loss_picture import curve_of
from gradwalk_gui.saving import ExportError
from gradwalk_gui.theme import DARK, LIGHT
from gradwalk_gui.views.loss_export import save_loss

pytestmark = pytest.mark.usefixtures("qapp")


class Losses:
    def __init__(self, losses, none=()):
        self.all, self.none, self.trace = np.asarray(losses, float), set(none), sample_trace()

    def __len__(self):
        return len(self.all)

    def __getitem__(self, index):
        trace = self.trace
        loss = None if index in self.none else float(self.all[index])
        return type(trace)(index, trace.graph, trace.tape, trace.values, trace.gradients, loss=loss)

    def losses(self):
        return self.all

    def step_numbers(self):
        return np.arange(len(self.all)) * 2

    def source(self, file):
        return None


def test_csv_gives_the_same_bits_again(tmp_path):
    losses = np.random.default_rng(0).lognormal(size=50)
    save_loss(Losses(losses), tmp_path / "loss.csv", LIGHT)
    with open(tmp_path / "loss.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(0, 100, 2))
    assert [float(row["loss"]) for row in rows] == losses.tolist()


def test_csv_tells_nan_from_no_loss(tmp_path):
    save_loss(Losses([1.0, np.nan, np.nan, -np.inf], none=(2,)), tmp_path / "loss.csv", LIGHT)
    assert (tmp_path / "loss.csv").read_text().splitlines() == ["step,loss", "0,1.0", "2,nan", "4,", "6,-inf"]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_png_has_the_ground_and_the_line_of_the_theme(tmp_path, sample, theme):
    save_loss(sample, tmp_path / "loss.png", theme, scale=2.0)
    image = QImage(str(tmp_path / "loss.png"))
    assert (image.width(), image.height()) == (1920, 1080)
    assert image.pixelColor(3, 3).name() == theme.panel
    colours = {image.pixel(x, y) for x in range(0, 1920, 3) for y in range(0, 1080, 1)}
    assert QColor(theme.loss).rgb() in colours


def test_svg_has_text_as_text_and_the_line_through_every_loss(tmp_path, sample):
    save_loss(sample, tmp_path / "loss.svg", LIGHT)
    root = ET.parse(tmp_path / "loss.svg").getroot()
    texts = [element.text.strip() for element in root.iter("{http://www.w3.org/2000/svg}text") if element.text]
    assert {"loss", "training step", "Loss", "0", "3"} <= set(texts)
    paths = [e.get("d", "") for e in root.iter("{http://www.w3.org/2000/svg}path")]
    line = next(d for d in paths if d.startswith("M") and d.count("L") == len(sample) - 1)
    heights = [float(y) for _, y in re.findall(r"[ML](-?[\d.]+),(-?[\d.]+)", line)]
    assert heights == sorted(heights), "the loss falls, so the line goes down the page"
    logs = np.log10(sample.losses())
    assert np.allclose(np.diff(heights) / (heights[-1] - heights[0]), np.diff(logs) / (logs[-1] - logs[0]), atol=1e-2)


def test_a_million_points_become_a_picture_of_pixels(tmp_path):
    count = 1_000_000
    losses = np.full(count, 10.0)
    losses[123_456] = 1e4
    save_loss(Losses(losses), tmp_path / "loss.svg", LIGHT)
    assert (tmp_path / "loss.svg").stat().st_size < 500_000
    keep = outline_of(np.arange(count, dtype=float), losses, 800)
    assert 123_456 in keep
    assert 0 in keep
    assert count - 1 in keep
    assert len(keep) <= 3200


@pytest.mark.parametrize(
    "losses", [[], [np.nan, np.nan], [5.0], [-1.0, 0.0], [np.nan, 3.0, np.inf], [2.0, 2.0, 2.0], [1e-300, 1e300]]
)
@pytest.mark.parametrize("ending", [".png", ".svg", ".csv"])
def test_every_kind_of_loss_can_be_written(tmp_path, losses, ending):
    save_loss(Losses(losses), tmp_path / f"loss{ending}", LIGHT)
    assert (tmp_path / f"loss{ending}").stat().st_size > 5


def test_losses_of_zero_and_less_are_drawn_on_a_linear_scale():
    bad = np.zeros(2, dtype=bool)
    assert not curve_of(np.arange(2.0), np.array([-1.0, 0.0]), log=True, bad=bad).log
    assert curve_of(np.arange(2.0), np.array([-1.0, 2.0]), log=True, bad=bad).log


def test_an_unknown_ending_lists_the_known_ones(tmp_path, sample):
    for name in ("loss.gif", "loss"):
        with pytest.raises(ExportError, match=r"known are \.png, \.svg, \.csv"):
            save_loss(sample, tmp_path / name, LIGHT)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_one_sentence_and_changes_nothing(tmp_path, sample):
    with pytest.raises(ExportError, match="cannot be written: No such file or directory") as caught:
        save_loss(sample, tmp_path / "missing" / "loss.csv", LIGHT)
    assert "\n" not in str(caught.value)
    target = tmp_path / "loss.csv"
    target.mkdir()
    (target / "kept").write_text("x")
    with pytest.raises(ExportError, match="cannot be written"):
        save_loss(sample, target, LIGHT)
    assert [path.name for path in tmp_path.iterdir()] == ["loss.csv"], "nothing is left beside it"


@pytest.mark.parametrize(
    ("low", "high", "ticks"), [(0, 10, [0, 2, 4, 6, 8, 10]), (0.1, 0.35, [0.1, 0.15, 0.2, 0.25, 0.3, 0.35]), (3, 3, [3])]
)
def test_ticks_are_round_numbers(low, high, ticks):
    assert nice_ticks(low, high, 6) == pytest.approx(ticks)
