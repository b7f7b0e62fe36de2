"""What the app remembers from one start to the next: one small JSON file, written aside and then renamed. No Qt."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import platformdirs

from gradwalk.watches import KINDS, ON

from .watch_limits import limits_of, texts_of

VERSION = 2
"""Of the docks: what another version saved of the window's arrangement is forgotten, preferences are kept."""
RECENT = 12
FONT_SCALES = (0.85, 1.0, 1.15, 1.3, 1.5)


@dataclass(frozen=True, slots=True)
class Settings:
    """Preferences, recent recordings and the window's arrangement (``geometry`` and ``docks`` are base64)."""

    version: int = VERSION
    theme: str = "system"
    font_scale: float = 1.0
    reduced_motion: bool = False
    log_loss: bool = True
    minimap: bool = True
    speed: float = 1.0
    recent: tuple[str, ...] = ()
    runs_folder: str = ""
    """Where trainings started in the app are recorded; empty for the default."""
    watches: tuple[str, ...] = ON
    """The kinds of alerts that are looked for."""
    limits: tuple[str, ...] = ()
    """From where on a figure is one, as ``watch_limits.py`` writes it."""
    probes: tuple[str, ...] = ()
    """The probes of each recording, as ``pinning.py`` writes them."""
    breakpoints: tuple[str, ...] = ()
    """The breakpoints of each program, as ``kept_stops.py`` writes them."""
    geometry: str = ""
    docks: str = ""
    closed: tuple[str, ...] = ()
    """The sections of the inspector that are closed."""
    editor: str = ""
    """What opens source files, see ``editors.EDITORS``; empty for the first that is found."""
    toured: bool = False
    """Whether the tour has been shown; it starts by itself once."""


IN_STATE = ("theme", "reduced_motion", "log_loss", "minimap", "speed", "closed", "editor", "watches", "limits")
"""The settings that the State holds while the app runs, under the same names."""


def file() -> Path:
    """Where the settings lie."""
    return platformdirs.user_config_path("gradwalk") / "app.json"


def load(path: Path) -> Settings:
    """The saved settings; what is missing, damaged or of the wrong type has its default. Never raises."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Settings()
    return from_json(content) if isinstance(content, dict) else Settings()


def from_json(content: dict[str, Any]) -> Settings:
    """Settings from a JSON object, field by field."""
    default = Settings()
    known = {each.name: content[each.name] for each in fields(Settings) if each.name in content}
    right = {name: value for name, value in known.items() if _fits(value, getattr(default, name))}
    plain: dict[str, Any] = {n: tuple(map(str, v)) if isinstance(v, list) else v for n, v in right.items()}
    settings = replace(default, **plain)
    if settings.version != VERSION:
        settings = replace(settings, version=VERSION, geometry="", docks="")
    theme = settings.theme if settings.theme in ("system", "light", "dark") else "system"
    editor = settings.editor if settings.editor in ("vscode", "pycharm", "environment") else ""
    watches = tuple(kind for kind in KINDS if kind in settings.watches)
    scale = max(0.5, min(settings.font_scale, 3.0))
    limits = texts_of(limits_of(settings.limits))
    return replace(settings, theme=theme, editor=editor, font_scale=scale, watches=watches, limits=limits)


def _fits(value: object, default: object) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, list)
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default)


def save(settings: Settings, path: Path) -> bool:
    """Write the settings; False where the file cannot be written, which loses nothing but the settings."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(asdict(settings), indent=2), encoding="utf-8")
        aside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()
        return False
    return True


def remember(settings: Settings, recording: str) -> Settings:
    """The settings with a recording at the head of the recent ones."""
    others = tuple(path for path in settings.recent if path != recording)
    return replace(settings, recent=(recording, *others)[:RECENT])


def runs_folder(settings: Settings) -> Path:
    """Where trainings started in the app are recorded: as set, else ``gradwalk-runs`` here if it can be written, else at home."""
    if settings.runs_folder:
        return Path(settings.runs_folder)
    here = Path.cwd()
    usable = os.access(here, os.W_OK) and here != Path(here.anchor)
    return (here if usable else platformdirs.user_documents_path()) / "gradwalk-runs"


def text_of(data: bytes | bytearray | memoryview) -> str:
    """What Qt saves of a window, as text."""
    return base64.b64encode(data).decode("ascii")


def bytes_of(text: str) -> bytes:
    """Read :func:`text_of` back; nothing for what is damaged."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
