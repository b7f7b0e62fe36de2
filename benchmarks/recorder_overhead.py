"""What recording costs: recorded against plain step time, alternated in one process.

Run it with ``python benchmarks/recorder_overhead.py [--rounds N] [--steps N] [--threads N]``. Each round times a block of
plain steps and a block of recorded ones per level; the ratio of a round is that of the two medians, and the table shows the
median ratio of the rounds. The floor is an empty TorchFunctionMode with an empty hook on every Node:
what any recorder of this kind pays.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from gradwalk.recorder import Recorder
from gradwalk.recording.info import run_info
from gradwalk.recording.sink import Sink
from gradwalk.recording.writer import Writer

Step = Callable[[], None]
WARM_UP = 20


def two_layer_net() -> Step:
    x, y = torch.randn(64, 1000), torch.randn(64, 10)
    w1, w2 = torch.randn(1000, 100, requires_grad=True), torch.randn(100, 10, requires_grad=True)

    def step() -> None:
        y_pred = x.mm(w1).clamp(min=0).mm(w2)
        loss = (y_pred - y).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            for weight in (w1, w2):
                weight -= 1e-9 * weight.grad
                weight.grad.zero_()

    return step


def mlp() -> Step:
    net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.1), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    criterion = nn.CrossEntropyLoss()
    x, target = torch.randn(64, 784), torch.randint(0, 10, (64,))

    def step() -> None:
        optimizer.zero_grad()
        loss = criterion(net(x), target)
        loss.backward()
        optimizer.step()

    return step


@contextmanager
def recorded(level: str) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        info = run_info(run_id="bench", program=("bench",), script="bench", started=time.time(), level=level)
        sink = Sink(Writer(Path(folder) / "run", info), level=level)
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


def median_time(step: Step, steps: int) -> float:
    times = []
    for _ in range(WARM_UP):
        step()
    for _ in range(steps):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def ratios(step: Step, way: Callable[[], AbstractContextManager[None]], rounds: int, steps: int) -> tuple[float, float, float]:
    """The median ratio, and the median plain and recorded step times in seconds."""
    plain, with_it = [], []
    for _ in range(rounds):
        plain.append(median_time(step, steps))
        with way():
            with_it.append(median_time(step, steps))
    return (
        statistics.median(b / a for a, b in zip(plain, with_it, strict=True)),
        statistics.median(plain),
        statistics.median(with_it),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ways: dict[str, Callable[[], AbstractContextManager[None]]] = {
        "floor": floor,
        "structure": lambda: recorded("structure"),
        "statistics": lambda: recorded("statistics"),
    }
    print(f"torch {torch.__version__}, {options.threads} thread(s), {options.rounds} rounds of {options.steps} steps")
    print(f"{'workload':<16}{'way':<12}{'ratio':>8}{'plain us':>10}{'with it us':>12}")
    for name, make in (("two-layer net", two_layer_net), ("MLP, Adam", mlp)):
        torch.manual_seed(0)
        step = make()
        for way, how in ways.items():
            ratio, plain, with_it = ratios(step, how, options.rounds, options.steps)
            print(f"{name:<16}{way:<12}{ratio:>8.2f}{plain * 1e6:>10.0f}{with_it * 1e6:>12.0f}")


if __name__ == "__main__":
    main()
