"""Graphviz as the second engine: what it is asked, what is made of its answer, and what happens without one."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from graphviz.backend import dot_command

from gradwalk.layout import graphviz
from gradwalk.layout.cancel import LayoutCancelled
from gradwalk.layout.dot_text import answer, question
from gradwalk.layout.engine import lay_out
from gradwalk.layout.graphviz import Engine, engines, find_dot, lay_out_by_dot
from gradwalk.layout.request import ROOT, Box, Container, LayoutRequest, Link

from .conftest import inside, overlap

ANSWERS = Path(__file__).parent / "answers"
"""What dot 2.43 answered to ``question(NET)``, in both directions."""
NET = LayoutRequest(
    (Box(60, 40), Box(150, 88, 0), Box(120, 88, 1), Box(90, 50, 0, main=False), Box(70, 30)),
    (
        Link(0, 1), Link(1, 2, 10.0, -8.0), Link(3, 2, 0.0, 8.0), Link(0, 4, -6.0), Link(2, 4, 0.0, 7.0), Link(4, 4),
        Link(1, 2, 10.0, -8.0),
    ),
    (Container(), Container(0, 200.0), Container()),
)  # fmt: skip
posix = pytest.mark.skipif(os.name != "posix", reason="programs are scripts here")


def well_made(request_, layout):
    whole = np.array([0, 0, layout.width, layout.height])
    pixel = np.array([-1, -1, 2, 2])
    for number, box in enumerate(request_.boxes):
        around = whole if box.container == ROOT else layout.containers[box.container]
        assert inside(layout.boxes[number], around + pixel)
        assert np.allclose(layout.boxes[number, 2:], [box.width, box.height])
        assert not any(overlap(layout.boxes[number], other) for other in layout.boxes[:number])
    for index, container in enumerate(request_.containers):
        assert inside(
            layout.containers[index], (whole if container.parent == ROOT else layout.containers[container.parent]) + pixel
        )
        assert layout.containers[index, 2] >= container.title_width
    along = 0 if request_.direction == "right" else 1
    for link, route in zip(request_.links, layout.routes, strict=True):
        if link.source == link.target:
            assert route.shape == (0, 2)
            continue
        ends = layout.boxes[[link.source, link.target]]
        across = ends[:, 1 - along] + ends[:, 3 - along] / 2 + [link.source_port, link.target_port]
        assert route[[0, -1], 1 - along] == pytest.approx(across)
        assert route[[0, -1], along] == pytest.approx([ends[0, along] + ends[0, along + 2], ends[1, along]])


@pytest.mark.parametrize("direction", ["right", "down"])
def test_a_stored_answer_becomes_a_layout(direction):
    request_ = replace(NET, direction=direction)
    layout = answer(request_, (ANSWERS / f"{direction}.json").read_text())
    well_made(request_, layout)
    along = 0 if direction == "right" else 1
    assert layout.boxes[0, along] < layout.boxes[1, along] < layout.boxes[2, along] < layout.boxes[4, along]
    assert layout.routes[1].tolist() == layout.routes[6].tolist()
    assert max(len(route) for route in layout.routes) > 4
    assert not layout.boxes.flags.writeable
    assert not layout.routes[0].flags.writeable


@pytest.mark.skipif(not find_dot(), reason="no dot is here")
@pytest.mark.parametrize("direction", ["right", "down"])
def test_the_dot_that_is_here_lays_out(direction):
    request_ = replace(NET, direction=direction)
    layout = lay_out_by_dot(request_, 30.0)
    assert layout.note == ""
    well_made(request_, layout)


def test_the_question_names_every_box_link_and_container_once():
    text = question(NET)
    assert [text.count(f"\nb{box} [") for box in range(5)] == [1] * 5
    assert text.count("->") == 5
    assert [text.count(f"subgraph cluster_{index} {{") for index in range(3)] == [1] * 3
    assert text.count("{") == text.count("}")


def test_a_nest_of_1_500_modules_is_asked_about_without_recursion():
    nest = tuple(Container(index - 1) for index in range(1500))
    assert question(LayoutRequest((Box(10, 10, 1499),), (), nest)).count("subgraph") == 1500


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda said: said.pop("edges"), "5 links were asked for, 0 came back"),
        (lambda said: said.pop("objects"), "dot left something out"),
        (lambda said: said["objects"].pop(0), "dot left something out"),
        (lambda said: said.pop("bb"), "not an answer of dot"),
        (lambda said: said["edges"][0].pop("pos"), "not an answer of dot"),
    ],
)
def test_what_is_no_answer_is_refused(change, says):
    said = json.loads((ANSWERS / "right.json").read_text())
    change(said)
    with pytest.raises(ValueError, match=says):
        answer(NET, json.dumps(said))


def program(folder, body, name="dot"):
    file = folder / name
    file.write_text(f"#!{sys.executable}\nimport sys, time, os\n{body}\n")
    file.chmod(0o755)
    return str(file)


@posix
@pytest.mark.parametrize(
    ("body", "note"),
    [
        ("time.sleep(60)", "Graphviz did not finish within 0.3 s"),
        ("print('x' * 300_000); time.sleep(60)", "Graphviz did not finish within 0.3 s"),
        ("sys.exit('Error: <stdin>: syntax error')", "Graphviz gave no layout (Error: <stdin>: syntax error)"),
        ("sys.exit(3)", "Graphviz gave no layout (CalledProcessError)"),
        ("print('{}')", "Graphviz gave no layout (not an answer of dot: KeyError('bb'))"),
        ("print('hello')", "Graphviz gave no layout (Expecting value: line 1 column 1 (char 0))"),
        (f"sys.stdin.read(); print(open({str(ANSWERS / 'right.json')!r}).read())", ""),
    ],
)  # fmt: skip
def test_where_graphviz_gives_none_it_is_our_layout_and_says_why(tmp_path, body, note):
    layout = lay_out_by_dot(NET, 0.3 if "60" in body else 20.0, program=program(tmp_path, body))
    assert layout.note == (f"{note}; this is Gradwalk's own layout." if note else "")
    assert np.array_equal(layout.boxes, lay_out(NET).boxes) == bool(note)


def test_a_program_that_is_gone_is_no_fault(tmp_path):
    layout = lay_out_by_dot(NET, program=str(tmp_path / "gone"))
    assert layout.note.startswith("Graphviz gave no layout (")
    assert np.array_equal(layout.boxes, lay_out(NET).boxes)


@posix
def test_cancelling_ends_the_program_at_once(tmp_path):
    pid = tmp_path / "pid"
    slow = program(tmp_path, f"open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    with pytest.raises(LayoutCancelled):
        lay_out_by_dot(NET, 60.0, lambda: pid.exists() and bool(pid.read_text()), slow)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No dot anywhere."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(graphviz.sysconfig, "get_path", lambda name: str(tmp_path / "scripts"))
    (tmp_path / "scripts").mkdir()
    return tmp_path


def test_without_a_dot_there_is_one_engine_and_the_other_says_so(nowhere):
    assert engines() == (Engine("ours", "Gradwalk"),)
    assert lay_out_by_dot(NET).note == "Graphviz is not installed (no dot program was found); this is Gradwalk's own layout."


@posix
@pytest.mark.parametrize("place", ["dot", "graphviz-pure", "scripts/graphviz-pure", "told"])
def test_dot_is_found_on_the_path_as_graphviz_pure_or_where_the_graphviz_package_was_told(nowhere, monkeypatch, place):
    there = program(nowhere, "", place)
    if place == "told":
        monkeypatch.setattr(dot_command, "DOT_BINARY", Path(there))
    assert engines() == (Engine("ours", "Gradwalk"), Engine("graphviz", "Graphviz", there))


def test_a_request_of_nothing_starts_no_program(tmp_path):
    assert lay_out_by_dot(LayoutRequest((), ()), program=str(tmp_path / "gone")).note == ""
