"""The properties of what is looked at as rich text: only what the record has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from gradwalk.scales import scale_of_edge, scale_of_value
from gradwalk.strides import is_contiguous, strides_of
from gradwalk.tape import shape_of
from gradwalk.trace import NONE, Hook, Trace

from ..inspection.facts import edge_shape, kept_at
from ..inspection.modules import kept_by, size_of_parameters
from ..numbers import bytes_text, count, shape_text
from ..state import Selection
from ..theme import Theme
from ..widgets.text import mono, rows, shown


def properties(trace: Trace, subject: Selection, theme: Theme) -> str:
    """dtype, device, requires_grad, version, arguments: what the record has."""
    pairs = {"module": _of_module, "node": _of_node, "edge": _of_edge}.get(subject.kind)
    return rows(pairs(trace, subject.id) if pairs is not None else _of_tensors(trace, subject), theme)


def _of_module(trace: Trace, module: int) -> list[tuple[str, str]]:
    call, kept = trace.graph.modules[module], kept_by(trace, module)
    parameters = size_of_parameters(trace, module)
    pairs = [("class", shown(call.kind)), ("path", mono(call.path))]
    pairs += [("parameters", mono(f"{parameters:,}"))] * bool(parameters)
    if kept is not None:
        pairs.append(("saved for backward", f"{count(kept.tensors, 'tensor')}, {mono(bytes_text(kept.bytes))}"))
    return pairs + _hooks(call.hooks)


def _of_node(trace: Trace, node: int) -> list[tuple[str, str]]:
    made = trace.graph.nodes[node]
    return ([("sequence", mono(str(made.sequence)))] if made.leaf == NONE else []) + _hooks(made.hooks)


def _of_edge(trace: Trace, edge: int) -> list[tuple[str, str]]:
    made = trace.graph.edges[edge]
    shape, kept = edge_shape(trace, made), kept_at(trace, ("gradient", edge))
    pairs = [("output of source", mono(str(made.output))), ("input_nr of target", mono(str(made.input_nr)))]
    pairs += [("shape", mono(shape_text(shape)))] if shape is not None else []
    pairs += [("dtype", mono(kept.dtype))] if kept is not None else []
    return pairs + _scaled(scale_of_edge(trace, edge))


def _of_tensors(trace: Trace, subject: Selection) -> list[tuple[str, str]]:
    """Of an op its arguments and outputs, of a Value itself."""
    graph = trace.graph
    op = graph.ops[subject.id] if subject.kind == "op" else None
    values = [graph.values[value] for value in (op.outputs if op is not None else (subject.id,))]
    pairs = [(name, mono(text)) for name, text in (op.arguments if op is not None else ())]
    if values:
        pairs += [
            ("shape", mono(_all(shape_text(shape_of(trace, value.id)) for value in values))),
            *_strides(trace, [value.id for value in values]),
            ("dtype", mono(_all(value.dtype for value in values))),
            ("device", mono(_all(value.device for value in values))),
            ("requires_grad", mono(_all(str(value.requires_grad) for value in values))),
        ]
        pairs += _scaled(scale_of_value(trace, values[0].id))
        if any(value.version for value in values):
            pairs.append(("version", mono(_all(str(value.version) for value in values))))
        if any(value.layout for value in values):
            pairs.append(("layout", mono(_all(value.layout for value in values if value.layout))))
    pairs += _hooks([hook for value in values for hook in value.hooks])
    if op is not None and op.tags:
        pairs.append(("ran", mono(", ".join(op.tags))))
    return pairs


def _strides(trace: Trace, values: Iterable[int]) -> list[tuple[str, str]]:
    """In elements; nothing where the recording does not know them."""
    texts = []
    for value in values:
        strides = strides_of(trace, value)
        if strides:
            plain = is_contiguous(shape_of(trace, value), strides)
            texts.append(mono(f"{strides}" + ("" if plain else ", not contiguous")))
    return [("strides", _all(texts))] if texts else []


def _hooks(hooks: Iterable[Hook]) -> list[tuple[str, str]]:
    """A line per hook: the function, what calls it, and where it stands."""
    lines = []
    for hook in hooks:
        place = f", {PurePath(hook.file).name}:{hook.line}" if hook.line else ""
        lines.append(f"{mono(hook.function)} ({hook.kind.replace('_', ' ')}{shown(place)})")
    return [("hooks", "<br>".join(dict.fromkeys(lines)))] if lines else []


def _scaled(scale: float) -> list[tuple[str, str]]:
    """How a gradient was recorded under a GradScaler."""
    return [] if scale == 1.0 else [("recorded", f"scaled by {mono(f'{scale:g}')}, shown without")]


def _all(texts: object) -> str:
    return ", ".join(dict.fromkeys(texts))  # type: ignore[call-overload]
