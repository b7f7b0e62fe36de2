"""What ``gradwalk export`` writes: a graph, a film of a step, or the loss."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from .refusal import RefusalError

if TYPE_CHECKING:
    from gradwalk_gui.theme import Theme

    from .recording.reader import Recording
    from .trace import Trace

GRAPH_ENDINGS = (".svg", ".png", ".pdf", ".dot", ".json")
FILM_ENDINGS = (".gif", ".apng", ".webp", ".mp4")
LOSS_ENDINGS = (".png", ".svg", ".csv")
ONLY_FOR = {
    "scale": (".png",),
    "outlines": (".svg",),
    "event": GRAPH_ENDINGS,
    **dict.fromkeys(("phase", "speed", "fps", "size"), FILM_ENDINGS),
}
"""Options that some kinds of files have."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of an export, checked; None for what was not given."""

    output: Path
    theme: Literal["light", "dark"]
    mode: Literal["ops", "tensors"]
    halves: Literal["both", "forward", "backward"]
    event: int | None
    scale: float | None
    outlines: bool | None
    phase: Literal["backward", "forward", "step"] | None
    speed: float | None
    fps: int | None
    size: tuple[int, int] | None

    @classmethod
    def checked(cls, *, loss: bool, output: Path, size: str | None, **others: Any) -> Wanted:
        """Raises RefusalError for an ending that is not known, and an option that such a file does not have."""
        ending = output.suffix.lower()
        known = LOSS_ENDINGS if loss else GRAPH_ENDINGS + FILM_ENDINGS
        if loss and others["event"] is not None:
            raise RefusalError("--event goes with --step, not with --loss")
        if ending not in known:
            raise RefusalError(f"{output} has none of the known endings {' '.join(known)}")
        for name, endings in ONLY_FOR.items():
            given = size if name == "size" else others[name]
            if given is not None and (ending not in endings or (loss and name != "scale")):
                raise RefusalError(f"--{name} is for {' '.join(endings)}, not for {output.name}")
        return cls(output=output, size=_size(size), **others)

    @property
    def colours(self) -> Theme:
        """The theme."""
        from gradwalk_gui.theme import DARK, LIGHT

        return DARK if self.theme == "dark" else LIGHT


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{2,5})[x×](\d{2,5})", text.strip().lower())
    if found is None:
        raise RefusalError(f"--size is a width and a height in pixels, such as 1280x800, not {text}")
    return int(found[1]), int(found[2])


def export_graph(trace: Trace, wanted: Wanted) -> None:
    """Write the graph or the film of a step. Raises RefusalError where that cannot be made, OSError where not written."""
    from .platform import write_whole

    ending, position = wanted.output.suffix.lower(), _position(trace, wanted.event)
    if ending == ".json":
        from .graph_json import graph_json

        write_whole(wanted.output, json_text(graph_json(trace, position)))
    elif ending == ".dot":
        from .dot import dot_source

        write_whole(wanted.output, dot_source(trace, position, mode=wanted.mode, halves=wanted.halves))
    else:
        with qt(offscreen=True):
            from gradwalk_gui.export import ExportError
        try:
            if ending in FILM_ENDINGS:
                _film(trace, wanted)
            else:
                _picture(trace, position, wanted)
        except ExportError as error:
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from None
            raise RefusalError(str(error).removesuffix(".")) from None


def _picture(trace: Trace, position: int, wanted: Wanted) -> None:
    from gradwalk_gui.export import save_graph
    from gradwalk_gui.state import View

    view = View(mode=wanted.mode, halves=wanted.halves)
    scale, outlines = wanted.scale or 2.0, bool(wanted.outlines)
    save_graph(trace, position, view, wanted.output, wanted.colours, scale, outlines=outlines)


def _film(trace: Trace, wanted: Wanted) -> None:
    from gradwalk_gui.film.make import save_film
    from gradwalk_gui.film.plan import Wishes
    from gradwalk_gui.state import View

    usual = Wishes()
    wishes = Wishes(wanted.phase or usual.phase, wanted.speed or usual.speed, wanted.fps or usual.fps, wanted.size or usual.size)
    view = View(mode=wanted.mode, halves=wanted.halves)
    if not sys.stderr.isatty():
        save_film(trace, view, wanted.output, wanted.colours, wishes)
        return
    with click.progressbar(length=100, label=f"Writing {wanted.output.name}", file=sys.stderr) as bar:
        save_film(trace, view, wanted.output, wanted.colours, wishes, lambda made, of: bar.update(made * 100 // of - bar.pos))


def export_loss(recording: Recording, wanted: Wanted) -> None:
    """Write the loss of every step."""
    with qt(offscreen=True):
        from gradwalk_gui.views.loss_export import save_loss
    save_loss(recording, wanted.output, wanted.colours)


def _position(trace: Trace, event: int | None) -> int:
    events = len(trace.tape)
    if event is not None and event > events:
        raise RefusalError(f"step {trace.step} has {events} events, so --event goes from 0 to {events}")
    return events if event is None else event


@contextmanager
def qt(*, offscreen: bool = False) -> Iterator[None]:
    """Where Qt cannot be loaded, a refusal; ``offscreen`` needs no display."""
    if offscreen:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    try:
        yield
    except ImportError as error:
        raise RefusalError(f"Qt cannot be loaded here ({error}); the README says which system libraries it needs") from None


def json_text(data: object) -> str:
    """JSON for files and terminals: indented, without NaN, and nothing in it that changes how a terminal shows the rest."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return re.sub("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", lambda c: f"\\u{ord(c[0]):04x}", text)
