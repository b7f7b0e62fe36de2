"""Buttons, fingers and the rubber band on the canvas."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QInputDevice, QMouseEvent, QNativeGestureEvent, QPointingDevice, QWheelEvent
from PySide6.QtWidgets import QApplication

from gradwalk_gui.graph.band import Band, picked_in
from gradwalk_gui.state import Selection

Left, Middle = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton
Shift, Ctrl, Plain = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.NoModifier
PRESS, MOVE, RELEASE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease


def send(canvas, kind, at, button, modifiers=Plain):
    held = Qt.MouseButton.NoButton if kind == RELEASE else button
    point = QPointF(at)
    event = QMouseEvent(
        kind, point, canvas.mapToGlobal(point), Qt.MouseButton.NoButton if kind == MOVE else button, held, modifiers
    )
    QApplication.sendEvent(canvas, event)


def drag(canvas, start, end, button=Left, modifiers=Plain):
    send(canvas, PRESS, start, button, modifiers)
    send(canvas, MOVE, (QPointF(start) + QPointF(end)) / 2, button, modifiers)
    send(canvas, MOVE, end, button, modifiers)
    send(canvas, RELEASE, end, button, modifiers)


def corners(canvas, *titles):
    """Points of the widget around some cards."""
    places = [i for i, card in enumerate(canvas.scene.picture.cards) if card.title in titles]
    assert len(places) == len(titles)
    left, top = canvas.scene.cards[places, :2].min(axis=0)
    right, bottom = (canvas.scene.cards[places, :2] + canvas.scene.cards[places, 2:]).max(axis=0)
    return QPointF(*canvas.camera.to_screen(left - 8, top - 8)), QPointF(*canvas.camera.to_screen(right + 8, bottom + 8))


def middle(canvas, title):
    start, end = corners(canvas, title)
    return QPointF((start.x() + end.x()) / 2, start.y() * 0.7 + end.y() * 0.3).toPoint()


def names(canvas):
    graph = canvas.session.state.trace.graph
    picked = canvas.session.state.picked or (canvas.session.state.selection,)
    return [graph.ops[one.id].name if one.kind == "op" else graph.values[one.id].name for one in picked if one is not None]


@pytest.mark.parametrize(
    ("button", "on", "pans"), [(Middle, "ground", True), (Middle, "clamp", True), (Left, "clamp", True), (Left, "ground", False)]
)
def test_what_a_drag_pans(open_canvas, button, on, pans):
    canvas = open_canvas()
    start = QPoint(4, 4) if on == "ground" else middle(canvas, on)
    before = canvas.camera
    drag(canvas, start, start + QPoint(30, 20), button)
    moved = (canvas.camera.x - before.x, canvas.camera.y - before.y)
    assert moved == ((30, 20) if pans else (0, 0))
    assert canvas.band is None


def test_the_band_picks_the_cards_inside_and_adds_with_shift(open_canvas, qtbot):
    canvas = open_canvas()
    drag(canvas, *corners(canvas, "clamp"))
    assert names(canvas) == ["clamp"]
    assert canvas.session.state.picked == ()
    drag(canvas, *corners(canvas, "sub", "pow"))
    assert names(canvas) == ["sub", "pow"]
    drag(canvas, *corners(canvas, "clamp"), modifiers=Shift)
    assert names(canvas) == ["sub", "pow", "clamp"]
    drag(canvas, QPointF(2, 2), QPointF(20, 20))
    assert names(canvas) == [], "an empty band picks nothing"


def test_the_band_is_seen_while_it_is_drawn_and_esc_ends_it(open_canvas, qtbot):
    canvas = open_canvas()
    start, end = corners(canvas, "clamp")
    empty = canvas.grab().toImage()
    send(canvas, PRESS, start, Left)
    send(canvas, MOVE, end, Left)
    assert canvas.grab().toImage() != empty
    qtbot.keyClick(canvas, Qt.Key.Key_Escape)
    send(canvas, RELEASE, end, Left)
    assert canvas.session.state.selection is None


@pytest.mark.parametrize("modifier", [Shift, Ctrl])
def test_clicks_with_shift_or_ctrl_add_and_take_away(open_canvas, qtbot, modifier):
    canvas = open_canvas()
    for title in ("clamp", "sub", "pow"):
        qtbot.mouseClick(canvas, Left, modifier, middle(canvas, title))
    assert names(canvas) == ["clamp", "sub", "pow"]
    qtbot.mouseClick(canvas, Left, modifier, middle(canvas, "sub"))
    assert names(canvas) == ["clamp", "pow"]
    qtbot.mouseClick(canvas, Left, modifier, QPoint(3, 3))
    assert names(canvas) == ["clamp", "pow"], "beside everything it changes nothing"
    ringed = canvas.grab().toImage()
    qtbot.mouseClick(canvas, Left, Plain, middle(canvas, "clamp"))
    assert names(canvas) == ["clamp"]
    assert canvas.grab().toImage() != ringed


def test_a_second_button_does_not_disturb_a_drag(open_canvas):
    canvas = open_canvas()
    start, end = corners(canvas, "clamp")
    send(canvas, PRESS, start, Left)
    send(canvas, PRESS, start, Middle)
    send(canvas, RELEASE, start, Middle)
    send(canvas, MOVE, end, Left)
    send(canvas, RELEASE, end, Left)
    assert names(canvas) == ["clamp"]


def test_the_right_button_selects_and_asks_for_a_menu_and_keeps_what_is_picked(open_canvas, qtbot):
    canvas = open_canvas()

    def right(at):
        with qtbot.waitSignal(canvas.menu_asked) as asked:
            QApplication.sendEvent(canvas, QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, canvas.mapToGlobal(at)))
        assert asked.args == [canvas.mapToGlobal(at)]

    right(middle(canvas, "clamp"))
    assert names(canvas) == ["clamp"]
    drag(canvas, *corners(canvas, "sub", "pow"))
    right(middle(canvas, "pow"))
    assert names(canvas) == ["sub", "pow"]
    right(QPoint(3, 3))
    assert names(canvas) == []


@pytest.mark.parametrize(
    ("pixels", "angle", "moved"), [((7, -9), (14, -18), (7, -9)), ((0, 0), (120, -40), (48, -16)), ((0, 0), (0, 0), (0, 0))]
)
def test_two_fingers_pan_and_with_ctrl_zoom(open_canvas, pixels, angle, moved):
    canvas = open_canvas()
    touchpad = QPointingDevice(
        "touchpad", 7, QInputDevice.DeviceType.TouchPad, QPointingDevice.PointerType.Finger, QInputDevice.Capability.Scroll, 2, 3
    )
    at = QPointF(300, 300)
    before = canvas.camera
    for modifiers in (Plain, Ctrl):
        event = QWheelEvent(
            at, canvas.mapToGlobal(at), QPoint(*pixels), QPoint(*angle), Qt.MouseButton.NoButton, modifiers,
            Qt.ScrollPhase.NoScrollPhase, False, Qt.MouseEventSource.MouseEventNotSynthesized, touchpad,
        )  # fmt: skip
        QApplication.sendEvent(canvas, event)
        if modifiers == Plain:
            assert (canvas.camera.x - before.x, canvas.camera.y - before.y, canvas.zoom) == (*moved, before.zoom)
    assert (canvas.zoom == before.zoom) == (angle == (0, 0))


def test_a_pinch_zooms_at_the_fingers(open_canvas):
    canvas = open_canvas()
    at = QPointF(middle(canvas, "clamp"))
    there = canvas.camera.to_scene(at.x(), at.y())
    zoom = canvas.zoom
    pinch = QNativeGestureEvent(
        Qt.NativeGestureType.ZoomNativeGesture, QPointingDevice.primaryPointingDevice(), 2, at, at, at, 0.25, QPointF()
    )
    QApplication.sendEvent(canvas, pinch)
    assert canvas.zoom == pytest.approx(1.25 * zoom)
    assert canvas.camera.to_scene(at.x(), at.y()) == pytest.approx(there, abs=2)


def test_shift_and_an_arrow_pan(open_canvas, qtbot):
    canvas = open_canvas()
    before = canvas.camera
    qtbot.keyClick(canvas, Qt.Key.Key_Right, Shift)
    qtbot.keyClick(canvas, Qt.Key.Key_Down, Shift)
    assert (canvas.camera.x - before.x, canvas.camera.y - before.y) == (-96, -96)
    assert canvas.session.state.selection is None


def test_a_band_is_the_same_in_every_direction(open_canvas):
    canvas = open_canvas()
    start, end = corners(canvas, "clamp")
    bands = [Band(start, end), Band(end, start), Band(QPointF(start.x(), end.y()), QPointF(end.x(), start.y()))]
    found = {picked_in(canvas.scene, canvas.camera, band.rect) for band in bands}
    assert found == {(Selection("op", 1),)}
