"""How many of the op events of each training in ``workloads.py`` have a NumPy formula by their name.

Run it with ``python benchmarks/reference_coverage.py``. Counted are the ops of the forward and the loss of one recorded step;
an update has no gradient to check. Ops that make a tensor of arguments alone (``arange``, ``ones``) are not counted either:
they have no input. The exit code is 1 where a training has less than 95 %.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from workloads import WORKLOADS

import gradwalk
from gradwalk.reference.registry import formula_of
from gradwalk.trace import Graph

AIM = 0.95


def recorded(name: str) -> Graph:
    """The graph of one recorded step of a training."""
    step = WORKLOADS[name][0]().step
    with tempfile.TemporaryDirectory() as folder:
        with gradwalk.record(Path(folder) / "run", level="structure"):
            step()
        return gradwalk.open_recording(Path(folder) / "run")[0].graph


def ops_of(graph: Graph) -> Counter[str]:
    """How often each op ran in the forward."""
    return Counter(op.name for op in graph.ops if op.phase in ("forward", "loss") and op.inputs)


def main() -> int:
    """Print one line per training and, below it, the ops without a formula."""
    worst = 1.0
    for name in WORKLOADS:
        ops = ops_of(recorded(name))
        missing = {op: count for op, count in ops.items() if formula_of(op) is None}
        share = 1 - sum(missing.values()) / ops.total()
        worst = min(worst, share)
        print(f"{name:20s} {share:6.1%} of {ops.total()} op events")
        for op, count in sorted(missing.items(), key=lambda item: -item[1]):
            print(f"    no formula: {op} ({count})")
    return int(worst < AIM)


if __name__ == "__main__":
    sys.exit(main())
