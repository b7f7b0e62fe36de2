"""Where a breakpoint lands that is asked for at a source line: there, or at the next line that has an op. No Qt."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from gradwalk.trace import NONE, Graph

NONE_YET = "No op recorded on this line so far"
"""What is said of a breakpoint that is shown hollow."""


@dataclass(frozen=True, slots=True)
class Landing:
    """The line (0 where there is none), and what is to be said of it, "" where it is the line that was asked for."""

    line: int
    sentence: str = ""


def lines_with_ops(graph: Graph, file: str) -> frozenset[int]:
    """The lines of a file at which ops of a structure are."""
    sites = (graph.sites[op.site] for op in graph.ops if op.site != NONE)
    return frozenset(site.line for site in sites if site.file == file)


def lines_that_compute(text: str) -> frozenset[int]:
    """The lines at which an expression begins that may run an op; none where the text is no Python."""
    try:
        nodes = ast.walk(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    return frozenset(node.lineno for node in nodes if isinstance(node, _COMPUTE))


_COMPUTE = (ast.Call, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Subscript, ast.Attribute, ast.AugAssign)


def landing(asked: int, with_ops: frozenset[int], may_run: frozenset[int]) -> Landing:
    """Where a breakpoint at the line ``asked`` lands; ``may_run``: the lines at which a training that goes on may yet run ops."""
    if asked in with_ops:
        return Landing(asked)
    if asked in may_run:
        return Landing(asked, f"No op was recorded on line {asked} so far: the training is held there as soon as one runs")
    below = [line for line in with_ops if line > asked] or [line for line in may_run if line > asked]
    if not below:
        return Landing(0, f"No op was recorded on line {asked} or below it: a breakpoint there would never stop")
    line = min(below)
    return Landing(line, f"No op was recorded on line {asked}: the breakpoint is at line {line}, the next that has one")
