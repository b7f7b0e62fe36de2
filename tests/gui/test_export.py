"""Pictures as files: parsed back, and refused in one sentence."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtGui import QGuiApplication

from gradwalk.sample import SampleRecording, sample_trace
from gradwalk_gui.export import ExportError, copy_image, save_graph, save_shown
from gradwalk_gui.graph.canvas import GraphCanvas
from gradwalk_gui.session import Session
from gradwalk_gui.state import Selection, View
from gradwalk_gui.theme import DARK, LIGHT

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def trace(qapp):
    return sample_trace()


@pytest.fixture
def canvas(qtbot):
    session = Session()
    session.open(SampleRecording(2))
    session.go_to(0, 12)
    widget = GraphCanvas(session, LIGHT)
    qtbot.addWidget(widget)
    widget.resize(900, 500)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def image_of(path):
    with Image.open(path) as image:
        return image.convert("RGB")


def texts_of(path):
    return ["".join(element.itertext()).strip() for element in ET.parse(path).iter(f"{SVG}text")]


def test_svg_has_its_texts_as_text_in_named_fonts_with_fall_backs(trace, tmp_path):
    file = tmp_path / "graph.svg"
    save_graph(trace, 22, View(), file, LIGHT)
    texts = texts_of(file)
    for name in ("mm", "clamp", "MmBackward0", "ClampBackward1", "w1", "1000 × 100", "gradient RMS", "v0 → v1"):
        assert name in texts
    families = {text.get("font-family") for text in ET.parse(file).iter(f"{SVG}text")}
    assert "Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif" in families
    assert any(family.startswith("'JetBrains Mono', ") for family in families)
    assert len(families) == 2
    assert all(float(text.get("textLength")) > 0 for text in ET.parse(file).iter(f"{SVG}text"))
    root = ET.parse(file).getroot()
    _, _, width, height = map(float, root.get("viewBox").split())
    assert width > 900 > height > 150


def test_svg_tells_the_state_at_the_playhead(trace, tmp_path):
    start, end = tmp_path / "start.svg", tmp_path / "end.svg"
    save_graph(trace, 0, View(), start, LIGHT)
    save_graph(trace, 22, View(), end, LIGHT)
    assert texts_of(start).count("not yet") == 9
    assert texts_of(end).count("not yet") == 0


def test_png_has_the_scale_and_the_ground_of_the_theme(trace, tmp_path):
    once, twice = tmp_path / "once.png", tmp_path / "twice.PNG"
    save_graph(trace, 10, View(), once, DARK, scale=1.0)
    save_graph(trace, 10, View(), twice, DARK, scale=2.0)
    small, large = image_of(once), image_of(twice)
    assert large.size == (small.width * 2, small.height * 2)
    assert large.getpixel((1, 1)) == (0x0F, 0x12, 0x18)
    assert len(large.getcolors(1_000_000)) > 500


def test_pdf_is_one_vector_page_with_embedded_fonts(trace, tmp_path):
    file = tmp_path / "graph.pdf"
    save_graph(trace, 22, View(), file, LIGHT)
    content = file.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) == 1
    assert b"/FontFile" in content
    width, height = map(float, re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", content).groups())
    assert width > 700 > height


def test_json_is_the_graph_at_the_playhead(trace, tmp_path):
    file = tmp_path / "graph.json"
    save_graph(trace, 3, View(), file, LIGHT)
    graph = json.loads(file.read_text(encoding="utf-8"))
    assert [op["name"] for op in graph["ops"]][:3] == ["mm", "clamp", "mm"]
    assert graph["position"] == 3


def test_dot_names_the_ops(trace, tmp_path):
    file = tmp_path / "graph.dot"
    save_graph(trace, 22, View(), file, LIGHT)
    source = file.read_text(encoding="utf-8")
    assert source.startswith("digraph")
    assert "clamp" in source


@pytest.mark.parametrize("view", [View(mode="tensors"), View(flow="down"), View(halves="backward"), View(halves="forward")])
@pytest.mark.parametrize("ending", [".svg", ".pdf", ".png"])
def test_every_view_can_be_exported(trace, tmp_path, view, ending):
    file = tmp_path / f"graph{ending}"
    save_graph(trace, 22, view, file, LIGHT)
    assert file.stat().st_size > 4000


def test_what_is_shown_is_exported_as_it_is_shown(canvas, tmp_path):
    file = tmp_path / "shown.png"
    canvas.zoom_by(1.7)
    canvas.session.select(Selection("op", 1))
    canvas.setFocus()
    save_shown(canvas, file, 2.0)
    assert image_of(file).size == (1800, 1000)
    svg = tmp_path / "shown.svg"
    save_shown(canvas, svg)
    assert [float(n) for n in ET.parse(svg).getroot().get("viewBox").split()] == [0, 0, 900, 500]
    assert "sub" in texts_of(svg)
    assert "x" not in texts_of(svg)  # scrolled out
    json_file = tmp_path / "shown.json"
    save_shown(canvas, json_file)
    assert json.loads(json_file.read_text())["position"] == 12


def test_the_selection_and_the_focus_are_not_in_the_picture(canvas, tmp_path):
    plain, selected = tmp_path / "plain.png", tmp_path / "selected.png"
    save_shown(canvas, plain, 1.0)
    canvas.session.select(Selection("op", 1))
    canvas.setFocus()
    save_shown(canvas, selected, 1.0)
    assert plain.read_bytes() == selected.read_bytes()


def test_copying_puts_the_picture_on_the_clipboard(canvas):
    copy_image(canvas)
    image = QGuiApplication.clipboard().image()
    assert (image.width(), image.height()) == (1800, 1000)


def test_nothing_shown_is_nothing_to_export(canvas, tmp_path):
    canvas.session.close()
    with pytest.raises(ExportError, match="open a recording first"):
        save_shown(canvas, tmp_path / "a.png")


@pytest.mark.parametrize("name", ["graph.bmp", "graph"])
def test_an_unknown_ending_lists_the_known_ones(trace, tmp_path, name):
    with pytest.raises(ExportError, match=re.escape(".svg, .png, .pdf, .dot, .json")):
        save_graph(trace, 0, View(), tmp_path / name, LIGHT)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_one_sentence(trace, tmp_path):
    with pytest.raises(ExportError, match="cannot be written: no such file or directory"):
        save_graph(trace, 0, View(), tmp_path / "nowhere" / "graph.svg", LIGHT)


def test_a_folder_in_the_way_leaves_nothing_behind(trace, tmp_path):
    (tmp_path / "graph.svg").mkdir()
    with pytest.raises(ExportError, match="cannot be written"):
        save_graph(trace, 0, View(), tmp_path / "graph.svg", LIGHT)
    assert [file.name for file in tmp_path.iterdir()] == ["graph.svg"]


@pytest.mark.skipif(os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root may write anywhere")
def test_no_permission_is_one_sentence(trace, tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(ExportError, match="permission denied"):
        save_graph(trace, 0, View(), tmp_path / "graph.svg", LIGHT)
    tmp_path.chmod(stat.S_IRWXU)


def test_a_full_disk_leaves_the_old_file(trace, tmp_path, monkeypatch):
    file = tmp_path / "graph.svg"
    file.write_text("old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportError, match="no space left on device"):
        save_graph(trace, 0, View(), file, LIGHT)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_picture_too_large_says_what_to_do(trace, tmp_path):
    with pytest.raises(ExportError, match="choose a smaller scale than 60"):
        save_graph(trace, 0, View(), tmp_path / "graph.png", LIGHT, scale=60)


def test_it_works_without_an_application_and_without_a_display(tmp_path):
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from gradwalk.sample import sample_trace
        from gradwalk_gui.export import save_graph
        from gradwalk_gui.state import View
        from gradwalk_gui.theme import LIGHT
        for ending in ("svg", "png", "pdf"):
            save_graph(sample_trace(), 5, View(), Path({str(tmp_path)!r}) / f"graph.{{ending}}", LIGHT)
        """
    )
    environment = {
        name: value for name, value in os.environ.items() if name not in ("DISPLAY", "QT_QPA_PLATFORM", "WAYLAND_DISPLAY")
    }
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, cwd=Path(__file__).parent)
    assert {file.suffix for file in tmp_path.iterdir()} == {".svg", ".png", ".pdf"}
