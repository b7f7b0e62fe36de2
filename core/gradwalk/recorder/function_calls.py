"""The calls of custom Functions in a step that is checked: what each was given, copied before its forward could write to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType
from typing import Any

import torch
from torch import nn

MOST_ELEMENTS = 1 << 25
"""Elements of all tensors given to a Function above which it is not run again: in float64 that is 256 MB a copy."""


class NotAgain(Exception):  # noqa: N818 - a finding, which becomes a sentence
    """A Function cannot be run again; the text says why."""


@dataclass(frozen=True, slots=True, eq=False)
class FunctionCall:
    """One call: the arguments, with copies of the tensors among them, and which of them need a gradient."""

    function: type
    arguments: tuple[Any, ...]
    needs_gradient: tuple[bool, ...]
    why_not: str = ""
    """Why it cannot be run again, if it cannot."""


class FunctionCalls:
    """Those of the step under way, by the serial number at which they began."""

    def __init__(self) -> None:
        self._calls: dict[int, FunctionCall] = {}
        self.run_again = False
        """Whether Functions are being run again, beside the training."""

    def note(self, serial: int, function: Any, arguments: Sequence[Any], *, grad: bool) -> None:
        """A Function is about to run, with grad enabled or not."""
        needs = tuple(_needs_gradient(argument) and grad for argument in arguments)
        if not any(needs):
            return
        try:
            if function.__module__.partition(".")[0] == "torch":
                raise NotAgain("it is a Function of torch's own")
            if sum(tensor.numel() for tensor in arguments if isinstance(tensor, torch.Tensor)) > MOST_ELEMENTS:
                raise NotAgain(f"it is given more than {MOST_ELEMENTS:,} elements")
            self._calls[serial] = FunctionCall(function, tuple(copy_of(argument) for argument in arguments), needs)
        except NotAgain as why:
            self._calls[serial] = FunctionCall(function, (), needs, str(why))
        except RuntimeError as error:  # no memory for the copies
            self._calls[serial] = FunctionCall(function, (), needs, f"its inputs could not be copied ({_first_line(error)})")

    def take(self, last: int) -> dict[int, FunctionCall]:
        """Those that began up to a serial number, the ``last`` of a step that has ended; they are gone then."""
        if not self._calls:
            return {}
        taken = {serial: call for serial, call in self._calls.items() if serial <= last}
        self._calls = {serial: call for serial, call in self._calls.items() if serial > last}
        return taken


def copy_of(argument: Any) -> Any:
    """An argument, with tensors copied. Raises NotAgain for one that has to stay as it is."""
    if isinstance(argument, torch.Tensor):
        if type(argument) not in (torch.Tensor, nn.Parameter):
            raise NotAgain(f"it is given a {type(argument).__name__}, which is more than a plain tensor")
        if argument.layout is not torch.strided or argument.is_quantized or argument.is_complex() or argument.is_meta:
            raise NotAgain("it is given a tensor that is complex, quantized, sparse or without elements of its own")
        return argument.detach().clone()
    if type(argument) in (list, tuple):
        return type(argument)(copy_of(part) for part in argument)
    if type(argument) is dict:
        return {name: copy_of(part) for name, part in argument.items()}
    if isinstance(argument, nn.Module):
        raise NotAgain("it is given a module, which running it again could change")
    if callable(argument) and not isinstance(argument, BuiltinFunctionType | type):
        raise NotAgain("it is given a function, which could change more than its result")
    return argument


def _needs_gradient(argument: Any) -> bool:
    return isinstance(argument, torch.Tensor) and argument.requires_grad and argument.is_floating_point()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
