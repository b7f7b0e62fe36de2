"""Qt actions made from the table of commands: one per command, shared by menus, tool bar and palette, with the keys bound."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from .command import Command, scoped
from .commands import COMMANDS
from .icons import themed
from .state import State
from .theme import Theme


class Actions(QObject):
    """Every command as a QAction. ``run`` is called with the Command; it alone decides how errors are shown.

    Keys that act anywhere belong to the window; the others to the widgets given to :meth:`bind`, and act only while one of
    those (or a child) has the focus.
    """

    def __init__(self, window: QWidget, run: Callable[[Command], None]) -> None:
        super().__init__(window)
        self._by_id: dict[str, QAction] = {}
        self._scoped: list[QAction] = []
        for command in COMMANDS:
            self._add(window, command, run)

    def __getitem__(self, command_id: str) -> QAction:
        return self._by_id[command_id]

    def bind(self, widget: QWidget) -> None:
        """Let the keys without Ctrl or Alt act while ``widget`` has the focus."""
        widget.addActions(self._scoped)

    def refresh(self, state: State, *, training: bool, unreachable: str) -> None:
        """Enable, check and name the actions as the State says; ``unreachable``: why the run cannot be asked, or ""."""
        for command in COMMANDS:
            action = self._by_id[command.id]
            action.setEnabled(command.enabled(state) and (training or not command.needs_training))
            if command.needs_run:
                action.setEnabled(not unreachable)
                action.setToolTip(unreachable or tip(command))
                action.setStatusTip(unreachable)
            if command.checked is not None:
                action.setChecked(command.checked(state))

    def set_theme(self, theme: Theme) -> None:
        """Colour the icons."""
        for command in COMMANDS:
            if command.icon:
                self._by_id[command.id].setIcon(themed(command.icon, theme))

    def _add(self, window: QWidget, command: Command, run: Callable[[Command], None]) -> None:
        anywhere = [key for key in command.keys if not scoped(key)]
        focused = [key for key in command.keys if scoped(key)]
        action = QAction(command.title, self)
        action.setObjectName(command.id)
        action.setCheckable(command.checked is not None)
        action.setMenuRole(QAction.MenuRole.NoRole)
        action.triggered.connect(lambda: run(command))
        self._by_id[command.id] = action
        if anywhere:
            window.addAction(action)
            action.setShortcuts([QKeySequence(key) for key in anywhere])
        elif focused:
            self._bind_focused(action, focused)
        if anywhere and focused:
            twin = QAction(self)
            twin.triggered.connect(action.trigger)
            self._bind_focused(twin, focused)

    def _bind_focused(self, action: QAction, keys: list[str]) -> None:
        action.setShortcuts([QKeySequence(key) for key in keys])
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._scoped.append(action)


def key_text(command: Command) -> str:
    """The keys of a command as people write them, for tool tips, the palette and the key sheet."""
    return "  ".join(QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) for key in command.keys)


def tip(command: Command) -> str:
    """Title and keys of a command as a tool tip."""
    keys = key_text(command)
    title = command.title.removesuffix("...")
    return f"{title}   {keys}" if keys else title
