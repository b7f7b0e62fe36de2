from __future__ import annotations

import contextlib
import io
import linecache
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gradwalk.numpy_tape import install
from gradwalk.recording.retention import Keep, Retention
from gradwalk.tape import index
from gradwalk.trace import NONE, Graph, Trace

# The two-layer net, as somebody would type it in.
TWO_LAYERS = """
import numpy as np

N, D_in, H, D_out = {sizes}
np.random.seed(0)
x = np.random.randn(N, D_in)
y = np.random.randn(N, D_out)
w1 = np.random.randn(D_in, H)
w2 = np.random.randn(H, D_out)
learning_rate = 1e-6
for t in range({steps}):
    h = x.dot(w1)
    h_relu = np.maximum(h, 0)
    y_pred = h_relu.dot(w2)
    loss = np.square(y_pred - y).sum()
    print(t, loss)
    grad_y_pred = 2.0 * (y_pred - y)
    grad_w2 = h_relu.T.dot(grad_y_pred)
    grad_h_relu = grad_y_pred.dot(w2.T)
    grad_h = grad_h_relu.copy()
    grad_h[h < 0] = 0
    grad_w1 = x.T.dot(grad_h)
    w1 -= learning_rate * grad_w1
    w2 -= learning_rate * grad_w2
"""


def two_layers(steps: int, sizes: str = "64, 1000, 100, 10") -> str:
    return TWO_LAYERS.format(steps=steps, sizes=sizes)


class Collecting:
    """A sink that keeps what comes, in the way of gradwalk.recording.sink.Sink."""

    def __init__(self, level: str = "statistics", every: int = 1, steps: int | None = None) -> None:
        self.level, self.every, self.steps = level, every, steps
        self.traces: list[Trace] = []
        self.failures: list[Trace] = []
        self.notes: list[tuple[str, str]] = []
        self.sources: dict[str, str] = {}
        self._retention = Retention()

    def wants(self, step: int) -> bool:
        return step % self.every == 0 and (self.steps is None or step < self.steps)

    def plan(self, step: int) -> Keep:
        return Keep.NONE if self.level == "structure" else self._retention.plan(step)

    def everything(self, step: int) -> bool:
        return self.level == "tensors"

    def add(self, trace: Trace) -> None:
        self.traces.append(trace)

    def failed(self, trace: Trace) -> None:
        self.failures.append(trace)

    def note(self, kind: str, message: str, step: int = -1) -> None:
        self.notes.append((kind, message))

    def source(self, file: str, text: str) -> None:
        self.sources[file] = text


@dataclass
class Ran:
    """What a script did."""

    out: str
    names: dict[str, Any]
    error: BaseException | None
    sink: Collecting = field(default_factory=Collecting)

    @property
    def traces(self) -> list[Trace]:
        assert [note for note in self.sink.notes if note[0] == "fault"] == []
        return self.sink.traces

    @property
    def losses(self) -> list[float | None]:
        return [trace.loss for trace in self.traces]


class Scripts:
    """Runs scripts as ``__main__``, in this process, with a tape and without."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        linecache.checkcache(str(path))
        return path

    def plain(self, text: str) -> Ran:
        return self._run(self.write("script.py", text))

    def taped(self, text: str, sink: Any = None, *, prepare: Any = None) -> Ran:
        path = self.write("script.py", text)
        sink = sink or Collecting()
        tape = install(sink, self.folder)
        error: BaseException | None = None
        try:
            if prepare is not None:
                prepare(tape)
            ran = self._run(path)
            error = ran.error
        finally:
            tape.close(error)
        ran.sink = sink
        return ran

    def _run(self, path: Path) -> Ran:
        module = types.ModuleType("__main__")
        module.__file__ = str(path)
        old, before = sys.modules["__main__"], set(sys.modules)
        sys.modules["__main__"] = module
        sys.path.insert(0, str(self.folder))
        out, error = io.StringIO(), None
        try:
            with contextlib.redirect_stdout(out):
                exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
        except Exception as raised:
            error = raised
        finally:
            sys.modules["__main__"] = old
            sys.path.remove(str(self.folder))
            for name in set(sys.modules) - before:
                if str(self.folder) in str(getattr(sys.modules[name], "__file__", "")):
                    del sys.modules[name]
        return Ran(out.getvalue(), module.__dict__, error)


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path)


def label(graph: Graph, value: int) -> str:
    """``grad_h.1`` for the first new version of grad_h; ``-`` for what has no name."""
    there = graph.values[value]
    return (there.name or "-") + (f".{there.version}" if there.version else "")


def lines(trace: Trace) -> list[str]:
    """One line per event: phase, kind, op, inputs, outputs, and whose gradient it is."""
    graph, found = trace.graph, []
    for event in (graph.events[i] for i in trace.tape):
        if event.kind == "loss":
            found.append(f"loss {label(graph, event.ref)}")
            continue
        op = graph.ops[event.ref]
        of = [graph.values[value].gradient_of for value in op.outputs]
        names = ", ".join(label(graph, value) for value in op.outputs)
        gradient = "".join(f" = dL/d{label(graph, value)}" for value in of if value != NONE)
        kind = "" if event.kind == "op" else f" ({event.kind})"
        found.append(
            f"{event.phase}{kind} {op.name}({', '.join(label(graph, value) for value in op.inputs)}) -> {names}{gradient}"
        )
    return found


def edges(trace: Trace) -> list[str]:
    """``subtract > dot y_pred by grad_y_pred`` per edge, in order."""
    graph = trace.graph

    def end(node: int) -> str:
        if node == NONE:
            return "-"
        there = graph.nodes[node]
        return label(graph, there.leaf) if there.leaf != NONE else graph.ops[there.op].name

    return [
        f"{end(e.source)} > {end(e.target)} {label(graph, e.value)} by {label(graph, e.by)}"
        for e in sorted(graph.edges, key=lambda edge: edge.id)
    ]


def roles(trace: Trace, role: str) -> list[str]:
    return [label(trace.graph, value.id) for value in trace.graph.values if value.role == role]


def events_of_edges(trace: Trace) -> dict[int, int]:
    """Per edge the event that makes its gradient."""
    return {edge: event.id for event in trace.graph.events for edge in index(trace.graph).edges_of_event[event.id]}
