"""Running a Function of the script again beside the training: nothing of that is recorded, and all that is drawn is put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch

from .outside import outside_of, own_classes
from .random_states import CASTING, RandomStates
from .state import Thread


@contextmanager
def aside(thread: Thread, function: type, devices: Sequence[torch.device]) -> Iterator[None]:
    """Not recorded, with grad and without autocast. Afterwards generators, modes, and what the function reads of its class, of
    globals and of variables around it are as before. Raises NotAgain where that is too much to hold.
    """
    states, outside = RandomStates(devices), outside_of(function)
    attributes = [(owner, set(vars(owner))) for owner in own_classes(function)]

    def surely(back: Callable[[], object]) -> None:
        try:
            back()
        except Exception:  # once more: the training must not go on with what a check has left
            back()

    with ExitStack() as stack:  # each is put back whatever becomes of the others
        thread.aside.append([])
        stack.callback(thread.aside.pop)
        for owner, names in attributes:
            stack.callback(surely, partial(_take_away, owner, names))
        for back in outside.parts:
            stack.callback(surely, back)
        stack.callback(surely, states.rewind)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in CASTING:
            stack.callback(torch.set_autocast_enabled, device, torch.is_autocast_enabled(device))
            torch.set_autocast_enabled(device, False)
        yield


def _take_away(owner: type, names: set[str]) -> None:
    """Attributes that a class did not have are gone."""
    for name in vars(owner).keys() - names:
        delattr(owner, name)
