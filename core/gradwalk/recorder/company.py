"""The ranks that a process trains with: how long they wait for one that is held."""

from __future__ import annotations

import sys
from typing import Any


def company() -> dict[str, Any]:
    """``rank``, ``ranks``, ``backend`` and ``timeout`` (seconds, 0.0 where it is not known) of the default process group.

    Empty where this process trains alone. Raises whatever torch raises.
    """
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return {}
    ranks = distributed.get_world_size()
    if ranks < 2:
        return {}
    return {
        "rank": distributed.get_rank(),
        "ranks": ranks,
        "backend": distributed.get_backend(),
        "timeout": _timeout(distributed),
    }


def _timeout(distributed: Any) -> float:
    """Of the backend's own options; the one that was asked for where it has none."""
    import torch

    group = distributed.distributed_c10d._get_default_group()
    device = torch.device("cuda" if distributed.get_backend() == "nccl" else "cpu")
    try:
        return float(group._get_backend(device).options._timeout.total_seconds())
    except (AttributeError, RuntimeError):
        return 0.0
