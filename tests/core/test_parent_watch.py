"""A child ends soon after the process that it watches, and only then."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from gradwalk import parent_watch
from gradwalk.parent_watch import VARIABLE, is_alive, watch_parent

CHILD = """
import os, sys, time
from gradwalk.parent_watch import VARIABLE, watch_parent
assert watch_parent() and VARIABLE not in os.environ
print(os.getpid(), flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    open(sys.argv[1], "w").write("interrupted")
"""
STUBBORN = """
import os, time
from gradwalk import parent_watch
parent_watch.GRACE = 0.3
parent_watch.watch_parent()
print(os.getpid(), flush=True)
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass
"""
PARENT = """
import os, subprocess, sys
from gradwalk.parent_watch import VARIABLE
environment = {**os.environ, VARIABLE: str(os.getpid())}
child = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], env=environment, stdout=subprocess.PIPE, text=True)
print(child.stdout.readline().strip(), flush=True)
sys.stdin.read()
"""


def family(*arguments: str) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-c", PARENT, *arguments]
    parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return parent, int(parent.stdout.readline())


def wait_for_the_end(pid: int) -> bool:
    until = time.monotonic() + 20
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not is_alive(pid)


def close(parent: subprocess.Popen[str]) -> None:
    parent.stdin.close()
    parent.stdout.close()
    parent.wait(20)


def test_a_killed_parent_interrupts_its_child(tmp_path):
    parent, child = family(CHILD, str(tmp_path / "how"))
    parent.kill()
    assert wait_for_the_end(child)
    assert (tmp_path / "how").read_text() == "interrupted"
    close(parent)


def test_a_child_that_ignores_the_interrupt_is_ended_all_the_same():
    parent, child = family(STUBBORN)
    parent.kill()
    assert wait_for_the_end(child)
    close(parent)


def test_a_child_lives_as_long_as_its_parent():
    parent, child = family(STUBBORN)
    time.sleep(1.0)
    assert is_alive(child)
    close(parent)
    assert wait_for_the_end(child)


@pytest.mark.parametrize("named", ["", "x", "-1", "0"])
def test_nobody_is_watched_where_nobody_is_named(monkeypatch, named):
    monkeypatch.setenv(VARIABLE, named)
    assert not watch_parent()
    assert VARIABLE not in os.environ


def test_a_process_that_is_no_parent_can_be_watched():
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    gone = parent_watch._has_gone(other.pid)
    assert not gone()
    other.communicate(b"\n")
    assert gone()


def test_alive_and_not():
    assert is_alive(os.getpid())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not is_alive(ended.pid)
