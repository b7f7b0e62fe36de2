"""What recording costs: recorded against plain steps, alternated in one process.

Run it with ``python benchmarks/recorder_overhead.py [--rounds N] [--threads N] [--only WORD] [--clock wall|cpu]``. Each round
times a block of plain steps and one per way, after a warm-up in which the recorder learns the step; the table shows the ratio of
the medians of all rounds. The floor is an empty TorchFunctionMode with an empty hook on every Node: what any recorder of this
kind pays. ``--clock cpu`` counts the training thread's processor time, for a machine that others use.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from workloads import WORKLOADS, Step

from gradwalk.recorder import Recorder
from gradwalk.recording.info import run_info
from gradwalk.recording.sink import Sink
from gradwalk.recording.writer import Writer

WARM_UP = 26
"""Steps before those that are timed: the recorder keeps the first ones in full, and learns."""
Way = Callable[[], AbstractContextManager[Any]]


@contextmanager
def recorded(level: str, every: int = 1) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        info = run_info(run_id="bench", program=("bench",), script="bench", started=time.time(), level=level)
        sink = Sink(Writer(Path(folder) / "run", info), level=level, every=every)
        recorder = Recorder(sink)
        recorder.start()
        try:
            yield
        finally:
            recorder.stop()
            sink.close("clean")


class EmptyMode(TorchFunctionMode):
    """Does nothing, as cheaply as can be."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


@contextmanager
def floor() -> Iterator[None]:
    original = torch.autograd._engine_run_backward

    def hooked(outputs: Any, *args: Any, **kwargs: Any) -> Any:
        nodes = [output.grad_fn for output in outputs]
        seen = set(nodes)
        for node in nodes:
            for following, _ in node.next_functions:
                if following is not None and following not in seen:
                    seen.add(following)
                    nodes.append(following)
        handles = [node.register_hook(lambda grad_inputs, grad_outputs: None) for node in nodes]
        result = original(outputs, *args, **kwargs)
        for handle in handles:
            handle.remove()
        return result

    torch.autograd._engine_run_backward = hooked
    try:
        with EmptyMode():
            yield
    finally:
        torch.autograd._engine_run_backward = original


WAYS: dict[str, Way] = {
    "floor": floor,
    "structure": lambda: recorded("structure"),
    "statistics": lambda: recorded("statistics"),
    "every=10": lambda: recorded("statistics", every=10),
    "torch.profiler": lambda: torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]),
}


def times(step: Step, steps: int, clock: Callable[[], float]) -> list[float]:
    found = []
    for _ in range(steps):
        begin = clock()
        step()
        found.append(clock() - begin)
    return found


def measure(step: Step, steps: int, rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """The times of each way's steps, in seconds."""
    found: dict[str, list[float]] = {name: [] for name in ("plain", *WAYS)}
    for _ in range(rounds):
        for name, way in {"plain": nullcontext, **WAYS}.items():
            with way():
                times(step, 2 if name in ("plain", "floor") or "." in name else WARM_UP, clock)
                found[name] += times(step, steps * (10 if name == "every=10" and steps < 10 else 1), clock)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.clock == "wall" else time.thread_time
    print(f"torch {torch.__version__}, {options.threads} thread(s), {options.rounds} rounds, {options.clock} time: ratios")
    print(f"{'workload':<18}{'plain':>12}" + "".join(f"{name:>15}" for name in WAYS))
    for name, (make, steps) in WORKLOADS.items():
        if options.only in name:
            torch.manual_seed(0)
            found = {way: statistics.median(block) for way, block in measure(make(), steps, options.rounds, clock).items()}
            ratios = "".join(f"{found[way] / found['plain']:>14.2f}x" for way in WAYS)
            print(f"{name:<18}{found['plain'] * 1e3:>9.2f} ms{ratios}", flush=True)


if __name__ == "__main__":
    main()
