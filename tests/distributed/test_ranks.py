"""Processes that train together: one file per rank, collectives among the events, the same bits as without recording."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from gradwalk.cli import main
from gradwalk.recording.reader import open_recording

PROGRAMS = ("ddp", "ddp_views", "fsdp1", "fsdp2", "plain")
STEPS = 4

BROADCASTS = ["broadcast forward"] * 2  # of the buffers, by DistributedDataParallel's forward
GATHERS = ["all_gather_into_tensor forward"] * 2
COLLECTIVES = {
    "ddp": [*BROADCASTS, "all_reduce backward"],
    "ddp_views": [*BROADCASTS, *["all_reduce backward"] * 3],
    "fsdp1": [*["all_gather forward"] * 2, "all_gather backward", *["reduce_scatter_tensor backward"] * 2],
    "fsdp2": [*GATHERS, "all_gather_into_tensor backward", *["reduce_scatter_tensor backward"] * 2],
    "plain": ["all_reduce update"] * 6,
}
"""Name and phase of the collectives of a step, in order, that of the loss left out."""


@pytest.fixture(scope="module")
def lines_and_folder(torchrun):
    """What the five programs print, plain and recorded, and where the recording is."""
    runs = [torchrun(",".join(PROGRAMS), recorded=recorded) for recorded in (False, True)]
    for recorded, run in zip((False, True), runs, strict=True):
        assert run.returncode == 0, f"recorded: {recorded}\n{run.stderr}"
    return [sorted(run.stdout.splitlines()) for run in runs], runs[1].folder


@pytest.fixture(scope="module")
def folder(lines_and_folder):
    return lines_and_folder[1]


def test_losses_gradients_and_parameters_are_the_same_bits(lines_and_folder):
    (plain, recorded), _ = lines_and_folder
    assert [line.split()[:2] for line in plain] == [[rank, name] for rank in "01" for name in PROGRAMS]
    assert recorded == plain


@pytest.mark.parametrize("rank", [0, 1])
def test_each_rank_has_a_file_with_one_step_per_step(folder, lines_and_folder, rank):
    with open_recording(folder, rank) as recording:
        assert (recording.rank, recording.ranks, recording.info.world_size, recording.ended) == (rank, (0, 1), 2, "clean")
        assert [note.kind for note in recording.notes] == ["end"]
        assert [(trace.label, trace.rank) for trace in recording] == [("", rank)] * STEPS * len(PROGRAMS)
        printed = [line.split()[2:-1] for line in lines_and_folder[0][0] if line.startswith(f"{rank} ")]
        assert [trace.loss.hex() for trace in recording] == [loss for losses in printed for loss in losses]


def last_step_of(folder, program, rank=0):
    with open_recording(folder, rank) as recording:
        return recording[STEPS * (PROGRAMS.index(program) + 1) - 1]


def events_with_ops(trace):
    events = [trace.graph.events[number] for number in trace.tape]
    return [(event, trace.graph.ops[event.ref]) for event in events if event.kind in ("op", "update")]


def collectives_of(trace):
    found = [(event, op) for event, op in events_with_ops(trace) if "collective" in op.tags]
    return [(event, op) for event, op in found if trace.graph.sites[op.site].expression != "dist.all_reduce(total)"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_collectives_are_events(folder, program):
    trace = last_step_of(folder, program)
    found = collectives_of(trace)
    assert [f"{op.name} {event.phase}" for event, op in found] == COLLECTIVES[program]
    for event, op in found:
        assert dict(op.arguments)["ranks"] == "2"
        assert ("in backward" in op.tags) == (event.phase == "backward")
        measured = [trace.values[0, value] for value in (*op.inputs, *op.outputs)]
        assert op.inputs
        assert op.outputs
        assert min(measured) >= 1, (op, measured)


def test_the_same_op_on_both_ranks_arrives_with_the_same_numbers(folder):
    for program, name in (
        ("ddp", "all_reduce"),
        ("fsdp2", "all_gather_into_tensor"),
        ("fsdp1", "all_gather"),
        ("plain", "all_reduce"),
    ):
        arrived = []
        for rank in (0, 1):
            trace = last_step_of(folder, program, rank)
            ops = [op for _, op in collectives_of(trace) if op.name == name]
            assert ops
            arrived.append(np.array([trace.values[:, value] for op in ops for value in op.outputs]))
        np.testing.assert_array_equal(*arrived)


def test_what_ddp_reduces_it_reduces_after_the_gradient_has_come(folder):
    trace = last_step_of(folder, "ddp_views")
    kinds = [trace.graph.events[number] for number in trace.tape]
    for position, event in enumerate(kinds):
        if event.kind == "op" and event.phase == "backward":
            assert kinds[position - 1].kind == "accumulate"


def test_a_collective_that_the_script_calls_knows_names_and_arguments(folder):
    trace = last_step_of(folder, "plain")
    (total,) = [op for _, op in events_with_ops(trace) if variables(trace, op.outputs) == ["total"] and "collective" in op.tags]
    assert variables(trace, total.inputs) == ["total"]
    assert trace.graph.values[total.outputs[0]].base == total.inputs[0]
    assert (dict(total.arguments), trace.graph.sites[total.site].expression) == (
        {"op": "sum", "ranks": "2"},
        "dist.all_reduce(total)",
    )
    reduced = [variables(trace, op.outputs) for _, op in collectives_of(trace)]
    assert all(name.endswith(".grad") for (name,) in reduced), reduced


def variables(trace, values):
    return [trace.graph.values[value].name for value in values]


def test_the_commands_choose_a_rank(folder, tmp_path, capsys):
    for arguments, found in (([], 0), (["--rank", "1"], 1)):
        assert main(["info", str(folder), "--json", *arguments]) == 0
        about = json.loads(capsys.readouterr().out)
        assert (about["rank"], about["ranks_there"], about["world_size"]) == (found, [0, 1], 2)


@pytest.mark.parametrize(
    "arguments",
    [["info"], ["show", "--step", "0"], ["export", "--step", "0", "-o", "step.json"], ["open"]],
    ids=lambda arguments: arguments[0],
)
def test_a_rank_that_is_not_there_is_one_sentence(folder, arguments, capsys):
    assert main([arguments[0], str(folder), "--rank", "7", *arguments[1:]]) == 2
    assert capsys.readouterr().err == f"gradwalk: {folder}: there is no rank 7 in this recording; ranks: 0, 1\n"


def test_the_file_of_another_rank_is_refused(folder, capsys):
    assert main(["info", str(folder / "rank00001.0000.mcap"), "--rank", "0"]) == 2
    assert "this is the file of rank 1, not of rank 0" in capsys.readouterr().err


def test_a_rank_without_a_file_shows_in_the_info(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "run")
    (tmp_path / "run" / "rank00000.0000.mcap").unlink()
    assert main(["info", str(tmp_path / "run")]) == 0
    assert "1 of 2: 1 (this is rank 1)" in capsys.readouterr().out


def test_processes_that_met_without_a_launcher_share_a_folder(tmp_path):
    """Not by ``RANK``: as ``torch.multiprocessing.spawn`` would start them."""
    script = tmp_path / "train.py"
    script.write_text(SPAWNED, encoding="utf-8")
    hidden = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    command = [sys.executable, str(script)]
    started = [subprocess.Popen([*command, str(rank)], cwd=tmp_path, env={**hidden, "OMP_NUM_THREADS": "1"}) for rank in (0, 1)]
    assert [process.wait(60) for process in started] == [0, 0]
    for rank in (0, 1):
        with open_recording(tmp_path / "out", rank) as recording:
            assert (len(recording), recording.rank, recording.info.world_size) == (2, rank, 2)


SPAWNED = """
import sys, torch, torch.distributed as dist, gradwalk
dist.init_process_group("gloo", init_method="file://" + sys.path[0] + "/met", rank=int(sys.argv[1]), world_size=2)
w = torch.ones(3, 1, requires_grad=True)
with gradwalk.record("out"):
    for _ in range(2):
        torch.ones(2, 3).mm(w).sum().backward()
        dist.all_reduce(w.grad)
        w.grad = None
dist.destroy_process_group()
"""


@pytest.mark.parametrize(("end", "ended"), [("kill", None), ("raise", "error")])
def test_a_rank_that_dies_leaves_all_files_readable(torchrun, end, ended):
    run = torchrun("ddp", end)
    assert run.returncode != 0
    for rank in (0, 1):
        with open_recording(run.folder, rank) as recording:
            complete = [trace for trace in recording if trace.done and trace.error is None]
            assert len(complete) >= 2
            assert not recording.gaps
            assert [op.name for _, op in collectives_of(complete[1])][-1] == "all_reduce"
            if rank == 1:
                assert recording.ended == ended
                told = [note.message for note in recording.notes if note.kind == "exception"]
                assert told == (["ValueError: this rank is out of luck"] if ended else [])
