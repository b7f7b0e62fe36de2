"""Running a Function of the script again beside the training: nothing of that is recorded, and all that is drawn is put back."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

from .state import Thread

_AUTOCAST = ("cpu", "cuda")


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


@contextmanager
def aside(thread: Thread, function: type, devices: Sequence[torch.device]) -> Iterator[RandomStates]:
    """Not recorded, with grad and without autocast; afterwards generators, modes and the class's attributes are as before."""
    states, attributes = RandomStates(devices), dict(vars(function))
    casting = [(device, torch.is_autocast_enabled(device)) for device in _AUTOCAST]
    thread.aside.append([])
    try:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            for device, _ in casting:
                torch.set_autocast_enabled(device, False)
            yield states
    finally:
        for device, was in casting:
            torch.set_autocast_enabled(device, was)
        thread.aside.pop()
        states.rewind()
        _put_back(function, attributes)


def _put_back(function: type, attributes: dict[str, Any]) -> None:
    now = dict(vars(function))
    for name in now.keys() - attributes.keys():
        delattr(function, name)
    for name, value in attributes.items():
        if now.get(name) is not value and not name.startswith("__"):
            setattr(function, name, value)
