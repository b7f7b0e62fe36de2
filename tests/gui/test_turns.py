"""While a training is followed, panels draw by turns; a move by hand shows everywhere at once."""

from __future__ import annotations

import gc
import time

from gradwalk_gui.state import Play
from gradwalk_gui.turns import Turns


class Drawer:
    def __init__(self, name, told, takes=0.0):
        self.name, self.told, self.takes = name, told, takes

    def draw(self):
        time.sleep(self.takes)
        self.told.append(self.name)


def test_one_at_a_time_in_order_and_each_wish_once(qtbot):
    turns, told = Turns(), []
    drawers = [Drawer(name, told) for name in "abc"]
    for drawer in (*drawers, drawers[0], drawers[1]):
        turns.ask(drawer.draw)
    assert not told
    qtbot.waitUntil(lambda: len(told) >= 1)
    turns.ask(drawers[0].draw)
    qtbot.waitUntil(lambda: len(told) == 4)
    assert told == ["a", "b", "c", "a"]


def test_a_panel_that_is_gone_is_passed_over(qtbot):
    turns, told = Turns(), []
    gone, there = Drawer("gone", told), Drawer("there", told)
    turns.ask(gone.draw)
    turns.ask(there.draw)
    del gone
    gc.collect()
    qtbot.waitUntil(lambda: bool(told))
    assert told == ["there"]


def test_it_knows_what_drawing_took(qtbot):
    turns, told = Turns(), []
    drawer = Drawer("slow", told, takes=0.05)
    turns.ask(drawer.draw)
    qtbot.waitUntil(lambda: bool(told))
    assert 0.05 <= turns.spent() < 5
    assert turns.spent() == 0


def test_what_is_followed_comes_by_turns_and_a_move_by_hand_at_once(opened, qtbot):
    session, graph = opened.session, opened._window.graph
    session.follow()
    assert session.state.play is Play.FOLLOWING
    drawn = graph.drawn
    session._become(length=2)
    assert graph.drawn is drawn, "its turn has not come"
    qtbot.waitUntil(lambda: graph.drawn is session.state)
    session.go_to(0, 3)
    assert graph.drawn is session.state
