"""Recording into a sink that keeps what it is given."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from gradwalk.recorder import Recorder

sys.path.insert(0, str(Path(__file__).parent))
from sinks import ListSink


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
