"""What it costs to check every op of one step against the NumPy reference, as a multiple of the plain training step.

``python benchmarks/step_check.py [--only "GPT-2, 12 layers"] [--rounds 3]``. Both by turns in one process, on one thread; medians
of CPU time. The step is checked with all its tensors, as they are while it runs: 1.5 GB for GPT-2 with 12 layers. The aim is 20x
for it; the exit code is 1 where it is missed, or where an op does not agree.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from whole import whole_step
from workloads import WORKLOADS

from gradwalk.reference.whole import StepCheck, check_step

AIMS = {"GPT-2, 12 layers": 20.0}


def seconds(act: Callable[[], object]) -> float:
    """How much CPU time one call takes."""
    start = time.process_time()
    act()
    return time.process_time() - start


def told(found: StepCheck) -> str:
    """How many ops were checked, and what came of it."""
    verdicts = [verdict.agrees for verdict in found.verdicts.values()]
    return (
        f"{len(verdicts)} ops: {verdicts.count(True)} agree, {len(found.wrong)} do not, {verdicts.count(None)} without reference"
    )


def main() -> int:
    """Measure and print a line per training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    missed = 0
    for name in WORKLOADS if chosen.only is None else [chosen.only]:
        torch.manual_seed(0)
        step = WORKLOADS[name][0]().step
        step()
        trace = whole_step(step)
        pairs = [(seconds(step), seconds(lambda trace=trace: check_step(trace))) for _ in range(chosen.rounds)]  # type: ignore[misc]
        plain, checked = (statistics.median(times) for times in zip(*pairs, strict=True))
        found = check_step(trace)
        aim = f" (aim {AIMS[name]:.0f}x)" if name in AIMS else ""
        print(
            f"{name:20s} {plain * 1e3:8.1f} ms a step; checked in {checked:6.2f} s = {checked / plain:.1f}x{aim}; {told(found)}"
        )
        missed += bool(found.wrong) or checked / plain > AIMS.get(name, float("inf"))
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
