"""What a command is: its keys, when it can be used, what it asks of the app. The table of them is ``commands.py``. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from .session import Session
from .state import State

MENUS = ("File", "Edit", "View", "Go", "Run", "Capture", "Tools", "Help")


class Live(Protocol):
    """The control path to the training that is recorded."""

    def pause(self) -> None:
        """Hold the training after the next event."""

    def detach(self) -> None:
        """Let it go."""


class Stops(Protocol):
    """Stepping, breakpoints, and the training that waits."""

    @property
    def pausing(self) -> Live:
        """The training."""

    def next_event(self) -> None:
        """One event on: of the record, or of the training that waits there."""

    def next_step(self) -> None:
        """One training step on: of the record, or of the training that waits there."""

    def previous_event(self) -> None:
        """One event back, on the record."""

    def previous_step(self) -> None:
        """One training step back, on the record."""

    def live_event(self) -> None:
        """One event of the training that waits, wherever the playhead is."""

    def live_step(self) -> None:
        """One step of the training that waits."""

    def go_on(self, by: Literal[1, -1]) -> None:
        """Continue to the next (or previous) breakpoint; a training that waits is let go."""

    def run_to_selected(self, by: Literal[1, -1]) -> None:
        """Run on (or back) to what is selected."""

    def last_writer(self) -> None:
        """Go to what wrote the selected tensor last."""

    def toggle_breakpoint(self) -> None:
        """Set a breakpoint at the selection or the next event, or remove it."""

    def ask_breakpoint(self) -> None:
        """Ask for the condition of a breakpoint."""

    def fetch(self) -> None:
        """Fetch the selected tensor from the training that waits."""


class Chaining(Protocol):
    """A step again in float64."""

    def begin(self) -> None:
        """Compute the step that is shown, and bring its errors to the front."""


class Others(Protocol):
    """What commands ask of other trainings, ranks, steps and recordings."""

    def capture(self) -> None:
        """Ask the training of the recording to keep its next step in full."""

    def save_copy(self) -> None:
        """Ask where to, and save a copy of the recording."""

    def attach(self) -> None:
        """Choose one of the trainings that are going on, and follow it."""

    def choose_rank(self) -> None:
        """Choose which rank of the recording is shown."""

    def next_rank(self, by: Literal[1, -1]) -> None:
        """Show the next (or previous) rank of the recording."""

    def compare(self) -> None:
        """Ask with what the step is compared, and list where they part."""

    def side_by_side(self) -> None:
        """Show the recording side by side with others; ask for one where there is none yet."""

    def add_beside(self) -> None:
        """Ask for another recording to stand beside this one."""


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

    def next_alert(self, by: Literal[1, -1]) -> None:
        """Go to the next (or previous) alert."""

    def check_step(self) -> None:
        """Check every op of the step against the NumPy reference."""

    def check_next(self) -> None:
        """Have the training check its next step."""

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

    def copy_name(self) -> None:
        """Put the name of what is selected on the clipboard."""

    def find(self) -> None:
        """Show the find bar over the graph."""

    def filter_events(self) -> None:
        """Show the events and go to the field of their filter."""

    def go_to_node(self) -> None:
        """Ask for a module, an op, a parameter or a Node by its name, and go there."""

    def arrange(self, layout: str) -> None:
        """Arrange the panels as a named layout does."""

    def maximise_panel(self) -> None:
        """Give the panel that has the focus all the room, or bring the others back."""

    def full_screen(self) -> None:
        """Switch full screen on or off."""

    def toggle_theme(self) -> None:
        """Change between the light and the dark theme."""

    def run_again(self) -> None:
        """Ask what to change in the example that is open, and run it again."""

    def show_tour(self) -> None:
        """Start the tour at its first stop."""

    @property
    def stops(self) -> Stops:
        """Stepping, breakpoints, and the training that waits."""

    @property
    def others(self) -> Others:
        """Other trainings, ranks, steps and recordings."""

    @property
    def chaining(self) -> Chaining:
        """The step again in float64."""

    def stop_training(self) -> None:
        """Stop the training that was started here."""

    def show_log(self) -> None:
        """Show the log panel."""

    def show_panel(self, name: str) -> None:
        """Show a panel and give it the focus."""

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

    ``checked`` makes it a command that is on or off. ``needs_training`` one that needs a training started here,
    ``needs_run`` one that needs a recording whose training goes on on this machine.
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
    needs_run: bool = False


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


def do(method: str, *arguments: object, **named: object) -> Run:
    """A command that calls a method of the Session."""
    return lambda shell: getattr(shell.session, method)(*arguments, **named)


def flip(name: str) -> Run:
    """A command that switches a field of the State on or off."""
    return lambda shell: shell.session.set(**{name: not getattr(shell.session.state, name)})


def viewing(name: str, value: object) -> Run:
    """A command that sets a field of the View."""
    return lambda shell: shell.session.set_view(**{name: value})


def viewed(name: str, value: object) -> Test:
    """Whether a field of the View has a value."""
    return lambda state: bool(getattr(state.view, name) == value)
