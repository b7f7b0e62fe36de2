"""A tiny graph with every kind of thing in it, traces of it, and a writer that closes itself."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcap.exceptions import EndOfFile
from mcap.reader import NonSeekingReader, make_reader
from mcap.records import Message
from mcap.stream_reader import StreamReader

from gradwalk.builder import GraphBuilder
from gradwalk.recording import appending
from gradwalk.recording import writer as writing
from gradwalk.recording.columns import Part
from gradwalk.recording.info import run_info
from gradwalk.recording.writer import Writer
from gradwalk.trace import Frame, Graph, Hook, Saved, Site, Trace

HOOKS = (Hook("hook", "clip", "train.py", 12), Hook("full_backward_hook", "partial"))
SPECIAL: dict[str, Any] = {"custom": True, "tags": ("no_grad",)}


def make_graph(name: str = "y", number: int = 0) -> Graph:
    build = GraphBuilder()
    module = build.add_module("fc1#2", "net.fc1", "Linear", build.add_module("net", "net", "Net", hooks=HOOKS[1:]))
    frames = (Frame("train.py", 3, "main"), Frame("net.py", 7, "forward"))
    site = build.add_site(Site("net.py", 7, 8, 4, 11, "x.mm(w)", "forward", frames))
    x = build.add_value((4, 3), "float32", name="x", strides=(-3, 0))
    w = build.add_value((3, 2), "float32", name="w", role="leaf", requires_grad=True, parameter=True, strides=(2, 1), hooks=HOOKS)
    y = build.add_value((4, 2), "float32", name=name, requires_grad=True, device="cuda:0")
    mm = build.add_op("mm", (x, w), (y,), module=module, site=site, variable=name)
    loss = build.add_value((), "float32", name="loss", requires_grad=True)
    total = build.add_op("sum", (y,), (loss,), arguments=(("dim", "None"), ("schön", "\ud800")), parent=mm, **SPECIAL)
    build.add_event("op", "forward", mm)
    build.add_event("op", "forward", total)
    build.add_event("loss", "loss", loss)
    summed = build.add_node("SumBackward0", op=total, sequence=1)
    back = build.add_node("MmBackward0", op=mm, saved=(Saved("self", x, (4, 3), "float32", 48),), hooks=HOOKS[:1])
    grad = build.add_node("AccumulateGrad", leaf=w)
    build.add_edge(-1, summed, value=loss)
    build.add_edge(summed, back, value=y)
    build.add_edge(back, grad, output=1, value=w)
    build.add_edge(back, grad, value=x, none=True)
    build.add_edge(grad, -1, value=w, by=y)
    build.add_event("node", "backward", summed)
    build.add_event("node", "backward", back)
    build.add_event("accumulate", "backward", grad)
    return build.freeze(number)


def make_trace(step: int, graph: Graph | None = None) -> Trace:
    """Step ``step``, its numbers drawn from its own seed."""
    graph = graph or GRAPH
    random = np.random.default_rng(step)
    events = len(graph.events)
    values, gradients = random.standard_normal((8, len(graph.values))), random.standard_normal((8, len(graph.edges)))
    values[5:7] = gradients[5:7] = 0  # neither NaN nor Inf
    return Trace(
        step=step,
        graph=graph,
        tape=np.arange(events, dtype=np.int32),
        values=values,
        gradients=gradients,
        loss=float(random.standard_normal()),
        start=1.7e9 + step,
        times=np.sort(random.random(events)),
        durations=random.random(events) * 1e-4,
        scales=(65536.0,) if step % 2 else (),
        strides={0: (1, -4), 2: (1, 4)} if step % 5 == 1 else {},
    )


GRAPH = make_graph()


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


def check_same(read: Trace, written: Trace) -> None:
    for name in ("step", "graph", "loss", "start", "shapes", "strides", "rank", "label", "done", "error", "scales"):
        a, b = getattr(read, name), getattr(written, name)
        assert a == b or (a != a and b != b), name
    for name in ("tape", "values", "gradients", "times", "durations"):
        assert same_bits(getattr(read, name), getattr(written, name)), name
        assert not getattr(read, name).flags.writeable
    assert set(read.tensors) >= set(written.tensors)
    for key, kept in written.tensors.items():
        assert same_bits(read.tensors[key].data, kept.data), key
        assert replace(read.tensors[key], data=kept.data) == kept


@pytest.fixture
def graph() -> Callable[..., Graph]:
    return make_graph


@pytest.fixture
def trace() -> Callable[..., Trace]:
    return make_trace


@pytest.fixture
def same() -> Callable[[Trace, Trace], None]:
    return check_same


def check_stock(path: Path, *, closed: bool = True) -> int:
    """How many messages the stock ``mcap`` package finds in a file, CRCs on, both ways; ``closed`` False: a file without end."""
    with path.open("rb") as file:
        if not closed:
            found = 0
            try:
                for record in StreamReader(file, validate_crcs=True).records:
                    found += isinstance(record, Message)
            except EndOfFile:
                pass
            return found
        streamed = sum(1 for _ in NonSeekingReader(file, validate_crcs=True).iter_messages())
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.message_count == streamed == sum(1 for _ in reader.iter_messages())
    return streamed


@pytest.fixture
def stock() -> Callable[..., int]:
    return check_stock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def writer(folder: Path) -> Iterator[Writer]:
    made = Writer(folder, run_info(run_id="r1", script="train.py", program=("train.py", "--epochs", "3")))
    yield made
    made.close("clean")


@pytest.fixture
def finished(folder: Path, writer: Writer) -> Path:
    """A closed file of 60 steps in several chunks, with a source, notes and scalars."""
    writer.source("net.py", "y = x.mm(w)\n")
    for step in range(60):
        writer.add(make_trace(step))
        writer.scalar("lr", step, 0.1 * step)
        if step % 10 == 9:
            writer.flush()
    writer.note("mark", "here", 59)
    writer.close("clean")
    return writer.path


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> type:
    """A switch: while ``full``, every write takes 100 bytes and then fails."""

    class Disk:
        full = False

    def write_all(fd: int, parts: Sequence[Part], length: int) -> None:
        if Disk.full:
            os.write(fd, b"".join(parts)[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        real(fd, parts, length)

    real = appending._write_all
    monkeypatch.setattr(appending, "_write_all", write_all)
    monkeypatch.setattr(writing, "RETRY", 0.01)
    return Disk
