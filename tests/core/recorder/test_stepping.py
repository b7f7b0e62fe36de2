"""Our mode is off the stack while an optimizer of torch's own steps, and only then; it is back whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode, _len_torch_function_stack

from gradwalk.recorder import Recorder

sys.path.insert(0, str(Path(__file__).parent))
from sinks import ListSink

SEEN: list[int] = []


class ByHand(torch.optim.Optimizer):
    """Of the user's own."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for w in group["params"]:
                SEEN.append(_len_torch_function_stack())
                w.sub_(w.grad * 0.5)


def train(optimizer: Any, w: torch.Tensor, steps: int = 3, **arguments: Any) -> ListSink:
    SEEN.clear()
    sink = ListSink()
    recorder = Recorder(sink)  # type: ignore[arg-type]
    recorder.start()
    for _ in range(steps):
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step(**arguments)
        assert _len_torch_function_stack() == 1
    recorder.stop()
    assert _len_torch_function_stack() == 0
    assert len(sink.traces) >= steps
    assert not [note for note in sink.notes if note[0] in ("fault", "off")]
    return sink


def leaf() -> torch.Tensor:
    return torch.ones(3, requires_grad=True)


def ops(sink: ListSink) -> list[str]:
    return [op.name for op in sink.traces[1].graph.ops]


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_what_torchs_optimizers_call_is_not_watched(make):
    w = leaf()
    optimizer = make([w], lr=0.1)
    seen: list[int] = []
    code = type(optimizer)._init_group

    def counting(self: Any, *arguments: Any) -> Any:
        seen.append(_len_torch_function_stack())
        return code(self, *arguments)

    optimizer._init_group = counting.__get__(optimizer)
    assert ops(train(optimizer, w))[2:] == [f"{make.__name__}.step", "zero_grad"]
    assert seen == [0, 0, 0]


def test_an_optimizer_of_the_users_is_watched():
    w = leaf()
    sink = train(ByHand([w]), w)
    assert SEEN == [1, 1, 1]
    assert "sub_" in ops(sink)


def test_hooks_of_the_users_and_closures_are_watched():
    w = leaf()
    optimizer, seen = torch.optim.SGD([w], lr=0.1), []
    optimizer.register_step_pre_hook(lambda *arguments: seen.append(_len_torch_function_stack()))
    optimizer.register_step_post_hook(lambda *arguments: seen.append(_len_torch_function_stack()))
    train(optimizer, w)
    assert seen == [1] * 6
    w, seen = leaf(), []

    def closure() -> torch.Tensor:
        seen.append(_len_torch_function_stack())
        return (w * w).sum()

    train(torch.optim.SGD([w], lr=0.1), w, closure=closure)
    assert seen == [1, 1, 1]


def test_a_mode_of_the_users_above_ours_stays():
    class Theirs(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return func(*args, **(kwargs or {}))

    w = leaf()
    optimizer = torch.optim.SGD([w], lr=0.1)
    recorder = Recorder(ListSink())  # type: ignore[arg-type]
    recorder.start()
    with Theirs():
        (w * w).sum().backward()
        optimizer.step()
        assert _len_torch_function_stack() == 2
    recorder.stop()
    assert _len_torch_function_stack() == 0


def test_the_mode_is_back_after_a_step_that_raised():
    w = leaf()
    optimizer = torch.optim.SGD([w], lr=0.1)
    sink = ListSink()
    recorder = Recorder(sink)  # type: ignore[arg-type]
    recorder.start()
    (w * w).sum().backward()
    rate, optimizer.param_groups[0]["lr"] = 0.1, "much"
    with pytest.raises((TypeError, RuntimeError)):
        optimizer.step()
    assert _len_torch_function_stack() == 1
    optimizer.param_groups[0]["lr"] = rate
    optimizer.step()
    w.grad = None
    (w.exp() * 2).sum().backward()
    recorder.stop()
    assert [[op.name for op in trace.graph.ops][:2] for trace in sink.traces] == [["mul", "sum"], ["exp", "mul"]]


LINKED = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from gradwalk.recorder.places import OPTIMIZERS
code = torch.optim.SGD._init_group.__code__
assert code.co_filename.startswith(sys.argv[1]), code.co_filename
assert code.co_filename.startswith(OPTIMIZERS), (code.co_filename, OPTIMIZERS)
"""


def test_torchs_optimizers_are_known_where_torch_is_reached_through_a_link(tmp_path):
    link = tmp_path / "packages"
    try:
        link.symlink_to(Path(torch.__file__).resolve().parents[1], target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", LINKED, str(link)], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
