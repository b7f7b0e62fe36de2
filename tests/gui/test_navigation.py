"""Moving about in the graph of a real net by keyboard, in the real window."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication, QMenu
from walking import enabled, module, settled, titles

from gradwalk_gui import folding, showing
from gradwalk_gui.commands import BY_ID
from gradwalk_gui.go_to import GoTo
from gradwalk_gui.graph_menu import groups
from gradwalk_gui.state import Selection

Key = Qt.Key
Ctrl, Shift, Alt = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.AltModifier
Plain = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def press(looking, qtbot):
    def key(key, modifier=Plain, times=1):
        for _ in range(times):
            qtbot.keyClick(looking._window.graph, key, modifier)
        settled(looking, qtbot)

    return key


def test_keys_fold_and_unfold_to_a_depth_and_all(looking, press):
    session, graph = looking.session, looking.session.state.trace.graph
    assert folding.deepest(graph) == 3
    for depth, key in ((0, Key.Key_0), (1, Key.Key_1), (2, Key.Key_2), (3, Key.Key_3)):
        press(key)
        assert showing.depth_of(graph, session.state.view) == depth
    press(Key.Key_4)
    assert showing.depth_of(graph, session.state.view) == 3, "there are no four levels: the key does nothing"
    assert [enabled(looking, f"depth-{n}") for n in (1, 3, 4, 9)] == [True, True, False, False]
    looking._window.run(BY_ID["unfold-all"])
    assert not enabled(looking, "unfold-all")
    assert session.state.view.folded == frozenset()
    looking._window.run(BY_ID["fold-first"])
    assert session.state.view.auto_fold
    assert not enabled(looking, "fold-first")


def test_e_unfolds_what_is_selected_and_shift_e_folds_it(looking, press):
    session = looking.session
    press(Key.Key_1)
    session.select(module(looking, "net.first"))
    assert enabled(looking, "unfold")
    press(Key.Key_E)
    assert "net.first" not in session.state.view.folded
    assert not enabled(looking, "unfold")
    press(Key.Key_E, Shift)
    assert "net.first" in session.state.view.folded


def test_enter_dives_into_a_module_and_backspace_goes_up(looking, press):
    session = looking.session
    assert not enabled(looking, "up")
    assert not enabled(looking, "dive")
    session.select(module(looking, "net.layer.2"))
    press(Key.Key_Return)
    assert session.state.view.root == "net.layer.2"
    assert not enabled(looking, "dive")
    press(Key.Key_Backspace)
    assert session.state.view.root == "net"
    press(Key.Key_Backspace)
    assert session.state.view.root == ""
    press(Key.Key_Left, Alt)
    assert session.state.view.root == "net", "Alt+Left is back"
    press(Key.Key_Right, Alt)
    assert session.state.view.root == ""
    assert not enabled(looking, "redo")


def test_h_hides_i_isolates_and_shift_h_shows_all(looking, press, qtbot):
    session = looking.session
    before = titles(looking)
    assert not any(enabled(looking, command) for command in ("hide", "isolate", "show-all", "undo"))
    session.select(module(looking, "net.last"))
    press(Key.Key_H)
    assert len(titles(looking)) < len(before)
    away = looking._window.graph.furniture.away
    qtbot.waitUntil(away.isVisible)
    assert away.button.text() == "1 hidden, show all"
    qtbot.mouseClick(away.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not away.isVisible() and titles(looking) == before)
    press(Key.Key_Z, Ctrl)
    assert len(titles(looking)) < len(before)
    press(Key.Key_H, Shift)
    assert titles(looking) == before
    session.select(module(looking, "net.last"))
    press(Key.Key_I)
    assert 0 < len(titles(looking)) < len(before)
    press(Key.Key_Z, Ctrl)
    assert titles(looking) == before


def test_a_graph_of_which_all_is_hidden_says_how_to_show_it(looking, press):
    session, canvas = looking.session, looking._window.graph
    press(Key.Key_0)
    cards = canvas.scene.picture.cards
    kinds = {"module": "module", "op": "op", "node": "node"}
    session.pick(Selection(kinds.get(card.kind, "value"), card.ref) for card in cards)
    press(Key.Key_H)
    assert canvas.scene.empty
    assert canvas._why_nothing() == "Everything is hidden. Shift+H shows all again."
    press(Key.Key_H, Shift)
    assert len(canvas.scene.picture.cards) == len(cards)


def test_u_and_d_dim_all_but_one_side(looking, press):
    session, canvas = looking.session, looking._window.graph
    assert not enabled(looking, "upstream")
    place = titles(looking).index("randn")
    session.select(Selection("op", canvas.scene.picture.cards[place].ref))
    press(Key.Key_U)
    lit, ringed = canvas._bright()
    assert (lit.cards.nonzero()[0].tolist(), ringed) == ([place], False), "nothing is upstream of the input"
    assert looking._window.actions_["upstream"].isChecked()
    press(Key.Key_D)
    loss = next(i for i, card in enumerate(canvas.scene.picture.cards) if card.kind == "loss")
    assert canvas._bright()[0].cards[[place, loss]].all()
    assert not canvas._bright()[0].cards.all(), "the parameters are not downstream of it"
    press(Key.Key_D)
    assert canvas._bright()[0] is None


def test_what_is_dimmed_is_paler_and_what_is_not_stays(looking, press):
    canvas = looking._window.graph
    canvas.session.set(reduced_motion=True)
    place = titles(looking).index("randn")
    other = next(i for i, card in enumerate(canvas.scene.picture.cards) if card.kind == "loss")
    canvas.session.select(Selection("op", canvas.scene.picture.cards[place].ref))
    canvas.zoom_by(0.8 / canvas.zoom)
    before = {card: _away_from_the_ground(canvas, card) for card in (place, other)}
    press(Key.Key_U)
    assert _away_from_the_ground(canvas, other) < 0.5 * before[other]
    assert _away_from_the_ground(canvas, place) == before[place]


def _away_from_the_ground(canvas, card):
    """How much the inside of a card differs from the ground, brought into the middle first."""
    left, top, width, height = canvas.scene.cards[card]
    canvas.centre_on(left + width / 2, top + height / 2)
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.width(), 4)[..., :3].astype(int)
    x, y, reach = image.width() // 2, image.height() // 2, int(height * 0.25 * canvas.zoom)
    ground = QColor(canvas.theme.ground)
    away = pixels[y - reach : y + reach, x - 2 * reach : x + 2 * reach] - (ground.blue(), ground.green(), ground.red())
    return int(abs(away).sum())


def test_find_goes_from_match_to_match_and_esc_gives_the_focus_back(looking, press, qtbot):
    canvas, session = looking._window.graph, looking.session
    press(Key.Key_F, Ctrl)
    bar = canvas.furniture.find
    qtbot.waitUntil(bar.isVisible)
    qtbot.keyClicks(bar.field, "qkv")
    assert bar.count.text() == f"{len(bar.matches)} found"
    assert {name.kind for name in bar.matches} >= {"Linear", "parameter"}
    seen = []
    for number in range(len(bar.matches)):
        qtbot.keyClick(bar.field, Key.Key_Return)
        settled(looking, qtbot)
        assert bar.count.text() == f"{number + 1} of {len(bar.matches)}"
        seen.append(session.state.selection)
        assert canvas.shown_selection() is not None
    assert seen == list(bar.selections)
    qtbot.keyClick(bar.field, Key.Key_Return)
    assert session.state.selection == seen[0], "and round again"
    qtbot.keyClick(bar.field, Key.Key_Return, Shift)
    assert session.state.selection == seen[-1]
    lit, ringed = canvas._bright()
    assert ringed
    assert 0 < lit.cards.sum() < len(lit.cards)
    canvas.setFocus()
    press(Key.Key_Escape)
    assert not bar.isVisible(), "with the focus on the graph, too"
    press(Key.Key_F, Ctrl)
    qtbot.keyClick(bar.field, Key.Key_Escape)
    assert not bar.isVisible()
    assert session.state.selection == seen[-1], "what was found stays selected"
    assert canvas._bright() == (None, False)


def test_keys_typed_into_the_find_bar_are_letters(looking, press, qtbot):
    canvas, before = looking._window.graph, looking.session.state
    press(Key.Key_F, Ctrl)
    bar = canvas.furniture.find
    for key in (Key.Key_E, Key.Key_H, Key.Key_1, Key.Key_Space, Key.Key_Period, Key.Key_Backspace, Key.Key_Home):
        qtbot.keyClick(bar.field, key)
    assert bar.field.text() == "eh1 "
    assert (looking.session.state.view, looking.session.state.position) == (before.view, before.position)
    assert bar.count.text() == "no match"


def test_find_underlines_a_filter_that_it_cannot_read_and_says_why(looking, press, qtbot):
    canvas = looking._window.graph
    press(Key.Key_F, Ctrl)
    bar = canvas.furniture.find
    bar.field.setText("$grad(rms>")
    looking._window.desk.views["events"].filter.setText("$grad(rms>")
    said = looking._window.desk.views["events"].found.text()
    assert bar.field.error is not None
    assert (bar.problem.text(), bar.count.text(), bar.matches) == (said, "", [])
    assert "(at character " in said
    qtbot.waitUntil(lambda: bar.problem.isVisible() and bar.rect().contains(bar.problem.geometry()))
    assert bar.problem.height() >= bar.problem.heightForWidth(bar.problem.width())
    bar.field.setText("$module(net.last)")
    assert not bar.problem.isVisible()
    assert {name.path for name in bar.matches if name.kind == "op"} == {"net.last"}
    bar.field.setText("$kind(accumulate)")
    assert {name.kind for name in bar.matches} == {"parameter"}
    bar.field.setText("rms>")
    assert (bar.field.error, bar.count.text()) == (None, "no match"), "words, not a filter"


def test_go_to_node_unfolds_and_shows_it_in_the_middle(looking, press, qtbot):
    canvas, session = looking._window.graph, looking.session
    press(Key.Key_0)
    press(Key.Key_P, Ctrl)
    dialog = next(each for each in looking._window.findChildren(GoTo) if each.isVisible())
    qtbot.keyClicks(dialog.field, "layer2outweight")
    assert dialog.list.item(0).text() == "layer.2.out.weight"
    qtbot.keyClick(dialog.field, Key.Key_Return)
    settled(looking, qtbot)
    graph = session.state.trace.graph
    assert graph.values[session.state.selection.id].name == "layer.2.out.weight"
    assert not {"net", "net.layer.2", "net.layer.2.out"} & session.state.view.folded
    card = canvas.scene.picture.cards[canvas.selected_card()]
    assert (card.kind, card.ref) == ("leaf", session.state.selection.id)
    qtbot.waitUntil(lambda: _from_the_middle(canvas) < 2)
    looking._window.run(BY_ID["undo"])
    assert "net" in session.state.view.folded


def _from_the_middle(canvas):
    left, top, width, height = canvas._selection_rect()
    x, y = canvas.camera.to_screen(left + width / 2, top + height / 2)
    return abs(x - canvas.width() / 2) + abs(y - (canvas.height() + canvas.furniture.clear_from()) / 2)


@pytest.mark.parametrize("what", ["module", "op", "node", "value"])
def test_everything_can_be_gone_to_from_anywhere(looking, qtbot, what):
    canvas, session = looking._window.graph, looking.session
    graph = session.state.trace.graph
    last = {
        "module": showing.call_at(graph, "net.layer.3.qkv"),
        "op": next(op.id for op in graph.ops if op.name == "softmax"),
        "node": next(node.id for node in graph.nodes if node.name.startswith("Softmax")),
        "value": next(value.id for value in graph.values if value.name.endswith("layer.1.norm.bias")),
    }[what]
    session.dive("net.first")
    settled(looking, qtbot)
    canvas.go_to(Selection(what, last), unfold=True)
    settled(looking, qtbot)
    assert session.state.view.root == ""
    assert canvas.shown_selection() is not None
    if what != "module":
        assert canvas.scene.picture.cards[canvas.selected_card()].kind != "module"


def test_switches_of_the_view(looking, qtbot):
    window, session = looking._window, looking.session
    for command, field in (("skip-views", "skip_views"), ("stacked", "stacked")):
        before = getattr(session.state.view, field)
        assert window.actions_[command].isChecked() is before
        window.run(BY_ID[command])
        assert getattr(session.state.view, field) is not before
    session.undo()
    session.undo()
    assert session.state.view.skip_views
    window.run(BY_ID["flow-down"])
    assert session.state.view.flow == "down"
    assert window.actions_["engine-ours"].isChecked()
    settled(looking, qtbot)


@pytest.mark.parametrize(
    ("selection", "there", "absent"),
    [
        (None, {"find", "fit-all", "fold-all"}, {"hide", "copy-name", "dive"}),
        ("net.layer.1", {"dive", "hide", "isolate", "upstream", "downstream", "copy-name", "go-to-selected"}, {"find"}),
    ],
)
def test_the_menu_has_what_can_be_done(looking, qtbot, selection, there, absent):
    looking.session.select(module(looking, selection) if selection else None)
    assert there <= {each for group in groups(looking.session.state) for each in group}
    canvas = looking._window.graph
    canvas.menu_asked.emit(canvas.mapToGlobal(QPoint(10, 10)))
    menu = next(each for each in looking._window.findChildren(QMenu) if each.isVisible())
    names = {action.objectName() for action in menu.actions() if not action.isSeparator()}
    assert there <= names
    assert not absent & names
    assert all(action.isEnabled() for action in menu.actions())
    menu.close()


def test_a_name_is_copied_and_an_event_gone_to(looking):
    session = looking.session
    for selection, name in (
        (module(looking, "net.layer.1"), "net.layer.1"),
        (Selection("op", 0), "randn"),
        (Selection("op", 1), "net.first.linear"),
    ):
        session.select(selection)
        looking._window.run(BY_ID["copy-name"])
        assert QApplication.clipboard().text() == name
    session.select(module(looking, "net.layer.1"))
    looking._window.run(BY_ID["go-to-selected"])
    event = session.state.last_event
    assert session.state.trace.graph.modules[session.state.trace.graph.ops[event.ref].module].path.startswith("net.layer.1")
