"""What flies over the graph: pulses on their lanes, and the wavefront of a long step that plays."""

from __future__ import annotations

import numpy as np
import pytest
from nets import Transformer, recorded
from PySide6.QtCore import QPointF, QRect
from PySide6.QtGui import QColor, QImage, QPainter

from gradwalk_gui.graph.animation import Flight, Leg, flight_of
from gradwalk_gui.graph.camera import Camera
from gradwalk_gui.graph.canvas import GraphCanvas
from gradwalk_gui.graph.overlay import paint_flight, paint_wavefront, painted_around, reach_of
from gradwalk_gui.graph.surface import Surface
from gradwalk_gui.graph.wavefront import Wavefront, wavefront_of
from gradwalk_gui.player import Player
from gradwalk_gui.session import Session
from gradwalk_gui.state import BEATS, Play
from gradwalk_gui.theme import DARK, LIGHT


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    with recorded(tmp_path_factory.mktemp("flying") / "run", Transformer(6)) as recording:
        yield recording


@pytest.fixture
def canvas(transformer, qtbot):
    session = Session()
    session.open(transformer)
    session.unfold_all()
    made = GraphCanvas(session, LIGHT)
    qtbot.addWidget(made)
    made.resize(900, 600)
    made.show()
    qtbot.waitUntil(lambda: made.scene is not None and not made.busy)
    return made


def painted(scene, theme, paint, zoom=1.0):
    """Where a painter of the scene paints, ``[h, w]`` of alpha, and the picture."""
    image = QImage(round(scene.width * zoom), round(scene.height * zoom), QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(0)
    painter = QPainter(image)
    painter.scale(zoom, zoom)
    paint(painter, Surface(theme, zoom))
    painter.end()
    bits = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    return bits[..., 3], image


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("zoom", [0.3, 1.0])
def test_pulses_are_where_their_tracks_say_with_their_tails_behind(open_canvas, theme, zoom):
    scene = open_canvas().scene
    lanes = [lane for lane in range(len(scene.picture.lanes)) if len(scene.backward[lane])]
    legs = tuple(Leg(lane, 0.0, 1.0, 10.0 ** (-8 + i)) for i, lane in enumerate(lanes))
    alpha, image = painted(scene, theme, lambda p, s: paint_flight(p, s, scene, Flight(legs, (), 300.0), 0.5), zoom)
    for leg in legs:
        track = scene.backward_tracks[leg.lane]
        at = QPointF(*(track.at(np.array([0.5]))[0] * zoom)).toPoint()
        assert image.pixelColor(at).lightness() > 200, "the head is bright in the middle"
        behind, ahead = (track.at(np.array([0.5 + by * 22 / track.length]))[0] * zoom for by in (1, -1))
        if track.length * 0.5 > 60:
            assert alpha[round(behind[1]), round(behind[0])] > 0
            assert alpha[round(ahead[1]), round(ahead[0])] < alpha[round(behind[1]), round(behind[0])]


def test_forward_pulses_run_the_other_way_in_the_forward_colour(open_canvas):
    scene = open_canvas().scene
    lane = max(range(len(scene.picture.lanes)), key=lambda i: scene.forward_tracks[i].length)
    alpha, image = painted(scene, LIGHT, lambda p, s: paint_flight(p, s, scene, Flight((Leg(lane, 0.0, 1.0),), (), 300.0), 0.5))
    track = scene.forward_tracks[lane]
    behind = track.at(np.array([0.5 - 16 / track.length]))[0]
    ink = QColor(image.pixel(round(behind[0]), round(behind[1])))
    assert alpha[round(behind[1]), round(behind[0])] > 0
    assert ink.blue() > ink.red()


def test_a_pulse_that_has_not_started_or_has_arrived_is_not_painted(open_canvas):
    canvas = open_canvas()
    flight = flight_of(canvas.scene, canvas.look.facts, 8, 1.0)
    legs = tuple(Leg(leg.lane, 0.2, 0.6, 1.0) for leg in flight.legs)
    assert legs
    for time, there in ((0.1, False), (0.4, True), (0.7, False)):
        fly = Flight(legs, (), 300.0)
        alpha, _ = painted(canvas.scene, LIGHT, lambda p, s, fly=fly, time=time: paint_flight(p, s, canvas.scene, fly, time))
        assert bool(alpha.any()) is there


def test_the_wavefronts_of_all_beats_are_the_whole_step_once(canvas):
    when, events = canvas.look.facts.when, canvas.session.state.events
    fronts = [wavefront_of(when, start, start + 7) for start in range(0, events, 7)]
    for phase in (0, 1):
        cards = np.concatenate([front.cards[phase] for front in fronts])
        assert sorted(cards.tolist()) == np.flatnonzero(when.last[:, phase] >= 0).tolist()
    ahead = np.concatenate([front.lanes[0] for front in fronts])
    assert sorted(ahead.tolist()) == np.flatnonzero(when.lane_forward >= 0).tolist()
    assert sum(len(front.lanes[1]) for front in fronts) == len(when.coming.flat)
    assert not wavefront_of(when, 3, 3)


def test_a_wavefront_lights_its_lanes_and_cards_and_fades(canvas):
    scene, events = canvas.scene, canvas.session.state.events
    wave = wavefront_of(canvas.look.facts.when, events * 2 // 3, events * 2 // 3 + 9)
    assert len(wave.lanes[1])
    early, _ = painted(scene, LIGHT, lambda p, s: paint_wavefront(p, s, scene, wave, 0.05), 0.2)
    late, _ = painted(scene, LIGHT, lambda p, s: paint_wavefront(p, s, scene, wave, 0.9), 0.2)
    assert early.max() > late.max() > 0
    for card in wave.cards[1]:
        left, top, wide, high = (scene.cards[card] * 0.2).tolist()
        assert early[int(top + high / 2), int(left + wide / 2)] > 0


def test_a_long_step_is_played_in_about_200_beats_and_ends_where_it_ends(transformer):
    session = Session()
    session.open(transformer)
    events = session.state.events
    assert events > 2 * BEATS
    assert session.state.beat == -(-events // BEATS)
    session.play_pause()
    ends = beat = 0
    while session.state.play is Play.PLAYING:
        session.tick()
        beat += 1
        ends += session.state.position == session.state.events
    assert ends >= 2, "no step is left before its end has been shown"
    assert beat <= 2 * (BEATS + 2)


def test_playing_a_long_step_moves_a_wavefront_and_a_step_by_hand_a_pulse(canvas, qtbot):
    session = canvas.session
    player = Player(session, canvas)
    session.set(speed=5.0)
    session.play_pause()
    qtbot.waitUntil(lambda: session.state.position > 3 * session.state.beat)
    flying = canvas.animator.in_the_air()
    assert flying
    assert {type(one) for one, _ in flying} == {Wavefront}
    canvas.grab()
    session.play_pause()
    assert not player.timer.isActive()
    session.go_to(0, 10)
    session.next_event()
    assert {type(one) for one, _ in canvas.animator.in_the_air()} == {Flight}
    session.set(reduced_motion=True)
    session.play_pause()
    session.tick()
    assert not canvas.animator.running


@pytest.mark.parametrize("zoom", [0.01, 0.2, 1.0])
def test_nothing_that_flies_is_painted_outside_of_what_the_canvas_paints_anew(canvas, zoom):
    scene, facts, events = canvas.scene, canvas.look.facts, canvas.session.state.events
    flights = [flight_of(scene, facts, position, 1.0) for position in range(0, events, 9)]
    waves = [wavefront_of(facts.when, start, start + 9) for start in range(0, events, 40)]
    camera, room = Camera(x=40.0, y=60.0, zoom=zoom), QRect(0, 0, 1400, 700)
    for flying, paint in [(one, paint_flight) for one in flights] + [(one, paint_wavefront) for one in waves]:
        if not flying:
            continue
        own = painted_around(reach_of(scene, flying), camera)
        camera = Camera(x=camera.x + 200 - own.left(), y=camera.y + 200 - own.top(), zoom=zoom)
        own = painted_around(reach_of(scene, flying), camera)
        for time in (0.02, 0.5, 0.98):
            alpha = seen(room, camera, lambda p, s, one=flying, time=time, paint=paint: paint(p, s, scene, one, time))
            inside = own.intersected(room)
            alpha[inside.top() : inside.bottom() + 1, inside.left() : inside.right() + 1] = 0
            assert not alpha.any()


def seen(room, camera, paint):
    """What a painter of the scene paints under a camera, ``[h, w]`` of alpha."""
    image = QImage(room.size(), QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(0)
    painter = QPainter(image)
    painter.translate(camera.x, camera.y)
    painter.scale(camera.zoom, camera.zoom)
    paint(painter, Surface(LIGHT, camera.zoom))
    painter.end()
    return np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), -1, 4)[..., 3].copy()


def test_a_pulse_paints_only_its_own_part_of_the_canvas_and_is_gone_when_it_has_landed(canvas, qtbot):
    session = canvas.session
    session.go_to(0, 10)
    canvas.grab()
    asked = []
    canvas.update = lambda *rect: asked.append(rect)
    canvas.animator.launch(flight_of(canvas.scene, canvas.look.facts, 10, 1.0))
    qtbot.waitUntil(lambda: not canvas.animator.running)
    del canvas.update
    assert len(asked) > 3
    (one,) = {rect for (rect,) in [(tuple(rect[0].getRect()),) for rect in asked]}
    assert one[2] * one[3] < canvas.width() * canvas.height()
