"""Everything that a person can do, as one table that menus, tool bar, shortcuts, palette and key sheet are made from. No Qt."""

from __future__ import annotations

from collections.abc import Iterator

from gradwalk.comparison import MOST

from .again import Again, again_of
from .command import Command, Run, always, do, flip, has_trace
from .commands_view import LAYOUTS, MEASURES, selected, view_menu
from .ranks import has_ranks
from .state import Play, State

__all__ = ["BY_ID", "COMMANDS", "EXAMPLES", "LAYOUTS", "MEASURES"]

EXAMPLES = (
    ("autograd", "Tensors and autograd"),
    ("function", "A custom autograd Function"),
    ("numpy", "NumPy by hand"),
    ("mlp", "An MLP with nn.Module"),
    ("compare", "The three programs side by side"),
)


def _start(example: str) -> Run:
    return lambda shell: shell.start_example(example)


def _file() -> Iterator[Command]:
    for name, title in EXAMPLES:
        yield Command(f"start-{name}", f"{title}...", "File/Start an example", _start(name))
    yield Command(
        "open-script", "Open training script...", "File", lambda s: s.open_script_dialog(), ("Ctrl+Shift+O",), 1, "script"
    )
    yield Command("open", "Open recording...", "File", lambda s: s.open_dialog(), ("Ctrl+O",), 1, "open")
    yield Command("open-folder", "Open run folder...", "File", lambda s: s.open_folder_dialog(), ("Ctrl+Alt+O",), 1, "folder")
    yield Command("attach", "Attach to a running training...", "File", lambda s: s.others.attach(), ("Ctrl+Alt+R",), 1, "live")
    save = ("Ctrl+S",)
    yield Command("save-copy", "Save a copy...", "File", lambda s: s.others.save_copy(), save, 3, "", _is_open)
    yield Command("close", "Close recording", "File", lambda s: s.close_recording(), ("Ctrl+W",), 3, "", _is_open)
    export = ("Ctrl+Shift+E",)
    yield Command("export-image", "Export image...", "File", lambda s: s.export_image(), export, 4, "export", has_trace)
    yield Command("export-loss", "Export loss curve...", "File", lambda s: s.export_loss(), (), 4, "chart", has_trace)
    yield Command("quit", "Quit", "File", lambda s: s.quit(), ("Ctrl+Q",), 9)


def _is_open(state: State) -> bool:
    return state.recording is not None


def _edit() -> Iterator[Command]:
    yield Command("undo", "Undo change of view", "Edit", do("undo"), ("Ctrl+Z", "Alt+Left"), 0, "undo", _can_undo)
    yield Command("redo", "Redo change of view", "Edit", do("redo"), ("Ctrl+Shift+Z", "Alt+Right"), 0, "redo", _can_redo)
    yield Command("copy", "Copy image of graph", "Edit", lambda s: s.copy_image(window=False), ("Ctrl+C",), 1, "copy", has_trace)
    yield Command("copy-window", "Copy image of window", "Edit", lambda s: s.copy_image(window=True), ("Ctrl+Shift+C",), 1)
    yield Command("copy-name", "Copy name", "Edit", lambda s: s.copy_name(), (), 1, "", selected)
    yield Command("find", "Find in graph...", "Edit", lambda s: s.find(), ("Ctrl+F",), 2, "search", has_trace)
    yield Command("filter", "Filter events...", "Edit", lambda s: s.filter_events(), ("/",), 2, "", has_trace)
    yield Command("deselect", "Select nothing", "Edit", do("select", None), ("Esc",), 2, "", selected)
    yield Command("preferences", "Preferences...", "Edit", lambda s: s.show_preferences(), ("Ctrl+,",), 3, "settings")


def _can_undo(state: State) -> bool:
    return state.can_undo


def _can_redo(state: State) -> bool:
    return state.can_redo


def _go() -> Iterator[Command]:
    yield Command("next-event", "Next event", "Go", lambda s: s.stops.next_event(), ("F10", "."), 0, "next", has_trace)
    yield Command(
        "previous-event", "Previous event", "Go", lambda s: s.stops.previous_event(), ("Shift+F10", ","), 0, "previous", has_trace
    )
    yield Command("next-phase", "Next phase", "Go", do("next_phase", 1), ("]",), 1, "next-phase", has_trace)
    yield Command("previous-phase", "Previous phase", "Go", do("next_phase", -1), ("[",), 1, "previous-phase", has_trace)
    yield Command("next-alert", "Next NaN, Inf or alert", "Go", lambda s: s.next_alert(1), ("F8",), 1, "", has_trace)
    yield Command(
        "previous-alert", "Previous NaN, Inf or alert", "Go", lambda s: s.next_alert(-1), ("Shift+F8",), 1, "", has_trace
    )
    yield Command("into-module", "Into module", "Go", do("into_module"), ("F11",), 1, "", has_trace)
    yield Command("out-of-module", "Out of module", "Go", do("out_of_module"), ("Shift+F11",), 1, "", has_trace)
    yield Command("first-event", "First event of the step", "Go", do("first_event"), ("Home",), 2, "first", has_trace)
    yield Command("last-event", "Last event of the step", "Go", do("last_event"), ("End",), 2, "last", has_trace)
    yield Command("next-step", "Next training step", "Go", lambda s: s.stops.next_step(), ("Ctrl+Right",), 3, "", has_trace)
    yield Command(
        "previous-step", "Previous training step", "Go", lambda s: s.stops.previous_step(), ("Ctrl+Left",), 3, "", has_trace
    )
    yield Command("next-10-steps", "10 training steps on", "Go", do("next_step", 10), ("Ctrl+Shift+Right",), 3, "", has_trace)
    yield Command(
        "previous-10-steps", "10 training steps back", "Go", do("next_step", -10), ("Ctrl+Shift+Left",), 3, "", has_trace
    )
    yield Command("first-step", "First training step", "Go", do("first_step"), ("Ctrl+Home",), 4, "", has_trace)
    yield Command("follow", "Follow live", "Go", do("follow"), ("Ctrl+End",), 4, "live", _is_open, _follows)
    yield Command("counterpart", "From op to gradient and back", "Go", do("jump_to_counterpart"), ("G",), 5, "", has_trace)
    yield Command("last-writer", "Last writer of the tensor", "Go", lambda s: s.stops.last_writer(), ("W",), 5, "", selected)
    yield Command("go-to-node", "Go to node...", "Go", lambda s: s.go_to_node(), ("Ctrl+P",), 6, "search", has_trace)
    yield Command("next-rank", "Next rank", "Go", lambda s: s.others.next_rank(1), ("Ctrl+Alt+Down",), 4, "", has_ranks)
    yield Command("previous-rank", "Previous rank", "Go", lambda s: s.others.next_rank(-1), ("Ctrl+Alt+Up",), 4, "", has_ranks)
    yield Command("choose-rank", "Choose rank...", "Go", lambda s: s.others.choose_rank(), ("Ctrl+Shift+R",), 4, "", has_ranks)
    yield Command("go-to-selected", "To the event of the selection", "Go", do("go_to_selected"), (), 6, "", selected)


def _follows(state: State) -> bool:
    return state.play is Play.FOLLOWING


def _run() -> Iterator[Command]:
    yield Command("play", "Play", "Run", do("play_pause"), ("Space",), 0, "play", has_trace, _plays)
    yield Command("slower", "Slower", "Run", do("faster", -1), ("-",), 1, "slower")
    yield Command("faster", "Faster", "Run", do("faster", 1), ("=", "+"), 1, "faster")
    yield Command("loop", "Loop the step", "Run", flip("loop"), ("L",), 1, "loop", always, lambda state: state.loop)
    yield Command("loop-here", "Loop from the selection to here", "Run", do("loop_to_selected"), (), 1, "", selected)
    yield from _breakpoints()
    yield from _live()
    yield Command("run-again", "Edit and run again...", "Run", lambda s: s.run_again(), ("Ctrl+R",), 2, "", _can_run_again)
    yield Command("stop", "Stop training", "Run", lambda s: s.stop_training(), ("Ctrl+Alt+S",), 5, "stop", needs_training=True)


def _can_run_again(state: State) -> bool:
    return isinstance(again_of(getattr(state.recording, "info", None)), Again)


def _breakpoints() -> Iterator[Command]:
    yield Command("continue", "Continue to breakpoint", "Run", lambda s: s.stops.go_on(1), ("F5",), 2, "", has_trace)
    yield Command("continue-back", "Back to breakpoint", "Run", lambda s: s.stops.go_on(-1), ("Shift+F5",), 2, "", has_trace)
    yield Command("run-to", "Run to selected", "Run", lambda s: s.stops.run_to_selected(1), ("Ctrl+F10",), 2, "", selected)
    yield Command(
        "run-back-to", "Run back to selected", "Run", lambda s: s.stops.run_to_selected(-1), ("Ctrl+Shift+F10",), 2, "", selected
    )
    yield Command("breakpoint", "Toggle breakpoint", "Run", lambda s: s.stops.toggle_breakpoint(), ("F9",), 3, "", has_trace)
    yield Command("condition", "Breakpoint with a condition...", "Run", lambda s: s.stops.ask_breakpoint(), ("Shift+F9",), 3)


def _live() -> Iterator[Command]:
    yield Command("pause", "Pause the training", "Run", lambda s: s.stops.pausing.pause(), ("Ctrl+Alt+P",), 4, "", _may_be_held)
    yield Command("live-event", "Next event of the training", "Run", lambda s: s.stops.live_event(), (), 4, "", _is_held)
    yield Command("live-step", "Next step of the training", "Run", lambda s: s.stops.live_step(), (), 4, "", _is_held)
    yield Command("detach", "Let the training go", "Run", lambda s: s.stops.pausing.detach(), ("Ctrl+Alt+D",), 4, "", _is_held)
    yield Command("fetch", "Fetch the tensor whole", "Run", lambda s: s.stops.fetch(), (), 4, "", _can_fetch)


def _may_be_held(state: State) -> bool:
    return state.recording is not None and not getattr(state.recording, "closed", True) and state.held is None


def _is_held(state: State) -> bool:
    return state.held is not None or bool(state.held_besides)


def _can_fetch(state: State) -> bool:
    return state.held is not None and state.selection is not None and state.step + 1 == state.length


def _plays(state: State) -> bool:
    return state.play is Play.PLAYING


def _capture() -> Iterator[Command]:
    yield Command(
        "shot", "Screenshot of graph", "Capture", lambda s: s.screenshot(window=False), ("Alt+S",), 0, "camera", has_trace
    )
    yield Command("shot-window", "Screenshot of window", "Capture", lambda s: s.screenshot(window=True), ("Alt+Shift+S",), 0)
    yield Command("capture-step", "Next step in full", "Capture", lambda s: s.others.capture(), ("F12",), 1, needs_run=True)
    yield Command("check-next", "Check the next step", "Capture", lambda s: s.check_next(), ("Shift+F12",), 1, needs_run=True)


def _tools() -> Iterator[Command]:
    yield Command("palette", "Search commands...", "Tools", lambda s: s.show_palette(), ("Ctrl+Shift+P",), 0, "search")
    yield Command("log", "Show log of training", "Tools", lambda s: s.show_log(), (), 1, "log")
    yield Command("alerts", "Show alerts", "Tools", lambda s: s.show_panel("alerts"), (), 1, "warning", has_trace)
    yield Command("gradients", "Show gradients", "Tools", lambda s: s.show_panel("gradients"), (), 1, "", has_trace)
    yield Command("saved", "Show saved tensors", "Tools", lambda s: s.show_panel("saved"), (), 1, "", has_trace)
    yield Command("check-step", "Check this step", "Tools", lambda s: s.check_step(), ("Ctrl+K",), 1, "check", has_trace)
    yield Command("compare", "Compare...", "Tools", lambda s: s.others.compare(), ("Ctrl+D",), 1, "", has_trace)
    yield Command("end-to-end", "Float64 end to end", "Tools", lambda s: s.chaining.begin(), (), 1, "", has_trace)
    yield Command(
        "side-by-side", "Side by side...", "Tools", lambda s: s.others.side_by_side(), ("Ctrl+Alt+B",), 1, "", has_trace
    )
    yield Command("add-beside", "Set a recording beside...", "Tools", lambda s: s.others.add_beside(), (), 1, "", _has_room)
    yield Command("reset-window", "Reset window and preferences", "Tools", lambda s: s.reset_window(), (), 2)


def _has_room(state: State) -> bool:
    return state.trace is not None and len(state.beside) < MOST - 1


def _help() -> Iterator[Command]:
    yield Command("keys", "Keys", "Help", lambda s: s.show_keys(), ("?",), 0, "keyboard")
    yield Command("tour", "Tour", "Help", lambda s: s.show_tour(), (), 0)
    yield Command("about", "About Gradwalk", "Help", lambda s: s.show_about(), (), 1, "info")


COMMANDS: tuple[Command, ...] = (
    *_file(),
    *_edit(),
    *view_menu(),
    *_go(),
    *_run(),
    *_capture(),
    *_tools(),
    *_help(),
)
BY_ID = {command.id: command for command in COMMANDS}
