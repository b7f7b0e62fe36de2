"""What recording costs: recorded against plain steps, alternated in one process.

Run it with ``python benchmarks/recorder_overhead.py [--rounds N] [--threads N] [--only WORD] [--ways NAME,NAME]``. In each
round every way has a block of steps between two blocks of plain ones, after a warm-up in which the recorder learns the step;
the order of the ways rotates. A ratio is the median step of the block by that of the two plain ones; the table shows the
median of the rounds, with the lowest and the highest. The floor is an empty TorchFunctionMode with an empty hook on every
Node: what any recorder of this kind pays. Other libraries (``benchmarks/peers.py``) are measured where they are installed.
What is done once, when a recording starts or ends, is in none of the figures. ``--markdown`` prints the README's table;
``--clock cpu`` counts the training thread's processor time, for a machine that others use; ``--steps N`` shortens the blocks.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # above all of its levels: torch.profiler writes no lines into the table

import torch
from peers import PEERS, Way, installed
from torch.overrides import TorchFunctionMode
from workloads import WORKLOADS, Step, Workload

from gradwalk.recorder import Recorder
from gradwalk.recording.info import run_info
from gradwalk.recording.sink import Sink
from gradwalk.recording.writer import Writer

WARM_UP = 26
"""Recorded steps before those that are timed: the recorder keeps the first ones in full, and learns."""
BLOCK_SECONDS = 5.0
"""A block ends after this time, however many steps it was to have; two it always has."""
AIMS = {
    "two-layer net": {"structure": 1.10, "statistics": 1.30},
    "ResNet-18-like": {"structure": 1.03, "statistics": 1.08},
    "GPT-2, 12 layers": {"structure": 1.05, "statistics": 1.10},
    "GPT-2, 48 layers": {"structure": 1.20, "statistics": 1.35},
}
OVER_FLOOR = 1.08
"""Where the floor alone exceeds an aim, the aim is this times the floor."""
Clock = Callable[[], float]


@contextmanager
def plain(workload: Workload) -> Iterator[Step]:
    yield workload.step


@contextmanager
def recorded(workload: Workload, level: str, every: int = 1) -> Iterator[Step]:
    with tempfile.TemporaryDirectory() as folder:
        info = run_info(run_id="bench", program=("bench",), script="bench", started=time.time(), level=level)
        sink = Sink(Writer(Path(folder) / "run", info), level=level, every=every)
        recorder = Recorder(sink)
        recorder.start()
        try:
            yield workload.step
        finally:
            recorder.stop()
            sink.close("clean")


class EmptyMode(TorchFunctionMode):
    """Does nothing, as cheaply as can be."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


@contextmanager
def floor(workload: Workload) -> Iterator[Step]:
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
            yield workload.step
    finally:
        torch.autograd._engine_run_backward = original


@contextmanager
def profiled(workload: Workload) -> Iterator[Step]:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]):
        yield workload.step


PLAIN = Way("plain", plain, "")
WAYS = (
    Way("floor", floor, "an empty function mode and an empty hook on every Node"),
    Way("structure", partial(recorded, level="structure"), "every op and Node of every step, no values", WARM_UP),
    Way("statistics", partial(recorded, level="statistics"), "and statistics of every op and gradient; the default", WARM_UP),
    Way("every=10", partial(recorded, level="statistics", every=10), "the same of every tenth step; the steps between", WARM_UP),
    Way("torch.profiler", profiled, "the times of every op and Node, in memory; to read them comes on top"),
    *PEERS,
)


class StoppedError(Exception):
    """A peer could not go on; says where and why."""


@dataclass
class Row:
    """What was measured on a workload."""

    workload: str
    plain: list[float] = field(default_factory=list)
    """Seconds a step, per block."""
    ratios: dict[str, list[float]] = field(default_factory=dict)
    """Per way one ratio a round."""
    stopped: dict[str, str] = field(default_factory=dict)
    """Why a peer has no figures."""

    def ratio(self, way: str) -> float | None:
        """The median of the rounds."""
        return statistics.median(self.ratios[way]) if self.ratios.get(way) else None


def block(way: Way, workload: Workload, steps: int, clock: Clock) -> float:
    """The median time of a step, in seconds. Raises StoppedError if a peer raises."""
    gc.collect()
    taken: list[float] = []
    end = 0.0
    try:
        with way.open(workload) as step:
            for number in range(way.warm_up + steps):
                if number == way.warm_up:
                    end = time.perf_counter() + BLOCK_SECONDS
                elif number >= way.warm_up + 2 and time.perf_counter() > end:
                    break
                begin = clock()
                step()
                taken.append(clock() - begin)
    except Exception as error:
        if way.package is None:
            raise
        raise StoppedError(f"stops at step {len(taken) + 1}: {type(error).__name__}") from error
    return statistics.median(taken[way.warm_up :])


def measure(row: Row, workload: Workload, ways: Sequence[Way], rounds: int, steps: int, clock: Clock) -> None:
    """Fill the row: each way's block between two plain ones, in an order that rotates."""
    for turn in range(rounds):
        start = turn % len(ways)
        before = block(PLAIN, workload, steps, clock)
        row.plain.append(before)
        for way in (*ways[start:], *ways[:start]):
            if way.name in row.stopped:
                continue
            try:
                taken = block(way, workload, steps, clock)
            except StoppedError as reason:
                row.stopped[way.name] = str(reason)
                row.ratios.pop(way.name, None)
                continue
            after = block(PLAIN, workload, steps, clock)
            row.plain.append(after)
            row.ratios.setdefault(way.name, []).append(2 * taken / (before + after))
            before = after


def aim(row: Row, way: str) -> tuple[float, bool] | None:
    """What the way's ratio should be at most, and whether it is told from the floor; None where there is no aim."""
    wanted = AIMS.get(row.workload, {}).get(way)
    if wanted is None:
        return None
    ground = row.ratio("floor")
    return (ground * OVER_FLOOR, True) if ground is not None and ground > wanted else (wanted, False)


def print_text(row: Row) -> None:
    print(f"\n{row.workload}: a plain step takes {statistics.median(row.plain) * 1e3:.2f} ms")
    for way in WAYS:
        middle, wanted = row.ratio(way.name), aim(row, way.name)
        if middle is None:
            if way.name in row.stopped:
                print(f"  {way.name:<16}{row.stopped[way.name]}")
            continue
        line = f"  {way.name:<16}{middle:>7.2f}x   {min(row.ratios[way.name]):>6.2f}-{max(row.ratios[way.name]):<6.2f}"
        if wanted is not None:
            line += f"   aim {wanted[0]:.2f}x{f' (floor x {OVER_FLOOR})' if wanted[1] else ''}: "
            line += "met" if middle <= wanted[0] else "missed"
        print(line, flush=True)


def cell(row: Row, way: str) -> str:
    """A cell of the Markdown table: bold is what has missed its aim."""
    middle, wanted = row.ratio(way), aim(row, way)
    if middle is None:
        return row.stopped.get(way, "")
    figure = f"{middle:.2f}x"
    if wanted is None:
        return figure
    return f"{figure if middle <= wanted[0] else f'**{figure}**'} ({wanted[0]:.2f}x)"


def print_markdown(rows: Sequence[Row], ways: Sequence[Way]) -> None:
    print("| | plain step | " + " | ".join(way.name for way in ways) + " |")
    print("|---|" + "---|" * (len(ways) + 1))
    for row in rows:
        cells = (f"{statistics.median(row.plain) * 1e3:.2f} ms", *(cell(row, way.name) for way in ways))
        print(f"| {row.workload} | " + " | ".join(cells) + " |")
    if any(aim(row, way.name) for row in rows for way in ways):
        print("\nIn brackets the aim; bold is what has missed it.")


def notes(rows: Sequence[Row], ways: Sequence[Way], absent: Sequence[str]) -> Iterator[str]:
    """What has to be said beside the figures."""
    if any((aim(row, way) or (0, False))[1] for row in rows for way in ("structure", "statistics") if row.ratio(way)):
        yield (
            f"Where the floor alone exceeds an aim, the aim is the floor x {OVER_FLOOR}. The floor is Python called for every op"
            " and every Node, and a hook registered on every Node at every step. Lower it: hooks and a mode in C++ (a compiled"
            " extension), fewer hooks than Nodes, or fewer and larger ops (what torch.compile made is one op)."
        )
    if any(way.package for way in ways) and any(row.workload == "two-layer net" for row in rows):
        yield "The two-layer net has no Module; the peers are given one with the same ops and the same update by hand."
    if absent:
        yield f"Not installed: {', '.join(absent)}. For all: pip install gradwalk[bench]"


def chosen_ways(names: str) -> list[Way]:
    """The ways of a comma list, all for "". Raises SystemExit for a name that is none."""
    known = {way.name: way for way in WAYS}
    wanted = names.split(",") if names else list(known)
    for name in wanted:
        if name not in known:
            raise SystemExit(f"no way is called {name!r}; there are {', '.join(known)}")
    return [way for way in WAYS if way.name in wanted]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, help="at most so many steps in a block")
    parser.add_argument("--only", default="", help="a part of a workload's name")
    parser.add_argument("--ways", default="", help=",".join(way.name for way in WAYS))
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    wanted = chosen_ways(options.ways)
    ways = [way for way in wanted if installed(way)]
    absent = sorted({way.package for way in wanted if way.package is not None} - {way.package for way in ways})
    rows = [Row(name) for name in WORKLOADS if options.only in name]
    if not (rows and ways):
        raise SystemExit("nothing to measure")
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", module="torchlens")  # what it tells of a model does not belong between the rows
    clock = time.perf_counter if options.clock == "wall" else time.thread_time
    peers = sorted({f"{way.package} {version(way.package)}" for way in ways if way.package is not None})
    print(", ".join([f"torch {torch.__version__}", *peers, f"{platform.machine()}, {os.cpu_count()} cores"]))
    print(f"{options.clock} time of a step by that of a plain one, threads: {options.threads}; median, lowest-highest ", end="")
    print(f"of rounds: {options.rounds}", flush=True)
    for row in rows:
        torch.manual_seed(0)
        make, steps = WORKLOADS[row.workload]
        measure(row, make(), ways, options.rounds, min(steps, options.steps or steps), clock)
        if not options.markdown:
            print_text(row)
    print()
    if options.markdown:
        print_markdown(rows, ways)
    else:
        print("\n".join(f"{way.name:<16}  {way.what}" for way in ways))
    for note in notes(rows, ways, absent):
        print(f"\n{note}")


if __name__ == "__main__":
    main()
