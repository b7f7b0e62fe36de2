"""The trail: what came to the hooks since the last step ended, in order, as it has to come again for a step to be followed.

A step that goes the slow way leaves a trail; ``routine.py`` makes a Routine of it, with which equal steps are followed.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Sequence
from types import CodeType, FrameType
from typing import Any, TypeAlias

import torch
from torch import nn

from .places import is_runner
from .records import Record

Chain: TypeAlias = tuple[tuple[CodeType, int], ...]
"""Frames from the caller outwards, each as its code and the instruction that it is at."""
Spec: TypeAlias = "tuple[bool, ...] | None"
"""Per positional argument whether it is a tensor; None where tensors are inside lists or among the named ones."""

_LONGEST = 100_000
_DEEPEST = 100
_CALL: CodeType = nn.Module._call_impl.__code__
_IN_MODULE = frozenset((_CALL, *(const for const in _CALL.co_consts if isinstance(const, CodeType))))
"""The code of ``Module.__call__`` that calls ``forward``: what is outside of it, the call of the module has told already."""


class What(enum.IntEnum):
    """What came to a hook."""

    OP = 0
    GRAD_READ = 1
    GRAD_SET = 2
    SHARED = 3
    ENTER = 4
    LEAVE = 5
    OPEN = 6
    CLOSE = 7
    OPTIMIZER = 8
    BACKWARD = 9
    HOOKED = 10


class Arrival:
    """One thing that came, and the records that were made of it."""

    __slots__ = ("chain", "detail", "function", "keywords", "records", "spec", "what")

    def __init__(
        self, what: What, function: Any, chain: Chain, spec: Spec = (), keywords: tuple[str, ...] = (), detail: Any = None
    ) -> None:
        self.what, self.function, self.chain = what, function, chain
        self.spec, self.keywords, self.detail = spec, keywords, detail
        self.records: list[Record] = []

    def resembles(self, other: Arrival) -> bool:
        """Whether another one is the same call from the same place."""
        return (
            self.what is other.what
            and self.function == other.function
            and self.chain == other.chain
            and self.keywords == other.keywords
            and self.detail == other.detail
        )

    def again(self) -> Arrival:
        """The same arrival, without records."""
        return Arrival(self.what, self.function, self.chain, self.spec, self.keywords, self.detail)


class Trail:
    """The arrivals of the open step; ``broken`` where they do not tell it all."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.broken = False
        self.current: Arrival | None = None
        self.closing = -1
        """The place of the arrival at which the step before ended."""
        self._thread = threading.get_ident()

    def add(self, arrival: Arrival) -> None:
        """Something came; the records made until the next one comes are its own."""
        if threading.get_ident() != self._thread or len(self.arrivals) >= _LONGEST:
            self.broken = True
            return
        self.current = arrival
        self.arrivals.append(arrival)

    def note(self, record: Record) -> None:
        """A record was made of what came last."""
        if self.current is not None and threading.get_ident() == self._thread:
            self.current.records.append(record)
        else:
            self.broken = True

    def cut(self, records: Sequence[Record]) -> list[Arrival] | None:
        """The arrivals of the step that has ended with these records, None where they do not tell it; the rest stays."""
        last = records[-1] if records else None
        end = next((i for i in range(len(self.arrivals), 0, -1) if last in self.arrivals[i - 1].records), 0)
        ended, self.arrivals = self.arrivals[:end], self.arrivals[end:]
        self.closing = len(self.arrivals) - 1
        broken, self.broken = self.broken, False
        told = [record for arrival in ended for record in arrival.records]
        same = len(told) == len(records) and all(a is b for a, b in zip(told, records, strict=True))
        return ended if same and not broken else None

    def restart(self, closing: int) -> None:
        """A step begins again, in which the arrival at this place ends the one before."""
        self.arrivals, self.broken, self.current, self.closing = [], False, None, closing


def chain_of(frame: FrameType | None, *, in_module: bool) -> Chain:
    """The frames from ``frame`` outwards: up to the call of the innermost module, else all of the user's."""
    chain: list[tuple[CodeType, int]] = []
    while frame is not None and len(chain) < _DEEPEST:
        code = frame.f_code
        if (in_module and code in _IN_MODULE) or is_runner(code.co_filename):
            break
        chain.append((code, frame.f_lasti))
        frame = frame.f_back
    return tuple(chain)


def comes_along(frame: FrameType | None, chain: Chain) -> bool:
    """Whether the frames from ``frame`` outwards are at the places of the chain."""
    for code, instruction in chain:
        if frame is None or frame.f_code is not code or frame.f_lasti != instruction:
            return False
        frame = frame.f_back
    return True


def spec_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Spec:
    """Where the tensors are among the arguments."""
    for value in kwargs.values():
        if isinstance(value, torch.Tensor | list | tuple | dict):
            return None
    spec = []
    for argument in args:
        if isinstance(argument, list | tuple | dict) and holds_tensor(argument):
            return None
        spec.append(isinstance(argument, torch.Tensor))
    return tuple(spec)


def holds_tensor(thing: Any) -> bool:
    """Whether there is a tensor in a list, tuple or dict, at any depth."""
    pending = [thing]
    while pending:
        one = pending.pop()
        if isinstance(one, torch.Tensor):
            return True
        if isinstance(one, list | tuple):
            pending.extend(one)
        elif isinstance(one, dict):
            pending.extend(one.values())
    return False
