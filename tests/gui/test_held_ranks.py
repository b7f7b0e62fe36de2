"""Two gloo ranks in the window: the one that is shown is held, the other waits for it, F12 asks both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gradwalk.gate import Breakpoint
from gradwalk.recording.reader import open_recording
from gradwalk_gui.held import Held, held_of
from gradwalk_gui.kept_steps import kept_steps
from gradwalk_gui.shell import Shell

LONG = 60_000
TRAIN = """
import sys
from pathlib import Path
import torch
import torch.distributed as dist
import gradwalk
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
torch.manual_seed(0)
net = torch.nn.Linear(4, 700)
with gradwalk.record("run"):
    for step in range(100_000):
        net.zero_grad()
        net(torch.ones(3, 4)).pow(2).mean().backward()
        dist.all_reduce(net.weight.grad)
        with torch.no_grad():
            net.weight -= 0.01 * net.weight.grad
        end = torch.tensor(float(Path("end").exists()))
        dist.broadcast(end, 0)
        if end:
            break
dist.destroy_process_group()
"""


@pytest.fixture
def ranks(tmp_path: Path):
    command = [sys.executable, "-c", TRAIN]
    processes = [subprocess.Popen([*command, str(rank), str(tmp_path / "meet")], cwd=tmp_path) for rank in (0, 1)]
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_the_shown_rank_is_held_and_goes_on_waiting_while_another_is_shown(shell: Shell, ranks, tmp_path: Path, qtbot):
    window, session, run = shell._window, shell.session, tmp_path / "run"
    session.set(reduced_motion=True)
    qtbot.waitUntil(lambda: len(list(run.glob("control*.json"))) == len(list(run.glob("rank*.mcap"))) == 2, timeout=LONG)
    shell.follower.open(run)
    qtbot.waitUntil(lambda: session.state.length > 10, timeout=LONG)
    qtbot.waitUntil(window.actions_["capture-step"].isEnabled)
    window.actions_["capture-step"].trigger()
    qtbot.waitUntil(lambda: "is kept in full" in window.status.text.replace("the next step is", ""), timeout=LONG)
    step = int(window.status.text.split(" is kept")[0].rsplit(" ", 1)[1].replace(",", ""))

    session.set(breakpoints=(Breakpoint("$op(all_reduce)"),))
    qtbot.waitUntil(lambda: session.state.held is not None and not session.state.trace.done, timeout=LONG)
    assert window.held.sentence.full_text().startswith("Rank 0 is waiting before all_reduce at <string>:15, step ")
    assert window.held.risk.isVisible()
    assert window.held.risk.full_text() == (
        "The other ranks wait in their next collective; after 30 min of waiting gloo ends the training with an error"
    )
    held = session.state.held

    window.actions_["next-rank"].trigger()
    qtbot.waitUntil(lambda: shell.follower.recording.rank == 1 and session.state.trace is not None)
    assert (session.state.held, session.state.held_besides) == (None, (held,))
    length = session.state.length
    qtbot.wait(300)
    assert session.state.length == length, "it waits for rank 0"
    assert window.held.sentence.full_text() == held.sentence()
    window.held.buttons["continue"].click()
    qtbot.waitUntil(lambda: session.state.held is not None, timeout=LONG)
    assert window.held.sentence.full_text().startswith("Rank 1 is waiting before all_reduce")
    qtbot.waitUntil(lambda: session.state.held_besides == ())

    window.actions_["previous-rank"].trigger()
    qtbot.waitUntil(lambda: len(session.state.held_besides) == 1)
    session.set(breakpoints=())
    window.actions_["detach"].trigger()
    qtbot.waitUntil(lambda: not window.held.isVisible(), timeout=LONG)
    (tmp_path / "end").touch()
    assert [process.wait(60) for process in ranks] == [0, 0]
    for rank in (0, 1):
        with open_recording(run, rank) as recording:
            place = list(recording.step_numbers()).index(step)
            assert place in kept_steps(recording), "every rank was asked for the same step"
            assert any(kept.data.shape == (700, 4) for kept in recording[place].tensors.values())


@pytest.mark.parametrize(
    ("frame", "risk"),
    [
        ({}, ""),
        ({"rank": 3, "ranks": 8, "backend": "nccl", "timeout": 600.0}, "after 10 min of waiting nccl ends the training"),
        ({"rank": 3, "ranks": 8, "backend": "nccl", "timeout": 90.0}, "after 90 s of waiting nccl ends the training"),
        ({"rank": 3, "ranks": 8, "backend": "mpi"}, "after its timeout mpi ends the training"),
    ],
)
def test_what_waiting_means_for_the_other_ranks_is_told(frame, risk):
    held = held_of({"name": "mm", "why": "paused", "step": 2, "position": 7, **frame})
    assert isinstance(held, Held)
    assert held.sentence() == f"{'Rank 3' if frame else 'Training'} is waiting before mm, step 2, 7 events have run"
    one = held_of({"name": "mm", "why": "paused", "step": 0, "position": 1})
    assert one.sentence() == "Training is waiting before mm, step 0, 1 event has run"
    assert risk in held.risk()
    assert bool(held.risk()) == bool(risk)
