"""Where a run's recording goes, and which run this is when several processes (ranks) are one run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..refusal import RefusalError

RUNS = Path("gradwalk-runs")
WAIT_FOR_RANK_0 = 30.0
"""Seconds that another rank waits for rank 0 to make the run folder."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which run and which part of it: ranks that ``torchrun`` started together share ``run_id``."""

    run_id: str
    rank: int = 0
    world_size: int = 1


def identity() -> Identity:
    """Who we are: by the process group that is there already, else by the environment that launchers such as ``torchrun`` set."""
    rank, world_size = _number("RANK", 0), _number("WORLD_SIZE", 1)
    if world_size <= 1 or not 0 <= rank < world_size:
        return _in_process_group() or Identity(secrets.token_hex(8))
    launch = [os.environ.get(name, "") for name in ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE")]
    return Identity(hashlib.sha256("\n".join(launch).encode()).hexdigest()[:16], rank, world_size)


def _in_process_group() -> Identity | None:
    """By ``torch.distributed``, where processes that nobody launched as ranks (``torch.multiprocessing``) have met.

    The run id is the one that the first of them leaves in the group's store.
    """
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    store = distributed.distributed_c10d._get_default_store()
    run_id = store.compare_set("gradwalk/run", "", secrets.token_hex(8)).decode()
    return Identity(run_id, distributed.get_rank(), distributed.get_world_size())


def _number(variable: str, otherwise: int) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else otherwise


def run_folder(script: str, who: Identity, parent: Path = RUNS) -> Path:
    """A folder for a new run, ``run-20261123T143000Z-two_layer-7f3a``; ranks of one run get the same. It is made."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", Path(script).stem)[:40].strip(".") or "script"
    until = time.monotonic() + (WAIT_FOR_RANK_0 if who.rank > 0 else 0.0)
    while time.monotonic() < until:
        for folder in sorted(parent.glob(f"run-*-{stem}-{who.run_id[:4]}"), reverse=True):
            if not (folder / _first_file(who)).exists():
                return folder
        time.sleep(0.1)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    folder = parent / f"run-{stamp}-{stem}-{who.run_id[:4]}"
    _make(folder)
    return folder


def claim(folder: Path, who: Identity) -> None:
    """Make a run folder that was asked for by name. Raises RefusalError where it cannot be written or holds another recording."""
    if folder.exists() and not folder.is_dir():
        raise RefusalError(f"{folder} is a file; --record wants a folder")
    _make(folder)
    holds = (folder / "run.json").exists() or any(folder.glob("rank*.mcap"))
    if holds and ((folder / _first_file(who)).exists() or _run_id_in(folder) != who.run_id):
        raise RefusalError(f"{folder} already holds a recording, which is never overwritten; choose another folder")


def _first_file(who: Identity) -> str:
    return f"rank{who.rank:05d}.0000.mcap"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RefusalError(f"the recording cannot be written to {folder} ({error.strerror})") from None


def _run_id_in(folder: Path) -> str:
    try:
        about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(about.get("run_id", "")) if isinstance(about, dict) else ""
