"""Everything that a person can do, as one table that menus, tool bar, shortcuts, palette and key sheet are made from. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from .session import Play, Session, State

MENUS = ("File", "Edit", "View", "Go", "Run", "Capture", "Tools", "Help")


class Shell(Protocol):
    """What commands need besides the Session: the parts of the app that show dialogs, start processes or arrange the window."""

    @property
    def session(self) -> Session:
        """The Session of the window."""

    @property
    def training(self) -> bool:
        """Whether a training that was started here is running."""

    def start_example(self, name: str) -> None:
        """Ask for device, steps and seed and start an example."""

    def open_dialog(self) -> None:
        """Ask for a recording (or a script) and open it."""

    def open_folder_dialog(self) -> None:
        """Ask for a run folder and open it."""

    def open_script_dialog(self) -> None:
        """Ask for a training script and start it."""

    def close_recording(self) -> None:
        """Go back to the welcome page."""

    def export_image(self) -> None:
        """Ask for a format and write the graph into a file."""

    def export_loss(self) -> None:
        """Ask for a file and write the loss curve into it."""

    def copy_image(self, *, window: bool) -> None:
        """Put a picture of the graph (or the window) on the clipboard."""

    def screenshot(self, *, window: bool) -> None:
        """Save a picture of the graph (or the window) among the user's pictures."""

    def fit(self, *, selection: bool) -> None:
        """Fit the selection (or the whole graph) into the canvas."""

    def zoom(self, factor: float) -> None:
        """Zoom the canvas."""

    def arrange(self, layout: str) -> None:
        """Arrange the panels as a named layout does."""

    def maximise_panel(self) -> None:
        """Give the panel that has the focus all the room, or bring the others back."""

    def full_screen(self) -> None:
        """Switch full screen on or off."""

    def toggle_theme(self) -> None:
        """Change between the light and the dark theme."""

    def stop_training(self) -> None:
        """Stop the training that was started here."""

    def show_log(self) -> None:
        """Show the log panel."""

    def show_palette(self) -> None:
        """Show the command palette."""

    def show_keys(self) -> None:
        """Show the sheet of keys."""

    def show_preferences(self) -> None:
        """Show the preferences."""

    def show_about(self) -> None:
        """Say what this program is and which versions it runs on."""

    def reset_window(self) -> None:
        """Forget panels, sizes and preferences."""

    def quit(self) -> None:
        """Close the window."""


Run: TypeAlias = Callable[[Shell], object]
Test: TypeAlias = Callable[[State], bool]


def always(state: State) -> bool:
    """For commands that can be used at any time."""
    return True


def has_trace(state: State) -> bool:
    """For commands that need a step on screen."""
    return state.trace is not None


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to do. ``menu`` is ``"Go"``, or ``"View/Layout"`` for a sub-menu; a new ``group`` starts after a line.

    ``checked`` makes it a command that is on or off. ``needs_training`` one that needs a training started here.
    """

    id: str
    title: str
    menu: str
    run: Run
    keys: tuple[str, ...] = ()
    group: int = 0
    icon: str = ""
    enabled: Test = always
    checked: Test | None = None
    needs_training: bool = False


def scoped(key: str) -> bool:
    """Whether a key acts only while the graph, a ribbon or Events has the focus: every one without Ctrl or Alt but F keys."""
    parts = key.split("+") if key != "+" else [key]
    last = parts[-1]
    is_f_key = len(last) > 1 and last[0] == "F" and last[1:].isdigit()
    return not is_f_key and not {"Ctrl", "Alt", "Meta"} & set(parts)


def conflicts(commands: Iterable[Command], mnemonics: Iterable[str] = ()) -> list[str]:
    """One sentence for every key that is bound twice; ``mnemonics`` are the letters that Alt opens menus with."""
    owners: dict[str, list[str]] = {f"Alt+{letter.upper()}": [f"the menu with Alt+{letter.upper()}"] for letter in mnemonics}
    for command in commands:
        for key in command.keys:
            owners.setdefault(key, []).append(command.id)
    return [f"{key} is bound to {' and '.join(names)}" for key, names in owners.items() if len(names) > 1]


def with_mnemonics(titles: Iterable[str]) -> list[str]:
    """The titles of one menu, each with an ``&`` before the first letter that no other has taken yet."""
    taken: set[str] = set()
    marked = []
    for title in titles:
        place = next((i for i, letter in _letters(title) if letter not in taken), None)
        if place is not None:
            taken.add(title[place].lower())
        escaped = title.replace("&", "&&")
        marked.append(escaped if place is None else f"{title[:place]}&{title[place:]}")
    return marked


def _letters(title: str) -> Iterator[tuple[int, str]]:
    """The places of a title's letters, first the ones that begin a word."""
    places = [(i, letter.lower()) for i, letter in enumerate(title) if letter.isascii() and letter.isalnum()]
    starts = [(i, letter) for i, letter in places if i == 0 or title[i - 1] == " "]
    yield from starts
    yield from places


def mnemonic_of(title: str) -> str:
    """The letter after the ``&`` of a title, or an empty string."""
    place = title.find("&")
    return title[place + 1].upper() if 0 <= place < len(title) - 1 else ""


def _do(method: str, *arguments: object, **named: object) -> Run:
    """A command that calls a method of the Session."""
    return lambda shell: getattr(shell.session, method)(*arguments, **named)


def _setting(name: str, value: object) -> Run:
    return lambda shell: shell.session.set(**{name: value})


def _flip(name: str) -> Run:
    return lambda shell: shell.session.set(**{name: not getattr(shell.session.state, name)})


def _view(name: str, value: object) -> Run:
    return lambda shell: shell.session.set_view(**{name: value})


def _start(example: str) -> Run:
    return lambda shell: shell.start_example(example)


def _arrange(layout: str) -> Run:
    return lambda shell: shell.arrange(layout)


def _viewed(name: str, value: object) -> Test:
    return lambda state: bool(getattr(state.view, name) == value)


EXAMPLES = (
    ("autograd", "Tensors and autograd"),
    ("function", "A custom autograd Function"),
    ("numpy", "NumPy by hand"),
    ("mlp", "An MLP with nn.Module"),
)
LAYOUTS = ("Learn", "Debug", "Monitor", "Present")
MEASURES = (
    ("rms", "RMS gradient"),
    ("norm", "L2 norm"),
    ("max", "Largest |gradient|"),
    ("zeros", "Fraction of zeros"),
)


def _file() -> Iterator[Command]:
    for name, title in EXAMPLES:
        yield Command(f"start-{name}", f"{title}...", "File/Start an example", _start(name))
    yield Command(
        "open-script", "Open training script...", "File", lambda s: s.open_script_dialog(), ("Ctrl+Shift+O",), 1, "script"
    )
    yield Command("open", "Open recording...", "File", lambda s: s.open_dialog(), ("Ctrl+O",), 1, "open")
    yield Command("open-folder", "Open run folder...", "File", lambda s: s.open_folder_dialog(), ("Ctrl+Alt+O",), 1, "folder")
    yield Command("close", "Close recording", "File", lambda s: s.close_recording(), ("Ctrl+W",), 3, "", _is_open)
    export = ("Ctrl+Shift+E",)
    yield Command("export-image", "Export image...", "File", lambda s: s.export_image(), export, 4, "export", has_trace)
    yield Command("export-loss", "Export loss curve...", "File", lambda s: s.export_loss(), (), 4, "chart", has_trace)
    yield Command("quit", "Quit", "File", lambda s: s.quit(), ("Ctrl+Q",), 9)


def _is_open(state: State) -> bool:
    return state.recording is not None


def _edit() -> Iterator[Command]:
    yield Command("undo", "Undo change of view", "Edit", _do("undo"), ("Ctrl+Z",), 0, "undo")
    yield Command("redo", "Redo change of view", "Edit", _do("redo"), ("Ctrl+Shift+Z",), 0, "redo")
    yield Command("copy", "Copy image of graph", "Edit", lambda s: s.copy_image(window=False), ("Ctrl+C",), 1, "copy", has_trace)
    yield Command("copy-window", "Copy image of window", "Edit", lambda s: s.copy_image(window=True), ("Ctrl+Shift+C",), 1)
    yield Command("deselect", "Select nothing", "Edit", _do("select", None), ("Esc",), 2, "", _selected)
    yield Command("preferences", "Preferences...", "Edit", lambda s: s.show_preferences(), ("Ctrl+,",), 3, "settings")


def _selected(state: State) -> bool:
    return state.selection is not None


def _view_menu() -> Iterator[Command]:
    for number, name in enumerate(LAYOUTS, 1):
        yield Command(
            f"layout-{name.lower()}",
            name,
            "View/Layout",
            _arrange(name),
            (f"Ctrl+Alt+{number}",),
            1,
            "layout",
        )
    yield Command("maximise", "Maximise panel", "View", lambda s: s.maximise_panel(), ("Ctrl+Shift+M",), 2, "maximise")
    for value, title in (("ops", "Ops as nodes"), ("tensors", "Tensors as nodes, functions as edges")):
        yield Command(f"mode-{value}", title, "View/Graph shows", _view("mode", value), (), 3, "", always, _viewed("mode", value))
    for value, title in (("both", "Forward and backward"), ("forward", "Forward only"), ("backward", "Backward only")):
        yield Command(
            f"halves-{value}", title, "View/Halves", _view("halves", value), (), 3, "", always, _viewed("halves", value)
        )
    for value, title in (("right", "Left to right"), ("down", "Top to bottom")):
        yield Command(f"flow-{value}", title, "View/Direction", _view("flow", value), (), 3, "", always, _viewed("flow", value))
    for value, title in MEASURES:
        yield Command(
            f"measure-{value}", title, "View/Colour by", _view("measure", value), (), 3, "", always, _viewed("measure", value)
        )
    yield Command("unfold", "Unfold module", "View", _do("fold_selected", False), ("E",), 4, "", has_trace)
    yield Command("fold", "Fold module", "View", _do("fold_selected", True), ("Shift+E",), 4, "", has_trace)
    yield Command("fit-all", "Fit whole graph", "View", lambda s: s.fit(selection=False), ("Ctrl+0",), 5, "fit", has_trace)
    yield Command("fit-selection", "Fit selection", "View", lambda s: s.fit(selection=True), ("F",), 5, "", has_trace)
    yield Command("zoom-in", "Zoom in", "View", lambda s: s.zoom(1.25), ("Ctrl++", "Ctrl+="), 5, "zoom-in", has_trace)
    yield Command("zoom-out", "Zoom out", "View", lambda s: s.zoom(0.8), ("Ctrl+-",), 5, "zoom-out", has_trace)
    yield Command("log-loss", "Logarithmic loss axis", "View", _flip("log_loss"), (), 6, "", always, lambda state: state.log_loss)
    motion = _flip("reduced_motion")
    yield Command("reduced-motion", "Reduced motion", "View", motion, (), 6, "", always, lambda state: state.reduced_motion)
    yield Command("theme", "Change theme", "View", lambda s: s.toggle_theme(), ("Ctrl+Shift+T",), 7, "theme")
    yield Command("full-screen", "Full screen", "View", lambda s: s.full_screen(), ("Ctrl+F11",), 7)


def _go() -> Iterator[Command]:
    yield Command("next-event", "Next event", "Go", _do("next_event"), ("F10", "."), 0, "next", has_trace)
    yield Command("previous-event", "Previous event", "Go", _do("previous_event"), ("Shift+F10", ","), 0, "previous", has_trace)
    yield Command("next-phase", "Next phase", "Go", _do("next_phase", 1), ("]",), 1, "next-phase", has_trace)
    yield Command("previous-phase", "Previous phase", "Go", _do("next_phase", -1), ("[",), 1, "previous-phase", has_trace)
    yield Command("into-module", "Into module", "Go", _do("into_module"), ("F11",), 1, "", has_trace)
    yield Command("out-of-module", "Out of module", "Go", _do("out_of_module"), ("Shift+F11",), 1, "", has_trace)
    yield Command("first-event", "First event of the step", "Go", _do("first_event"), ("Home",), 2, "first", has_trace)
    yield Command("last-event", "Last event of the step", "Go", _do("last_event"), ("End",), 2, "last", has_trace)
    yield Command("next-step", "Next training step", "Go", _do("next_step", 1), ("Ctrl+Right",), 3, "", has_trace)
    yield Command("previous-step", "Previous training step", "Go", _do("next_step", -1), ("Ctrl+Left",), 3, "", has_trace)
    yield Command("next-10-steps", "10 training steps on", "Go", _do("next_step", 10), ("Ctrl+Shift+Right",), 3, "", has_trace)
    yield Command(
        "previous-10-steps", "10 training steps back", "Go", _do("next_step", -10), ("Ctrl+Shift+Left",), 3, "", has_trace
    )
    yield Command("first-step", "First training step", "Go", _do("first_step"), ("Ctrl+Home",), 4, "", has_trace)
    yield Command("follow", "Follow live", "Go", _do("follow"), ("Ctrl+End",), 4, "live", _is_open, _follows)
    yield Command("counterpart", "From op to gradient and back", "Go", _do("jump_to_counterpart"), ("G",), 5, "", has_trace)


def _follows(state: State) -> bool:
    return state.play is Play.FOLLOWING


def _run() -> Iterator[Command]:
    yield Command("play", "Play", "Run", _do("play_pause"), ("Space",), 0, "play", has_trace, _plays)
    yield Command("slower", "Slower", "Run", _do("faster", -1), ("-",), 1, "slower")
    yield Command("faster", "Faster", "Run", _do("faster", 1), ("=", "+"), 1, "faster")
    yield Command("loop", "Loop the step", "Run", _flip("loop"), ("L",), 1, "loop", always, lambda state: state.loop)
    yield Command("stop", "Stop training", "Run", lambda s: s.stop_training(), ("Ctrl+Alt+S",), 2, "stop", needs_training=True)


def _plays(state: State) -> bool:
    return state.play is Play.PLAYING


def _capture() -> Iterator[Command]:
    yield Command(
        "shot", "Screenshot of graph", "Capture", lambda s: s.screenshot(window=False), ("Alt+S",), 0, "camera", has_trace
    )
    yield Command("shot-window", "Screenshot of window", "Capture", lambda s: s.screenshot(window=True), ("Alt+Shift+S",), 0)


def _tools() -> Iterator[Command]:
    yield Command("palette", "Search commands...", "Tools", lambda s: s.show_palette(), ("Ctrl+Shift+P",), 0, "search")
    yield Command("log", "Show log of training", "Tools", lambda s: s.show_log(), (), 1, "log")
    yield Command("reset-window", "Reset window and preferences", "Tools", lambda s: s.reset_window(), (), 2)


def _help() -> Iterator[Command]:
    yield Command("keys", "Keys", "Help", lambda s: s.show_keys(), ("?",), 0, "keyboard")
    yield Command("about", "About Gradwalk", "Help", lambda s: s.show_about(), (), 1, "info")


COMMANDS: tuple[Command, ...] = (
    *_file(),
    *_edit(),
    *_view_menu(),
    *_go(),
    *_run(),
    *_capture(),
    *_tools(),
    *_help(),
)
BY_ID = {command.id: command for command in COMMANDS}
