"""Programs, and a sink that keeps what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch

from gradwalk.recorder import Recorder
from gradwalk.recording.retention import Keep
from gradwalk.trace import Trace


class ListSink:
    """Stands for the recording: keeps every Trace and note."""

    def __init__(self, level: str = "statistics", every: int = 1, steps: int | None = None, keep: Keep = Keep.FULL) -> None:
        self.level, self.every, self.steps, self.keep = level, every, steps, keep
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


@contextmanager
def recording(**settings: object) -> Iterator[ListSink]:
    """Record the block; an exception ends the recording as it ends a script's."""
    sink = ListSink(**settings)  # type: ignore[arg-type]
    recorder = Recorder(sink)  # type: ignore[arg-type]
    recorder.start()
    try:
        yield sink
    except BaseException as error:
        recorder.stop(error)
        raise
    finally:
        recorder.stop()
    assert not [note for note in sink.notes if note[0] in ("fault", "off")]


@pytest.fixture
def record() -> Callable[..., object]:
    return recording


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
