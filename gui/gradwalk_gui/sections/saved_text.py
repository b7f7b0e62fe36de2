"""What the Nodes of a thing keep for the backward, as rich text: shape, bytes, version, and what has written to it since."""

from __future__ import annotations

from gradwalk.trace import NONE, Saved, Trace

from ..inspection.overwritten import writes_to
from ..inspection.subject import moments_of
from ..inspector_text import nodes_of
from ..numbers import bytes_text, shape_text
from ..state import Selection
from ..theme import Theme
from ..widgets.text import coloured, link, mono, rows, shown


def saved(trace: Trace, subject: Selection, theme: Theme) -> str:
    """The saved tensors of a Node, or of the Nodes of an op."""
    kept = [(node, tensor) for node in nodes_of(trace, subject) for tensor in trace.graph.nodes[node].saved]
    pairs = [(tensor.name, _saved(trace, node, tensor, theme)) for node, tensor in kept]
    if len(kept) > 1:
        pairs.append(("together", mono(bytes_text(sum(tensor.bytes for _, tensor in kept)))))
    return rows(pairs, theme)


def _saved(trace: Trace, node: int, tensor: Saved, theme: Theme) -> str:
    shape = shape_text(tensor.shape).replace(" ", "\N{NO-BREAK SPACE}")
    first = link(shape, f"value:{tensor.value}", theme) if tensor.value != NONE else shown(shape)
    about = f"{tensor.dtype}, {bytes_text(tensor.bytes)}, v{tensor.version}"
    return f"{first} &nbsp;{coloured(about, theme.subtle)}{_written(trace, node, tensor, theme)}"


def _written(trace: Trace, node: int, tensor: Saved, theme: Theme) -> str:
    """The ops that overwrote it before its Node could use it."""
    when = moments_of(trace)
    names = [
        f"{link(trace.graph.ops[op].name, f'op:{op}', theme)} {coloured(f'(event {int(when.ops[op]):,})', theme.subtle)}"
        for op in writes_to(trace, node, tensor)
    ]
    return f"<br>{coloured('overwritten since by', theme.danger)} {', '.join(names)}" if names else ""
