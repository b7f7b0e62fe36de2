"""Which quantity of one program is which of another: told from the dataflow, whatever things are called."""

from __future__ import annotations

import runpy
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwalk import open_recording, record
from gradwalk.matching import match
from gradwalk.matching.flow import flow_of
from gradwalk.matching.pairing import pairs
from gradwalk.trace import NONE

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


@pytest.fixture
def traced(tmp_path):
    """Run a step function twice under a recording, and give the first step."""
    made = []

    def run(step, times=2):
        made.append(tmp_path / str(len(made)))
        with record(made[-1]):
            for _ in range(times):
                step()
        return open_recording(made[-1])[0]

    return run


HEAD = """
import torch
from torch.nn import functional as F

torch.manual_seed(0)
x, y = torch.randn(6, 6), torch.randn(6, 6)
a, b, c = (torch.randn(6, 6).requires_grad_() for _ in "abc")


def step():
"""
TAIL = """
loss.backward()
with torch.no_grad():
    for w in WEIGHTS:
        w -= 0.01 * w.grad
        w.grad = None
"""


@pytest.fixture
def program(tmp_path):
    """A step function from the lines of a training step over x, y and three weights, all of one shape."""

    def make(text):
        file = tmp_path / f"program_{len(list(tmp_path.glob('*.py')))}.py"
        file.write_text(HEAD + textwrap.indent(text + TAIL, "    "), encoding="utf-8")
        return runpy.run_path(str(file))["step"]

    return make


PLAIN = """
WEIGHTS = [a, b, c]
p = x.mm(a)
q = x.mm(b)
h = p * q.tanh()
out = h.clamp(min=0).mm(c)
loss = (out - y).pow(2).sum()
"""


def by_label(rows):
    return {row.label: row for row in rows}


def alone(rows):
    """The labels of the rows that one column alone has, and in which."""
    return [(row.label, [cell is not None for cell in row.cells]) for row in rows if None in row.cells]


def values(row):
    return [cell.things[0] for cell in row.cells]


def test_each_quantity_of_the_three_programs_is_on_one_row(three):
    recordings = [open_recording(folder) for folder in three]
    traces = [recording[0] for recording in recordings]
    rows = by_label(match(traces))
    wanted = {
        "x": ("", "", ""), "y": ("", "", ""), "w1": ("", "", ""), "w2": ("", "", ""),
        "h": ("dot", "mm", "mm"), "h_relu": ("maximum", "clamp", "MyReLU"), "y_pred": ("dot", "mm", "mm"),
        "np.square(y_pred - y)": ("square", "pow", "pow"), "loss": ("sum", "sum", "sum"),
        "dL/dy_pred": ("multiply", "SubBackward0", "SubBackward0"),
        "dL/dw2": ("dot", "AccumulateGrad", "AccumulateGrad"), "dL/dw1": ("dot", "AccumulateGrad", "AccumulateGrad"),
        "dL/dh_relu": ("dot", "MmBackward0", "MmBackward0"), "dL/dh": ("setitem", "ClampBackward1", "MyReLUBackward"),
        "learning_rate * grad_w1": ("multiply", "mul", "mul"), "learning_rate * grad_w2": ("multiply", "mul", "mul"),
        "w1 updated": ("subtract", "sub_", "sub_"), "w2 updated": ("subtract", "sub_", "sub_"),
    }  # fmt: skip
    found = {label: tuple(cell.op if cell else None for cell in rows[label].cells) for label in wanted}
    assert found == wanted
    main = {label: row.main for label, row in rows.items() if row.main}
    assert main == {
        "w1": "weight", "w2": "weight", "loss": "loss", "dL/dw2": "gradient", "dL/dw1": "gradient",
        "w1 updated": "updated", "w2 updated": "updated",
    }  # fmt: skip
    # The numbers agree that they are the same: nowhere further apart than rounding.
    for label in wanted:
        seen = [
            (trace.values if cell.kind == "value" else trace.gradients)[4, cell.things[0]]
            for trace, cell in zip(traces, rows[label].cells, strict=True)
        ]
        assert seen[1:] == [pytest.approx(seen[0], rel=1e-4)] * 2, label


def test_what_only_one_program_does_has_a_row_of_its_own(three):
    rows = match([open_recording(folder)[0] for folder in three])
    assert alone(rows) == [
        ("dL/dloss", [False, True, True]),
        ("dL/d(np.square(y_pred - y))", [False, True, True]),
        ("dL/d(y_pred - y)", [False, True, True]),
        ("y_pred - y", [True, False, False]),
        ("h_relu.T", [True, False, False]),
        ("w2.T", [True, False, False]),
        ("grad_h", [True, False, True]),  # the copy, before what is below 0 is taken out; MyReLU.backward clones
        ("h < 0", [True, False, True]),
        ("x.T", [True, False, False]),
    ]


def test_no_quantity_is_lost_and_none_is_on_two_rows(three):
    traces = [open_recording(folder)[0] for folder in three]
    rows = match(traces)
    for column, trace in enumerate(traces):
        shown = [row.cells[column].things[0] for row in rows if row.cells[column] and row.kind == "value"]
        graph = trace.graph
        assert len(shown) == len(set(shown))
        held = {edge.by for edge in graph.edges if edge.by != NONE}
        missing = {value.id for value in graph.values} - set(shown) - held
        # what is not there as a Value is a .grad, or inside of MyReLU what it takes and gives
        assert all(v.gradient_of != NONE or column == 2 for v in map(graph.values.__getitem__, missing))
    moments = [[row.cells[column].event for row in rows if row.cells[column]] for column in (0, 1)]
    ran = [event for event in moments[0] if event != NONE]
    assert ran == sorted(ran)


def test_names_do_not_matter(traced, program):
    renamed = PLAIN.replace("p ", "q2 ").replace("p\n", "q2\n").replace("= p ", "= q2 ").replace("out", "p")
    assert "h = q2 *" in renamed
    rows = match([traced(program(PLAIN)), traced(program(renamed))])
    assert alone(rows) == []
    again = match([traced(program(PLAIN)), traced(program(PLAIN))])
    assert [[cell.things for cell in row.cells] for row in rows] == [[cell.things for cell in row.cells] for row in again]


def test_equal_shapes_in_another_order_are_not_swapped(traced, program):
    swapped = PLAIN.replace("p = x.mm(a)\nq = x.mm(b)", "q = x.mm(b)\np = x.mm(a)").replace("[a, b, c]", "[c, b, a]")
    first, second = traced(program(PLAIN)), traced(program(swapped))
    rows = by_label(match([first, second]))
    assert alone(rows.values()) == []
    for name in ("a", "b", "c", "p", "q", "a updated", "b updated", "c updated"):
        names = [trace.graph.values[value].name for trace, value in zip((first, second), values(rows[name]), strict=True)]
        assert names == [name.removesuffix(" updated")] * 2
    for name in "abc":
        edges = [trace.graph.edges[edge].value for trace, edge in zip((first, second), values(rows[f"dL/d{name}"]), strict=True)]
        assert edges == values(rows[name])


def test_only_the_elements_tell_what_is_used_in_one_way(traced, program):
    first = traced(program("WEIGHTS = [a, b]\nloss = (x.mm(a) + x.mm(b) - y).pow(2).sum()"))
    second = traced(program("WEIGHTS = [a, b]\nloss = (x.mm(b) + x.mm(a) - y).pow(2).sum()"))
    rows = by_label(match([first, second]))
    assert alone(rows.values()) == []
    for name in "ab":
        here, there = values(rows[name])
        assert first.graph.values[here].name == second.graph.values[there].name == name


@pytest.mark.parametrize("added", ["h = h * 0.5", "h = h.sigmoid()", "h = h.clamp(min=0)"])
def test_an_added_op_is_alone_with_its_gradient(traced, program, added):
    longer = PLAIN.replace("out = h", f"{added}\nout = h")
    for programs in ((PLAIN, longer), (longer, PLAIN)):
        rows = match([traced(program(text)) for text in programs])
        lonely = alone(rows)
        assert len(lonely) == 2
        assert {tuple(there) for _, there in lonely} == {(programs[0] is longer, programs[1] is longer)}
        assert {row.kind for row in rows if None in row.cells} == {"value", "gradient"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x.mm(a)", "x @ a"),
        ("x.mm(a)", "torch.matmul(x, a)"),
        ("x.clamp(min=0).mm(a)", "F.relu(x).mm(a)"),
        ("x.clamp(min=0).mm(a)", "torch.maximum(x, torch.zeros(())).mm(a)"),
        ("x.mm(a).pow(2)", "torch.square(x.mm(a))"),
        ("x.mm(a).pow(2)", "x.mm(a) * x.mm(a)"),
        ("x.mm(a.t())", "x.mm(a.T)"),
        ("x.mm(a.t())", "x.mm(a.transpose(0, 1))"),
        ("2 * x.mm(a)", "x.mm(a) * 2"),
        ("F.linear(x, a) + b", "F.linear(x, a, b)"),
        ("F.linear(x, a, b)", "b + x.mm(a.t())"),
        ("x.mm(a).clone()", "x.mm(a).contiguous().clone()"),
    ],
)
def test_one_op_in_two_spellings(traced, program, one, other):
    used = "(a, b)" if " b" in one or "b " in one or "b" in other.split("(")[0] else "(a,)"
    texts = [f"loss = ({text} - y).pow(2).mean()\nWEIGHTS = {used}" for text in (one, other)]
    rows = by_label(match([traced(program(text)) for text in texts]))
    for label in ("x", "a", "y", "loss", "dL/da", "a updated"):
        assert None not in rows[label].cells, label


def test_activations_at_the_same_place_are_one_quantity(traced, program):
    rows = match([traced(program(PLAIN)), traced(program(PLAIN.replace("h.clamp(min=0)", "F.gelu(h)")))])
    assert alone(rows) == []
    assert ("clamp", "gelu") in {tuple(cell.op for cell in row.cells) for row in rows}


def test_another_batch_is_the_same_program(traced):
    def step(rows):
        torch.manual_seed(0)
        net, x = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)), torch.randn(rows, 4)
        return lambda: net(x).square().mean().backward()

    rows = match([traced(step(3)), traced(step(8))])
    assert alone(rows) == []


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.end = nn.Linear(2, 3)

    def forward(self, x):
        return self.end(self.conv(x).relu().mean((2, 3)))


def test_programs_that_have_nothing_in_common_have_their_rows(traced, program):
    torch.manual_seed(0)
    cnn, images = Net(), torch.randn(2, 1, 8, 8)
    first = traced(lambda: F.cross_entropy(cnn(images), torch.tensor([0, 2])).backward())
    second = traced(program(PLAIN))
    forward_only = traced(lambda: torch.ones(3).exp().sum())
    for traces in ((first, second), (second, first), (first, second, forward_only), (forward_only, first)):
        rows = match(traces)
        for column, trace in enumerate(traces):
            shown = {row.cells[column].things for row in rows if row.cells[column] and row.kind == "value"}
            assert shown >= {(value.id,) for value in trace.graph.values if value.gradient_of == NONE}


def test_gradients_that_meet_are_rows_of_their_own(traced, program):
    rows = by_label(match([traced(program("WEIGHTS = [a]\nh = x.mm(a)\nloss = (h.tanh() * h.sigmoid()).sum()")) for _ in "ab"]))
    assert {cell.op for cell in rows["dL/dh"].cells} == {"sum of 2"}
    assert [cell.op for cell in rows["dL/dh from tanh"].cells] == ["TanhBackward0"] * 2
    assert [cell.op for cell in rows["dL/dh from sigmoid"].cells] == ["SigmoidBackward0"] * 2


def test_transformer_blocks_are_matched_one_to_one(traced):
    """Also without knowing that the structures are equal, and with one op more after the second block."""
    import workloads

    def training(*, longer):
        torch.manual_seed(0)
        words = torch.randint(0, 1000, (1, 8))
        net = workloads.GPT(4, 8, 2, 8)
        if longer:
            net.blocks[1].register_forward_hook(lambda module, inputs, output: output * 1.0)
        return workloads._trained(net, words, words.view(-1)).step

    whole, longer = traced(training(longer=False), times=1), traced(training(longer=True), times=1)
    flow = flow_of(whole.graph)
    assert pairs(flow, flow) == {number: number for number in range(len(flow.quantities))}
    rows = match([whole, longer])
    assert [row.label for row in rows if row.kind == "value" and None in row.cells] == ["output * 1.0"]
    for row in rows:
        if row.kind == "value" and None not in row.cells:
            here, there = (trace.graph.values[cell.things[0]] for trace, cell in zip((whole, longer), row.cells, strict=True))
            assert here.name == there.name
            assert module(whole.graph, here) == module(longer.graph, there)


def module(graph, value):
    call = graph.ops[value.op].module if value.op != NONE else NONE
    return graph.modules[call].path if call != NONE else ""
