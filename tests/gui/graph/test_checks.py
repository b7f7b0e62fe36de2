"""The marks of the check in the picture: where they are painted, in what, and that only what changed is painted anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage, QPainter

from gradwalk.trace import Compared, Verdict
from gradwalk.verdicts import Mark
from gradwalk_gui.check_mark import mark_sprite, paint_mark
from gradwalk_gui.export import image_of, save_graph, save_shown, whole_sheet
from gradwalk_gui.graph.legend import legend_size
from gradwalk_gui.graph.paint_checks import SIZE, SMALLEST, corners, passed, size_of, titles
from gradwalk_gui.state import Selection, View
from gradwalk_gui.theme import DARK, LIGHT


def verdict(op, agrees=True, *, gradient=True):
    """A verdict whose gradient (or whose value) is what agrees or does not."""
    row = Compared(("value", 0), "Z", "Z = X", (), 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
    bad = replace(row, off=0.0 if agrees else 9.0, tensor=("gradient", 0) if gradient else ("value", 0))
    return Verdict(op, "formula", (row, bad))


def nothing(op, sentence="not checked: there is no formula for it"):
    return Verdict(op, "formula", (), sentence)


def forward_ops(trace):
    return [op for op in trace.graph.ops if op.phase == "forward"]


def know(canvas, *verdicts):
    state = canvas.session.state
    canvas.session.know(state.recording, state.step, state.trace, {each.op: each for each in verdicts})


def pixels(canvas):
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : image.width() * 4].reshape(image.height(), image.width(), 4)[..., :3].astype(int)


@pytest.fixture
def canvas(open_canvas, traces):
    canvas = open_canvas(traces["mlp"]())
    canvas.session.set(reduced_motion=True, minimap=False)
    canvas.session.unfold_all()
    canvas.session.last_event()
    canvas.fit_all()
    return canvas


def test_each_mark_stands_at_the_corner_of_its_card_and_nothing_else_changes(canvas):
    linear, relu, last, *_ = forward_ops(canvas.drawn.trace)
    know(canvas, verdict(linear.id))
    before, painted = pixels(canvas), canvas.layer.painted
    know(canvas, verdict(relu.id, False), replace(nothing(last.id), sentence=""))
    after = pixels(canvas)
    assert canvas.layer.painted == painted + 1
    changed = np.argwhere((before != after).any(axis=2))
    places = dict(canvas.look.facts.cards.of_op)
    size, zoom = size_of(canvas.zoom), canvas.zoom
    wanted = [corners(canvas.scene.cards[[places[relu.id]]], size)[0]]
    wanted += [titles(canvas.scene.frames[[i]])[0] for i in np.flatnonzero(canvas.look.checks.frames)]
    spots = [canvas.camera.to_screen(x, y) for x, y in wanted]
    assert len(spots) == 3, "the card, and the two frames around it"
    near = [min(np.hypot(x - left, y - top) for left, top in spots) for y, x in changed]
    assert max(near) <= size * zoom / 2 * 1.5 + 2
    canvas.layer.forget()
    assert (np.abs(pixels(canvas) - after) > 8).mean() < 1e-4, "it is the picture that is painted anew"


def test_the_ring_of_the_selection_does_not_cross_the_mark(canvas):
    _, relu, *_ = forward_ops(canvas.drawn.trace)
    canvas.zoom_by(1.0 / canvas.zoom)
    place = canvas.look.facts.cards.of_op[relu.id]
    canvas.centre_on(*canvas.scene.cards[place, :2].tolist())
    know(canvas, verdict(relu.id, False))
    x, y = (round(part) for part in canvas.camera.to_screen(*corners(canvas.scene.cards[[place]], SIZE)[0]))
    spot = slice(y - 5, y + 6), slice(x - 5, x + 6)
    before = pixels(canvas)[spot]
    canvas.session.select(Selection("op", relu.id))
    assert (pixels(canvas)[spot] == before).all()


def test_an_op_that_has_a_formula_and_no_tensors_has_no_mark(canvas):
    linear, *_ = forward_ops(canvas.drawn.trace)
    know(canvas, nothing(linear.id, "not checked: the elements of x are not kept in this step"))
    assert not canvas.look.checks.any
    assert canvas.drawn.verdicts


def test_far_away_only_what_differs_is_seen_and_never_too_small(canvas, qtbot):
    linear, relu, *_ = forward_ops(canvas.drawn.trace)
    canvas.zoom_by(0.2 / canvas.zoom)
    assert (size_of(1.0), size_of(0.2)) == (SIZE, SMALLEST / 0.2)
    pixels(canvas)
    qtbot.waitUntil(lambda: not canvas.moving)
    bare = pixels(canvas)
    know(canvas, verdict(linear.id))
    assert (pixels(canvas)[: canvas.height() - 120] == bare[: canvas.height() - 120]).all(), "a tick is left out"
    know(canvas, verdict(relu.id, False))
    seen = pixels(canvas)
    danger = np.array([int(LIGHT.danger[i : i + 2], 16) for i in (5, 3, 1)])
    assert (np.abs(seen - danger).max(axis=2) < 12).sum() > 20


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_marks_differ_in_shape_and_not_in_colour_alone(qapp, theme):
    shapes = {}
    for mark in (Mark.AGREES, Mark.DIFFERS, Mark.NO_REFERENCE):
        image = QImage(32, 32, QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(0xFF000000 | int(theme.ground[1:], 16))
        painter = QPainter(image)
        paint_mark(painter, theme, mark, QPointF(16, 16), 28)
        painter.end()
        grey = image.convertToFormat(QImage.Format.Format_Grayscale8)
        rows = np.frombuffer(grey.constBits(), np.uint8).reshape(32, grey.bytesPerLine())[:, :32].astype(int)
        shapes[mark] = rows
    pairs = [(a, b) for a in shapes for b in shapes if a < b]
    assert all((np.abs(shapes[a] - shapes[b]) > 40).mean() > 0.05 for a, b in pairs)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_a_tick_is_pale_until_the_playhead_has_passed_the_op_and_its_gradients(canvas, theme):
    canvas.set_theme(theme)
    linear, relu, *_ = forward_ops(canvas.drawn.trace)
    know(canvas, verdict(linear.id), verdict(relu.id, False))
    canvas.zoom_by(1.0 / canvas.zoom)
    place = canvas.look.facts.cards.of_op[linear.id]
    canvas.centre_on(*canvas.scene.cards[place, :2].tolist())

    def strong(position):
        canvas.session.go_to(0, position)
        x, y = (round(part) for part in canvas.camera.to_screen(*corners(canvas.scene.cards[[place]], SIZE)[0]))
        spot = pixels(canvas)[y - 8 : y + 9, x - 8 : x + 9]
        ink = np.array([int(theme.update[i : i + 2], 16) for i in (5, 3, 1)])
        return int((np.abs(spot - ink).max(axis=2) < 30).sum())

    end = canvas.session.state.events
    last = int(canvas.look.facts.when.last[place, 1])
    counts = [strong(position) for position in (0, 1, last, last + 1, end)]
    assert counts[:3] == [0, 0, 0]
    assert min(counts[3:]) > 10
    canvas.session.go_to(0, 0)
    wrong = canvas.look.facts.cards.of_op[relu.id]
    assert passed(canvas.look, np.array([place, wrong])).tolist() == [False, False]
    faint, full = (mark_sprite(theme, Mark.DIFFERS, 32, there=there).toImage() for there in (False, True))
    assert faint == full, "a cross never pales"


def test_the_legend_names_the_marks_once_there_are_some(canvas):
    picture = canvas.scene.picture
    bare = legend_size(picture, "rms")
    assert canvas.legend_rect().height() == bare[1]
    know(canvas, verdict(forward_ops(canvas.drawn.trace)[0].id))
    assert canvas.legend_rect().height() == bare[1] + 20 == legend_size(picture, "rms", checked=True)[1]


def test_exports_show_the_marks_and_name_them(canvas, tmp_path):
    linear, relu, *_ = forward_ops(canvas.drawn.trace)
    save_shown(canvas, tmp_path / "bare.svg")
    know(canvas, verdict(linear.id), verdict(relu.id, False))
    save_shown(canvas, tmp_path / "marked.svg")
    bare, marked = ((tmp_path / name).read_text(encoding="utf-8") for name in ("bare.svg", "marked.svg"))
    assert ">no reference<" in marked
    assert ">no reference<" not in bare
    assert LIGHT.danger in marked
    trace = canvas.drawn.trace
    written = replace(trace, verdicts=(verdict(linear.id), verdict(relu.id, False)))
    save_graph(written, len(trace.tape), View(), tmp_path / "whole.svg", LIGHT)
    assert ">differs<" in (tmp_path / "whole.svg").read_text(encoding="utf-8")
    sheets = [image_of(whole_sheet(one, 0, View(auto_fold=False), LIGHT), 1.0) for one in (trace, written)]
    assert sheets[0].height() + 20 == sheets[1].height()
