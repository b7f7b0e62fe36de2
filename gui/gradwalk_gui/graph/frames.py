"""Modules in the picture: which one is drawn as one card, and the frames around what is unfolded. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gradwalk.trace import NONE, Graph

from .parts import Frame


def up_from(graph: Graph, module: int) -> Iterator[int]:
    """A module call and those around it, innermost first."""
    while module != NONE:
        yield module
        module = graph.modules[module].parent


def common_module(graph: Graph, modules: Iterable[int]) -> int:
    """The innermost module call that holds them all, or NONE."""
    some = set(modules)
    if len(some) < 2:
        return next(iter(some), NONE)
    ways = [tuple(up_from(graph, module)) for module in some]
    return next((call for call in ways[0] if all(call in way for way in ways[1:])), NONE)


def shown_op(graph: Graph, op: int) -> int:
    """The op that stands for ``op`` in the picture: the custom Function whose forward ran it, or itself."""
    while op != NONE and graph.ops[op].parent != NONE:
        op = graph.ops[op].parent
    return op


def frames_of(graph: Graph, modules: Iterable[int], root: int = NONE) -> tuple[tuple[Frame, ...], dict[int, int]]:
    """The frames around some module calls, outer ones first, and the index of each one's frame by module call.

    ``root`` and what is around it get none.
    """
    outside = set(up_from(graph, root))
    wanted = sorted(
        {call for module in set(modules) for call in up_from(graph, module) if call not in outside},
        key=lambda call: (_depth(graph, call), call),
    )
    index = {call: i for i, call in enumerate(wanted)}
    frames = []
    for call in wanted:
        module = graph.modules[call]
        title = module.name or module.kind
        note = module.kind if module.name else ""
        frames.append(Frame(call, title, note, index.get(module.parent, NONE), _depth(graph, call) - len(outside)))
    return tuple(frames), index


def _depth(graph: Graph, module: int) -> int:
    return sum(1 for _ in up_from(graph, module)) - 1


def short_name(name: str, path: str) -> str:
    """A parameter's name without the path of the frame around it: ``weight`` for ``net.fc1.weight`` or ``fc1.weight``."""
    while path:
        if name.startswith(f"{path}."):
            return name[len(path) + 1 :]
        path = path.partition(".")[2]
    return name
