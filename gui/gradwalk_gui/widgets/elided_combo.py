"""Boxes for panels that scroll: a combo box that shows an ellipsis where its text does not fit, and one for a number."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QComboBox, QSpinBox, QStyle, QStyleOptionComboBox, QStylePainter, QWidget


class ElidedCombo(QComboBox):
    """The middle of a long text is left out; the tool tip has all of it. The wheel is the panel's."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave it to the panel: what is chosen must not change because the pointer comes by."""
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what is shown."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        room = (
            self.style()
            .subControlRect(QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self)
            .width()
        )
        shown = self.fontMetrics().elidedText(self.currentText(), Qt.TextElideMode.ElideMiddle, room - 2 * MARGIN)
        self.setToolTip(self.currentText() if shown != self.currentText() else "")
        option.currentText = shown
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


MARGIN = 2
"""Room that styles leave on either side of the text."""


class NumberBox(QSpinBox):
    """A number that the wheel changes only while the box has the focus."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Change the number, or leave it to the panel."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()
