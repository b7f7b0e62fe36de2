"""The float64 chain over whole steps: seconds, beside a step of the training itself, and the memory that it takes at most.

``python benchmarks/end_to_end.py [--only NAME]``. The memory is that of Python and NumPy (tracemalloc).
"""

from __future__ import annotations

import argparse
import time
import tracemalloc

import torch
from whole import whole_step
from workloads import WORKLOADS

from gradwalk.reference.accumulated import Chain
from gradwalk.reference.chain import chain
from gradwalk.trace import NONE, Trace


def measured(name: str) -> None:
    """Record a step of a workload with every tensor, and compute it again."""
    torch.manual_seed(0)
    step = WORKLOADS[name][0]().step
    step()
    start = time.perf_counter()
    step()
    plain = time.perf_counter() - start
    trace = whole_step(step)
    start = time.perf_counter()
    found = chain(trace)
    taken = time.perf_counter() - start
    tracemalloc.start()
    chain(trace)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    kept = sum(tensor.data.nbytes for tensor in trace.tensors.values()) / 1e6
    many = len(found.values) + len(found.gradients)
    print(f"{name}: {taken:.2f} s for {many:,} tensors, as long as {taken / plain:.0f} steps of the training")
    print(f"  at most {peak:,.0f} MB beside {kept:,.0f} MB recorded; {worst(trace, found)}")


def worst(trace: Trace, found: Chain) -> str:
    """What was found, in words."""
    if found.sentence:
        return found.sentence
    grads = [
        one.relative for edge, one in found.gradients.items() if trace.graph.edges[edge].target == NONE and not one.cancelled
    ]
    again = f", {len(found.restarts)} restarts" if found.restarts else ""
    return f"largest error of a parameter's gradient {max(grads):.1e} of {len(grads)}{again}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(WORKLOADS))
    chosen = parser.parse_args()
    for name in [chosen.only] if chosen.only else WORKLOADS:
        measured(name)


if __name__ == "__main__":
    main()
