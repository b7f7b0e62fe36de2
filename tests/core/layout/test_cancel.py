"""A layout that is not wanted any more is given up at once, and leaves nothing behind."""

from __future__ import annotations

import threading
import time

import pytest

from gradwalk.layout.cancel import LayoutCancelled
from gradwalk.layout.compound import known_contents
from gradwalk.layout.engine import laid_out, lay_out
from gradwalk.layout.request import Box, LayoutRequest, Link


def tangle(boxes):
    """Boxes that are all tied to each other: the order of their layers takes long."""
    links = tuple(Link(i, j) for i in range(boxes) for j in range(i + 1, min(boxes, i + 40), 3))
    return LayoutRequest((Box(30, 20),) * boxes, links)


def forget():
    laid_out.forget()
    known_contents.forget()


def test_a_layout_is_given_up_at_whichever_question_it_is_told_so_and_can_be_made_after():
    asked = []
    forget()
    whole = lay_out(tangle(24), lambda: bool(asked.append(None)))
    assert len(asked) > 8
    for questions in range(len(asked)):
        forget()
        answers = iter([False] * questions + [True])
        with pytest.raises(LayoutCancelled):
            lay_out(tangle(24), answers.__next__)
    assert (lay_out(tangle(24)).boxes == whole.boxes).all()


def test_a_long_layout_in_a_thread_ends_soon_after_it_is_cancelled():
    forget()
    wanted, ended = threading.Event(), []

    def work():
        try:
            lay_out(tangle(1500), wanted.is_set)
        except LayoutCancelled:
            ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.3)
    assert thread.is_alive()
    wanted.set()
    thread.join(20)
    assert ended, "it takes a minute where nobody gives it up"
    assert not laid_out.hits
