"""Which steps of a recording keep tensors, and which were checked while they ran. No Qt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .state import Steps


def kept_steps(recording: Steps | None) -> NDArray[np.int64]:
    """Rising indices of the steps that keep tensors, int64 ``[k]``; none where a recording does not say."""
    ask = getattr(recording, "kept_steps", None)
    return np.zeros(0, np.int64) if ask is None else ask()


def checked_steps(recording: Steps | None) -> NDArray[np.int64]:
    """Rising indices of the steps that were checked while they ran, int64 ``[k]``; none where a recording does not say."""
    ask = getattr(recording, "checked_steps", None)
    return np.zeros(0, np.int64) if ask is None else ask()


def steps_kept_in_part(recording: Steps | None) -> NDArray[np.int64]:
    """Those of them that keep only some tensors, or samples of large ones."""
    ask = getattr(recording, "steps_kept_in_part", None)
    return np.zeros(0, np.int64) if ask is None else ask()
