"""Why a Value has no gradient, in one sentence with names; and the places of a step where gradients are cut off.

A gradient reaches a Value if a path of Nodes leads to it from a loss. So there are three questions, asked in this order: can it
have one at all (its dtype, ``requires_grad``), did a backward run, and where on the way from the Value to the loss does the path
end. Everything here is a walk over the Graph, with a loop, each op once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeAlias

from .tape import index, moments, value_label
from .trace import NONE, Graph, Op, Trace, Value

Reason: TypeAlias = Literal["detach", "no_grad", "inference_mode", "dtype", "not differentiable", "custom", "closure", "data"]

_INTEGERS = ("int", "uint", "bool")
_DETACHING = frozenset(("detach", "detach_"))
_FRESH = frozenset(("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "randint_like"))
"""Ops that read a tensor's shape only, together with the ``new_*`` methods: there is nothing to cut."""
_UNDIFFERENTIABLE = """
heaviside nextafter histc histogram histogramdd floor_divide frexp geqrf bernoulli bernoulli_ normal_ uniform_ random_
"""
_NO_DERIVATIVE = frozenset(_UNDIFFERENTIABLE.split())
_NAMED = 3
"""How many names a sentence holds."""


@dataclass(frozen=True, slots=True)
class Cut:
    """An op's ``output`` that has no path back to ``value``, which requires grad; ``site`` is the op's, or NONE."""

    value: int
    op: int
    output: int
    site: int
    reason: Reason


def takes_gradients(dtype: str) -> bool:
    """Whether tensors of a dtype can have gradients: floating point and complex ones."""
    return not dtype.startswith(_INTEGERS)


def cuts(graph: Graph) -> tuple[Cut, ...]:
    """Every place of the forward where a gradient cannot get through, in the order of the ops."""
    return tuple(cut for op in graph.ops if op.phase == "forward" for cut in _cuts_at(graph, op))


def sentence_of(graph: Graph, cut: Cut) -> str:
    """A cut in words: ``no gradient: detach cuts h off at model.py:88``."""
    return f"no gradient: {_how(graph, cut)}"


def without_gradient(trace: Trace) -> list[tuple[int, str]]:
    """The leaves and parameters of a step that got no gradient, as ``(Value, sentence)``, in the order of their ids."""
    found, graph = [], trace.graph
    leaves = [value for value in graph.values if value.op == NONE and (value.parameter or value.role == "leaf")]
    used = {value.name for value in leaves if _readers(graph, value.id)}
    for value in leaves:
        if _readers(graph, value.id) or not value.name or value.name not in used:  # else an older version, which was zeroed
            sentence = why_no_gradient(trace, value.id)
            if sentence:
                found.append((value.id, sentence))
    return found


def why_no_gradient(trace: Trace, value: int) -> str:
    """The sentence; an empty string where the Value got a gradient, is one itself, or was made by an update."""
    graph = trace.graph
    of = graph.values[value]
    if of.gradient_of != NONE or (of.op != NONE and graph.ops[of.op].phase != "forward"):
        return ""
    name = value_label(graph, value)
    if not takes_gradients(of.dtype):
        return f"{name} is {of.dtype}; only floating point and complex tensors have gradients."
    if not of.requires_grad:
        return _not_required(graph, of, name)
    walk = _walk_of(trace)
    if value in walk.graded:
        return ""
    unused = not _readers(graph, value)
    if unused and of.parameter:
        return f"{name} is never used: no op of this step reads it."
    if not walk.backward:
        return f"No gradient of {name} in this step: no backward() was recorded in it."
    if unused and value not in walk.losses:
        return f"{name} requires grad, but nothing in this step uses it."
    return _on_the_way(walk, value, name)


def lost_gradient(trace: Trace, value: int) -> str:
    """The sentence for a Value that could have had a gradient: it requires grad, or something it is made of does; else ""."""
    of = trace.graph.values[value]
    if of.requires_grad or (of.op != NONE and cut_behind(trace.graph, value) is not None):
        return why_no_gradient(trace, value)
    return ""


def cut_behind(graph: Graph, value: int) -> Cut | None:
    """The cut that leaves a Value without a path: that of its own op, else the nearest before it; None where nothing was cut."""
    if graph.values[value].op == NONE:
        return None
    op = graph.ops[graph.values[value].op]
    return next((cut for cut in _cuts_at(graph, op) if cut.output == value), None) or _cut_before(graph, op)


def cut_ahead(trace: Trace, value: int) -> Cut | None:
    """The cut that the sentence of :func:`why_no_gradient` names for a leaf; None where it names none."""
    walk = _walk_of(trace)
    if value in walk.graded or value in walk.losses or value in walk.onward:
        return None
    return walk.cut.get(value) or (None if walk.ends.get(value) else walk.end.get(value))


# ---------------------------------------------------------------------- Values that do not require grad


def _not_required(graph: Graph, value: Value, name: str) -> str:
    if value.op == NONE:
        return f"{name} does not require grad (requires_grad is False)."
    op = graph.ops[value.op]
    if op.parent != NONE:
        outer = graph.ops[op.parent].name
        return f"{name} is inside the forward of {outer}, where no Nodes are recorded; {outer} has a backward of its own."
    cut = cut_behind(graph, value.id)
    if cut is not None:
        return f"{name} has no path back to {value_label(graph, cut.value)}: {_how(graph, cut)}."
    return f"{name} does not require grad, because no input of {op.name} does."


def _cut_before(graph: Graph, op: Op) -> Cut | None:
    """The nearest cut among the ops that led to an op."""
    seen, pending = {op.id}, deque(op.inputs)
    while pending:
        value = graph.values[pending.popleft()]
        if value.op == NONE or value.op in seen or value.requires_grad:
            continue
        seen.add(value.op)
        maker = graph.ops[value.op]
        for cut in _cuts_at(graph, maker):
            if cut.output == value.id:
                return cut
        pending.extend(maker.inputs)
    return None


def _cuts_at(graph: Graph, op: Op) -> list[Cut]:
    values = graph.values
    asking = [i for i in op.inputs if values[i].requires_grad]
    if not asking or op.parent != NONE or op.name in _FRESH or op.name.startswith("new_"):
        return []
    return [
        Cut(asking[0], op.id, output, op.site, _reason(graph, op, output))
        for output in op.outputs
        if not values[output].requires_grad and values[output].gradient_of == NONE
    ]


def _reason(graph: Graph, op: Op, output: int) -> Reason:
    if op.name in _DETACHING:
        return "detach"
    if "inference_mode" in op.tags:
        return "inference_mode"
    if "no_grad" in op.tags:
        return "no_grad"
    if not takes_gradients(graph.values[output].dtype):
        return "dtype"
    if op.custom:
        return "custom"
    return "not differentiable" if op.name in _NO_DERIVATIVE else "data"


def _how(graph: Graph, cut: Cut) -> str:
    """What a cut does, as the end of a sentence."""
    op, at = graph.ops[cut.op], _at(graph, cut.site)
    named = value_label(graph, cut.value)
    dtype = graph.values[cut.output].dtype
    return {
        "detach": f"{op.name} cuts it off{at}",
        "no_grad": f"{op.name} ran under no_grad{at}",
        "inference_mode": f"{op.name} ran under inference_mode{at}",
        "dtype": f"{op.name}{at} gives {dtype}, and only floating point and complex tensors have gradients",
        "custom": f"{op.name}{at} marks what it returns as not differentiable",
        "closure": f"the forward of {op.name}{at} reads {named}, which was not given to apply()",
        "not differentiable": f"{op.name} is not differentiable{at}",
        "data": f"{op.name}{at} recorded no Node: it is not differentiable, or {named} was read through .data",
    }[cut.reason]


def _at(graph: Graph, site: int) -> str:
    if site == NONE:
        return ""
    found = graph.sites[site]
    return f" at {found.file.replace(chr(92), '/').rsplit('/', 1)[-1]}:{found.line}"


# ---------------------------------------------------------------------- Values that require grad


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
    """What is known of a step's backwards, and how its Values lead to the losses."""

    trace: Trace
    graph: Graph
    backward: bool
    """Whether one ran, or began."""
    losses: frozenset[int]
    graded: frozenset[int]
    """The Values that got a gradient."""
    refused: dict[int, int]
    """Of the Values that a Node gave None for, that Node. (What a backward was not asked for does not go on to a next Node.)"""
    onward: dict[int, int] = field(default_factory=dict)
    """Of a Value from which Nodes lead to a loss, the next Value on the way."""
    feeds: set[int] = field(default_factory=set)
    """The Values that a loss is computed from, with or without a path for gradients."""
    cut: dict[int, Cut] = field(default_factory=dict)
    """The first cut on the way from a Value to a loss."""
    end: dict[int, Cut] = field(default_factory=dict)
    """The first cut behind a Value, wherever that leads."""
    ends: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """A few of the Values that are made of a Value along Nodes, and that nothing reads on."""


@lru_cache(maxsize=4)
def _walk_of(trace: Trace) -> _Walk:
    graph, when = trace.graph, moments(trace)
    came = when.edges
    events = [graph.events[int(event)] for event in trace.tape]
    graded, refused = set(), {}
    for edge in graph.edges:
        if edge.value == NONE:
            continue
        if came[edge.id] != NONE:
            graded.update(_versions(graph, edge.value))
        elif edge.none and NONE not in (edge.source, edge.target) and when.nodes[edge.target] != NONE:
            refused[edge.value] = edge.source
    losses = frozenset(event.ref for event in events if event.kind == "loss")
    backward = bool(losses) or any(event.phase == "backward" for event in events)
    walk = _Walk(trace, graph, backward, losses, frozenset(graded), refused)
    for op in reversed(graph.ops):  # what reads a Value has a greater id than what made it
        if op.phase == "forward":
            _walk_back(walk, op)
    return walk


def _versions(graph: Graph, value: int) -> list[int]:
    """A Value; of a leaf that was written to before it was used (a parameter that is initialised) also what it was before."""
    versions = [value]
    while (base := graph.values[versions[-1]].base) != NONE:
        versions.append(base)
    before = graph.values[versions[-1]]
    return versions if before.op == NONE and (before.parameter or before.role == "leaf") else [value]


def _walk_back(walk: _Walk, op: Op) -> None:
    """What an op's inputs lead to, from what its outputs lead to."""
    graph, values = walk.graph, walk.graph.values
    outer = graph.ops[op.parent] if op.parent != NONE else None
    if outer is not None:  # inside the forward of a custom Function there are no Nodes
        hidden = [i for i in op.inputs if i not in outer.inputs and values[i].requires_grad]
        cuts_here = [Cut(i, outer.id, output, outer.site, "closure") for i in hidden for output in outer.outputs]
        outputs: tuple[int, ...] = ()
    else:
        cuts_here, outputs = _cuts_at(graph, op), tuple(i for i in op.outputs if values[i].requires_grad)
    onward = next((i for i in outputs if i in walk.losses or i in walk.onward), NONE)
    into = [cut for cut in cuts_here if cut.output in walk.losses or cut.output in walk.feeds]
    cut = into[0] if into else next((walk.cut[i] for i in outputs if i in walk.cut), None)
    end = cuts_here[0] if cuts_here else next((walk.end[i] for i in outputs if i in walk.end), None)
    ends = dict.fromkeys(last for i in outputs for last in walk.ends.get(i, () if i in walk.losses else (i,)))
    fed = bool(into) or any(i in walk.losses or i in walk.feeds for i in op.outputs)
    for value in op.inputs if outer is None else [cut.value for cut in cuts_here]:
        if fed:
            walk.feeds.add(value)
        if onward != NONE:
            walk.onward[value] = onward
        known = walk.cut.get(value)
        if cut is not None and not (known is not None and known.value == value != cut.value):  # the nearest, then the first
            walk.cut[value] = cut
        if end is not None:
            walk.end[value] = end
        walk.ends[value] = tuple(dict.fromkeys((*ends, *walk.ends.get(value, ()))))[: _NAMED + 1]


def _on_the_way(walk: _Walk, value: int, name: str) -> str:
    """Where the path from a Value that is used to the loss ends."""
    graph = walk.graph
    if value in walk.losses or value in walk.onward:
        path = [value]
        while path[-1] in walk.onward and path[-1] not in walk.losses:
            path.append(walk.onward[path[-1]])
        return _stopped(walk, path, name)
    losses = [value_label(graph, one) for one in sorted(walk.losses)]
    target = " and ".join(losses[:_NAMED]) or "the loss"
    if value in walk.cut:
        return f"{name} requires grad, but its path to {target} is cut: {_how(graph, walk.cut[value])}."
    made = [value_label(graph, end) for end in walk.ends.get(value, ())[:_NAMED]]
    if value in walk.end and not made:
        return f"{name} requires grad, but its path ends: {_how(graph, walk.end[value])}."
    through = f" ({', '.join(made)} {'is' if len(made) == 1 else 'are'} made of it, and not used for that)" if made else ""
    return f"{name} requires grad, but {target} does not depend on it{through}."


def _stopped(walk: _Walk, path: list[int], name: str) -> str:
    """The loss depends on the Value: which Node on the path gave nothing, or was not asked."""
    graph, trace = walk.graph, walk.trace
    for value in reversed(path):
        if value in walk.refused:
            node = graph.nodes[walk.refused[value]]
            op = graph.ops[node.op] if node.op != NONE else None
            who = f"the backward of {op.name}{_at(graph, op.site)}" if op is not None else node.name
            through = "" if value == path[0] else f", through which {name} is used"
            return f"{name} got None: {who} returned None as the gradient of {value_label(graph, value)}{through}."
    if trace.error is not None or not trace.done:
        return f"{name} got no gradient: the step ended before the backward came to it."
    loss = value_label(graph, path[-1])
    return f"{name} got no gradient: the backward of {loss} was asked for other tensors only (autograd.grad, or inputs=)."


def _readers(graph: Graph, value: int) -> list[Op]:
    """The forward ops that read a Value."""
    return [graph.ops[op] for op in index(graph).consumers[value] if graph.ops[op].phase == "forward"]
