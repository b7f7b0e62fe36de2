"""The View menu: what of the graph is shown and how, as part of the table of commands. No Qt."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from . import folding, pinning, showing
from .command import Command, Run, Test, always, do, flip, has_trace, viewed, viewing
from .session import module_path
from .state import State

LAYOUTS = ("Learn", "Debug", "Monitor", "Present")
MEASURES = (
    ("rms", "RMS gradient"),
    ("norm", "L2 norm"),
    ("max", "Largest |gradient|"),
    ("zeros", "Fraction of zeros"),
    ("update", "|update| / |weight|"),
    ("bad", "NaN and Inf count"),
)
DEEPEST = 9
"""The greatest depth that has a key."""


def view_menu() -> Iterator[Command]:
    """Panels, what the graph shows, folds, what is hidden, zoom, theme."""
    for number, name in enumerate(LAYOUTS, 1):
        yield Command(f"layout-{name.lower()}", name, "View/Layout", _arrange(name), (f"Ctrl+Alt+{number}",), 1, "layout")
    yield Command("maximise", "Maximise panel", "View", lambda s: s.maximise_panel(), ("Ctrl+Shift+M",), 2, "maximise")
    yield from _shown()
    yield from _folds()
    yield from _parts()
    yield Command("fit-all", "Fit whole graph", "View", lambda s: s.fit(selection=False), ("Ctrl+0",), 6, "fit", has_trace)
    yield Command("fit-selection", "Fit selection", "View", lambda s: s.fit(selection=True), ("F",), 6, "", selected)
    yield Command("zoom-in", "Zoom in", "View", lambda s: s.zoom(1.25), ("Ctrl++", "Ctrl+="), 6, "zoom-in", has_trace)
    yield Command("zoom-out", "Zoom out", "View", lambda s: s.zoom(0.8), ("Ctrl+-",), 6, "zoom-out", has_trace)
    yield Command("minimap", "Minimap", "View", flip("minimap"), (), 7, "", always, lambda state: state.minimap)
    yield Command("log-loss", "Logarithmic loss axis", "View", flip("log_loss"), (), 7, "", always, lambda state: state.log_loss)
    motion = flip("reduced_motion")
    yield Command("reduced-motion", "Reduced motion", "View", motion, (), 7, "", always, lambda state: state.reduced_motion)
    yield Command("theme", "Change theme", "View", lambda s: s.toggle_theme(), ("Ctrl+Shift+T",), 8, "theme")
    yield Command("full-screen", "Full screen", "View", lambda s: s.full_screen(), ("Ctrl+F11",), 8)


def _shown() -> Iterator[Command]:
    choices: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
        ("mode", "Graph shows", (("ops", "Ops as nodes"), ("tensors", "Tensors as nodes, functions as edges"))),
        ("halves", "Halves", (("both", "Forward and backward"), ("forward", "Forward only"), ("backward", "Backward only"))),
        ("flow", "Direction", (("right", "Left to right"), ("down", "Top to bottom"))),
        ("measure", "Colour by", MEASURES),
        ("engine", "Arranged by", (("ours", "Gradwalk"), ("graphviz", "Graphviz"))),
    )
    for name, menu, values in choices:
        for value, title in values:
            there = _has_graphviz if value == "graphviz" else always
            yield Command(f"{name}-{value}", title, f"View/{menu}", viewing(name, value), (), 3, "", there, viewed(name, value))
    yield Command(
        "skip-views",
        "Views and reshapes as edges",
        "View",
        _flip_view("skip_views"),
        (),
        3,
        "",
        always,
        viewed("skip_views", True),
    )
    yield Command(
        "stacked", "Equal blocks as one card", "View", _flip_view("stacked"), (), 3, "", always, viewed("stacked", True)
    )


def _folds() -> Iterator[Command]:
    yield Command("unfold", "Unfold module", "View", do("fold_selected", False), ("E",), 4, "", _can_unfold)
    yield Command("fold", "Fold module", "View", do("fold_selected", True), ("Shift+E",), 4, "", _can_fold)
    yield Command("fold-all", "Fold all", "View/Folds", do("fold_all"), ("0",), 4, "", _to_depth(1))
    yield Command("unfold-all", "Unfold all", "View/Folds", do("unfold_all"), (), 4, "", lambda state: bool(state.view.folded))
    yield Command(
        "fold-first", "As at first", "View/Folds", do("fold_as_at_first"), (), 4, "", lambda state: not state.view.auto_fold
    )
    for depth in range(1, DEEPEST + 1):
        levels = "1 level open" if depth == 1 else f"{depth} levels open"
        yield Command(f"depth-{depth}", levels, "View/Folds", do("unfold_to", depth), (str(depth),), 4, "", _to_depth(depth))


def _parts() -> Iterator[Command]:
    yield Command("dive", "Dive into module", "View", do("dive_selected"), ("Return", "Enter"), 5, "", module_selected)
    yield Command("up", "Go up", "View", do("go_up"), ("Backspace",), 5, "", lambda state: bool(state.view.root))
    yield Command("hide", "Hide", "View", do("hide_picked"), ("H",), 5, "", selected)
    yield Command("isolate", "Isolate", "View", do("isolate_picked"), ("I",), 5, "", selected)
    yield Command("show-all", "Show all", "View", do("show_all"), ("Shift+H",), 5, "", _something_is_away)
    yield Command(
        "upstream", "Highlight upstream", "View", do("toggle_highlight", "up"), ("U",), 5, "", selected, _highlights("up")
    )
    yield Command(
        "downstream", "Highlight downstream", "View", do("toggle_highlight", "down"), ("D",), 5, "", selected, _highlights("down")
    )
    pinned = pinning.can_pin, pinning.is_pinned
    yield Command("pin", "Pin as probe", "View", lambda s: pinning.pin(s.session), ("P",), 5, "chart", *pinned)


def _arrange(layout: str) -> Run:
    return lambda shell: shell.arrange(layout)


def _flip_view(name: str) -> Run:
    return lambda shell: shell.session.set_view(**{name: not getattr(shell.session.state.view, name)})


def selected(state: State) -> bool:
    """For commands that do something with what is selected."""
    return state.selection is not None


def module_selected(state: State) -> bool:
    """For commands that do something with a module that is selected, and not looked into already."""
    if state.trace is None or state.selection is None or state.selection.kind != "module":
        return False
    return state.trace.graph.modules[state.selection.id].path != state.view.root


def _highlights(way: str) -> Test:
    return lambda state: state.highlight == way


def _something_is_away(state: State) -> bool:
    view = state.view
    return bool(view.hidden or view.isolated or view.root)


def _can_fold(state: State) -> bool:
    path = module_path(state)
    return state.trace is not None and bool(path) and showing.fold_at(state.trace.graph, state.view, path) != state.view


def _can_unfold(state: State) -> bool:
    return module_path(state) in state.view.folded


def _to_depth(depth: int) -> Test:
    """Whether there are so many levels of modules, below what is looked into."""
    return lambda state: state.trace is not None and levels_of(state) >= depth


def levels_of(state: State) -> int:
    """How many levels of modules lie inside what is looked into."""
    assert state.trace is not None
    graph = state.trace.graph
    root = showing.call_at(graph, state.view.root)
    return folding.deepest(graph) - (folding.tree_of(graph).depth[root] + 1 if root >= 0 else 0)


def _has_graphviz(state: State) -> bool:
    return _graphviz_is_here()


@lru_cache(maxsize=1)
def _graphviz_is_here() -> bool:
    from gradwalk.layout.graphviz import find_dot

    return bool(find_dot())
