"""The DOT export holds the graph, whatever its names."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from gradwalk.dot import dot_source
from gradwalk.sample import sample_trace


@pytest.mark.parametrize("mode", ["ops", "tensors"])
def test_it_names_every_op_leaf_and_gradient(mode):
    trace = sample_trace()
    text = dot_source(trace, len(trace.tape), mode=mode)
    for name in ("mm", "clamp", "pow", "sum", "w1", "w2"):
        assert name in text
    assert text.count("style=dashed") == 7
    assert "loss 2.96841e+07" in text


def test_before_the_backward_no_gradient_is_there():
    trace = sample_trace()
    assert dot_source(trace, 6).count("not yet") == 7
    assert "not yet" not in dot_source(trace, len(trace.tape))
    assert "not yet" not in dot_source(trace, 0, halves="forward")


def test_the_next_op_has_a_thick_outline():
    assert re.search(r'op1 \[label="clamp[^]]*penwidth=3', dot_source(sample_trace(), 1))


@pytest.mark.parametrize("name", ['a"b', "back\\slash", "<b>html</b>", "größe 梯度", "line\nbreak"])
def test_odd_names_are_escaped(name, tmp_path):
    trace = sample_trace()
    values = tuple(replace(value, name=name) if value.name == "w1" else value for value in trace.graph.values)
    text = dot_source(replace(trace, graph=replace(trace.graph, values=values)), 3)
    assert text.count("{") == text.count("}")
    assert len(re.findall(r'(?<!\\)"', text)) % 2 == 0
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tplain"], input=text.encode(), capture_output=True, check=True)
