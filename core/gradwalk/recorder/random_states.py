"""The states of the generators that a Function of the script may draw from without being given them."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch

CASTING = ("cpu", "cuda")
"""The devices whose autocast is looked at."""


class RandomStates:
    """The states of all generators that a Function may draw from: NumPy's, Python's, and torch's on the ``devices`` given."""

    def __init__(self, devices: Sequence[torch.device]) -> None:
        self._python, self._numpy, self._cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
        self._cuda = [(device, torch.cuda.get_rng_state(device)) for device in dict.fromkeys(devices) if device.type == "cuda"]

    def rewind(self) -> None:
        """All generators are as they were."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        torch.set_rng_state(self._cpu)
        for device, state in self._cuda:
            torch.cuda.set_rng_state(state, device)

    def drawn_from(self) -> bool:
        """Whether something was drawn since."""
        python, (_, *numpy), (_, *before) = random.getstate(), np.random.get_state(), self._numpy
        same = all(np.array_equal(one, other) for one, other in zip(numpy, before, strict=True))
        cuda = all(bool(torch.equal(torch.cuda.get_rng_state(device), state)) for device, state in self._cuda)
        return not (python == self._python and same and cuda and bool(torch.equal(torch.get_rng_state(), self._cpu)))
