"""The alerts: all that the watches have found in the recording up to now; each can be gone to and copied."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QHeaderView,
    QLabel,
    QMenu,
    QToolButton,
    QWidget,
)

from gradwalk.watches import KINDS, ON, WATCHES

from ..alerts import AlertRow, is_behind
from ..icons import themed
from ..numbers import count
from ..panel import GRID, Panel
from ..session import Session
from ..state import State
from ..theme import Theme, font
from ..watch_limits import in_words, limits_of
from ..watching import visit
from ..widgets.alert_model import EVENT, SENTENCE, SEVERITY, STEP, TITLES, AlertModel, sentence_of
from ..widgets.head import fill, head
from ..widgets.table import Table, copy_text
from ..widgets.text import ElidedLabel

SEVERITIES = (("", "All alerts"), ("error", "Errors"), ("warning", "Warnings"))
WIDTHS = {SEVERITY: 96, STEP: 72, EVENT: 190}
EVENT_FROM, WORDS_FROM = 560, 420
"""The widths from which on the column of events is shown, and words on the button of the watches."""
DETAIL_FROM = 130
"""The height from which on the sentence of the current row is shown in full below the list."""


class AlertsView(Panel):
    """Enter or a double click goes to an alert, Ctrl+C copies its sentence; what is watched for is chosen in a menu."""

    title = "Alerts"

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.model = AlertModel()
        self.list = Table("Alerts of the recording", self)
        self.list.setModel(self.model)
        self.severity, self.watch = self._combo("Severity of alerts"), self._combo("Watch of alerts")
        for value, title in SEVERITIES:
            self.severity.addItem(title, value)
        self.found = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        self.found.setFont(font(11))
        self.go, self.copy = self._button("Go to alert", "Enter"), self._button("Copy sentence", "Ctrl+C")
        self.watches = QToolButton(self)
        self.watches.setText("Watches")
        self.watches.setToolTip("What is watched for")
        self.watches.setAccessibleName("What is watched for")
        self.watches.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.choices = self._fill_watches()
        self.detail = QLabel(self)
        self.detail.setWordWrap(True)
        self.detail.setTextFormat(Qt.TextFormat.PlainText)
        self.detail.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.detail.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        self.detail.setFont(font(12))
        self.message = QLabel(self)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setMargin(GRID)
        self._arrange()
        self._connect()
        self.begin()

    def _combo(self, name: str) -> QComboBox:
        combo = QComboBox(self)
        combo.setAccessibleName(name)
        combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        combo.setMinimumContentsLength(8)
        combo.setMinimumWidth(64)
        combo.activated.connect(self._filter)
        return combo

    def _button(self, what: str, keys: str) -> QToolButton:
        button = QToolButton(self)
        button.setAccessibleName(what)
        button.setToolTip(f"{what}   {keys}")
        return button

    def _fill_watches(self) -> dict[str, QAction]:
        menu, choices = QMenu(self), {}
        for watch in WATCHES:
            action = menu.addAction("")
            action.setCheckable(True)
            action.triggered.connect(lambda on, kind=watch.kind: self._switch(kind, on))
            choices[watch.kind] = action
        menu.addSeparator()
        menu.addAction("As at first").triggered.connect(lambda: self.session.set(watches=ON, limits=()))
        self.watches.setMenu(menu)
        return choices

    def _arrange(self) -> None:
        line = head((self.severity, self.watch), self.found, (self.go, self.copy, self.watches))
        layout, self._pages = fill(self, line, self.list, self.message)
        layout.addWidget(self.detail)
        header = self.list.header()
        for column, width in WIDTHS.items():
            self.list.setColumnWidth(column, width)
        header.setSectionResizeMode(SENTENCE, QHeaderView.ResizeMode.Stretch)

    def _connect(self) -> None:
        self.list.chosen.connect(self._visit)
        self.list.copied.connect(self._copy)
        self.list.selectionModel().currentRowChanged.connect(lambda *_: self._show_detail())
        self.go.clicked.connect(lambda: self._visit(self.list.row))
        self.copy.clicked.connect(self._copy)

    def apply_theme(self) -> None:
        """Recolour."""
        self.model.theme = self.theme
        self.go.setIcon(themed("next", self.theme))
        self.copy.setIcon(themed("copy", self.theme))
        self.watches.setIcon(themed("settings", self.theme))
        self.message.setStyleSheet(f"color: {self.theme.subtle};")
        self.found.setStyleSheet(f"color: {self.theme.subtle};")
        self.detail.setStyleSheet(f"border-top: 1px solid {self.theme.border};")
        self.list.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave out what there is no room for."""
        super().resizeEvent(event)
        self.list.setColumnHidden(EVENT, self.width() < EVENT_FROM)
        style = (
            Qt.ToolButtonStyle.ToolButtonTextBesideIcon if self.width() >= WORDS_FROM else Qt.ToolButtonStyle.ToolButtonIconOnly
        )
        self.watches.setToolButtonStyle(style)
        self._show_detail()

    def show_state(self, old: State, new: State) -> None:
        """Show what differs: what was found, how far the look has come, where the playhead stands, what is watched for."""
        limits = limits_of(new.limits)
        for watch in WATCHES:
            self.choices[watch.kind].setText(in_words(watch, limits))
            self.choices[watch.kind].setChecked(watch.kind in new.watches)
        if old.alerts is not new.alerts or old.recording is not new.recording or new.trace is None:
            self._fill_kinds(new)
            self._filter()
        self.model.show_at(new.alert)
        if new.alert is not None and (old.alert is None or old.alert.key != new.alert.key):
            self.list.show_row(self.model.row_like(new.alert))

    def _fill_kinds(self, state: State) -> None:
        """In the list of watches those that have found something, and the one that is asked for."""
        asked = self.watch.currentData() or ""
        there = {row.finding.alert.kind for row in state.alerts.rows} | {asked}
        entries = [("", "All watches"), *((kind, TITLES[kind]) for kind in KINDS if kind in there)]
        if [self.watch.itemData(i) for i in range(self.watch.count())] != [kind for kind, _ in entries]:
            self.watch.clear()
            for kind, title in entries:
                self.watch.addItem(title, kind)
            self.watch.setCurrentIndex(self.watch.findData(asked))

    def _filter(self) -> None:
        """Show the rows of the severity and the watch that are asked for."""
        state, severity, kind = self.session.state, self.severity.currentData(), self.watch.currentData() or ""
        rows = tuple(
            row
            for row in state.alerts.rows
            if severity in ("", row.finding.alert.severity) and kind in ("", row.finding.alert.kind)
        )
        current = self._row()
        self.model.show_rows(rows)
        self.list.show_row(self.model.row_like(current))
        self._say(state, len(rows))
        self._show_detail()

    def _say(self, state: State, shown: int) -> None:
        alerts = state.alerts
        behind = is_behind(alerts, state.length)
        steps = f"{alerts.looked:,} of {count(state.length, 'step')}, looking on" if behind else count(alerts.looked, "step")
        total = f"{shown:,} of {count(len(alerts.rows), 'alert')}" if shown != len(alerts.rows) else count(shown, "alert")
        self.found.set_full_text(f"{total} in {steps}" if state.recording is not None else "")
        if state.recording is None:
            self.message.setText("Open a recording to see its alerts.")
        elif alerts.rows:
            self.message.setText("No alert of this severity and watch.")
        elif not state.watches:
            self.message.setText("Nothing is watched for; choose what under Watches.")
        else:
            self.message.setText("No alert up to now." if behind else "No alert.")
        self._pages.setCurrentWidget(self.list if shown else self.message)
        self.setFocusProxy(self.list if shown else self.watches)

    def _show_detail(self) -> None:
        row = self._row()
        self.detail.setText(sentence_of(row) if row is not None else "")
        self.detail.setVisible(row is not None and self.height() >= DETAIL_FROM)
        self.go.setEnabled(row is not None)
        self.copy.setEnabled(row is not None)

    def _row(self) -> AlertRow | None:
        row = self.list.row
        return self.model.rows[row] if 0 <= row < len(self.model.rows) else None

    def _visit(self, row: int) -> None:
        if 0 <= row < len(self.model.rows):
            visit(self.session, self.model.rows[row])

    def _copy(self) -> None:
        row = self._row()
        copy_text("" if row is None else row.finding.alert.sentence)

    def _switch(self, kind: str, on: bool) -> None:
        wanted = {*self.session.state.watches, kind} if on else set(self.session.state.watches) - {kind}
        self.session.set(watches=tuple(each for each in KINDS if each in wanted))


if __name__ == "__main__":
    from ..alone import run_alone

    raise SystemExit(run_alone(AlertsView, width=720, height=260))
