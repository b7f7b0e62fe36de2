"""The layout on real graphs and on a synthetic model of 20,000 nodes, and against Graphviz's ``dot`` where it is here.

``python benchmarks/graph_layout.py [--only GPT] [--actions 100] [--timeout 60] [--dot PROGRAM]``. Prints milliseconds of the CPU
(of the clock where ``dot`` runs). The real graphs are recorded here, in a temporary folder; "nodes" counts forward ops, backward
Nodes, parameters and inputs.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from big_graphs import model

from gradwalk.layout.compound import known_contents
from gradwalk.layout.engine import laid_out, lay_out
from gradwalk.layout.graphviz import find_dot, lay_out_by_dot
from gradwalk.layout.request import Layout, LayoutRequest
from gradwalk.trace import NONE, Graph
from gradwalk_gui.folding import default_folds
from gradwalk_gui.graph.quiet import window_first
from gradwalk_gui.graph.scene import build
from gradwalk_gui.state import View

MOST = 500
"""How many cards there are while modules are folded and unfolded: above, none is unfolded."""


def recorded(name: str) -> Graph:
    """The graph of a step of a workload, as recorded."""
    import torch
    from workloads import WORKLOADS

    import gradwalk
    from gradwalk.recording.reader import open_recording

    torch.set_num_threads(1)
    torch.manual_seed(0)
    step = WORKLOADS[name][0]().step
    with tempfile.TemporaryDirectory() as folder:
        with gradwalk.record(folder, level="structure"):
            step()
            step()
        return open_recording(folder)[0].graph


GRAPHS: dict[str, Callable[[], Graph]] = {
    name: lambda name=name: recorded(name)  # type: ignore[misc]
    for name in ("two-layer net", "ResNet-18-like", "GPT-2, 12 layers", "GPT-2, 48 layers")
} | {f"synthetic, {cards:,}": lambda cards=cards: model(cards).graph for cards in (1_000, 9_000, 20_000)}  # type: ignore[misc]


def width_of(text: str, style: object) -> float:
    """What a text measures, about: no font is loaded here."""
    return 7.0 * len(text)


@dataclass
class Asked:
    """What one picture asks of the layout, and the CPU seconds of the layout and of the whole scene."""

    request: LayoutRequest
    layout: float
    whole: float


def ask(graph: Graph, folded: frozenset[str]) -> Asked:
    """Build a scene as the app's worker does; the layout is asked once or twice."""
    requests, taken = [], 0.0

    def timed(request: LayoutRequest) -> Layout:
        nonlocal taken
        start = time.process_time()
        answer = lay_out(request)
        taken += time.process_time() - start
        requests.append(request)
        return answer

    with window_first():
        start = time.process_time()
        build(graph, View(folded=folded, auto_fold=False), width_of, timed)
        whole = time.process_time() - start
    return Asked(requests[-1], taken, whole)


def forget() -> None:
    laid_out.forget()
    known_contents.forget()
    gc.collect()


def fold_and_unfold(graph: Graph, folds: frozenset[str], actions: int) -> list[Asked]:
    """Random folds and unfolds of one module each. Above MOST cards nothing is unfolded."""
    dice, done = random.Random(0), []
    children: dict[str, list[str]] = {}
    for module in graph.modules:
        children.setdefault(graph.modules[module.parent].path if module.parent != NONE else "", []).append(module.path)
    cards = 0
    for _ in range(actions if graph.modules else 0):
        hidden = {path for fold in folds for path in children if path == fold or path.startswith(f"{fold}.")}
        shut = sorted(folds)
        open_ = sorted(path for path in children if path and path not in hidden)
        if shut and (cards < MOST or not open_) and (dice.random() < 0.6 or not open_):
            unfolded = dice.choice(shut)
            folds = folds - {unfolded} | frozenset(children.get(unfolded, ()))
        else:
            folded = dice.choice(open_)
            folds = frozenset(path for path in folds if not path.startswith(f"{folded}.")) | {folded}
        done.append(ask(graph, folds))
        cards = len(done[-1].request.boxes)
    return done


def crossings(request: LayoutRequest, layout: Layout) -> int:
    """How many pairs of links cross that have no card in common: what happens right at a card is a matter of its ports."""
    routes = _routes(request, layout)
    ends = np.array([(link.source, link.target) for link in dict.fromkeys(request.links)])
    owner = np.array([number for number, route in enumerate(routes) for _ in route[1:]], dtype=int)
    if not len(owner):
        return 0
    segments = np.concatenate([np.hstack([route[:-1], route[1:]]) for route in routes if len(route) > 1])
    order = np.argsort(np.minimum(segments[:, 0], segments[:, 2]), kind="stable")
    segments, owner = segments[order], owner[order]
    left, right = np.minimum(segments[:, 0], segments[:, 2]), np.maximum(segments[:, 0], segments[:, 2])
    found: set[int] = set()
    for start in range(0, len(segments), 128):
        mine = slice(start, start + 128)
        others = np.arange(int(np.searchsorted(left, right[mine].max(), "right")))
        others = others[right[others] >= left[start]]
        rows, columns = np.nonzero(_cross(segments[mine], segments[others]))
        a, b = owner[mine][rows], owner[others][columns]
        apart = (ends[a][:, :, None] != ends[b][:, None, :]).all(axis=(1, 2))
        found.update((np.minimum(a, b) * len(routes) + np.maximum(a, b))[apart].tolist())
    return len(found)


def _routes(request: LayoutRequest, layout: Layout) -> list[np.ndarray]:
    return list(dict(zip(request.links, layout.routes, strict=True)).values())


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether each segment of ``a`` properly crosses each of ``b``: bool ``[len(a), len(b)]``."""

    def side(lines: np.ndarray, points: np.ndarray) -> np.ndarray:
        x, y = lines[:, None, 0], lines[:, None, 1]
        across = (lines[:, None, 2] - x) * (points[None, :, 1] - y) - (lines[:, None, 3] - y) * (points[None, :, 0] - x)
        return np.sign(np.where(np.abs(across) < 1e-6, 0, across))

    return (side(a, b[:, :2]) * side(a, b[:, 2:]) < 0) & ((side(b, a[:, :2]) * side(b, a[:, 2:])).T < 0)


def length(request: LayoutRequest, layout: Layout) -> float:
    """All links together, in thousands of pixels."""
    return sum(float(np.hypot(*np.diff(route, axis=0).T).sum()) for route in _routes(request, layout)) / 1e3


def milliseconds(values: list[float]) -> str:
    if not values:
        return f"{'-':>8s}{'-':>8s}{'-':>8s}"
    ordered = sorted(values)
    three = statistics.median(ordered), ordered[int(0.95 * (len(ordered) - 1))], ordered[-1]
    return "".join(f"{1e3 * value:8.1f}" for value in three)


def speed(name: str, graph: Graph, actions: int) -> dict[str, LayoutRequest]:
    """Print a line; returns what the first and the wholly unfolded picture ask."""
    drawn = sum(op.phase in ("forward", "loss") for op in graph.ops) + sum(value.role != "result" for value in graph.values)
    folds = default_folds(graph)
    forget()
    first = ask(graph, folds)
    gc.collect()
    done = fold_and_unfold(graph, folds, actions)
    whole_of = sorted(one.whole for one in done)
    forget()
    whole = ask(graph, frozenset())
    print(
        f"{name:20s}{drawn + len(graph.nodes):8,d}{len(first.request.boxes):7d}"
        f"{1e3 * first.layout:8.1f} ({1e3 * first.whole:6.1f})"
        f"{milliseconds([one.layout for one in done])}"
        f"{f'({1e3 * whole_of[int(0.95 * (len(done) - 1))]:.1f})' if done else '':>9s}"
        f"{len(whole.request.boxes):8,d}{1e3 * whole.layout:9.1f} ({1e3 * whole.whole:.1f})",
        flush=True,
    )
    return {"first": first.request, "whole": whole.request}


def against_dot(name: str, request: LayoutRequest, program: str, timeout: float) -> None:
    """Print a line."""
    forget()
    start = time.perf_counter()
    ours = lay_out(request)
    middle = time.perf_counter()
    theirs = lay_out_by_dot(request, timeout, program=program)
    end = time.perf_counter()
    crossed = crossings(request, ours)
    line = f"{name:34s}{len(request.boxes):7d}{len(request.links):7d}{1e3 * (middle - start):8.1f}"
    if theirs.note:
        print(f"{line}{'>':>9s}{crossed:11d}   {theirs.note}", flush=True)
        return
    other = crossings(request, theirs)
    ratio = f"{crossed / other:7.2f}" if other else f"{'-' if crossed else '=':>7s}"
    print(
        f"{line}{1e3 * (end - middle):9.1f}{crossed:11d}{other:8d}{ratio}"
        + "".join(f"{length(request, one):9.1f}" for one in (ours, theirs))
        + "".join(f"{one.width * one.height / 1e6:9.1f}" for one in (ours, theirs)),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="graphs whose name has this")
    parser.add_argument("--actions", type=int, default=100, help="folds and unfolds")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds that dot gets")
    parser.add_argument("--dot", default=find_dot(), help="the dot program")
    chosen = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    print("CPU milliseconds: the layout alone, and in brackets the whole scene, from the graph to its curves and numbers")
    print(f"{'':20s}{'nodes':>8s}{'cards':>7s}{'first':>8s}{'':9s}{'fold p50':>8s}{'p95':>8s}{'max':>8s}{'(p95)':>9s}", end="")
    print(f"{'cards':>8s}{'whole':>9s}")
    asked = {name: speed(name, make(), chosen.actions) for name, make in GRAPHS.items() if chosen.only in name}
    if not chosen.dot:
        print("no dot is here")
        return
    print(f"against {chosen.dot} (> it did not finish in {chosen.timeout:g} s); thousands of pixels, millions of square pixels")
    print(f"{'':34s}{'cards':>7s}{'links':>7s}{'ms':>8s}{'dot':>9s}{'crossings':>11s}{'dot':>8s}{'ratio':>7s}", end="")
    print(f"{'length':>9s}{'dot':>9s}{'area':>9s}{'dot':>9s}")
    for name, requests in asked.items():
        for kind in ("first", "whole") if requests["first"] != requests["whole"] else ("whole",):
            against_dot(f"{name}, {kind}", requests[kind], chosen.dot, chosen.timeout)


if __name__ == "__main__":
    main()
