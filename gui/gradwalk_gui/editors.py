"""Opening a source file in an editor at a line: which program, with which arguments. Never through a shell."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from PySide6.QtCore import QProcess

from .inspection.source_text import is_local_source

EDITORS = (
    ("", "The first that is found"),
    ("vscode", "VS Code"),
    ("pycharm", "PyCharm"),
    ("environment", "$VISUAL or $EDITOR"),
)
"""What can be preferred, with its title."""
PROGRAMS = {
    "vscode": ("code", "code-insiders", "codium"),
    "pycharm": ("pycharm", "pycharm-professional", "pycharm-community", "charm"),
}
TITLES = dict(EDITORS)
IN_TERMINAL = frozenset(("vi", "vim", "nvim", "nano", "micro", "hx", "helix", "kak", "joe", "ne", "mcedit"))
TERMINALS = (
    ("x-terminal-emulator", "-e"),
    ("gnome-terminal", "--"),
    ("konsole", "-e"),
    ("xfce4-terminal", "-x"),
    ("xterm", "-e"),
)
WITH_COLON = frozenset(("subl", "hx", "helix", "zed"))
"""Editors that take ``file:line``; most take ``+line file``."""
Find = Callable[[str], "str | None"]


class EditorError(ValueError):
    """A file cannot be opened in an editor; the text says why, in one sentence."""


def open_in_editor(editor: str, file: str, line: int) -> None:
    """Open a file at a line (from 1), in a process of its own. Raises EditorError."""
    program, *arguments = command_of(editor, file, line, os.environ, shutil.which)
    if not QProcess.startDetached(program, arguments)[0]:
        raise EditorError(f"{program} could not be started.")


def command_of(editor: str, file: str, line: int, environment: Mapping[str, str], find: Find) -> list[str]:
    """The program and its arguments. A path from a recording is opened only if it is a Python file here. Raises EditorError."""
    if not is_local_source(file) or not os.path.isabs(file):
        raise EditorError(f"{file} is not a Python file on this machine.")
    for choice in (editor,) if editor else ("environment", *PROGRAMS):
        named = choice == "environment"
        command = _from_environment(file, line, environment, find) if named else _known(choice, file, line, find)
        if command is not None:
            return command
    if not editor:
        raise EditorError("No editor was found: choose one under Preferences, or set $VISUAL.")
    raise EditorError("Neither $VISUAL nor $EDITOR is set." if editor not in PROGRAMS else f"{TITLES[editor]} was not found.")


def _known(editor: str, file: str, line: int, find: Find) -> list[str] | None:
    program = next((found for name in PROGRAMS[editor] if (found := find(name)) is not None), None)
    if program is None:
        return None
    if editor == "pycharm":
        return [program, "--line", str(line), file]
    return [_without_script(program), "-g", f"{file}:{line}"]


def _without_script(program: str) -> str:
    """On Windows ``code`` is a batch file beside the program: those take arguments through a shell, the program does not."""
    if Path(program).suffix.lower() not in (".cmd", ".bat"):
        return program
    beside = Path(program).parent.parent / "Code.exe"
    if not beside.is_file():
        raise EditorError(f"{program} is a batch file, and the program itself is not beside it.")
    return str(beside)


def _from_environment(file: str, line: int, environment: Mapping[str, str], find: Find) -> list[str] | None:
    text = environment.get("VISUAL") or environment.get("EDITOR")
    try:
        words = shlex.split(text or "")
    except ValueError:
        raise EditorError(f"$VISUAL or $EDITOR cannot be read: {text}") from None
    if not words:
        return None
    program = find(words[0])
    if program is None:
        raise EditorError(f"{words[0]}, which $VISUAL or $EDITOR names, was not found.")
    name = Path(words[0]).stem.lower()
    command = [program, *words[1:], *_at_line(name, file, line)]
    needs_terminal = name in IN_TERMINAL or (name == "emacs" and "-nw" in words)
    return [*_terminal(name, find), *command] if needs_terminal else command


def _at_line(name: str, file: str, line: int) -> list[str]:
    if name in ("code", "code-insiders", "codium"):
        return ["-g", f"{file}:{line}"]
    if name in ("pycharm", "charm", "kate"):
        return ["--line", str(line), file]
    return [f"{file}:{line}"] if name in WITH_COLON else [f"+{line}", file]


def _terminal(name: str, find: Find) -> list[str]:
    for program, flag in TERMINALS:
        found = find(program)
        if found is not None:
            return [found, flag]
    raise EditorError(f"{name} runs in a terminal, and none was found: choose another editor under Preferences.")
