"""The recorder of torch programs: hooks everything when it starts, and takes every hook away when it stops."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

import torch

from ..gate import Gate
from ..recording.sink import Sink
from . import modes
from .backward import Backward
from .collectives import Collectives
from .company import company
from .compiled import CompiledRegions
from .custom import CustomFunctions
from .failures import end_with
from .forward import ForwardMode
from .function_check import function_verdicts
from .holding import Holding
from .insist import insist
from .lead import Lead
from .modules import ModuleCalls
from .scalers import GradScalers
from .state import State
from .stepping import OptimizersUnwatched
from .swapping import Swapping
from .threads import Threads
from .tracing import Tracing
from .transforms import Transforms
from .updates import OptimizerSteps


class _Part(Protocol):
    def remove(self) -> None: ...


class Recorder:
    """Records every training step of this process into ``sink``, from ``start`` to ``stop``.

    Training is not changed: no hook raises, no bit differs. A program may use several recorders, one after the other. At the
    ``gate`` the training is held where the app asks for it.
    """

    def __init__(self, sink: Sink, gate: Gate | None = None) -> None:
        self._state = State(sink, gate)
        self._state.when_full = self._finish_early
        self._state.look_at_functions = function_verdicts
        self._state.holding = Holding(self._state, self._state.gate)
        self._parts: list[_Part] = []
        self._mode: ForwardMode | None = None
        self._pid = os.getpid()
        _off_in_forked_children(self._state)
        self._ended = False

    def start(self) -> None:
        """Watch torch from now on, in this thread and in those that it starts. After a fault of ours nothing is watched."""
        if self._parts or self._ended:
            return
        try:
            self._install()
        except Exception as fault:
            self._ended = True
            self._detach()
            self._state.give_up(fault)

    def _install(self) -> None:
        state, parts = self._state, self._parts
        modules = ModuleCalls(state)
        parts.append(modules)
        unwatched = OptimizersUnwatched(state, ForwardMode)
        parts.append(unwatched)
        optimizers = OptimizerSteps(state, unwatched)
        parts.append(optimizers)
        for make in (GradScalers, CustomFunctions, Backward, Swapping):
            parts.append(make(state))
        transforms = Transforms(state)
        parts.append(transforms)
        parts.append(CompiledRegions(state, modules, [modules.hooks, optimizers.hooks, transforms]))
        parts.append(Threads(lambda: _mode_of_a_thread(state)))
        parts.append(Tracing(state, ForwardMode))
        parts.append(Collectives(state))
        state.gate.company = company
        state.lead = Lead(state)
        self._mode = ForwardMode(state, state.lead.follower)
        modes.push(self._mode)
        state.rest.mode, state.rest.hooks = self._mode, [modules.hooks]

    def stop(self, error: BaseException | None = None) -> None:
        """Take every hook away and hand over what is complete; with ``error``, also the step that it cut short.

        In a forked child nothing is handed over: the recording is its parent's.
        """
        if self._ended:
            return
        self._ended = True
        self._state.rest.wake()
        if os.getpid() == self._pid:
            self._state.guarded(self._finish, error)
        self._detach()

    def _finish(self, error: BaseException | None) -> None:
        state = self._state
        if state.lead is not None:
            state.lead.unwind(failed=False)
        if error is None or isinstance(error, SystemExit | GeneratorExit):
            state.steps.end()
        else:
            end_with(state, error)
        self._finish_early()

    def _finish_early(self) -> None:
        """As many steps as were asked for are there."""
        state = self._state
        state.handing.late()
        if not state.backward_seen:
            state.sink.note("no-backward", "no backward() seen: nothing that was recorded computed gradients through autograd")
        state.off = True

    def _detach(self) -> None:
        """Take every hook away."""
        self._state.off = True
        for part in reversed(self._parts):
            insist(part.remove)
        self._parts = []
        if self._mode is not None:
            insist(_leave, self._mode)


def _leave(mode: ForwardMode) -> None:
    """Take our mode off this thread's stack, wherever it stands there."""
    with torch._C.DisableTorchFunction():
        modes.remove(mode)


def _mode_of_a_thread(state: State) -> ForwardMode:
    """For the thread that asks. What the recorder keeps of it is made now, where a fault in that is caught."""
    assert not state.thread.backwards
    return ForwardMode(state)


def _off_in_forked_children(state: State) -> None:
    """A forked child (a data loader's worker) is not recorded."""
    known = weakref.ref(state)

    def switch_off() -> None:
        found = known()
        if found is not None:
            found.off = True

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=switch_off)
