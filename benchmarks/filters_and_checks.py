"""Filters over a step of the 48-layer GPT-2, and all watches over many steps of the two-layer net.

``python benchmarks/filters_and_checks.py [--steps 10000]``. Prints milliseconds per filter, medians, and seconds for the steps.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from workloads import WORKLOADS

import gradwalk
from gradwalk.filter import matches, parse
from gradwalk.recording.reader import Recording, open_recording
from gradwalk.watches import WATCHES, Looker

FILTERS = ("+linear", "$phase(bwd) $grad(rms>1e3)", "$module(h.12.*) -view", "$nan() | $value(zeros>0.9)", "$saved(bytes>1e6)")


def recorded(folder: Path, name: str, steps: int) -> Recording:
    """Some steps of a workload."""
    torch.manual_seed(0)
    step = WORKLOADS[name][0]().step
    with gradwalk.record(folder):
        for _ in range(steps):
            step()
    return open_recording(folder)


def milliseconds(act: Callable[[], object], times: int) -> float:
    """The median of some calls."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        act()
        taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    chosen = parser.parse_args()
    names = list(WORKLOADS)
    with tempfile.TemporaryDirectory() as folder:
        with recorded(Path(folder) / "gpt", names[-1], 2) as recording:
            trace = recording[1]
            first = milliseconds(lambda: matches(parse(FILTERS[0]), trace), 1)
            print(f"{names[-1]}: {len(trace.tape):,} events; the first filter, which learns the Graph: {first:.0f} ms")
            for text in FILTERS:
                print(f"  {milliseconds(lambda text=text: matches(parse(text), trace), 30):6.2f} ms  {text}")  # type: ignore[misc]
        with recorded(Path(folder) / "two", names[0], chosen.steps) as recording:
            start = time.perf_counter()
            looker = Looker(tuple(watch.kind for watch in WATCHES))
            for number in range(len(recording)):
                looker.take(recording[number])
            print(f"{names[0]}: {len(recording):,} steps looked through by all watches in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
