"""The menu of a card, a module, a lane or the ground, made from the table of commands."""

from __future__ import annotations

from PySide6.QtWidgets import QMenu, QWidget

from .actions import Actions
from .state import State

_MODULE = ("unfold", "fold", "dive", "up")
_CARD = ("unfold", "fold", "up")
_THING = ("hide", "isolate", "show-all")
_WAYS = ("upstream", "downstream")
_GO = ("go-to-selected", "counterpart", "fit-selection")
_NAME = ("pin", "copy-name")
_GROUND = (
    ("up", "show-all"),
    ("fold-all", "unfold-all", "fold-first"),
    ("skip-views", "stacked", "minimap"),
    ("fit-all", "find", "go-to-node"),
)


def groups(state: State) -> tuple[tuple[str, ...], ...]:
    """The commands for what is selected, in groups; those of the ground where nothing is."""
    if state.selection is None:
        return _GROUND
    kind = state.selection.kind
    if kind in ("edge", "value"):
        return _THING, _WAYS, _GO, _NAME
    return (_MODULE if kind == "module" else _CARD), _THING, _WAYS, _GO, _NAME


def graph_menu(state: State, actions: Actions, parent: QWidget) -> QMenu:
    """A menu of what can be done now; what cannot is left out."""
    menu = QMenu(parent)
    for group in groups(state):
        usable = [actions[each] for each in group if actions[each].isEnabled()]
        if usable and menu.actions():
            menu.addSeparator()
        menu.addActions(usable)
    return menu
