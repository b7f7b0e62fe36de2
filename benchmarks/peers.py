"""Other libraries that capture a training, each used as its own pages say: what it costs them to see one step.

They take a Module, so the loss is put into one with the net (``Whole``), and all of them see every op of the step. What they
capture is dropped after the step; none but the collector writes anything. No peer records updates.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count

import torch
from torch import nn
from workloads import Step, Workload


@dataclass(frozen=True)
class Way:
    """One way to run a workload's steps: ``open`` gives the step that is timed."""

    name: str
    open: Callable[[Workload], AbstractContextManager[Step]]
    what: str
    warm_up: int = 2
    """Steps before those that are timed."""
    package: str | None = None
    """Of a peer: what has to be installed."""


class Whole(nn.Module):
    """A net and its loss."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.net, self.loss = workload.module, workload.loss
        self.register_buffer("target", workload.target)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar."""
        return self.loss(self.net(x), self.target)


@contextmanager
def torchlens_trace(workload: Workload) -> Iterator[Step]:
    import torchlens
    from torchlens.backends.torch.wrappers import unwrap_torch

    whole = Whole(workload)

    def step() -> None:
        log = torchlens.trace(whole, workload.x, capture=torchlens.options.CaptureOptions(save_grads=True))
        log.log_backward(log[log.output_layers[0]].out)
        workload.update()

    try:
        yield step
    finally:
        unwrap_torch()


@contextmanager
def torchlens_collector(workload: Workload) -> Iterator[Step]:
    from torchlens.backends.torch.wrappers import unwrap_torch
    from torchlens.observability import OpTierCollector, WatchSettings

    whole, steps = Whole(workload), count()
    with tempfile.TemporaryDirectory() as folder:
        try:
            collector = OpTierCollector(whole, settings=WatchSettings(output_dir=folder))
            collector.discover(workload.x)

            def step() -> None:
                with collector.step(next(steps)):
                    collector.observe_step(workload.x).backward()
                    workload.update()

            yield step
        finally:
            unwrap_torch()


@contextmanager
def torchview_graph(workload: Workload) -> Iterator[Step]:
    from torchview import draw_graph

    whole = Whole(workload)

    def step() -> None:
        draw_graph(whole, input_data=workload.x, mode="train")
        whole(workload.x).backward()
        workload.update()

    yield step


@contextmanager
def torchviz_dot(workload: Workload) -> Iterator[Step]:
    from torchviz import make_dot

    whole = Whole(workload)
    names = dict(whole.named_parameters())

    def step() -> None:
        loss = whole(workload.x)
        make_dot(loss, params=names)
        loss.backward()
        workload.update()

    yield step


PEERS = (
    Way("torchlens.trace", torchlens_trace, "every op with its tensor and gradient", 1, "torchlens"),
    Way(
        "OpTierCollector",
        torchlens_collector,
        "torchlens' statistics of every op of each forward, into a folder; without one it stops the loop at step 257",
        1,
        "torchlens",
    ),
    Way("torchview", torchview_graph, "a drawing of the forward, which it runs once more; no values", 1, "torchview"),
    Way("torchviz", torchviz_dot, "a drawing of the backward's graph; no values", 1, "torchviz"),
)


def installed(way: Way) -> bool:
    """Whether what the way needs is there."""
    return way.package is None or find_spec(way.package) is not None
