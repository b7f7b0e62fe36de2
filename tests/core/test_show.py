"""The tape and the graph as JSON, from the built-in recording."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from gradwalk.builder import GraphBuilder
from gradwalk.graph_json import graph_json
from gradwalk.info import last_complete, loss_json
from gradwalk.sample import SampleRecording, sample_trace, statistics_of
from gradwalk.show import event_json, number_json, row_of, stats_json, tape_json
from gradwalk.trace import Trace, empty_table

FIRST = ["mm", "clamp", "mm", "sub", "pow", "sum", "loss", "SumBackward0", "PowBackward0"]


@pytest.fixture(scope="module")
def trace():
    return sample_trace()


def test_every_event_once_and_in_order(trace):
    tape = tape_json(trace)
    assert [event["index"] for event in tape] == list(range(len(trace.tape)))
    assert [event["name"] for event in tape[:9]] == FIRST
    assert [event["kind"] for event in tape].count("accumulate") == 2
    assert json.loads(json.dumps(tape, allow_nan=False)) == tape


def test_an_op_says_where_it_stands_and_what_it_gives(trace):
    event = event_json(trace, 1)
    assert (event["name"], event["expression"]) == ("clamp", "x.mm(w1).clamp(min=0)")
    assert event["file"].endswith("sample.py")
    (output,) = event["outputs"]
    assert output["shape"] == [64, 100]
    assert output["dtype"] == "float32"
    data = trace.tensors["value", output["id"]].data.astype(np.float64)
    stats = output["stats"]
    assert stats["max"] == data.max()
    assert stats["mean"] == pytest.approx(data.mean(), rel=1e-12)
    assert stats["rms"] == pytest.approx(math.sqrt((data**2).mean()), rel=1e-12)
    assert (stats["nan"], stats["inf"], stats["zero"]) == (0, 0, int((data == 0).sum()))


def test_a_node_gives_a_gradient_along_each_edge(trace):
    event = next(event for event in tape_json(trace) if event["name"] == "MmBackward0")
    assert [grad["to"] for grad in event["grads"]] == ["ClampBackward1", "AccumulateGrad w2"]
    assert [grad["shape"] for grad in event["grads"]] == [[64, 100], [100, 10]]
    assert event["expression"] == "x.mm(w1).clamp(min=0).mm(w2)"


def test_the_loss_has_its_value_and_the_seed(trace):
    event = next(event for event in tape_json(trace) if event["kind"] == "loss")
    assert event["variable"] == "loss"
    assert event["outputs"][0]["stats"]["max"] == trace.loss
    assert [grad["to"] for grad in event["grads"]] == ["SumBackward0"]


def test_a_hand_written_gradient_names_what_it_is_the_gradient_of():
    build = GraphBuilder()
    h = build.add_value((2,), "float64", name="h")
    build.add_op("dot", (), (h,))
    grad = build.add_value((2,), "float64", name="grad_h", gradient_of=h)
    op = build.add_op("copy", (h,), (grad,), phase="backward", variable="grad_h")
    build.add_event("op", "backward", op)
    trace = Trace(0, build.freeze(), np.zeros(1, np.int32), empty_table(2), empty_table(0))
    event = event_json(trace, 0)
    assert event["phase"] == "backward"
    assert event["gradient_of"] == {"id": h, "variable": "h"}
    assert event["outputs"][0]["stats"] is None


@pytest.mark.parametrize(
    ("number", "said"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf"), (0.1, 0.1), (None, None)]
)
def test_numbers_that_json_lacks_are_words(number, said):
    assert number_json(number) == said


def test_what_was_not_counted_is_null():
    column = statistics_of(np.array([1.0, 2.0]))[:, None].copy()
    column[5:] = -1
    assert stats_json(column, 0) == {
        "min": 1.0,
        "max": 2.0,
        "mean": 1.5,
        "rms": math.sqrt(2.5),
        "nan": None,
        "inf": None,
        "zero": None,
    }
    assert stats_json(empty_table(1), 0) is None


def test_floats_have_seventeen_digits(trace):
    text = json.dumps(event_json(trace, 0))
    again = json.loads(text)["outputs"][0]["stats"]
    assert again == event_json(trace, 0)["outputs"][0]["stats"]


@pytest.mark.parametrize("position", [0, 7, 12])
def test_the_graph_says_what_has_happened(trace, position):
    graph = graph_json(trace, position)
    json.dumps(graph, allow_nan=False)
    done = sum(op["done"] for op in graph["ops"]) + sum(node["done"] for node in graph["nodes"])
    assert done == position - (position >= 7)
    assert all(value["done"] for value in graph["values"] if value["role"] != "result" and value["gradient_of"] is None)
    assert [edge["stats"] is not None for edge in graph["edges"]] == [edge["done"] for edge in graph["edges"]]


def test_a_line_for_people(trace):
    number, phase, name, _, magnitude, source = row_of(trace, 0)
    assert (number, phase, name) == ("0", "forward", "mm")
    assert magnitude.startswith("64x100 ")
    assert source.endswith("x.mm(w1)")


class Losses(SampleRecording):
    def __init__(self, losses):
        from dataclasses import replace

        super().__init__(1)
        self._traces = [replace(self._traces[0], step=i, loss=loss, done=i < 2) for i, loss in enumerate(losses)]

    @property
    def graphs(self):
        return (self._traces[0].graph,)


def test_the_loss_in_three_figures():
    assert loss_json(Losses([3.0, None, 1.0, 2.0])) == {"first": 3.0, "last": 2.0, "min": 1.0}
    assert loss_json(Losses([3.0, math.nan])) == {"first": 3.0, "last": "nan", "min": 3.0}
    assert loss_json(Losses([None, 5.0, None])) == {"first": 5.0, "last": 5.0, "min": 5.0}
    assert loss_json(Losses([None, None])) is None


def test_the_last_complete_step():
    assert last_complete(Losses([1.0, 2.0, 3.0, 4.0])).step == 1
