"""What stands over the graph in the real window: breadcrumb, depth, minimap, find bar."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, Qt
from walking import module, settled, titles

from gradwalk_gui.commands import BY_ID
from gradwalk_gui.state import View
from gradwalk_gui.theme import DARK


def test_crumbs_lead_back_and_the_slider_unfolds(looking, qtbot):
    furniture, session = looking._window.graph.furniture, looking.session
    session.dive("net.layer.2")
    settled(looking, qtbot)
    assert [button.text() for button in furniture.crumbs.buttons] == ["all", "net", "layer.2"]
    assert furniture.crumbs.buttons[2].objectName() == "here"
    assert furniture.depth.slider.maximum() == 1
    qtbot.mouseClick(furniture.crumbs.buttons[0], Qt.MouseButton.LeftButton)
    assert session.state.view.root == ""
    assert [button.text() for button in furniture.crumbs.buttons] == ["all"]
    session.select(module(looking, "net.layer.2"))
    assert [button.text() for button in furniture.crumbs.buttons] == ["all", "net", "layer.2"]
    furniture.depth.slider.setFocus()
    furniture.depth.slider.setValue(0)
    settled(looking, qtbot)
    assert titles(looking, "module") == ["net"]
    qtbot.waitUntil(lambda: f"{len(titles(looking))} cards" in furniture.depth.text.text())
    qtbot.keyClick(furniture.depth.slider, Qt.Key.Key_End)
    settled(looking, qtbot)
    assert session.state.view.folded == frozenset()
    assert session.state.position == 0, "End moves the slider, not the playhead"


def test_the_minimap_shows_when_the_graph_is_larger_and_moves_it(looking, qtbot):
    canvas = looking._window.graph
    minimap = canvas.furniture.minimap
    assert not minimap.isVisible()
    canvas.zoom_by(1.2 / canvas.zoom)
    qtbot.waitUntil(minimap.isVisible)
    for share in (0.2, 0.7):
        at = QPoint(round(minimap.width() * share), minimap.height() // 2)
        qtbot.mousePress(minimap, Qt.MouseButton.LeftButton, pos=at)
        qtbot.mouseRelease(minimap, Qt.MouseButton.LeftButton, pos=at)
        assert abs(canvas.camera.to_scene(canvas.width() / 2, 0)[0] - _scene_x(minimap, at)) < canvas.scene.width / 50
    looking._window.run(BY_ID["minimap"])
    qtbot.waitUntil(lambda: not minimap.isVisible())
    looking._window.run(BY_ID["minimap"])
    qtbot.waitUntil(minimap.isVisible)
    canvas.fit_all()
    qtbot.waitUntil(lambda: not minimap.isVisible())


def _scene_x(minimap, at):
    return (at.x() - minimap._corner().x()) / minimap._scale


def test_everything_over_the_graph_has_a_name_and_paints_in_both_themes(looking, qtbot):
    canvas = looking._window.graph
    canvas.open_find()
    canvas.zoom_by(3)
    qtbot.waitUntil(canvas.furniture.minimap.isVisible)
    light = looking._window.grab().toImage()
    canvas.furniture.set_theme(DARK)
    canvas.set_theme(DARK)
    assert looking._window.grab().toImage() != light
    named = [*canvas.furniture.crumbs.buttons, canvas.furniture.depth.slider, canvas.furniture.minimap]
    named += [
        canvas.furniture.find.field,
        canvas.furniture.find.next,
        canvas.furniture.find.previous,
        canvas.furniture.find.leave,
    ]
    assert all(widget.accessibleName() for widget in named)
    assert all(widget.toolTip() for widget in named if widget is not canvas.furniture.find.field)


def test_a_graph_without_modules_has_no_crumbs(opened):
    assert not opened._window.graph.furniture.bar.isVisible()
    assert opened.session.state.view == View()


class PaintCounter(QObject):
    count = 0

    def eventFilter(self, _watched, event):
        self.count += event.type() == QEvent.Type.Paint
        return False


def test_a_canvas_with_a_minimap_is_at_rest_when_nothing_happens(looking, qtbot):
    canvas = looking._window.graph
    canvas.zoom_by(4)
    qtbot.waitUntil(canvas.furniture.minimap.isVisible)
    qtbot.wait(300)
    painted = PaintCounter()
    canvas.installEventFilter(painted)
    qtbot.wait(300)
    assert painted.count <= 2
    canvas.zoom_by(1.1)
    qtbot.wait(300)
    assert painted.count > 0
