"""What runs without a parameter that no op of the step reads: there is no event to name, so its module is named instead."""

from __future__ import annotations

from ..tape import label_of
from ..trace import NONE, Frame, Graph, ModuleCall, Op, Site, Trace
from .alert import line_of


def without(trace: Trace, value: int) -> str:
    """``no op of the step reads it; net.decoder (Decoder) runs without it, model.py:88``."""
    graph = trace.graph
    holder = holder_of(graph, label_of(graph.values[value]))
    op = next((op for op in graph.ops if op.phase == "forward" and op.site != NONE and _is_inside(graph, op, holder)), None)
    named = f"{holder.path} ({holder.kind})" if holder is not None else "the forward"
    runs = "" if op is None else f"; {named} runs without it, {line_of(_line_in(graph.sites[op.site], holder))}"
    return f"no op of the step reads it{runs}"


def holder_of(graph: Graph, parameter: str) -> ModuleCall | None:
    """The innermost module that ran and that a parameter, by its name, may be in; None where that is not clear."""
    owner = parameter
    while "." in owner:
        owner = owner.rpartition(".")[0]
        found = [call for call in graph.modules if call.path == owner or call.path.endswith(f".{owner}")]
        if found:
            return min(found, key=lambda call: len(call.path))
    outermost = {call.path: call for call in reversed(graph.modules) if call.parent == NONE}
    return next(iter(outermost.values())) if len(outermost) == 1 else None


def _is_inside(graph: Graph, op: Op, holder: ModuleCall | None) -> bool:
    """Whether an op ran in a module's call, or in one that it made."""
    module = op.module
    while holder is not None and module not in (NONE, holder.id):
        module = graph.modules[module].parent
    return holder is None or module == holder.id


def _line_in(site: Site, holder: ModuleCall | None) -> Site | Frame:
    """The line of the module's own ``forward`` from which an op was called; that of the op where it is not known."""
    own = [frame for frame in site.stack if holder is not None and frame.function == f"{holder.kind}.forward"]
    return own[-1] if own else site
