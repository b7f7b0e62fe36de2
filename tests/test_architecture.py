"""Who may import whom, as sentences (docs: ARCHITECTURE.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_archon import archrule

ROOT = Path(__file__).parents[1]
QT = ("PySide6*", "shiboken6*", "pyqtgraph*")
RECORD_FUNCTIONS = (
    *("tape", "layout*", "reference*", "recording*", "dot", "show", "graph_json", "why", "blocks"),
    *("filter*", "watches*", "leaves", "gradients", "saved", "divergence", "breakpoints", "gate", "paths"),
    *("matching*", "comparison*"),
)


def test_the_record_imports_numpy_and_the_standard_library_only():
    source = ast.parse((ROOT / "core/gradwalk/trace.py").read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(source)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or "."])
    }
    assert imported - set(sys.stdlib_module_names) == {"numpy"}


@pytest.mark.parametrize("part", RECORD_FUNCTIONS)
def test_functions_over_the_record_know_neither_torch_nor_qt_nor_the_app(part):
    archrule(f"{part} over the record").match(f"gradwalk.{part}").should_not_import(
        "torch*", *QT, "gradwalk.recorder*", "gradwalk_gui*"
    ).check("gradwalk", only_toplevel_imports=False)


def test_only_the_recorder_imports_torch():
    archrule("torch stays in the recorder").match("gradwalk*").exclude(
        "gradwalk.recorder*", "gradwalk.examples*"
    ).should_not_import("torch*").check("gradwalk", only_direct_imports=True)


def test_core_never_imports_qt():
    archrule("no Qt in core").match("gradwalk*").should_not_import(*QT).check("gradwalk", only_direct_imports=True)


def test_only_the_command_line_may_start_the_app():
    archrule("the app is started by the cli").match("gradwalk*").exclude(
        "gradwalk.cli", "gradwalk.exporting", "gradwalk.demo"
    ).should_not_import("gradwalk_gui*").check("gradwalk", only_direct_imports=True)


def test_the_app_never_imports_torch_or_the_recorder():
    archrule("no torch in the app").match("gradwalk_gui*").should_not_import("torch*", "gradwalk.recorder*").check(
        "gradwalk_gui", only_direct_imports=True
    )


@pytest.mark.parametrize("part", ["session", "commands"])
def test_session_and_commands_are_free_of_qt(part):
    archrule("no Qt in the model").match(f"gradwalk_gui.{part}").should_not_import(*QT).check("gradwalk_gui")


def test_a_view_never_imports_a_view():
    views = [file.stem for file in (ROOT / "gui/gradwalk_gui/views").glob("*.py") if file.stem != "__init__"]
    assert views
    for view in views:
        others = [f"gradwalk_gui.views.{other}" for other in views if other != view]
        archrule("views are alone").match(f"gradwalk_gui.views.{view}").should_not_import(*others).check(
            "gradwalk_gui", only_direct_imports=True
        )


@pytest.mark.parametrize(
    "modules",
    [
        "gradwalk, gradwalk.run, gradwalk.cli, gradwalk.recording.reader, gradwalk.numpy_tape",
        "gradwalk_gui.app, gradwalk_gui.window",
    ],
)
def test_importing_these_loads_no_torch(modules):
    check = f"import {modules}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_importing_core_loads_no_qt():
    check = "import gradwalk.cli, gradwalk.run, sys; sys.exit(any(name.startswith('PySide6') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
