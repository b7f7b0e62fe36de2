"""Films of a step: planned, painted, written and decoded again."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import weakref
from dataclasses import replace

import numpy as np
import pytest
from nets import Transformer, recorded
from PIL import Image, ImageSequence

from gradwalk.sample import SampleRecording
from gradwalk.tape import name_of, phases
from gradwalk_gui.export import ExportError, save_graph
from gradwalk_gui.film import make, video
from gradwalk_gui.film.make import as_pillow, save_film
from gradwalk_gui.film.plan import FIRST_MS, LAST_MS, LONGEST_MS, Wishes, plan_of, span_of
from gradwalk_gui.film.stage import Stage, words_of
from gradwalk_gui.state import BEATS, View
from gradwalk_gui.theme import DARK, LIGHT

FAST = Wishes(speed=5.0, size=(640, 400))


@pytest.fixture(scope="module")
def trace():
    return SampleRecording(2)[1]


@pytest.fixture(scope="module")
def long_trace(tmp_path_factory):
    with recorded(tmp_path_factory.mktemp("film") / "run", Transformer(8)) as recording:
        yield recording[1]


# The plan


def test_the_backward_pass_plays_in_the_order_of_the_engine(trace):
    start, end = span_of(trace, "backward")
    pictures = plan_of(trace, Wishes())
    run = [beat.start for picture in pictures for beat in picture.flying]
    order = [position for position, _ in itertools.groupby(run)]
    assert order == list(range(start, end))
    names = [name_of(trace.graph, trace.graph.events[trace.tape[position]]) for position in order]
    assert names[:3] == ["SumBackward0", "PowBackward0", "SubBackward0"]
    assert {phase for phase, first, _ in phases(trace) if start <= first < end} == {"backward"}


def test_it_begins_before_the_phase_and_ends_after_it(trace):
    for phase in ("backward", "forward", "step"):
        pictures, (start, end) = plan_of(trace, Wishes(phase)), span_of(trace, phase)
        assert (pictures[0].position, pictures[0].milliseconds) == (start, FIRST_MS)
        assert (pictures[-1].position, pictures[-1].milliseconds) == (end, LAST_MS)
        assert not pictures[0].flying
        assert not pictures[-1].flying
        positions = [picture.position for picture in pictures]
        assert positions == sorted(positions)
        assert all(0 <= beat.time < 1 for picture in pictures for beat in picture.flying)
    assert span_of(trace, "step") == (0, len(trace.tape))
    assert span_of(trace, "forward")[1] == span_of(trace, "backward")[0]


def test_speed_and_pictures_a_second_say_how_many_there_are(trace):
    start, end = span_of(trace, "backward")
    for speed, fps in ((1.0, 20), (2.0, 20), (1.0, 10)):
        pictures = plan_of(trace, Wishes(speed=speed, fps=fps))[1:-1]
        assert sum(picture.milliseconds for picture in pictures) == pytest.approx((end - start) * 300 / speed, abs=1000 / fps)


def test_a_long_step_is_played_in_beats_and_no_longer_than_20_seconds(long_trace):
    start, end = span_of(long_trace, "step")
    assert end - start > 2 * BEATS
    pictures = plan_of(long_trace, Wishes("step"))
    assert sum(picture.milliseconds for picture in pictures[1:-1]) <= LONGEST_MS + 50
    beats = {(beat.start, beat.end) for picture in pictures for beat in picture.flying}
    assert sorted(start for start, _ in beats)[0] == start
    assert max(end for _, end in beats) == end
    assert len(beats) <= BEATS


# The pictures


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_first_picture_has_no_gradient_and_the_last_all(trace, theme, qapp):
    stage = Stage(trace, View(), theme, FAST)
    pictures = plan_of(trace, FAST)
    painted, shown = [], []
    for picture in (pictures[0], pictures[-1]):
        painted.append(np.asarray(as_pillow(stage.paint(picture))).astype(int))
        assert stage.look is not None
        shown.append(stage.look.lane_magnitudes >= 0)
    assert shown[0].sum() <= 1, "the loss alone has its 1"
    assert shown[1].sum() == sum(bool(lane.edges) for lane in stage.look.facts.scene.picture.lanes)
    assert (np.abs(painted[0] - painted[1]).max(axis=2) > 8).mean() > 0.01
    assert stage.size[0] % 2 == stage.size[1] % 2 == 0
    assert stage.size[0] <= 640
    assert stage.size[1] <= 400


def test_the_line_says_what_has_just_run(trace):
    start, end = span_of(trace, "backward")
    assert words_of(trace, 0) == f"step 1   0 of {len(trace.tape)}"
    assert "SumBackward0" in words_of(trace, start + 1)
    assert words_of(trace, end).startswith(f"step 1   {end} of")


# The files


def decoded(path):
    with Image.open(path) as image:
        return [(frame.convert("RGB").copy(), frame.info.get("duration", 0)) for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("ending", [".gif", ".apng", ".webp"])
def test_a_film_has_the_pictures_of_its_plan(trace, tmp_path, ending, qapp):
    told = []
    path = tmp_path / f"flow{ending}"
    save_film(trace, View(), path, LIGHT, FAST, lambda made, of: told.append((made, of)))
    pictures = plan_of(trace, FAST)
    assert told[-1] == (len(pictures), len(pictures))
    frames = decoded(path)
    assert 8 <= len(frames) <= len(pictures)
    milliseconds = sum(picture.milliseconds for picture in pictures)
    if ending != ".webp":
        assert sum(duration for _, duration in frames) == pytest.approx(milliseconds, abs=len(pictures) * 5)
    stage = Stage(trace, View(), LIGHT, FAST)
    for picture, (frame, _) in ((pictures[0], frames[0]), (pictures[-1], frames[-1])):
        painted = np.asarray(as_pillow(stage.paint(picture))).astype(int)
        assert np.abs(painted - np.asarray(frame)).mean() < 2.5
    assert os.listdir(tmp_path) == [path.name]


def test_mp4_has_the_same_pictures_and_colours(trace, tmp_path, qapp):
    av = pytest.importorskip("av")
    path = tmp_path / "flow.mp4"
    save_film(trace, View(), path, LIGHT, FAST)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == FAST.fps
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(stream)]
    milliseconds = sum(picture.milliseconds for picture in plan_of(trace, FAST))
    assert len(frames) == pytest.approx(milliseconds * FAST.fps / 1000, abs=3)
    stage = Stage(trace, View(), LIGHT, FAST)
    painted = np.asarray(as_pillow(stage.paint(plan_of(trace, FAST)[-1]))).astype(int)
    assert np.abs(painted - frames[-1]).mean() < 3
    assert np.abs(painted[5, 5] - frames[-1][5, 5]).max() <= 2, "the ground has its colour"


def test_a_long_film_is_painted_one_picture_at_a_time(long_trace, tmp_path, monkeypatch, qapp):
    alive, most = 0, 0

    original = make.as_pillow

    def counting(image):
        nonlocal alive, most
        picture = original(image)
        alive += 1
        most = max(most, alive)

        def gone():
            nonlocal alive
            alive -= 1

        weakref.finalize(picture, gone)
        return picture

    monkeypatch.setattr(make, "as_pillow", counting)
    save_film(long_trace, View(), tmp_path / "flow.webp", LIGHT, Wishes(speed=4.0, size=(480, 300)))
    assert most <= 8, "pictures were kept"
    assert len(decoded(tmp_path / "flow.webp")) > 8


def test_what_fails_half_way_leaves_the_old_file_and_nothing_else(trace, tmp_path, qapp):
    path = tmp_path / "flow.gif"
    path.write_bytes(b"the old film")

    def fail(made, of):
        if made == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_film(trace, View(), path, LIGHT, FAST, fail)
    assert path.read_bytes() == b"the old film"
    assert os.listdir(tmp_path) == ["flow.gif"]


def test_what_cannot_be_played_is_said(trace, tmp_path, monkeypatch, qapp):
    start, _ = span_of(trace, "backward")
    forward = replace(trace, tape=trace.tape[:start])
    with pytest.raises(ExportError, match=r"Step 1 has no backward pass to play\."):
        save_film(forward, View(), tmp_path / "flow.gif", LIGHT, FAST)
    monkeypatch.setattr(video, "find_spec", lambda _name: None)
    with pytest.raises(ExportError, match=r"pip install 'gradwalk\[video\]'"):
        save_film(trace, View(), tmp_path / "flow.mp4", LIGHT, FAST)
    assert not os.listdir(tmp_path)


def test_importing_the_plan_and_the_writer_loads_no_video_library():
    code = "import gradwalk_gui.film.make, sys; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, "QT_QPA_PLATFORM": "offscreen"}).returncode == 0


# Letters as shapes


def test_an_svg_has_its_text_as_text_or_as_shapes(trace, tmp_path, qapp):
    for outlines in (False, True):
        path = tmp_path / f"{outlines}.svg"
        save_graph(trace, 99, View(), path, LIGHT, outlines=outlines)
        text = path.read_text()
        assert ("<text" in text) is not outlines
        assert ("clamp" in text) is not outlines
    assert (tmp_path / "True.svg").stat().st_size > (tmp_path / "False.svg").stat().st_size
