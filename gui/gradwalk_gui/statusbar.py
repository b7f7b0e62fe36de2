"""The status bar: process, device, speed of the training, state of the recording, what was dropped, long jobs, zoom."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton, QStatusBar, QWidget

from .activity import Activity
from .live import Status


class StatusBar(QStatusBar):
    """Short texts, the number of alerts as a button, and the corner where long jobs are shown with a Cancel button."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self._labels: dict[str, QLabel] = {}
        for name in ("process", "speed", "recording", "notes", "stops", "capture", "check"):
            self._labels[name] = QLabel()
            self.addWidget(self._labels[name])
        self._labels["remark"] = QLabel()
        self.addWidget(self._labels["remark"])
        self.activity = Activity()
        self.addPermanentWidget(self.activity)
        self.alerts = QPushButton()
        self.alerts.setObjectName("link")
        self.alerts.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.alerts.setToolTip("Show the alerts")
        self.addPermanentWidget(self.alerts)
        self._labels["zoom"] = QLabel()
        self.addPermanentWidget(self._labels["zoom"])
        self.say(Status())
        self.show_zoom(False)
        self.tell_alerts(0)

    def say(self, status: Status) -> None:
        """Show what is known of the recording."""
        self._labels["process"].setText(status.process or "no recording")
        self._labels["speed"].setText(status.speed)
        self._labels["recording"].setText(status.recording)
        self._labels["notes"].setText(status.notes)
        self._labels["notes"].setToolTip(status.details)

    def tell_stops(self, sentence: str) -> None:
        """What breakpoints do to a training that runs, or ""."""
        self._labels["stops"].setText(sentence)

    def capture(self, sentence: str) -> None:
        """How far the capture of a step is, or "" for nothing."""
        self._labels["capture"].setText(sentence)

    def check(self, sentence: str) -> None:
        """How far the check of the training's next step is, or "" for nothing."""
        self._labels["check"].setText(sentence)

    def remark(self, sentence: str) -> None:
        """Something about the picture of the graph, or "" for nothing."""
        self._labels["remark"].setText(sentence)
        self._labels["remark"].setToolTip(sentence)

    def tell_alerts(self, number: int, *, looking: bool = False) -> None:
        """How many alerts were found, or are by now."""
        self.alerts.setText(f"Alerts {number:,}{'…' if looking else ''}")
        self.alerts.setAccessibleName(f"Alerts: {number}{', looking on' if looking else ''}")

    def show_zoom(self, shown: bool) -> None:
        """Zoom and alerts are told only while there is a graph."""
        self._labels["zoom"].setVisible(shown)
        self.alerts.setVisible(shown)

    def zoom(self, factor: float) -> None:
        """Show the zoom of the canvas."""
        self._labels["zoom"].setText(f"zoom {factor * 100:.0f} %")

    @property
    def text(self) -> str:
        """All of it in one line."""
        return "   ".join(label.text() for label in self._labels.values() if label.text())
