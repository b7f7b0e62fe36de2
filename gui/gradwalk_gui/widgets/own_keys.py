"""Widgets over the graph that keep their keys: without this, keys without Ctrl or Alt would act on the graph below them."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLineEdit, QSlider, QToolButton

_ELSEWHERE = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
_PRESS = (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter)
_SLIDE = (Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


def _is_override(event: QEvent, keys: tuple[Qt.Key, ...] = ()) -> bool:
    """Whether Qt asks if a key is meant for the widget, and it is."""
    if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
        return False
    return (not keys or event.key() in keys) and not event.modifiers() & _ELSEWHERE


class Field(QLineEdit):
    """A line to type in; all keys without Ctrl or Alt are its own."""

    def event(self, event: QEvent) -> bool:
        """Claim keys before shortcuts see them."""
        if _is_override(event):
            event.accept()
            return True
        return bool(super().event(event))


class Slider(QSlider):
    """A slider that Home, End and the page keys move."""

    def event(self, event: QEvent) -> bool:
        """Claim those keys before shortcuts see them."""
        if _is_override(event, _SLIDE):
            event.accept()
            return True
        return bool(super().event(event))


class Button(QToolButton):
    """A flat button that Space and Enter press."""

    def event(self, event: QEvent) -> bool:
        """Claim those keys before shortcuts see them."""
        if _is_override(event, _PRESS):
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter presses as Space does."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)
