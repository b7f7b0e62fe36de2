"""Asks how to start a training: device, steps, seed, level, and where to record."""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from gradwalk.device import Cuda, probe_cuda

from .commands import EXAMPLES
from .runs import Start, command_of

LEVELS = (
    ("statistics", "Statistics of everything, tensors of some steps"),
    ("structure", "Structure only"),
    ("tensors", "All tensors of every step"),
)
EXAMPLE_STEPS = 500
MOST_STEPS = 100_000_000


class CudaProbe(QObject):
    """Asks a child process whether there is CUDA, once per app, on a thread that nobody waits for."""

    answered = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.answer: Cuda | None = None
        self._started = False
        self.answered.connect(self._keep)

    def start(self) -> None:
        """Ask, unless that was done already."""
        if not self._started:
            self._started = True
            threading.Thread(target=self._ask, name="gradwalk-cuda-probe", daemon=True).start()

    def _ask(self) -> None:
        answer = probe_cuda()
        try:
            self.answered.emit(answer)
        except RuntimeError:
            return  # the window has gone meanwhile

    def _keep(self, answer: Cuda) -> None:
        self.answer = answer


class StartDialog(QDialog):
    """``accepted`` when Start is pressed; :meth:`start` then says what to start."""

    def __init__(self, kind: str, target: str, runs: Path, probe: CudaProbe, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kind, self._target, self._runs = kind, target, runs
        title = dict(EXAMPLES).get(target, "") if kind == "example" else Path(target).name
        self.setWindowTitle(f"Start {title}")
        self.setMinimumWidth(460)
        heading, about = QLabel(title), QLabel(_about(kind, target))
        heading.setObjectName("heading")
        about.setObjectName("hint")
        about.setWordWrap(True)
        self.form = QFormLayout()
        self.form.setHorizontalSpacing(16)
        self.form.setVerticalSpacing(8)
        self.arguments, self.device, self.steps, self.seed = QLineEdit(), QComboBox(), QSpinBox(), QLineEdit()
        self.level, self.folder, self.problem = QComboBox(), QLineEdit(), QLabel()
        self._build_fields(kind, probe)
        self.problem.setObjectName("danger")
        self.problem.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.go = buttons.addButton("Start", QDialogButtonBox.ButtonRole.AcceptRole)
        self.go.setDefault(True)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 20)
        column.setSpacing(12)
        column.addWidget(heading)
        column.addWidget(about)
        column.addSpacing(4)
        column.addLayout(self.form)
        column.addWidget(self.problem)
        column.addSpacing(4)
        column.addWidget(buttons)
        self.problem.hide()

    def start(self) -> Start:
        """What the fields say."""
        seed = self.seed.text().strip()
        example = self._kind == "example"
        return Start(
            kind="example" if example else "script",
            target=self._target,
            folder=self.folder.text().strip(),
            arguments=self.arguments.text(),
            device=self.device.currentData() or "cpu",
            steps=self.steps.value(),
            seed=int(seed) if example and seed else None,
            level=str(self.level.currentData()),
        )

    def _build_fields(self, kind: str, probe: CudaProbe) -> None:
        self.steps.setRange(1 if kind == "example" else 0, MOST_STEPS)
        self.steps.setGroupSeparatorShown(True)
        self.seed.setPlaceholderText("another one at each start")
        for value, title in LEVELS:
            self.level.addItem(title, value)
        self.folder.setText(str(self._runs / new_name(Path(self._target).stem)))
        self.folder.setCursorPosition(0)
        if kind == "example":
            self.device.addItem("CPU", "cpu")
            self.steps.setValue(EXAMPLE_STEPS)
            self.form.addRow("Device", self.device)
            self.form.addRow("Steps", self.steps)
            self.form.addRow("Seed", self.seed)
            if self._target == "numpy":
                self.device.setEnabled(False)
            else:
                self._ask_for_cuda(probe)
        else:
            self.steps.setSpecialValueText("all")
            self.arguments.setPlaceholderText("as typed after the script's name, such as --epochs 3")
            self.form.addRow("Arguments", self.arguments)
            self.form.addRow("Record steps", self.steps)
        self.form.addRow("Record", self.level)
        self.form.addRow("Into", self.folder)

    def _ask_for_cuda(self, probe: CudaProbe) -> None:
        if probe.answer is not None:
            self._offer(probe.answer)
            return
        self.device.addItem("CUDA (looking for a device ...)", "")
        self.device.model().item(1).setEnabled(False)  # type: ignore[attr-defined]
        probe.answered.connect(self._offer)
        probe.start()

    def _offer(self, answer: Cuda) -> None:
        while self.device.count() > 1:
            self.device.removeItem(1)
        self.device.addItem(
            f"CUDA ({answer.name})" if answer.available else "CUDA (none found)", "cuda" if answer.available else ""
        )
        self.device.model().item(1).setEnabled(answer.available)  # type: ignore[attr-defined]
        self.device.setToolTip(answer.reason)

    def _accept(self) -> None:
        problem = self._problem()
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        if not problem:
            self.accept()

    def _problem(self) -> str:
        seed = self.seed.text().strip()
        if seed and not seed.isdecimal():
            return "The seed is a whole number, 0 or more."
        folder = self.folder.text().strip()
        if not folder or not Path(folder).is_absolute():
            return "The folder to record into needs its full path."
        if Path(folder).exists() and (not Path(folder).is_dir() or any(Path(folder).iterdir())):
            return f"There is something in {folder} already; a recording gets a folder of its own."
        try:
            command_of(self.start())
        except ValueError:
            return "A quotation mark in the arguments is not closed."
        return ""


def new_name(target: str) -> str:
    """A new run folder's name: ``run-20261123T143000Z-two_layer-7f3a``."""
    words = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in target)[:40]
    return f"run-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{words}-{secrets.token_hex(2)}"


def _about(kind: str, target: str) -> str:
    if kind == "script":
        return f"{target}\nruns unchanged in a process of its own and is recorded while it trains."
    texts = {
        "autograd": "The two-layer net with tensors and loss.backward(), updated by hand under no_grad.",
        "function": "The two-layer net with a ReLU that is a torch.autograd.Function of its own.",
        "numpy": "The two-layer net in plain NumPy, its backward pass written out by hand.",
        "compare": "The two-layer net in NumPy by hand, with autograd and with a custom Function, from the same weights.",
        "mlp": "A small nn.Module with cross-entropy, trained by an optimizer.",
    }
    return texts[target]
