"""The source: the exact sub-expression at the playhead, marks in the gutter."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from gradwalk.builder import GraphBuilder
from gradwalk.sample import __file__ as sample_file
from gradwalk.tape import event_at, site_of
from gradwalk.trace import Frame, Site, Trace, empty_table
from gradwalk_gui.inspection.source_marks import short_names
from gradwalk_gui.inspection.source_text import DIFFERS, NOT_RECORDED, excerpt, source_of, text_of
from gradwalk_gui.panel import mix
from gradwalk_gui.session import Session
from gradwalk_gui.state import Selection
from gradwalk_gui.theme import DARK
from gradwalk_gui.views.source import SourceView


class OneStep:
    """A recording of one forward op per given site."""

    def __init__(self, sites, sources):
        build = GraphBuilder()
        for place, site in enumerate(sites):
            made = build.add_value((2,), "float32", name=f"h{place}")
            build.add_event("op", "forward", build.add_op("exp", (), (made,), site=build.add_site(site) if site else -1))
        graph = build.freeze()
        tape = np.arange(len(sites), dtype=np.int32)
        self.trace, self.sources = Trace(0, graph, tape, empty_table(len(graph.values)), empty_table(0)), sources

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.trace

    def losses(self):
        return np.full(1, np.nan)

    def source(self, file):
        return self.sources.get(file)


def opened(sites, sources):
    session = Session()
    session.open(OneStep(sites, sources))
    return session


def test_every_event_marks_the_expression_of_its_forward_op(session, show):
    view = show(SourceView, session)
    trace = session.state.trace
    seen = 0
    for position in range(len(trace.tape)):
        session.go_to(0, position + 1)
        site = site_of(trace.graph, event_at(trace, position))
        if site is not None:
            assert view.code.marked_texts() == [site.expression]
            seen += 1
        else:
            assert "not recorded" in view.message.text()
    assert seen == 15


def test_the_mark_has_the_colour_of_the_phase(session, show):
    view = show(SourceView, session)
    for position, colour in ((1, view.theme.forward), (8, view.theme.backward)):
        session.go_to(0, position)
        marked = view.code.extraSelections()[-1]
        assert marked.format.background().color() == mix(colour, view.theme.panel, 0.34)


def test_the_marked_line_is_in_view(session, show):
    view = show(SourceView, session, size=(420, 300))
    session.go_to(0, 3)
    line = site_of(session.state.trace.graph, event_at(session.state.trace, 2)).line
    boxes = dict(view.code.lines_in_view())
    assert 0 <= boxes[line].top() < view.code.viewport().height()
    assert view.code.horizontalScrollBar().value() == 0
    assert view.header.place.full_text().startswith(sample_file)


def test_the_marked_line_stays_in_view_when_the_panel_becomes_lower(session, show, qtbot):
    """So it is when a layout gives it the room of the whole window first. A line that was scrolled away from stays so."""
    view = show(SourceView, session, size=(420, 900))
    session.go_to(0, 8)
    bar, code = view.code.verticalScrollBar(), view.code
    code.setFixedHeight(5000)
    qtbot.waitUntil(lambda: code.height() == 5000 and bar.value() == 0)
    line = view._line
    code.setFixedHeight(160)
    qtbot.waitUntil(lambda: code.height() == 160 and bar.maximum() > 0)
    top = dict(code.lines_in_view())[line].top()
    assert 0 <= top < code.viewport().height() - code.fontMetrics().height()
    bar.setValue(0)
    assert line not in dict(code.lines_in_view())
    code.setFixedHeight(120)
    qtbot.waitUntil(lambda: code.height() == 120)
    assert bar.value() == 0


def test_a_selection_is_marked_besides_the_playhead(session, show):
    view = show(SourceView, session)
    session.go_to(0, 1)
    session.select(Selection("node", 1))
    assert sorted(view.code.marked_texts()) == sorted(["(y_pred - y).pow(2)", "x.mm(w1)"])
    session.select(Selection("value", 1))
    assert view.code.marked_texts() == ["x.mm(w1)", "x.mm(w1)"], "a leaf shows where it is first read"


def click(view, line, x=40, double=False):
    box = dict(view.code.lines_in_view())[line]
    press = QTest.mouseDClick if double else QTest.mouseClick
    press(view.code.gutter, Qt.MouseButton.LeftButton, pos=QPoint(x, round(box.center().y())))


def test_the_gutter_has_the_numbers_of_the_ops_and_a_click_selects_them_in_order(session, show):
    view = show(SourceView, session, size=(420, 400))
    session.go_to(0, 8)
    first, second = sorted(view.code.marks())
    marks = view.code.marks()
    assert [marks[line].label for line in (first, second)] == ["0-2", "3-5"]
    assert (marks[first].colour, marks[first].dots) == (view.theme.forward, (view.theme.backward,))
    assert marks[first].told.splitlines()[:3] == ["0  mm  forward", "1  clamp  forward", "2  mm  forward"]
    for op in (0, 1, 2, 0):
        click(view, first)
        assert session.state.selection == Selection("op", op)
    click(view, second)
    assert (session.state.selection, session.state.position) == (Selection("op", 3), 8)
    unmarked = next(line for line in dict(view.code.lines_in_view()) if line not in marks)
    for line, x in ((unmarked, 40), (first, 4)):
        click(view, line, x)
        assert session.state.selection == Selection("op", 3), "no op there; the far left is kept free"


def test_a_double_click_in_the_gutter_goes_to_the_lines_first_event(session, show):
    view = show(SourceView, session, size=(420, 400))
    for line, position in zip(sorted(view.code.marks()), (1, 4), strict=True):
        session.go_to(0, 8)
        click(view, line, double=True)
        assert session.state.position == position


def test_ops_that_run_again_later_are_counted_behind_the_first(show):
    sites = [Site("a.py", line, line, 0, 1, "x", "f") for line in (1, 2, 1, 1)]
    view = show(SourceView, opened(sites, {"a.py": "x\ny\n"}), size=(640, 300))
    assert {line: mark.label for line, mark in view.code.marks().items()} == {1: "0 +2", 2: "1"}


def test_other_files_of_the_stack_can_be_chosen_until_the_playhead_moves(show):
    stack = (Frame("/run/train.py", 2, "main"), Frame("/lib/net.py", 1, "f"))
    sites = [Site("/lib/net.py", 1, 1, 0, 4, "a(x)", "f", stack), Site("/lib/net.py", 2, 2, 0, 4, "b(x)", "f", stack)]
    texts = {"/lib/net.py": "a(x)\nb(x)\n", "/run/train.py": "import net\nnet.f(x)\n"}
    session = opened(sites, texts)
    session.go_to(0, 1)
    view = show(SourceView, session)
    files = view.header.files
    assert [files.itemText(place) for place in range(files.count())] == ["net.py", "train.py"]
    QTest.keyClick(files, Qt.Key.Key_Down)
    assert session.state.frame == ("/run/train.py", 2)
    assert view.code.toPlainText() == texts["/run/train.py"]
    assert view.code.marked_texts() == ["net.f(x)"]
    assert view.header.place.full_text() == "/run/train.py   line 2"
    before = session.state
    session.open(OneStep(sites[:1], texts))
    assert session.state.frame is None, "another recording has other files"
    session.open(before.recording)
    session.go_to(0, 1)
    session.set(frame=("/run/train.py", 2))
    session.next_event()
    assert session.state.frame is None
    assert (files.currentText(), view.code.marked_texts()) == ("net.py", ["b(x)"])


def test_files_of_the_same_name_have_their_folder():
    assert short_names(("/a/net.py", "/b/net.py", "/b/train.py")) == ("a/net.py", "b/net.py", "train.py")


def test_an_expression_may_span_lines_and_hold_any_character(show):
    text = 'y = f("𝒳 é",\n      g(x),\n  )\nz = 1\n'
    sites = [Site("a.py", 1, 3, 4, 3, 'f("𝒳 é",\n      g(x),\n  )', "<module>"), Site("a.py", 2, 2, 6, 10, "g(x)", "<module>")]
    session = opened(sites, {"a.py": text})
    view = show(SourceView, session)
    for position, site in enumerate(sites, 1):
        session.go_to(0, position)
        assert view.code.marked_texts() == [site.expression]


def test_the_text_of_the_recording_wins_over_the_disk(tmp_path, show):
    file = tmp_path / "train.py"
    file.write_text("loss = changed(x)\n")
    site = Site(str(file), 1, 1, 7, 15, "model(x)", "step")
    view = show(SourceView, opened([site], {str(file): "loss = model(x)\n"}))
    assert view.code.marked_texts() == ["model(x)"]
    assert view.header.place.full_text().endswith("in step")
    assert view.header.note.full_text() == DIFFERS
    file.write_bytes(b"loss = model(x)\r\n")
    assert source_of(OneStep([], {str(file): "loss = model(x)\n"}), str(file)).note == ""


def test_without_a_recorded_text_a_local_python_file_is_read_and_nothing_else(tmp_path):
    file = tmp_path / "train.py"
    file.write_text("x = 1\n")
    recording = OneStep([], {})
    assert text_of(recording, str(file)) == "x = 1\n"
    assert source_of(recording, str(file)).note == NOT_RECORDED
    secret = tmp_path / "id_rsa"
    secret.write_text("secret")
    for name in (
        str(secret),
        str(tmp_path / "missing.py"),
        str(tmp_path),
        "//host/share/x.py",
        "\\\\host\\share\\x.py",
        "<stdin>",
        "\0.py",
    ):
        assert text_of(recording, name) is None


def test_a_file_that_is_nowhere_is_said_with_its_expression(show):
    view = show(SourceView, opened([Site("/gone/train.py", 3, 3, 0, 4, "f(x)", "main")], {}))
    assert "/gone/train.py" in view.message.text()
    assert "f(x)" in view.message.text()
    assert view.message.isVisible()


def test_a_site_outside_of_the_text_does_no_harm(show):
    session = opened([Site("a.py", 90, 95, 3, 900, "gone", "f"), Site("a.py", 1, 1, 50, 90, "far", "f")], {"a.py": "x = 1\n"})
    view = show(SourceView, session)
    session.go_to(0, 2)
    assert view.code.marked_texts() == [""]


def test_an_excerpt_cuts_the_line_and_takes_the_indentation_off():
    text = "def f():\n    # before\n    y = g(x)\n\n    return y\n"
    lines = excerpt(text, Site("a.py", 3, 3, 8, 12, "g(x)", "f"), around=1)
    assert [(line.number, line.before, line.marked, line.after) for line in lines] == [
        (2, "# before", "", ""),
        (3, "y = ", "g(x)", ""),
    ]


@pytest.mark.parametrize(
    ("text", "coloured"),
    [
        ("x = 'a' # c", {"string": "'a'", "comment": "# c"}),
        ("def run(): return 1.5e-3", {"keyword": "def", "name": "run", "number": "1.5e-3"}),
        ('s = """open', {"string": '"""open'}),
        ("none = form", {}),
    ],
)
def test_the_highlighter_colours_python(show, text, coloured):
    view = show(SourceView, opened([Site("a.py", 1, 1, 0, 1, text[0], "f")], {"a.py": text}))
    block = view.code.document().firstBlock()
    formats = view.code._highlighter._formats
    found = {
        (piece.format.foreground().color().name(), block.text()[piece.start : piece.start + piece.length])
        for piece in block.layout().formats()
    }
    for kind, piece in coloured.items():
        assert (formats[kind].foreground().color().name(), piece) in found
    assert bool(found) == bool(coloured)


def test_a_string_over_several_lines_is_one_string(show):
    view = show(SourceView, opened([Site("a.py", 1, 1, 0, 1, "s", "f")], {"a.py": 's = """a\nif b\n"""\nif x: pass\n'}))
    document = view.code.document()
    colours = [{f.format.foreground().color().name() for f in document.findBlockByNumber(n).layout().formats()} for n in range(4)]
    string = view.code._highlighter._formats["string"].foreground().color().name()
    assert colours[1] == {string}
    assert colours[2] == {string}
    assert string not in colours[3]


def test_without_a_recording_it_says_so_and_the_theme_can_change(session, show):
    view = show(SourceView, Session())
    assert "Open a recording" in view.message.text()
    view = show(SourceView, session)
    view.set_theme(DARK)
    assert view.code.extraSelections()[-1].format.background().color() == mix(DARK.forward, DARK.panel, 0.34)
    session.close()
    assert view.message.isVisible()
