"""What commands do besides moving the playhead: dialogs, recordings, trainings, pictures, the look of the window."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from PySide6.QtCore import QByteArray, QObject, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QDialog

from gradwalk.recording.format import RecordingError
from gradwalk.recording.reader import Recording
from gradwalk.run.place import RUNS

from . import pictures, settings, style
from .about import About
from .chaining import Chaining
from .check_next import CheckNext
from .checker import Checker
from .chooser import Chooser
from .command import Command
from .export_dialog import ExportDialog
from .go_to import GoTo
from .kept_stops import KeptStops
from .keys import KeySheet
from .live import Follower
from .names import name_of
from .open_dialog import kind_of, open_dialog, open_folder_dialog, open_script_dialog, recording_path, save_dialog
from .others import Others
from .palette import Palette
from .pausing import Pausing
from .pins import Pins
from .player import Player
from .preferences import Preferences
from .reruns import Reruns
from .session import Session
from .settings import Settings
from .state import State
from .stops import Stops
from .theme import DARK, LIGHT, Theme
from .tour import Tour
from .trainings import Trainings
from .watching import Watcher
from .window import Window

WAITING = "Waiting for the first step"


class Shell(QObject):
    """Everything that is neither the Session's nor the Window's; implements ``command.Shell``."""

    def __init__(self, window: Window, session: Session, kept: Settings, file: Path | None) -> None:
        super().__init__(window)
        self._window, self._session, self._kept, self._file = window, session, kept, file
        self.follower = Follower(session, self)
        self.player = Player(session, self)
        self.trainings = Trainings(window, self.follower)
        self.stops = Stops(session, Pausing(session, self.follower, self), window)
        self.tour = Tour(window, session, self._on_tour)
        self.reruns = Reruns(window, session, self.follower, self.trainings)
        self.watcher = Watcher(session, window.notice, window.status.activity, self)
        self.chaining = Chaining(session, window.status.activity, self)
        self.chaining.asked.connect(window.show_errors)
        self.pins = Pins(session, self.follower, kept.probes, partial(window.desk.show_dock, "loss"))
        self.kept_stops = KeptStops(session, self.follower, kept.breakpoints)
        self.others = Others(window, session, self.follower, self.places_of_runs)
        self.others.sides.await_three(self.trainings)
        self._check_next = CheckNext(window, session, self.follower, self.others.reaching)
        self.checker = Checker(session, window.notice, window.status.activity, self._check_next, self)
        self._closed = False
        window.chosen.connect(self.do)
        window.dropped.connect(self.open_path)
        window.closing.connect(self.close)
        window.welcome.chosen.connect(self.open_path)
        window.waiting.back.clicked.connect(self.close_recording)
        self.follower.opened.connect(self._on_opened)
        self.follower.failed.connect(self.complain)
        self.follower.ended.connect(self._on_recording_ended)
        self.follower.status_changed.connect(window.status.say)
        self.player.failed.connect(self.complain)
        self.trainings.changed.connect(self._on_training_changed)
        session.changed.connect(self._on_changed)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._dress)
        self._show_recent()
        self._dress()

    def do(self, command: Command) -> None:
        """Run a command; what a recording refuses is one sentence in the notice bar."""
        try:
            command.run(self)
        except RecordingError as error:
            self.complain(str(error))

    def complain(self, sentence: str) -> None:
        """One sentence at the top of the window, or nothing for an empty one."""
        if sentence:
            self._window.notice.say(sentence, "error")

    @property
    def session(self) -> Session:
        """The Session of the window."""
        return self._session

    @property
    def training(self) -> bool:
        """Whether a training that was started here is running."""
        return self.trainings.running

    # Recordings

    def open_path(self, path: str) -> None:
        """Open a recording, or ask how to start a script."""
        if kind_of(Path(path)) == "script":
            self.trainings.ask("script", path, settings.runs_folder(self._kept))
        else:
            self.follower.open(recording_path(Path(path)))

    def show_recording(self, recording: Recording, path: Path, *, follow: bool) -> None:
        """Show a recording that was opened already."""
        self.follower.attach(recording, path, follow=follow)

    def close_recording(self) -> None:
        """Back to the welcome page; a training goes on."""
        self._window.waiting_for, self._window.log_first = None, False
        self.follower.close()
        self._window.setWindowTitle("Gradwalk")
        self._window.refresh()

    def open_dialog(self) -> None:
        """Ask for a recording (or a script) and open it."""
        open_dialog(self._window, self._folder(), self.open_path)

    def open_folder_dialog(self) -> None:
        """Ask for a run folder and open it."""
        open_folder_dialog(self._window, self._folder(), self.open_path)

    def open_script_dialog(self) -> None:
        """Ask for a training script and start it."""
        open_script_dialog(self._window, Path.cwd(), self.open_path)

    def places_of_runs(self) -> list[Path]:
        """Folders in which, or right below which, trainings may be recorded."""
        recent = [Path(path) for path in self._kept.recent]
        return [settings.runs_folder(self._kept), Path.cwd() / RUNS, *recent, *dict.fromkeys(path.parent for path in recent)]

    def _folder(self) -> Path:
        runs = settings.runs_folder(self._kept)
        return runs if runs.is_dir() else Path.cwd()

    def _on_opened(self, path: str) -> None:
        self._kept = settings.remember(self._kept, str(Path(path).absolute()))
        self._show_recent()
        self._window.setWindowTitle(f"{Path(path).name} - Gradwalk")
        self._window.say_waiting(WAITING, path)

    def _on_recording_ended(self, how: str) -> None:
        self._session.end_following()
        self._window.tell_stops()
        if self._session.state.length == 0 and self.follower.recording is not None:
            notes = [note.message for note in self.follower.recording.notes if note.kind != "end"]
            self._window.say_waiting("No step was recorded", notes[-1] if notes else "", hope=False)

    def _show_recent(self) -> None:
        self._window.show_recent(self._kept.recent, self.open_path)

    # Trainings

    def start_example(self, name: str) -> None:
        """Ask for device, steps and seed and start an example."""
        self.trainings.ask("example", name, settings.runs_folder(self._kept))

    def run_again(self) -> None:
        """Ask what to change in the example that is open, and run it again."""
        self.reruns.ask(settings.runs_folder(self._kept))

    def stop_training(self) -> None:
        """Stop the training that was started here."""
        self.stops.forget_presses()
        self.trainings.stop()

    def show_log(self) -> None:
        """Show the log panel."""
        self._window.show_log()

    def _on_training_changed(self) -> None:
        self._window.training = self.training
        self._window.refresh()

    # Alerts

    def next_alert(self, by: Literal[1, -1]) -> None:
        """Go to the next (or previous) alert of a watch that is on, across steps, and say what it is."""
        self.watcher.next(by)

    # The reference

    def check_step(self) -> None:
        """Check every op of the step that is shown against the NumPy reference."""
        self.checker.check_step()

    def check_next(self) -> None:
        """Have the training check its next step while it runs."""
        self._check_next.check_next()

    # Pictures

    def export_image(self) -> None:
        """Ask for a format and write the graph into a file."""
        if self._session.state.trace is None:
            return
        suggested = pictures.suggested(self._session.state, Path.cwd())
        self._open(ExportDialog(suggested, partial(pictures.export_image, self._window), self._window))

    def export_loss(self) -> None:
        """Ask for a file and write the loss curve into it."""
        filters = "Pictures and tables (*.png *.svg *.csv)"
        save_dialog(self._window, "Export loss curve", Path.cwd() / "loss.png", filters, self._write_loss)

    def _write_loss(self, path: str) -> None:
        self.complain(pictures.export_loss(self._window, Path(path)))

    def copy_image(self, *, window: bool) -> None:
        """Put a picture of the graph (or the window) on the clipboard."""
        pictures.copy(self._window, whole_window=window)

    def screenshot(self, *, window: bool) -> None:
        """Save a picture of the graph (or the window) among the user's pictures."""
        self.complain(pictures.screenshot(self._window, whole_window=window))

    # The window

    def fit(self, *, selection: bool) -> None:
        """Fit the selection (or the whole graph) into the canvas."""
        if selection:
            self._window.graph.fit_selection()
        else:
            self._window.graph.fit_all()

    def zoom(self, factor: float) -> None:
        """Zoom the canvas."""
        self._window.graph.zoom_by(factor)

    def copy_name(self) -> None:
        """Put the name of what is selected on the clipboard."""
        state = self._session.state
        if state.trace is not None and state.selection is not None:
            QGuiApplication.clipboard().setText(name_of(state.trace.graph, state.selection))

    def find(self) -> None:
        """Show the find bar over the graph."""
        self._window.graph.open_find()

    def filter_events(self) -> None:
        """Show the events and go to the field of their filter."""
        self._window.desk.focus_filter()

    def go_to_node(self) -> None:
        """Ask for a module, an op, a parameter or a Node by its name, and go there."""
        trace = self._session.state.trace
        if trace is not None:
            go = partial(self._window.graph.go_to, unfold=True)
            self._drop_down(GoTo(trace.graph, go, self._window.theme, self._window))

    def arrange(self, layout: str) -> None:
        """Arrange the panels as a named layout does."""
        self._window.desk.arrange(layout)

    def maximise_panel(self) -> None:
        """Give the panel that has the focus all the room, or bring the others back."""
        self._window.desk.maximise(self._window.desk.focused_dock())

    def show_panel(self, name: str) -> None:
        """Show a panel and give it the focus."""
        self._window.desk.focus_dock(name)

    def full_screen(self) -> None:
        """Switch full screen on or off."""
        self._window.setWindowState(self._window.windowState() ^ Qt.WindowState.WindowFullScreen)

    def toggle_theme(self) -> None:
        """Change between the light and the dark theme."""
        self._session.set(theme="light" if self._window.theme.dark else "dark")

    def show_palette(self) -> None:
        """Show the command palette."""
        self._drop_down(Palette(self._window.actions_, self._window.theme, self._window))

    def show_keys(self) -> None:
        """Show the sheet of keys."""
        self._open(KeySheet(self._window))

    def show_tour(self) -> None:
        """Start the tour at its first stop."""
        self.tour.start()

    def _on_tour(self) -> None:
        """The tour starts by itself: never again, even if the app is killed now."""
        self._kept = replace(self._kept, toured=True)
        if self._file is not None:
            settings.save(self.present_settings(), self._file)

    def show_about(self) -> None:
        """Say what this program is and which versions it runs on."""
        self._open(About(self._window))

    def show_preferences(self) -> None:
        """Show the preferences."""
        self._open(Preferences(self.present_settings(), self.apply_settings, self._window))

    def reset_window(self) -> None:
        """Forget panels, sizes and preferences."""
        self.apply_settings(replace(Settings(), recent=self._kept.recent, toured=self._kept.toured))
        self._window.desk.arrange("Debug")

    def quit(self) -> None:
        """Close the window."""
        self._window.close()

    def _drop_down(self, chooser: Chooser) -> None:
        chooser.move(self._window.geometry().center().x() - chooser.width() // 2, self._window.geometry().top() + 80)
        self._open(chooser)

    def _open(self, dialog: QDialog) -> None:
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    # Settings and theme

    def present_settings(self) -> Settings:
        """The settings as they would be saved now."""
        state = self._session.state
        geometry, docks = self._window.saveGeometry(), self._window.desk.saved()
        now: dict[str, Any] = {name: getattr(state, name) for name in settings.IN_STATE}
        return replace(
            self._kept,
            **now,
            probes=self.pins.texts,
            breakpoints=self.kept_stops.texts,
            geometry=settings.text_of(geometry.data()),
            docks=settings.text_of(docks.data()) or self._kept.docks,
        )

    def apply_settings(self, wanted: Settings) -> None:
        """Take over preferences."""
        rescaled = wanted.font_scale != self._kept.font_scale
        self._kept = wanted
        self._session.set(**{name: getattr(wanted, name) for name in settings.IN_STATE})
        if rescaled:
            self._dress()
            self._window.make_views_anew()

    def restore_window(self) -> None:
        """Size, place and docks as they were saved."""
        geometry, desk = (QByteArray(settings.bytes_of(text)) for text in (self._kept.geometry, self._kept.docks))
        self._window.restore(geometry, desk)

    def close(self) -> None:
        """Save the settings and end what was started here."""
        if self._closed:
            return
        self._closed = True
        if self._file is not None:
            settings.save(self.present_settings(), self._file)
        self._window.hide()
        self.stops.pausing.close()
        self.trainings.end_all()
        self.watcher.close()
        self.others.copies.close()
        self.chaining.close()
        self.checker.close()
        self.follower.close()

    def _on_changed(self, old: State, new: State) -> None:
        if old.theme != new.theme:
            self._dress()
        if new.trace is not None and old.trace is None:
            self._window.waiting_for = None
            self._window.refresh()

    def _dress(self, *_: object) -> None:
        theme = theme_of(self._session.state)
        style.apply(cast("QApplication", QApplication.instance()), theme, self._kept.font_scale)
        self._window.set_theme(theme)


def theme_of(state: State) -> Theme:
    """The theme that a State asks for; ``system`` follows the desktop."""
    if state.theme == "system":
        dark = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
        return DARK if dark else LIGHT
    return DARK if state.theme == "dark" else LIGHT
