"""What the hover card says of ops against the NumPy reference. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from gradwalk.trace import Graph, Verdict
from gradwalk.verdicts import WORDS, Mark, mark_of, mark_of_half

from ..numbers import number
from ..verdicts import NOT_COMPARED, Verdicts

LABEL = "NumPy"
LINE = 52
"""Characters of a sentence in one row."""
NAMED = 3


def check_rows(verdicts: Verdicts, graph: Graph, ops: Sequence[int]) -> list[tuple[str, str]]:
    """Rows of label and text: of one op its figures, of several how many differ; none while nothing is known."""
    known = [verdicts.by_op[op] for op in ops if op in verdicts.by_op]
    if not known:
        return []
    texts = _of_one(graph, known[0]) if len(ops) == 1 else _of_many(known, graph, len(ops))
    return [("" if place else LABEL, text) for place, text in enumerate(texts)]


def _of_one(graph: Graph, verdict: Verdict) -> list[str]:
    if not verdict.rows:
        return [WORDS[mark_of(graph, verdict)] or NOT_COMPARED, *wrap(verdict.sentence, LINE)[:3]]
    told = []
    for backward, name in ((False, "value"), (True, "gradients")):
        rows = [row for row in verdict.rows if (row.tensor[0] == "gradient") is backward]
        mark = mark_of_half(graph, verdict, backward=backward)
        if rows:
            told.append(f"{name}: {WORDS[mark]}, max rel. error {number(max(row.relative for row in rows), 2)}")
    return told


def _of_many(known: Sequence[Verdict], graph: Graph, all_: int) -> list[str]:
    wrong = [verdict for verdict in known if mark_of(graph, verdict) is Mark.DIFFERS]
    compared = sum(bool(verdict.rows) for verdict in known)
    told = f"{len(wrong):,} of {compared:,} checked differ{'s' if len(wrong) == 1 else ''}" if wrong else f"{compared:,} agree"
    without = len(known) - compared
    parts = [
        told,
        f"{without:,} without reference" if without else "",
        f"{all_ - len(known):,} not checked" if all_ > len(known) else "",
    ]
    names = [f"differs: {graph.ops[verdict.op].name}" for verdict in wrong[:NAMED]]
    return [", ".join(part for part in parts if part), *names]
