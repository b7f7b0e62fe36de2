"""A combo box that shows an ellipsis where its text does not fit."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter


class ElidedCombo(QComboBox):
    """The middle of a long text is left out; the tool tip has all of it."""

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


MARGIN = 4
"""Room that styles leave on either side of the text."""
