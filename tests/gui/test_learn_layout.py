"""The Learn layout at 1280 x 800: everything has room."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QRect

from gradwalk_gui.commands import BY_ID
from gradwalk_gui.state import Selection


@pytest.mark.parametrize("size", [(1280, 800), (1440, 900), (1920, 1080)])
def test_nothing_is_cut_and_the_inspector_is_tall(opened, qtbot, size):
    window = opened._window
    window.resize(*size)
    window.run(BY_ID["layout-learn"])
    qtbot.waitUntil(lambda: window.width() == size[0] and window.desk.docks["inspector"].width() >= 360)
    shown = {name: dock for name, dock in window.desk.docks.items() if dock.isVisible()}
    assert set(shown) == {"inspector", "source", "ribbons"}
    views = {name: dock.widget() for name, dock in shown.items()} | {"graph": window.graph}
    places = {name: QRect(view.mapTo(window, QPoint()), view.size()) for name, view in views.items()}
    for name, place in places.items():
        assert window.rect().contains(place), name
        assert place.width() >= views[name].minimumSizeHint().width(), name
        assert place.height() >= views[name].minimumSizeHint().height(), name
        assert not any(place.intersects(other) for key, other in places.items() if key != name), name
    assert places["inspector"].height() > 0.75 * size[1]
    assert places["inspector"].width() <= 0.4 * size[0]
    assert places["graph"].height() > places["source"].height() > 120
    inspector = window.desk.views["inspector"]
    opened.session.last_event()
    opened.session.select(Selection("op", 2))
    inspector.formula.element.button.setChecked(True)
    qtbot.waitUntil(lambda: inspector.numpy.isVisible() and inspector.formula.element.text.isVisible())
    parts = inspector.formula.card, inspector.formula.element.text, inspector.numpy.text
    qtbot.waitUntil(lambda: all(part.height() >= part.heightForWidth(part.width()) for part in parts))  # no line is cut
    assert all(part.width() >= part.minimumSizeHint().width() for part in parts)
    assert (
        max(cell.box.right() for cell in inspector.formula.card._place(inspector.formula.card.width()))
        <= inspector.formula.card.width()
    )


def test_another_layout_has_its_usual_corners(opened, qtbot):
    window = opened._window
    for layout in ("layout-learn", "layout-debug"):
        window.run(BY_ID[layout])
        qtbot.waitUntil(lambda: window.desk._wanted is None)
    inspector, ribbons = (window.desk.docks[name] for name in ("inspector", "ribbons"))
    assert ribbons.width() == window.width()
    assert inspector.geometry().bottom() < ribbons.geometry().top()
