"""What the NumPy tape costs a step of the two-layer net (64, 1000, 100, 10, float64): with and without, by turns in one process.

Run it with ``python benchmarks/numpy_tape.py``; ``OPENBLAS_NUM_THREADS=1`` makes the figures steadier on few cores.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
import time
import types
from pathlib import Path

from gradwalk.numpy_tape import install
from gradwalk.recording.retention import Keep, Retention
from gradwalk.trace import Trace

EXAMPLE = Path(__file__).parents[1] / "examples/numpy_by_hand.py"
STEPS, TURNS = 200, 7


class Nowhere:
    """A sink that keeps nothing."""

    every, steps = 1, None

    def __init__(self, level: str, tensors: bool) -> None:
        self.level = level
        self._retention = Retention() if tensors else None

    def wants(self, step: int) -> bool:
        """All of them."""
        return True

    def plan(self, step: int) -> Keep:
        """What a recording would keep."""
        return self._retention.plan(step) if self._retention is not None else Keep.NONE

    def everything(self, step: int) -> bool:
        """Nobody asks for more."""
        return False

    def add(self, trace: Trace) -> None:
        """Forget it."""

    failed = partial = add

    def note(self, kind: str, message: str, step: int = -1) -> None:
        """Say it."""
        print(kind, message, file=sys.stderr)

    def source(self, file: str, text: str) -> None:
        """Forget it."""


def seconds(sink: Nowhere | None) -> float:
    """The time of one run of the example, in seconds a step."""
    sys.argv = [str(EXAMPLE), "--seed", "0", "--steps", str(STEPS)]
    module = types.ModuleType("__main__")
    module.__file__ = str(EXAMPLE)
    code = compile(EXAMPLE.read_text(encoding="utf-8"), str(EXAMPLE), "exec")
    tape = install(sink, EXAMPLE.parent) if sink is not None else None  # type: ignore[arg-type]
    begin = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, module.__dict__)
    took = time.perf_counter() - begin
    if tape is not None:
        tape.close()
    return took / STEPS


def main() -> None:
    cases = {
        "plain": None,
        "structure only": Nowhere("structure", tensors=False),
        "with statistics": Nowhere("statistics", tensors=False),
        "and the tensors kept by default": Nowhere("statistics", tensors=True),
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(TURNS):
        for name, sink in cases.items():
            times[name].append(seconds(sink))
    plain = statistics.median(times["plain"])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:34s} {median * 1e3:7.3f} ms a step   {median / plain:5.2f}x   (fastest {min(taken) * 1e3:.3f} ms)")


if __name__ == "__main__":
    main()
