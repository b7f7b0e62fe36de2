"""A synthetic model of any size with modules, for what is measured on big graphs: one step as a Trace, without torch.

Stages of blocks: attention with its views and transposes, convolutions with a way past them, a few experts side by side;
residuals in every block, and a long skip from each stage of the first half to its counterpart in the second.
``python benchmarks/big_graphs.py`` says how big they are.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gradwalk.builder import GraphBuilder
from gradwalk.trace import NONE, Op, Shape, Site, Trace, empty_table

SHAPE: Shape = (4, 64, 256)
BACKWARD = {"linear": "AddmmBackward0", "layer_norm": "NativeLayerNormBackward0", "conv2d": "ConvolutionBackward0"}


@dataclass
class Program:
    """A forward as it runs: ``op`` inside the module calls that are open; ``trace`` adds the backward and closes the step."""

    build: GraphBuilder = field(default_factory=GraphBuilder)
    inside: int = NONE
    cards: int = 0
    """How many cards the step takes wholly unfolded: forward ops, parameters and inputs, and the loss."""

    @contextmanager
    def call(self, name: str, kind: str) -> Iterator[None]:
        """A call of the module ``name`` of the one that is open."""
        outer = self.inside
        path = f"{self.build.modules[outer].path}.{name}" if outer != NONE else name
        self.inside = self.build.add_module(name, path, kind, outer)
        yield
        self.inside = outer

    def leaf(self, name: str, shape: Shape = (256, 256)) -> int:
        """A parameter of the module that is open."""
        self.cards += 1
        path = self.build.modules[self.inside].path.partition(".")[2]
        return self.build.add_value(shape, "float32", name=f"{path}.{name}", role="leaf", requires_grad=True, parameter=True)

    def input(self, name: str, shape: Shape = SHAPE) -> int:
        """A tensor that comes from outside and takes no gradient."""
        self.cards += 1
        return self.build.add_value(shape, "float32", name=name)

    def op(self, name: str, *inputs: int, variable: str = "", outputs: int = 1) -> int:
        """An op with its event; the first of its outputs, which follow each other."""
        self.cards += 1
        made = [self.build.add_value(SHAPE, "float32", name=variable, requires_grad=True) for _ in range(outputs)]
        site = self.build.add_site(Site(__file__, 1 + len(name), 1 + len(name), 4, 20, f"{name}(...)", "forward"))
        op = self.build.add_op(name, inputs, tuple(made), module=self.inside, site=site, variable=variable)
        self.build.add_event("op", "forward", op)
        return made[0]

    def layer(self, name: str, kind: str, function: str, x: int) -> int:
        """A module of one op with a weight and a bias."""
        with self.call(name, kind):
            return self.op(function, x, self.leaf("weight"), self.leaf("bias", (256,)))

    def trace(self, x: int) -> Trace:
        """The step, whose loss is the mean of ``x``."""
        self.cards += 1
        loss = self.op("mean", x, variable="loss")
        self.build.add_event("loss", "loss", loss)
        _add_backward(self.build, loss)
        return _trace_of(self.build)


def _add_backward(build: GraphBuilder, loss: int) -> None:
    """A Node per op that takes a gradient, one more for the weight of a linear; each runs when all that it waits for has."""
    ops = [op for op in build.ops if any(build.values[value].requires_grad for value in op.inputs)]
    leaves = [value for value in build.values if value.role == "leaf"]
    node_of: dict[int, int] = {}
    for number, op in enumerate(ops):
        name = BACKWARD.get(op.name, "".join(part.capitalize() for part in op.name.split("_")) + "Backward0")
        node_of |= dict.fromkeys(op.outputs, build.add_node(name, op=op.id, sequence=number))
    node_of |= {leaf.id: build.add_node("AccumulateGrad", leaf=leaf.id) for leaf in leaves}
    build.add_edge(NONE, node_of[loss], value=loss)
    readers = Counter(value for op in ops for value in op.inputs)
    for op in reversed(ops):
        _run_backward(build, op, node_of, readers)
    for leaf in leaves:
        build.add_event("update", "update", build.add_op("zero_grad", (leaf.id,), (), phase="update", variable=leaf.name))


def _run_backward(build: GraphBuilder, op: Op, node_of: dict[int, int], readers: Counter[int]) -> None:
    node = node_of[op.outputs[0]]
    build.add_event("node", "backward", node)
    for number, value in enumerate(op.inputs):
        if value not in node_of:
            continue
        source, output = node, number
        if op.name == "linear" and number == 1:
            source, output = build.add_node("TBackward0", op=op.id), 0
            build.add_edge(node, source, output=number, shape=(256, 256))
            build.add_event("node", "backward", source)
        build.add_edge(source, node_of[value], output=output, value=value)
        readers[value] -= 1
        if build.values[value].role == "leaf" and not readers[value]:
            build.add_event("accumulate", "backward", node_of[value])
            build.add_edge(node_of[value], NONE, value=value)


def _trace_of(build: GraphBuilder) -> Trace:
    graph = build.freeze()
    dice = np.random.default_rng(0)
    values, gradients = empty_table(len(graph.values)), empty_table(len(graph.edges))
    for table in (values, gradients):
        count = 65_536.0
        size = 10.0 ** dice.uniform(-7, 1, table.shape[1])
        table[:5] = [np.full(len(size), count), -3 * size, 3 * size, 0 * size, count * size**2]
        table[5:] = 0
    durations = np.full(len(graph.events), 2e-5)
    tape = np.arange(len(graph.events), dtype=np.int32)
    return Trace(
        0, graph, tape, values, gradients, loss=1.0, start=1.7e9, times=np.cumsum(durations) - durations, durations=durations
    )


def _attention(program: Program, x: int) -> int:
    with program.call("attention", "Attention"):
        parts = program.op("split", program.layer("qkv", "Linear", "linear", x), outputs=3)
        q, k, v = (program.op("transpose", program.op("view", parts + place)) for place in range(3))
        scores = program.op("div", program.op("matmul", q, program.op("transpose", k)), variable="scores")
        heads = program.op("matmul", program.op("softmax", scores, variable="weights"), v)
        joined = program.op("view", program.op("contiguous", program.op("transpose", heads)))
        return program.layer("proj", "Linear", "linear", joined)


def _transformer(program: Program, x: int, dice: random.Random) -> int:
    x = program.op("add", x, _attention(program, program.layer("ln1", "LayerNorm", "layer_norm", x)), variable="x")
    with program.call("mlp", "MLP"):
        h = program.layer("fc", "Linear", "linear", program.layer("ln2", "LayerNorm", "layer_norm", x))
        h = program.op("gelu", h, variable="h")
        if dice.random() < 0.3:
            h = program.op("mul", h, program.op("sigmoid", h), variable="gated")
        h = program.layer("out", "Linear", "linear", h)
    return program.op("add", x, h, variable="x")


def _residual(program: Program, x: int, dice: random.Random) -> int:
    past, h = x, x
    if dice.random() < 0.4:
        with program.call("past", "Sequential"):
            past = program.layer("1", "BatchNorm2d", "batch_norm", program.layer("0", "Conv2d", "conv2d", x))
    for place in range(dice.choice((2, 2, 3))):
        h = program.layer(f"conv{place}", "Conv2d", "conv2d", h)
        h = program.op("relu", program.layer(f"bn{place}", "BatchNorm2d", "batch_norm", h))
    return program.op("relu", program.op("add", h, past), variable="out")


def _experts(program: Program, x: int, dice: random.Random) -> int:
    gate = program.op("softmax", program.layer("gate", "Linear", "linear", x), variable="gate")
    outs = []
    for place in range(dice.choice((4, 6, 8))):
        with program.call(f"experts.{place}", "Expert"):
            h = program.layer("down", "Linear", "linear", program.op("gelu", program.layer("up", "Linear", "linear", x)))
        outs.append(program.op("mul", h, program.op("select", gate)))
    return program.op("add", x, program.op("sum", program.op("stack", *outs)), variable="x")


BLOCKS = {"Block": _transformer, "Residual": _residual, "Experts": _experts}


def model(cards: int = 20_000, stages: int = 12, seed: int = 0, towers: int = 1) -> Trace:
    """A step of a model that takes about ``cards`` cards wholly unfolded (between 1.0 and 1.02 times as many from 5,000 on).

    With ``towers`` it is as many such chains of stages side by side, whose results are added up.
    """
    dice, program = random.Random(seed), Program()
    with program.call("net", "Net"):
        x = program.layer("stem", "Linear", "linear", program.input("x"))
        outs = []
        for tower in range(towers):
            with program.call(f"towers.{tower}", "Tower") if towers > 1 else nullcontext():
                outs.append(_stages(program, x, cards * tower / towers, cards * (tower + 1) / towers, stages, dice))
        x = program.op("sum", program.op("stack", *outs)) if towers > 1 else outs[0]
        x = program.layer("head", "Linear", "linear", x)
    return program.trace(x)


def _stages(program: Program, x: int, start: float, end: float, stages: int, dice: random.Random) -> int:
    """Stages of blocks until the program takes ``end`` cards, having taken ``start``."""
    skips: list[int] = []
    for stage in range(stages):
        with program.call(f"stages.{stage}", "Stage"):
            if stage >= (stages + 1) // 2 and skips:
                x = program.op("cat", x, skips.pop(), variable="joined")
            block = 0
            while program.cards < start + (end - start) * (stage + 1) / stages:
                kind = dice.choices(list(BLOCKS), (5, 3, 1))[0]
                with program.call(f"blocks.{block}", kind):
                    x = BLOCKS[kind](program, x, dice)
                block += 1
        if stage < stages // 2:
            skips.append(x)
    return x


@dataclass
class OneStep:
    """A recording of one step, as the app takes it."""

    trace: Trace

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int, /) -> Trace:
        return [self.trace][index]

    def losses(self) -> np.ndarray:
        """The loss of the step."""
        return np.array([self.trace.loss])

    def source(self, file: str) -> str | None:
        """The text of this file, which all call sites point at."""
        return Path(file).read_text(encoding="utf-8") if file == __file__ else None


def main() -> None:
    for cards in [int(word) for word in sys.argv[1:]] or [500, 5_000, 20_000]:
        graph = model(cards).graph
        drawn = sum(op.phase == "forward" for op in graph.ops) + sum(value.op == NONE for value in graph.values) + 1
        print(f"asked {cards:,}: {drawn:,} cards, {len(graph.nodes):,} Nodes, {len(graph.edges):,} gradient edges, ", end="")
        print(f"{len(graph.modules):,} module calls, {len(graph.events):,} events")


if __name__ == "__main__":
    main()
