"""Steps to draw: with modules, with a residual where gradients meet, with NaN, without a backward, and with an error."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import pytest

from gradwalk.builder import GraphBuilder
from gradwalk.sample import SampleRecording, sample_trace, statistics_of
from gradwalk.trace import NONE, Kept, StepError, Trace, empty_table
from gradwalk_gui.graph.canvas import GraphCanvas
from gradwalk_gui.session import Session
from gradwalk_gui.theme import LIGHT


@dataclass
class Made:
    """A step under construction: every value and edge has an array, whose statistics go into the Trace."""

    build: GraphBuilder = field(default_factory=GraphBuilder)
    values: dict[int, np.ndarray] = field(default_factory=dict)
    edges: dict[int, np.ndarray] = field(default_factory=dict)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def value(self, shape, name="", *, grad=True, leaf=False, scale=1.0):
        made = self.build.add_value(shape, "float32", name=name, role="leaf" if leaf else "input", requires_grad=grad)
        self.values[made] = self.random.standard_normal(shape) * scale
        return made

    def op(self, name, inputs, shape, *, module=NONE, variable="", grad=True, **more):
        out = self.value(shape, variable, grad=grad)
        op = self.build.add_op(name, inputs, (out,), module=module, variable=variable, **more)
        self.build.add_event("op", "forward", op)
        return op, out

    def edge(self, source, target, of, scale=1.0, **more):
        made = self.build.add_edge(source, target, value=of, **more)
        shape = self.build.values[of].shape if of != NONE else ()
        self.edges[made] = self.random.standard_normal(shape) * scale
        return made

    def trace(self, **changes) -> Trace:
        graph = self.build.freeze()
        values, gradients = empty_table(len(graph.values)), empty_table(len(graph.edges))
        for i, array in self.values.items():
            values[:, i] = statistics_of(array)
        for i, array in self.edges.items():
            gradients[:, i] = statistics_of(array)
        tensors = {("gradient", i): Kept(array, "float32", array.shape) for i, array in self.edges.items()}
        made = Trace(
            0,
            graph,
            np.arange(len(graph.events), dtype=np.int32),
            values,
            gradients,
            loss=2.3026,
            tensors=MappingProxyType(tensors),
        )
        return replace(made, **changes)


def make_mlp(rows: int = 64) -> Trace:
    """net(fc1, relu, fc2) with cross entropy (one op, two Nodes), SGD, zero_grad."""
    made = Made()
    build = made.build
    net = build.add_module("net", "net", "TwoLayerNet")
    calls = {
        name: build.add_module(name, f"net.{name}", kind, net)
        for name, kind in (("fc1", "Linear"), ("relu", "ReLU"), ("fc2", "Linear"))
    }
    x = made.value((rows, 784), "x", grad=False)
    params = {}
    out, ops, outs = x, {}, {}
    for name, size in (("fc1", (128, 784)), ("relu", ()), ("fc2", (10, 128))):
        inputs = (out,)
        if size:
            weight = params[f"{name}.weight"] = made.value(size, f"net.{name}.weight", leaf=True)
            bias = params[f"{name}.bias"] = made.value(size[:1], f"net.{name}.bias", leaf=True)
            inputs = (out, weight, bias)
        ops[name], out = made.op("linear" if size else "relu", inputs, (rows, size[0] if size else 128), module=calls[name])
        outs[name] = out
    target = made.value((rows,), "target", grad=False)
    entropy, loss = made.op("cross_entropy", (out, target), (), variable="loss")
    build.add_event("loss", "loss", loss)
    nll = build.add_node("NllLossBackward0", op=entropy)
    softmax = build.add_node("LogSoftmaxBackward0", op=entropy)
    nodes = {
        name: build.add_node(node, op=ops[name])
        for name, node in (("fc2", "AddmmBackward0"), ("relu", "ReluBackward0"), ("fc1", "AddmmBackward0"))
    }
    leaves = {name: build.add_node("AccumulateGrad", leaf=value) for name, value in params.items()}
    made.edge(NONE, nll, loss)
    made.edge(nll, softmax, NONE)
    made.edge(softmax, nodes["fc2"], outs["fc2"], 1e-2)
    made.edge(nodes["fc2"], nodes["relu"], outs["relu"], 1e-3)
    made.edge(nodes["relu"], nodes["fc1"], outs["fc1"], 1e-4)
    for name, node in leaves.items():
        scale = 1e-3 if "fc2" in name else 1e-6
        made.edge(nodes[name.split(".")[0]], node, params[name], scale, output=1)
        made.edge(node, NONE, params[name], scale)
    for node in (nll, softmax, nodes["fc2"]):
        build.add_event("node", "backward", node)
    for name in ("fc2.bias", "fc2.weight"):
        build.add_event("accumulate", "backward", leaves[name])
    for name in ("relu", "fc1"):
        build.add_event("node", "backward", nodes[name])
    for name in ("fc1.bias", "fc1.weight"):
        build.add_event("accumulate", "backward", leaves[name])
    for value in params.values():
        after = build.add_value(build.values[value].shape, "float32", name=build.values[value].name, version=1, base=value)
        build.add_event("update", "update", build.add_op("SGD.step", (value,), (after,), phase="update"))
    for value in params.values():
        build.add_event("update", "update", build.add_op("zero_grad", (value,), (), phase="update"))
    return made.trace()


def make_residual() -> Trace:
    """y = relu(x w); z = y + tanh(y); loss = z.sum(): two gradients of y meet."""
    made = Made()
    build = made.build
    x, w = made.value((8, 4), "x", grad=False), made.value((4, 4), "w", leaf=True)
    mm, h = made.op("mm", (x, w), (8, 4))
    relu, y = made.op("relu", (h,), (8, 4), variable="y")
    tanh, t = made.op("tanh", (y,), (8, 4))
    add, z = made.op("add", (y, t), (8, 4), variable="z")
    total, loss = made.op("sum", (z,), (), variable="loss")
    build.add_event("loss", "loss", loss)
    nodes = [
        build.add_node(name, op=op)
        for name, op in (
            ("SumBackward0", total),
            ("AddBackward0", add),
            ("TanhBackward0", tanh),
            ("ReluBackward0", relu),
            ("MmBackward0", mm),
        )
    ]
    leaf = build.add_node("AccumulateGrad", leaf=w)
    made.edge(NONE, nodes[0], loss)
    made.edge(nodes[0], nodes[1], z, 0.3)
    made.edge(nodes[1], nodes[3], y, 0.16)
    made.edge(nodes[1], nodes[2], t, 0.16)
    made.edge(nodes[2], nodes[3], y, 0.08)
    made.edge(nodes[3], nodes[4], h, 0.1)
    made.edge(nodes[4], leaf, w, 0.2)
    made.edge(leaf, NONE, w, 0.2)
    for node in nodes:
        build.add_event("node", "backward", node)
    build.add_event("accumulate", "backward", leaf)
    return made.trace()


def make_bad() -> Trace:
    """The sample with NaN in what clamp gives back, Inf in y_pred, and a gradient of w2 that is exactly 0."""
    trace = sample_trace()
    gradients, values = trace.gradients.copy(), trace.values.copy()
    gradients[5, 7] = gradients[5, 8] = gradients[5, 9] = 12
    gradients[4, [7, 8, 9]] = np.nan
    gradients[1:5, [5, 6]] = 0
    values[6, 5] = 3
    return replace(trace, gradients=gradients, values=values, tensors=MappingProxyType({}))


def make_by_hand() -> Trace:
    """h = dot(x, w); loss = square(h).sum(), with grad_h = 2 h, grad_w = dot(x.T, grad_h), w -= 0.1 grad_w by hand."""
    made = Made()
    build = made.build
    x, w = made.value((8, 4), "x", grad=False), made.value((4, 2), "w", leaf=True)
    dot, h = made.op("dot", (x, w), (8, 2), variable="h")
    square, s = made.op("square", (h,), (8, 2))
    total, loss = made.op("sum", (s,), (), variable="loss")
    build.add_event("loss", "loss", loss)

    def by_hand(name, inputs, shape, variable="", of=NONE, phase="backward", kind="op", base=NONE):
        out = build.add_value(shape, "float64", name=variable, gradient_of=of, base=base, version=int(base != NONE))
        made.values[out] = made.random.standard_normal(shape)
        build.add_event(kind, phase, build.add_op(name, inputs, (out,), phase=phase, variable=variable))
        return out

    grad_h = by_hand("multiply", (h,), (8, 2), "grad_h", h)
    turned = by_hand("transpose", (x,), (4, 8))
    grad_w = by_hand("dot", (turned, grad_h), (4, 2), "grad_w", w)
    change = by_hand("multiply", (grad_w,), (4, 2), phase="update")
    by_hand("subtract", (w, change), (4, 2), "w", phase="update", kind="update", base=w)
    build.add_node("sum (by hand)", op=total)
    nodes = [build.add_node(f"{name} (by hand)", op=op) for name, op in (("square", square), ("dot", dot))]
    leaf = build.add_node("gradient (by hand)", leaf=w)
    made.edge(nodes[0], nodes[1], h, by=grad_h)
    made.edge(nodes[1], leaf, w, output=1, by=grad_w)
    made.edge(leaf, NONE, w, by=grad_w)
    return made.trace()


def make_forward_only() -> Trace:
    """Two ops and no backward."""
    made = Made()
    x = made.value((8, 4), "x", grad=False)
    _, h = made.op("exp", (x,), (8, 4), grad=False)
    made.op("sum", (h,), (), variable="total", grad=False)
    return made.trace(loss=None, label="forward only")


def make_failed() -> Trace:
    """The sample, ended by an exception in its third op."""
    trace = sample_trace()
    return replace(trace, tape=trace.tape[:3], loss=None, error=StepError("RuntimeError", "size mismatch", event=2))


MAKERS = {
    "sample": sample_trace,
    "mlp": make_mlp,
    "residual": make_residual,
    "bad": make_bad,
    "by_hand": make_by_hand,
    "forward_only": make_forward_only,
    "failed": make_failed,
}


@pytest.fixture
def traces(qapp):
    """Makers of steps by name."""
    return MAKERS


@dataclass
class OneStep:
    """A recording of one step."""

    trace: Trace

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int, /) -> Trace:
        return [self.trace][index]

    def losses(self):
        return np.array([np.nan if self.trace.loss is None else self.trace.loss])

    def source(self, file: str) -> str | None:
        return None


@pytest.fixture
def open_canvas(qtbot):
    """Opens a canvas of 1300 by 640 on a trace, or on the sample's recording."""

    def open_it(trace: Trace | None = None, *, theme=LIGHT):
        session = Session()
        session.open(SampleRecording(3) if trace is None else OneStep(trace))
        canvas = GraphCanvas(session, theme)
        qtbot.addWidget(canvas)
        canvas.resize(1300, 640)
        canvas.show()
        qtbot.waitExposed(canvas)
        return canvas

    return open_it
