"""``gradwalk check --end-to-end``: a step's accumulated error, gradient by gradient, for people and as JSON."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from .reference.accumulated import Accumulated, Chain
from .reference.chain import chain_of
from .reference.chain_words import of_parameters, said_of
from .refusal import RefusalError
from .show import number_json
from .tape import target_of, value_label
from .terminal import console, plain
from .trace import NONE, Edge, Graph, Trace

if TYPE_CHECKING:
    from .recording.reader import Recording


def computed(recording: Recording, trace: Trace) -> Chain:
    """The chain of a step of a recording, with a bar in a terminal. Raises RefusalError where nothing could be computed."""
    place = int(np.flatnonzero(recording.step_numbers() == trace.step)[0])
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("float64, end to end")

        def told(done: int, all_: int) -> bool:
            progress.update(bar, completed=done, total=all_)
            return True

        found = chain_of(recording, place, told)
    if not found.values and not found.gradients:
        raise RefusalError(found.sentence or f"step {trace.step} holds no op that could be computed")
    return found


def chain_json(trace: Trace, chain: Chain) -> dict[str, Any]:
    """The chain as plain data; Inf and NaN as words."""
    graph = trace.graph
    return {
        "step": chain.step,
        "loss": [{"name": value_label(graph, value), **_numbers(chain.values.get(value))} for value in chain.losses],
        "parameters": [{"name": name, "edge": edge, **_numbers(one)} for name, edge, one in of_parameters(graph, chain)],
        "gradients": [
            {"edge": edge, "of": _of(graph, graph.edges[edge]), "to": target_of(graph, graph.edges[edge]), **_numbers(one)}
            for edge, one in chain.gradients.items()
        ],
        "values": [{"value": value, "name": value_label(graph, value), **_numbers(one)} for value, one in chain.values.items()],
        "restarts": [{**asdict(one), "name": graph.ops[one.op].name} for one in chain.restarts],
        "from_the_recording": [{"op": op, "name": graph.ops[op].name} for op in chain.drawn],
        "kinks": [{**asdict(one), "name": graph.ops[one.op].name} for one in chain.flips],
        "sentence": chain.sentence,
    }


def _numbers(one: Accumulated | None) -> dict[str, Any]:
    return {} if one is None else {name: number_json(x) if isinstance(x, float) else x for name, x in asdict(one).items()}


def _of(graph: Graph, edge: Edge) -> str:
    return value_label(graph, edge.value) if edge.value != NONE else ""


def print_chain(trace: Trace, chain: Chain) -> None:
    """A line for the loss, a row per parameter, and what the chain could not go through."""
    out, graph = console(), trace.graph
    many = len(chain.values) + len(chain.gradients)
    out.print(Text(f"step {chain.step}: {many:,} tensors again in float64, from the leaves to the loss and back", style="bold"))
    for value in chain.losses:
        one = chain.values.get(value)
        out.print(plain(f"{value_label(graph, value)}: {_error(one) if one is not None else 'not measured'}"))
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column("gradient of", overflow="ellipsis", no_wrap=True)
    for name in ("ops to the loss", "relative error", "RMS"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name, _, one in of_parameters(graph, chain):
        notes = [text for text, said in (("cancels", one.cancelled), ("a sample", one.sampled)) if said]
        table.add_row(Text(plain(name)), str(one.depth), f"{one.relative:.1e}", f"{one.rms:.1e}", ", ".join(notes))
    out.print(table)
    for line in said_of(trace, chain):
        out.print(Text(plain(line)), soft_wrap=True)


def _error(one: Accumulated) -> str:
    return f"relative error {one.relative:.1e}"
