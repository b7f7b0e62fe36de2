"""The menu bar, made from the table of commands."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QMenuBar

from .actions import Actions
from .command import MENUS, Command, mnemonic_of, with_mnemonics
from .commands import COMMANDS


def fill(bar: QMenuBar, actions: Actions) -> dict[str, QMenu]:
    """Make every menu; gives the menus by title, sub-menus as ``View/Layout``. Panels and recent files are added by others."""
    menus: dict[str, QMenu] = {}
    for title in MENUS:
        menu = bar.addMenu(f"&{title}")
        menus[title] = menu
        _fill_menu(menu, title, menus, actions)
    return menus


def mnemonics() -> list[str]:
    """The letters that open menus together with Alt."""
    return [mnemonic_of(f"&{title}") for title in MENUS]


def _fill_menu(menu: QMenu, title: str, menus: dict[str, QMenu], actions: Actions) -> None:
    commands = [command for command in COMMANDS if command.menu.partition("/")[0] == title]
    for _, group in groupby(commands, key=lambda command: command.group):
        if menu.actions():
            menu.addSeparator()
        for path, members in groupby(group, key=lambda command: command.menu):
            if path == title:
                for command in members:
                    menu.addAction(actions[command.id])
            else:
                menus[path] = menu.addMenu(path.partition("/")[2])
                _fill_sub_menu(menus[path], list(members), actions)
    mark(menu)


def _fill_sub_menu(menu: QMenu, members: Sequence[Command], actions: Actions) -> None:
    group = QActionGroup(menu)
    for command in members:
        menu.addAction(actions[command.id])
        if command.checked is not None:
            group.addAction(actions[command.id])
    mark(menu)


def mark(menu: QMenu) -> None:
    """Give every entry a letter of its own."""
    entries: list[QAction] = [action for action in menu.actions() if not action.isSeparator()]
    titles = with_mnemonics(entry.text().replace("&&", "\0").replace("&", "").replace("\0", "&") for entry in entries)
    for entry, title in zip(entries, titles, strict=True):
        entry.setText(title)
