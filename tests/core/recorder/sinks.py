"""A sink that keeps what it is given."""

from __future__ import annotations

from gradwalk.recording.checks import Checks
from gradwalk.recording.retention import Keep
from gradwalk.trace import Trace


class ListSink:
    """Stands for the recording: keeps every Trace and note."""

    def __init__(self, level: str = "statistics", every: int = 1, steps: int | None = None, keep: Keep = Keep.FULL) -> None:
        self.level, self.every, self.steps, self.keep = level, every, steps, keep
        self.checks = Checks()
        self.traces: list[Trace] = []
        self.partials: list[Trace] = []
        self.failures: list[Trace] = []
        self.notes: list[tuple[str, str, int]] = []
        self.sources: dict[str, str] = {}

    @property
    def ring_bytes(self) -> int:
        return 8 << 20

    def wants(self, step: int) -> bool:
        return step % self.every == 0 and (self.steps is None or step < self.steps)

    def plan(self, step: int) -> Keep:
        return Keep.NONE if self.level == "structure" else self.keep

    def everything(self, step: int) -> bool:
        return self.level == "tensors"

    def add(self, trace: Trace) -> None:
        self.traces.append(trace)

    def partial(self, trace: Trace) -> None:
        self.partials.append(trace)

    def failed(self, trace: Trace) -> None:
        self.failures.append(trace)

    def note(self, kind: str, message: str, step: int = -1) -> None:
        self.notes.append((kind, message, step))

    def source(self, file: str, text: str) -> None:
        self.sources[file] = text

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.notes]
