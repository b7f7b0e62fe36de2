"""Write docs/two-layer-net-by-hand.md: the chain of formulas of the two-layer net, from the registry and a recorded step.

``python scripts/make_two_layer_page.py``. The program is ``examples/autograd.py`` with sizes that can be read.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

import gradwalk
from gradwalk.reference.numpy_words import gradient_name
from gradwalk.tape import event_at, shape_of, value_label
from gradwalk.trace import NONE, Event, Node, Op, TensorKey, Trace
from gradwalk_gui.inspection.lesson import formula_for, outgoing_of
from gradwalk_gui.inspection.numpy_lines import lines_of, variable_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "two-layer-net-by-hand.md"
EXAMPLE = ROOT / "examples" / "autograd.py"
SIZES, SMALL = "N, D_in, H, D_out = 64, 1000, 100, 10", "N, D_in, H, D_out = 4, 3, 2, 2"
ARGUMENTS = ("--seed", "3", "--lr", "0.01", "--steps", "1", "--device", "cpu")
DIGITS = 4
HEAD = """# The two-layer net by hand

One training step of [`examples/autograd.py`](../examples/autograd.py), from its leaves to the loss, back to the gradients and on
to the update. The example has 1000 inputs and 100 hidden units; here it runs with {sizes} and
`{arguments}`, so that every matrix can be read.

This page is written by `python scripts/make_two_layer_page.py`: formulas and lines of NumPy come from the registry
(`core/gradwalk/reference/`); numbers, shapes, expressions and the order from the recorded step. A gradient is named after what it
is the gradient of: `grad_w1` is dL/dw1. Numbers have {digits} digits after the point."""
TITLES = {"forward": "Forward", "loss": "", "backward": "Backward", "update": "Update"}
Part = tuple[list[str], str]
"""Lines of NumPy, and a piece of the page."""


@dataclass(frozen=True)
class Step:
    """The recorded step, and the elements of every tensor in float64."""

    trace: Trace
    elements: dict[TensorKey, Any]

    def name(self, value: int) -> str:
        """What a Value is called in NumPy; ``grad_w1`` for ``w1.grad``."""
        of = self.trace.graph.values[value].gradient_of
        return gradient_name(variable_name(self.trace, of)) if of != NONE else variable_name(self.trace, value)


def recorded(folder: Path) -> Step:
    """Step 0 of the example with small sizes, every tensor kept."""
    text = EXAMPLE.read_text(encoding="utf-8")
    assert text.count(SIZES) == 1, f"{EXAMPLE.name} has no line with the sizes"
    script = folder / EXAMPLE.name
    script.write_text(text.replace(SIZES, SMALL), encoding="utf-8")
    before, sys.argv = sys.argv, [str(script), *ARGUMENTS]
    try:
        with redirect_stdout(StringIO()), gradwalk.record(folder / "run", level="tensors"):
            exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), {"__name__": "__main__"})
    finally:
        sys.argv = before
    with gradwalk.open_recording(folder / "run") as recording:
        trace = recording[0]
        return Step(trace, {key: np.asarray(kept.data, np.float64) for key, kept in trace.tensors.items()})


def page(step: Step) -> str:
    """The page; its code stands as ``ruff format`` would have it."""
    trace = step.trace
    head = HEAD.format(sizes=SMALL, arguments=" ".join(ARGUMENTS[:4]), digits=DIGITS)
    parts = [head, "## What it starts from", *_leaves(step)]
    code: list[str] = []
    phase = ""
    for position in range(len(trace.tape)):
        event = event_at(trace, position)
        title = TITLES[event.phase]
        if title and title != phase:
            phase = title
            parts.append(f"## {title}")
        lines, text = _event(step, position, event)
        code += lines
        parts.append(text)
    parts += ["## All of it in NumPy", "These lines, one after the other, are the whole step:", _block("\n".join(code), "python")]
    return "\n\n".join(part for part in parts if part) + "\n"


def _leaves(step: Step) -> Iterator[str]:
    graph = step.trace.graph
    used = {value for op in graph.ops if op.phase == "forward" for value in op.inputs}
    for value in graph.values:
        if value.id in used and value.op == NONE:
            what = "a leaf, which wants a gradient" if value.requires_grad else "an input"
            shape = _shape(shape_of(step.trace, value.id))
            yield f"`{value.name}`, {shape}: {what}\n\n{_numbers(step, ('value', value.id))}"


def _event(step: Step, position: int, event: Event) -> Part:
    graph = step.trace.graph
    if event.kind == "loss":
        grad, name = gradient_name(step.name(event.ref)), value_label(graph, event.ref)
        return [f"{grad} = 1.0"], f"`{name}` is the loss. The backward starts from its own derivative: `{grad} = 1.0`"
    if event.kind == "node":
        return _node(step, position, graph.nodes[event.ref])
    if event.kind == "accumulate":
        name = step.name(graph.nodes[event.ref].leaf)
        head = f"### {position}. {graph.nodes[event.ref].name} `{name}`"
        return [], f"{head}\n\n`{gradient_name(name)}` is added to `{name}.grad`, which was empty."
    return _op(step, position, graph.ops[event.ref])


def _op(step: Step, position: int, op: Op) -> Part:
    trace, graph = step.trace, step.trace.graph
    lines, formula = lines_of(trace, op), formula_for(op)
    head = f"### {position}. `{graph.sites[op.site].expression if op.site != NONE else op.name}` ({op.name})"
    if op.name == "zero_grad":
        return [], f"{head}\n\nThe gradient starts from zero again."
    assert lines is not None
    assert formula is not None
    assert lines.forward is not None, f"{op.name} has no line of NumPy"
    line = lines.forward
    for value in op.inputs:
        line = line.replace(variable_name(trace, value), step.name(value)) if graph.values[value].gradient_of != NONE else line
    reads = [
        f"{symbol} = `{step.name(value)}`, {_shape(shape_of(trace, value))}"
        for symbol, value in zip(formula.inputs, op.inputs, strict=False)
    ]
    reads += [f"{name} = {text}" for name, text in op.arguments]
    text = f"`{formula.forward}` with {'; '.join(reads)}"
    return [line], "\n\n".join([head, text, _block(line, "python"), _numbers(step, ("value", op.outputs[0]))])


def _node(step: Step, position: int, node: Node) -> Part:
    op = step.trace.graph.ops[node.op]
    formula, lines = formula_for(op), lines_of(step.trace, op)
    assert formula is not None
    assert lines is not None
    texts, code = dict(formula.gradients), []
    name = step.name(op.outputs[0])
    about = f"The backward of `{name}`: dL/d{formula.output} is `{gradient_name(name)}`."
    parts = [f"### {position}. {node.name}", about]
    for out, line in zip(outgoing_of(step.trace, op), lines.gradients, strict=True):
        assert line.code is not None, f"{op.name} has no line of NumPy for {out.symbol}"
        code.append(line.code)
        parts += [f"`{texts[out.symbol]}`", _block(line.code, "python"), _numbers(step, ("gradient", out.edge))]
    return code, "\n\n".join(parts)


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) if shape else "(a number)"


def _numbers(step: Step, key: TensorKey) -> str:
    """A small matrix as a block, its columns under each other."""
    array = np.round(step.elements[key], DIGITS) + 0.0
    rows = array.reshape(-1, array.shape[-1] if array.ndim else 1)
    cells = [[f"{x:.{DIGITS}f}" for x in row] for row in rows]
    width = max(len(cell) for row in cells for cell in row)
    return _block("\n".join("  ".join(cell.rjust(width) for cell in row) for row in cells))


def _block(text: str, language: str = "") -> str:
    text = text.replace(" ** ", "**") if language else text
    return f"```{language}\n{text}\n```"


def made() -> str:
    """Record the step, and give the page."""
    with tempfile.TemporaryDirectory() as folder:
        return page(recorded(Path(folder)))


if __name__ == "__main__":
    PAGE.write_text(made(), encoding="utf-8")
    print(f"wrote {PAGE}")
