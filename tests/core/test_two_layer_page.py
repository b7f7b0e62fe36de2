"""docs/two-layer-net-by-hand.md is what its script makes of the registry and the recorded step today."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_two_layer_page.py"
NUMBER = re.compile(r"-?\d+\.\d{4}\b")


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT), run_name="script")


@pytest.fixture(scope="module")
def step(script, tmp_path_factory):
    return script["recorded"](tmp_path_factory.mktemp("page"))


def text_and_numbers(page):
    """A page without its numbers (and the blanks that depend on their widths), and the numbers."""
    return re.sub(r" +", " ", NUMBER.sub("#", page)).replace("\n ", "\n"), np.array([float(x) for x in NUMBER.findall(page)])


def test_the_page_is_up_to_date(script, step):
    text, numbers = text_and_numbers(script["page"](step))
    written, there = text_and_numbers(script["PAGE"].read_text(encoding="utf-8"))
    assert text == written, f"write it anew: python {SCRIPT.relative_to(SCRIPT.parents[1])}"
    assert len(numbers) > 100
    assert np.abs(numbers - there).max() <= 1.5e-4, "the last digit may round the other way on another machine"


def test_its_lines_of_numpy_are_the_whole_step(script, step):
    page = script["PAGE"].read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)\n```", page, re.DOTALL)[-1]
    graph = step.trace.graph
    read = {value for op in graph.ops if op.phase == "forward" for value in op.inputs}
    names = {graph.values[value].name: step.elements["value", value] for value in read if graph.values[value].name}
    before = {name: array.copy() for name, array in names.items()}
    exec(code, {"np": np}, names)
    assert names["loss"] == pytest.approx(step.trace.loss, rel=1e-6)
    for name in ("w1", "w2"):
        value = next(value.id for value in graph.values if value.name == name)
        edge = next(edge for edge in graph.edges if edge.value == value and edge.target == -1)
        assert np.allclose(names[f"grad_{name}"], step.elements["gradient", edge.id], rtol=1e-5, atol=1e-6)
        assert np.allclose(names[name], before[name] - 0.01 * step.elements["gradient", edge.id], rtol=1e-6)
    assert (
        "#".join(re.findall(r"^## (.*)$", page, re.MULTILINE)) == "What it starts from#Forward#Backward#Update#All of it in NumPy"
    )


def test_a_changed_number_or_formula_would_be_seen(script, step):
    page = script["page"](step)
    other = page.replace("dL/dX = dL/dZ @ W.T", "dL/dX = dL/dZ @ W")
    assert text_and_numbers(other)[0] != text_and_numbers(page)[0]
    first = NUMBER.search(page).group()
    assert np.abs(text_and_numbers(page.replace(first, f"{float(first) + 0.01:.4f}"))[1] - text_and_numbers(page)[1]).max() > 5e-3
