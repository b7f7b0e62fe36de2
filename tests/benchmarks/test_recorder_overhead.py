"""The benchmark of recording runs as its docstring says, with the libraries it is compared with and without them."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
OURS = ["floor", "structure", "statistics", "every=10", "torch.profiler"]
PEERS = {"torchlens.trace": "torchlens", "OpTierCollector": "torchlens", "torchview": "torchview", "torchviz": "torchviz"}
RATIO = r" +\d+\.\d\dx +\d+\.\d\d-\d+\.\d\d *"
AIM = r"   aim \d\.\d\dx(?: \(floor x 1\.08\))?: (?:met|missed)"
ABSENT = "import sys; sys.modules.update(dict.fromkeys(('torchlens', 'torchview', 'torchviz')))"
RUN = "import runpy; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module('recorder_overhead', run_name='__main__')"
TRAINS = """
import sys; sys.path.insert(0, sys.argv[1])
import torch
from peers import PEERS, installed
from workloads import two_layer_net

plain_mm = torch.Tensor.mm
for way in filter(installed, PEERS):
    ends = []
    for peer in (True, False):
        torch.manual_seed(0)
        workload = two_layer_net()
        with way.open(workload) as step:
            for _ in range(3):
                step() if peer else (workload.loss(workload.module(workload.x), workload.target).backward(), workload.update())
        ends.append([parameter.detach() for parameter in workload.module.parameters()])
    print(way.name, torch.Tensor.mm is plain_mm, *(torch.equal(one, other) for one, other in zip(*ends)))
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120)


@pytest.fixture
def overhead(monkeypatch):
    """The benchmark as a module."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setenv("KINETO_LOG_LEVEL", "6")
    yield importlib.import_module("recorder_overhead")
    for name in ("recorder_overhead", "peers", "workloads"):
        sys.modules.pop(name, None)


def test_every_way_has_a_line_and_two_have_an_aim():
    here = [name for name, package in PEERS.items() if find_spec(package)]
    done = run(str(BENCHMARKS / "recorder_overhead.py"), "--only", "two-layer", "--rounds", "1", "--steps", "3")
    assert done.returncode == 0, done.stderr
    assert re.findall(rf"^  (\S+){RATIO}(?:{AIM})?$", done.stdout, re.MULTILINE) == OURS + here
    assert re.findall(rf"^  (\S+){RATIO}{AIM}$", done.stdout, re.MULTILINE) == ["structure", "statistics"]
    assert "USDT" not in done.stdout + done.stderr
    assert done.stdout.count("pip install") == (len(here) < len(PEERS))


def test_without_the_peers_one_line_says_how_to_get_them():
    words = ("--only", "two-layer", "--rounds", "1", "--steps", "3", "--markdown")
    done = run("-c", f"{ABSENT}; {RUN}", str(BENCHMARKS), *words)
    assert done.returncode == 0, done.stderr
    (head,) = re.findall(r"^\| \| plain step \| (.*) \|$", done.stdout, re.MULTILINE)
    assert head.split(" | ") == OURS
    (row,) = re.findall(r"^\| two-layer net \| \d+\.\d\d ms \| (.*) \|$", done.stdout, re.MULTILINE)
    assert re.fullmatch(r"\S+x \| \S+x\S* \(\d\.\d\dx\) \| \S+x\S* \(\d\.\d\dx\) \| \S+x \| \S+x", row)
    assert re.findall(r"^.*pip install.*$", done.stdout, re.MULTILINE) == [
        "Not installed: torchlens, torchview, torchviz. For all: pip install gradwalk[bench]"
    ]


@pytest.mark.skipif(not any(map(find_spec, PEERS.values())), reason="none of the peers is installed")
def test_the_peers_train_as_the_plain_step_and_leave_torch_as_it_was():
    done = run("-c", TRAINS, str(BENCHMARKS))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name} True True True" for name, package in PEERS.items() if find_spec(package)]


@pytest.mark.parametrize(
    ("workload", "way", "floor", "wanted"),
    [
        ("two-layer net", "structure", 1.05, (1.10, False)),
        ("two-layer net", "structure", 1.20, (1.20 * 1.08, True)),
        ("two-layer net", "statistics", 1.20, (1.30, False)),
        ("two-layer net", "structure", None, (1.10, False)),
        ("GPT-2, 48 layers", "statistics", 1.50, (1.50 * 1.08, True)),
        ("two-layer net", "torchviz", 1.20, None),
    ],
)
def test_the_aim_is_told_from_the_floor_where_the_floor_exceeds_it(overhead, workload, way, floor, wanted):
    row = overhead.Row(workload, ratios={} if floor is None else {"floor": [floor - 0.01, floor, floor + 0.5]})
    assert overhead.aim(row, way) == pytest.approx(wanted)


def test_a_peer_that_stops_says_where_and_the_others_go_on(overhead, capsys):
    def breaks(workload):
        left = iter(range(4))
        return overhead.plain(overhead.Workload(lambda: next(left) or None, *[None] * 5))

    row, idle = overhead.Row("two-layer net"), overhead.Workload(lambda: None, *[None] * 5)
    stops, goes_on = overhead.Way("torchviz", breaks, "", 1, "torch"), overhead.Way("torchview", overhead.plain, "", 1, "torch")
    overhead.measure(row, idle, [stops, goes_on], rounds=2, steps=9, clock=overhead.time.perf_counter)
    overhead.print_text(row)
    assert "  torchviz        stops at step 5: StopIteration\n" in capsys.readouterr().out
    assert (list(row.ratios), len(row.ratios["torchview"])) == (["torchview"], 2)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--ways floor,nonsense", "no way is called 'nonsense'; there are floor, structure"),
        ("--only nonsense", "nothing to measure"),
        ("--rounds none", "2"),
    ],
)
def test_what_is_not_there_is_refused(overhead, monkeypatch, capsys, words, says):
    monkeypatch.setattr(sys, "argv", ["recorder_overhead.py", *words.split()])
    with pytest.raises(SystemExit, match=says):
        overhead.main()
    assert capsys.readouterr().out == ""
