"""The DOT text parsed back with a small reader of the language, against the trace that it was made from."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from dataclasses import dataclass, field, replace

import pytest

from gradwalk.builder import GraphBuilder
from gradwalk.dot import dot_source
from gradwalk.sample import sample_trace
from gradwalk.tape import index, moments, rms_of
from gradwalk.trace import NONE

TOKEN = re.compile(
    r'\s*(?:"((?:[^"\\]|\\.)*)"|<((?:[^<>]|<(?:[^<>]|<[^<>]*>)*>)*)>|(->)|([\[\]{}=;,])|([^\s\[\]{}=;,"<>-]+))', re.S
)


@dataclass
class Dot:
    nodes: dict[str, dict[str, str]] = field(default_factory=dict)
    edges: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    clusters: dict[str, dict[str, str]] = field(default_factory=dict)
    inside: dict[str, str] = field(default_factory=dict)


def tokens(source):
    at = 0
    while source[at:].strip():
        match = TOKEN.match(source, at)
        assert match, source[at : at + 80]
        at = match.end()
        quoted, label, arrow, mark, word = match.groups()
        yield ("text", re.sub(r'\\(["\\])', r"\1", quoted) if quoted is not None else label or arrow or mark or word)[1]


def attributes_at(words, at):
    found = {}
    if at < len(words) and words[at] == "[":
        at += 1
        while words[at] != "]":
            found[words[at]] = words[at + 2]
            at += 3
        at += 1
    return found, at


def parse(source):
    """Statements, attribute lists and nested subgraphs of the DOT language, as far as a digraph uses them."""
    words, dot, stack, at = list(tokens(source)), Dot(), [""], 3
    assert words[0] == "digraph"
    assert words.count("{") == words.count("}")
    while at < len(words):
        if words[at] == "}":
            stack.pop()
            at += 1
        elif words[at] == "subgraph":
            dot.clusters[words[at + 1]] = {}
            dot.inside[words[at + 1]] = stack[-1]
            stack.append(words[at + 1])
            at += 3
        elif words[at] in ("graph", "node", "edge"):
            at = attributes_at(words, at + 1)[1]
        elif words[at + 1] == "=":
            dot.clusters[stack[-1]][words[at]] = words[at + 2]
            at += 3
        elif words[at + 1] == "->":
            found, after = attributes_at(words, at + 3)
            dot.edges.append((words[at], words[at + 2], found))
            at = after
        else:
            dot.nodes[words[at]], after = attributes_at(words, at + 1)
            dot.inside[words[at]] = stack[-1]
            at = after
    assert not stack
    return dot


def text_of(label):
    return html.unescape(re.sub(r"<[^>]*>", " ", label))


def is_gradient(line):
    return line[2].get("dir") == "back"


@pytest.fixture(scope="module")
def trace():
    return sample_trace()


def test_every_op_leaf_input_and_the_loss_is_a_node(trace):
    dot = parse(dot_source(trace, 0))
    ops = [op for op in trace.graph.ops if op.phase == "forward"]
    assert [text_of(dot.nodes[f"op{op.id}"]["label"]).split()[0] for op in ops] == ["mm", "clamp", "mm", "sub", "pow", "sum"]
    pills = {text_of(about["label"]).split()[0] for name, about in dot.nodes.items() if name.startswith("value")}
    assert pills == {"x", "w1", "w2", "y", "loss"}


def test_forward_edges_are_the_inputs_of_the_ops(trace):
    dot = parse(dot_source(trace, 0))
    forward = [line for line in dot.edges if not is_gradient(line)]
    assert len(forward) == sum(len(op.inputs) for op in trace.graph.ops if op.phase == "forward") + 1
    mm = next(op for op in trace.graph.ops if op.name == "mm")
    assert {(f"value{value}", f"op{mm.id}") for value in mm.inputs} <= {line[:2] for line in forward}


def test_gradient_edges_bear_their_rms_once_they_ran(trace):
    end = len(trace.tape)
    gradients = [line for line in parse(dot_source(trace, end)).edges if is_gradient(line)]
    expected = [f"rms {rms_of(trace.gradients)[edge.id]:.2e}" for edge in trace.graph.edges if edge.target != NONE]
    assert [line[2]["label"] for line in gradients] == expected
    assert {line[2]["label"] for line in parse(dot_source(trace, 0)).edges if is_gradient(line)} == {"not yet"}


def test_states_follow_the_playhead(trace):
    when = moments(trace)
    for position in range(len(trace.tape) + 1):
        dot = parse(dot_source(trace, position))
        for op in trace.graph.ops:
            if op.phase != "forward":
                continue
            moment = when.ops[op.id]
            state = "ran" if moment < position else "next" if moment == position else "not yet"
            title = " ".join(filter(None, (op.name, op.variable)))
            assert f"{title}: {state}" in dot.nodes[f"op{op.id}"]["tooltip"]
            for node in index(trace.graph).nodes_of_op[op.id]:
                ran = when.nodes[node] < position
                name = trace.graph.nodes[node].name
                assert (f"{name}: ran" in dot.nodes[f"op{op.id}"]["tooltip"]) == ran


@pytest.mark.parametrize("mode", ["ops", "tensors"])
def test_halves_leave_the_other_half_out(trace, mode):
    end = len(trace.tape)
    forward, backward = (parse(dot_source(trace, end, mode=mode, halves=half)) for half in ("forward", "backward"))
    assert forward.edges
    assert not any(map(is_gradient, forward.edges))
    assert "Backward0" not in "".join(about["label"] for about in forward.nodes.values())
    assert backward.edges
    assert all(map(is_gradient, backward.edges))


def test_tensors_are_nodes_and_an_op_is_a_knot(trace):
    dot = parse(dot_source(trace, 0, mode="tensors"))
    mm = next(op for op in trace.graph.ops if op.name == "mm")
    into = {tail for tail, head, about in dot.edges if head == f"op{mm.id}" and "dir" not in about}
    assert into == {f"value{value}" for value in mm.inputs}
    assert (f"op{mm.id}", f"value{mm.outputs[0]}") in {line[:2] for line in dot.edges}


def odd_trace(name):
    build = GraphBuilder()
    x = build.add_value((2,), "float32", name=name, role="leaf")
    outer = build.add_module(name, name, name)
    inner = build.add_module(f"{name}#2", f"{name}.{name}", name, outer)
    y = build.add_value((2,), "float32", name=name)
    op = build.add_op(name, (x,), (y,), module=inner, variable=name)
    node = build.add_node(f"{name}Backward0", op=op)
    build.add_edge(NONE, node, value=y)
    build.add_event("op", "forward", op)
    return replace(sample_trace(), graph=build.freeze(), tape=sample_trace().tape[:1])


ODD = [
    'a "quoted" name',
    "back\\slash",
    "ends in \\",
    "<B>bold</B>",
    "<",
    "a & b &amp; c",
    "größe 形状 ∇",
    "new\nline",
    "\ud800",
    "{}|[];",
    "\\N",
    "",
]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("mode", ["ops", "tensors"])
def test_odd_names_come_back(name, mode):
    source = dot_source(odd_trace(name), 1, mode=mode)
    source.encode("utf-8")
    dot = parse(source)
    seen = name.replace("\n", " ").replace("\ud800", " ")
    assert f"{seen}Backward0" in text_of(dot.nodes["op0"]["label"])
    assert dot.clusters["cluster_1"]["label"] == " ".join(filter(None, (f"{seen}#2", seen)))
    assert (dot.inside["op0"], dot.inside["cluster_1"], dot.inside["cluster_0"]) == ("cluster_1", "cluster_0", "")


def test_unknown_modes_are_refused(trace):
    with pytest.raises(ValueError, match="mode"):
        dot_source(trace, 0, mode="circles")
    with pytest.raises(ValueError, match="halves"):
        dot_source(trace, 0, halves="neither")


@pytest.mark.skipif(shutil.which("dot") is None, reason="the dot program is not installed")
@pytest.mark.parametrize("mode", ["ops", "tensors"])
def test_the_dot_program_reads_it(trace, mode):
    source = dot_source(trace, 10, mode=mode)
    subprocess.run(["dot", "-Tplain"], input=source, text=True, encoding="utf-8", check=True, capture_output=True)
