"""Whether CUDA is there, asked of a short child process: torch is never imported here."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

from .platform import python_code

_QUESTION = """
import json, torch
there = torch.cuda.is_available()
print(json.dumps([there, torch.cuda.get_device_name(0) if there else ""]))
"""


@dataclass(frozen=True, slots=True)
class Cuda:
    """The answer: ``name`` of the first device where there is one, otherwise ``reason`` in one sentence."""

    available: bool
    name: str = ""
    reason: str = ""


def probe_cuda(timeout: float = 30.0) -> Cuda:
    """Ask a child process whether torch sees a CUDA device; takes seconds, never longer than ``timeout``."""
    try:
        answer = subprocess.run(
            python_code(_QUESTION),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=True,
        )
        there, name = json.loads(answer.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        return Cuda(False, reason=f"PyTorch did not say within {timeout:g} seconds whether there is a CUDA device")
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
        return Cuda(False, reason="PyTorch could not be started to look for a CUDA device")
    return Cuda(True, name=str(name)) if there else Cuda(False, reason="there is no CUDA device here")
