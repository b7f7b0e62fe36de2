"""Why the thing that is looked at has no gradient (``gradwalk.why`` knows)."""

from __future__ import annotations

from gradwalk import why
from gradwalk.trace import Trace

from ..state import Selection


def why_no_gradient(trace: Trace, subject: Selection) -> str:
    """The sentence, or an empty string where the thing has a gradient or can have none."""
    graph = trace.graph
    if subject.kind == "value":
        values: tuple[int, ...] = (subject.id,)
    elif subject.kind == "op" and graph.ops[subject.id].phase == "forward":
        values = graph.ops[subject.id].outputs
    else:
        return ""
    return next((sentence for value in values if (sentence := why.why_no_gradient(trace, value))), "")
