"""What the statistics of one float32 tensor on the CPU take: the compiled pass, and NumPy's passes, which stand in for it.

Run it with ``python benchmarks/tensor_statistics.py``. The two take turns; the table shows medians, and the ratio.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from gradwalk.recorder.kernel import Kernel, by_numpy, kernel

SIZES = (100, 8_192, 100_000, 1_000_000)
TURNS = 200


def once(work: Kernel, address: int, size: int, out: int) -> float:
    begin = time.perf_counter()
    work(address, 1, size, 0, out, 1, 0)
    return time.perf_counter() - begin


def main() -> None:
    compiled = kernel()
    if compiled is by_numpy:
        print("numba is not there: both columns are NumPy's")
    print(f"{'elements':>10}{'compiled':>14}{'an element':>12}{'by NumPy':>14}{'an element':>12}{'ratio':>8}")
    for size in SIZES:
        array, row = np.random.default_rng(0).normal(size=size).astype(np.float32), np.empty(8)
        places = array.ctypes.data, size, row.ctypes.data
        turns = [(once(compiled, *places), once(by_numpy, *places)) for _ in range(TURNS)]
        ours, theirs = (statistics.median(column) for column in zip(*turns, strict=True))
        each = "".join(f"{t * 1e6:>11.1f} us{t / size * 1e9:>9.2f} ns" for t in (ours, theirs))
        print(f"{size:>10,}{each}{theirs / ours:>7.1f}x")


if __name__ == "__main__":
    main()
