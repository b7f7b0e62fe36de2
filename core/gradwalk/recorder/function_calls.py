"""The calls of custom Functions in a step that is checked: what each was given, copied before its forward could write to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .copies import NotAgain, copy_of
from .functions import tensors_in
from .outside import outside_of
from .random_states import CASTING, RandomStates
from .snapshot import Snapshot

MOST_ELEMENTS = 1 << 25
"""Elements of all tensors given to a Function above which it is not run again: in float64 that is 256 MB a copy."""
MOST_IN_A_STEP = 1 << 28
"""The same of all Functions of a step: the copies wait until it has ended, 1 GB of float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Around:
    """What a call read that it was not given: random states, small data outside, and what autocast cast to, by device."""

    states: RandomStates
    outside: Snapshot
    casting: tuple[tuple[str, bool, torch.dtype], ...]

    def rewind(self) -> None:
        """All as it was when the Function was called."""
        self.states.rewind()
        self.outside.put_back()


@dataclass(frozen=True, slots=True, eq=False)
class FunctionCall:
    """One call: the arguments, with copies of what could change in them, and which of them need a gradient."""

    function: type
    arguments: tuple[Any, ...]
    needs_gradient: tuple[bool, ...]
    around: Around | None = None
    why_not: str = ""
    """Why it cannot be run again, if it cannot."""


class FunctionCalls:
    """Those of the step under way, by the serial number at which they began."""

    def __init__(self) -> None:
        self._calls: dict[int, FunctionCall] = {}
        self._left = MOST_IN_A_STEP
        self.run_again = False
        """Whether Functions are being run again, beside the training."""

    def note(self, serial: int, function: Any, arguments: Sequence[Any], *, grad: bool) -> None:
        """A Function is about to run, with grad enabled or not."""
        needs = tuple(_needs_gradient(argument) and grad for argument in arguments)
        if not any(needs):
            return
        try:
            self._calls[serial] = self._call(function, arguments, needs)
        except NotAgain as why:
            self._calls[serial] = FunctionCall(function, (), needs, why_not=str(why))
        except RuntimeError as error:  # no memory for the copies
            self._calls[serial] = FunctionCall(
                function, (), needs, why_not=f"its inputs could not be copied ({_first_line(error)})"
            )

    def take(self, last: int) -> dict[int, FunctionCall]:
        """Those that began up to a serial number, the ``last`` of a step that has ended; they are gone then."""
        if not self._calls:
            return {}
        self._left = MOST_IN_A_STEP
        taken = {serial: call for serial, call in self._calls.items() if serial <= last}
        self._calls = {serial: call for serial, call in self._calls.items() if serial > last}
        return taken

    def _call(self, function: Any, arguments: Sequence[Any], needs: tuple[bool, ...]) -> FunctionCall:
        if function.__module__.partition(".")[0] == "torch":
            raise NotAgain("it is a Function of torch's own")
        tensors = list(tensors_in(arguments))
        elements = sum(tensor.numel() for tensor in tensors)
        if elements > MOST_ELEMENTS:
            raise NotAgain(f"it is given more than {MOST_ELEMENTS:,} elements")
        if elements > self._left:
            raise NotAgain(
                f"the custom Functions of the step are given more than {MOST_IN_A_STEP:,} elements, and it is one of the last"
            )
        casting = tuple((device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)) for device in CASTING)
        around = Around(RandomStates([tensor.device for tensor in tensors]), outside_of(function, small=True), casting)
        made = FunctionCall(function, tuple(copy_of(argument) for argument in arguments), needs, around)
        self._left -= elements
        return made


def _needs_gradient(argument: Any) -> bool:
    return isinstance(argument, torch.Tensor) and argument.requires_grad and argument.is_floating_point()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
