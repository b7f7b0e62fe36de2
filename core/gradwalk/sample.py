"""A built-in recording of the two-layer net, computed in NumPy: what a view shows when it runs alone, and tests start from."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from .builder import GraphBuilder
from .statistics import statistics_of as statistics_of
from .trace import NONE, Graph, Kept, Role, Saved, Site, TensorKey, Trace, empty_table

Array = NDArray[np.float32]
SIZES = (64, 1000, 100, 10)
LEARNING_RATE = 1e-6

# The lines that the sites of the sample point at, as they stand in this file.
FORWARD = "y_pred = x.mm(w1).clamp(min=0).mm(w2)"
LOSS = "loss = (y_pred - y).pow(2).sum()"


def sample_trace(step: int = 0) -> Trace:
    """Step ``step`` of the two-layer net (float32, sizes 64, 1000, 100, 10) as the recorder would give it, all tensors kept."""
    weights = _weights_at(step)
    return _trace(step, weights[0], weights[1])


class SampleRecording:
    """The first ``steps`` steps of the sample, behaving like an opened recording; they share one Graph."""

    def __init__(self, steps: int = 5) -> None:
        self._traces = [sample_trace(step) for step in range(steps)]

    def __len__(self) -> int:
        return len(self._traces)

    def __getitem__(self, index: int, /) -> Trace:
        return self._traces[index]

    def losses(self) -> NDArray[np.float64]:
        """The loss of every step."""
        return np.array([trace.loss for trace in self._traces], dtype=np.float64)

    def source(self, file: str) -> str | None:
        """The text of this module, which the sample's sites point at."""
        return Path(__file__).read_text(encoding="utf-8") if file == __file__ else None


@lru_cache(maxsize=1)
def _data() -> tuple[Array, Array]:
    random = np.random.default_rng(0)
    n, d_in, _, d_out = SIZES
    return random.standard_normal((n, d_in), dtype=np.float32), random.standard_normal((n, d_out), dtype=np.float32)


@lru_cache(maxsize=1024)
def _weights_at(step: int) -> tuple[Array, Array]:
    if step == 0:
        random = np.random.default_rng(1)
        _, d_in, hidden, d_out = SIZES
        return random.standard_normal((d_in, hidden), dtype=np.float32), random.standard_normal((hidden, d_out), dtype=np.float32)
    for before in range(1, step):  # fills the cache from below, so that no deep recursion is needed
        _weights_at(before)
    w1, w2 = _weights_at(step - 1)
    arrays = _arrays(w1, w2)
    return arrays["w1'"], arrays["w2'"]


def _arrays(w1: Array, w2: Array) -> dict[str, Array]:
    x, y = _data()
    hidden = x @ w1
    relu = np.maximum(hidden, 0)
    y_pred = relu @ w2
    error = y_pred - y
    squares = error**2
    d_pred = 2 * error
    d_relu = d_pred @ w2.T
    d_hidden = d_relu * (hidden > 0)
    d_w1, d_w2 = x.T @ d_hidden, relu.T @ d_pred
    rate = np.float32(LEARNING_RATE)
    return {
        "x": x, "w1": w1, "h": hidden, "relu": relu, "w2": w2, "y_pred": y_pred, "y": y, "error": error, "squares": squares,
        "loss": squares.sum(), "one": np.ones((), np.float32), "d_squares": np.ones_like(squares), "d_error": d_pred,
        "d_pred": d_pred, "d_relu": d_relu, "d_h": d_hidden, "d_w1": d_w1, "d_w2": d_w2,
        "step1": rate * d_w1, "step2": rate * d_w2, "w1'": w1 - rate * d_w1, "w2'": w2 - rate * d_w2,
    }  # fmt: skip


@lru_cache(maxsize=1)
def _structure() -> tuple[Graph, tuple[str, ...], tuple[str, ...]]:
    """The Graph, and for each Value and each Edge the name of its array."""
    build = GraphBuilder()
    n, d_in, hidden, d_out = SIZES
    named: list[str] = []

    def value(
        array: str,
        shape: tuple[int, ...],
        name: str = "",
        *,
        leaf: bool = False,
        version: int = 0,
        base: int = NONE,
        gradient_of: int = NONE,
    ) -> int:
        named.append(array)
        grad = leaf or array in ("h", "relu", "y_pred", "error", "squares", "loss")
        role: Role = "leaf" if leaf else "input"
        return build.add_value(
            shape, "float32", name=name, role=role, requires_grad=grad, version=version, base=base, gradient_of=gradient_of
        )

    x, w1, w2, y = value("x", (n, d_in), "x"), value("w1", (d_in, hidden), "w1", leaf=True), NONE, NONE
    forward, loss_line = _site_maker("FORWARD", FORWARD), _site_maker("LOSS", LOSS)
    op = _op_maker(build)
    h = value("h", (n, hidden))
    mm1 = op("mm", (x, w1), h, build.add_site(forward("x.mm(w1)")))
    relu = value("relu", (n, hidden))
    clamp = op("clamp", (h,), relu, build.add_site(forward("x.mm(w1).clamp(min=0)")), arguments=(("min", "0"),))
    w2 = value("w2", (hidden, d_out), "w2", leaf=True)
    y_pred = value("y_pred", (n, d_out), "y_pred")
    mm2 = op("mm", (relu, w2), y_pred, build.add_site(forward("x.mm(w1).clamp(min=0).mm(w2)")), variable="y_pred")
    y = value("y", (n, d_out), "y")
    error = value("error", (n, d_out))
    sub = op("sub", (y_pred, y), error, build.add_site(loss_line("y_pred - y")))
    squares = value("squares", (n, d_out))
    power = op("pow", (error,), squares, build.add_site(loss_line("(y_pred - y).pow(2)")), arguments=(("exponent", "2"),))
    loss = value("loss", (), "loss")
    total = op("sum", (squares,), loss, build.add_site(loss_line("(y_pred - y).pow(2).sum()")), variable="loss")
    for made in (mm1, clamp, mm2, sub, power, total):
        build.add_event("op", "forward", made)
    build.add_event("loss", "loss", loss)

    def saved(name: str, kept: int) -> Saved:
        shape = build.values[kept].shape
        return Saved(name, kept, shape, "float32", int(np.prod(shape)) * 4)

    nodes = {
        "sum": build.add_node("SumBackward0", op=total, sequence=5),
        "pow": build.add_node("PowBackward0", op=power, sequence=4, saved=(saved("self", error),)),
        "sub": build.add_node("SubBackward0", op=sub, sequence=3),
        "mm2": build.add_node("MmBackward0", op=mm2, sequence=2, saved=(saved("self", relu), saved("mat2", w2))),
        "w2": build.add_node("AccumulateGrad", leaf=w2),
        "clamp": build.add_node("ClampBackward1", op=clamp, sequence=1, saved=(saved("self", h),)),
        "mm1": build.add_node("MmBackward0", op=mm1, sequence=0, saved=(saved("self", x),)),
        "w1": build.add_node("AccumulateGrad", leaf=w1),
    }
    carried: list[str] = []

    def edge(source: str, target: str, array: str, of: int, output: int = 0) -> None:
        carried.append(array)
        build.add_edge(nodes.get(source, NONE), nodes.get(target, NONE), output=output, value=of)

    edge("", "sum", "one", loss)
    edge("sum", "pow", "d_squares", squares)
    edge("pow", "sub", "d_error", error)
    edge("sub", "mm2", "d_pred", y_pred)
    edge("mm2", "clamp", "d_relu", relu)
    edge("mm2", "w2", "d_w2", w2, output=1)
    edge("w2", "", "d_w2", w2)
    edge("clamp", "mm1", "d_h", h)
    edge("mm1", "w1", "d_w1", w1, output=1)
    edge("w1", "", "d_w1", w1)
    for name, node in nodes.items():
        build.add_event("accumulate" if name in ("w1", "w2") else "node", "backward", node)
    for leaf, name, shape in ((w1, "w1", (d_in, hidden)), (w2, "w2", (hidden, d_out))):
        number = name[-1]
        grad = value(f"d_{name}", shape, f"{name}.grad", gradient_of=leaf)
        change = value(f"step{number}", shape)
        build.add_event("op", "update", op("mul", (grad,), change, NONE, phase="update"))
        after = value(f"{name}'", shape, name, version=1, base=leaf)
        build.add_event("update", "update", op("sub_", (leaf, change), after, NONE, phase="update", variable=name))
    for leaf in (w1, w2):
        build.add_event("update", "update", build.add_op("zero_grad", (leaf,), (), phase="update"))
    return build.freeze(), tuple(named), tuple(carried)


def _op_maker(build: GraphBuilder) -> Callable[..., int]:
    def op(name: str, inputs: tuple[int, ...], output: int, site: int, **more: object) -> int:
        return build.add_op(name, inputs, (output,), site=site, **more)  # type: ignore[arg-type]

    return op


def _site_maker(constant: str, text: str) -> Callable[[str], Site]:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    line = next(i for i, content in enumerate(lines, 1) if content.startswith(f"{constant} = "))
    offset = lines[line - 1].index(text)

    def site(expression: str) -> Site:
        start = offset + text.index(expression)
        return Site(__file__, line, line, start, start + len(expression), expression, "<module>")

    return site


def _trace(step: int, w1: Array, w2: Array) -> Trace:
    graph, named, carried = _structure()
    arrays = _arrays(w1, w2)
    values, gradients = empty_table(len(graph.values)), empty_table(len(graph.edges))
    tensors: dict[TensorKey, Kept] = {}
    for i, name in enumerate(named):
        values[:, i] = statistics_of(arrays[name])
        tensors["value", i] = Kept(arrays[name], "float32", arrays[name].shape)
    for i, name in enumerate(carried):
        gradients[:, i] = statistics_of(arrays[name])
        tensors["gradient", i] = Kept(arrays[name], "float32", arrays[name].shape)
    tape = np.arange(len(graph.events), dtype=np.int32)
    durations = np.full(len(tape), 3e-5)
    return Trace(
        step=step,
        graph=graph,
        tape=tape,
        values=values,
        gradients=gradients,
        loss=float(arrays["loss"]),
        start=1.7e9 + step * 1e-3,
        times=np.cumsum(durations) - durations,
        durations=durations,
        tensors=MappingProxyType(tensors),
    )
