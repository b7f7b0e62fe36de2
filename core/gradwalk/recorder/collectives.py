"""Collectives: what the processes of a run do together through ``torch.distributed``, whoever starts it.

Each one (called by the script, by DistributedDataParallel's reducer in C++, by FSDP) passes torch's dispatcher as an operator of
the namespace ``c10d``. While recording, a kernel of ours stands there before the backend's, in order: 1. what is sent is measured
and the op goes into the log, in a backward after the Node that ran last; 2. the backend's kernel runs, untouched, and what it
returns is returned; 3. what arrives is measured when the program has waited for it. Nothing here waits.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, ClassVar, NamedTuple

import torch
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

from ..callsite import names_for
from .copies import NotAgain
from .functions import tensors_in
from .inside import backward_around
from .places import NOWHERE
from .records import BackwardRecord, OpRecord, Place, Slot
from .state import State, clock
from .values import describe, version_of

_KEY = "BackendSelect"
"""Where our kernel stands: every call passes here, with grad or without, just before the backend is chosen."""
_BELOW: Any = torch._C._dispatch_keyset_full_after(getattr(torch._C.DispatchKey, _KEY))
_PENDING_LIMIT = 4096


class Kind(NamedTuple):
    """A collective: its name in ``torch.distributed``; which arguments of the operator are sent, and which are written."""

    name: str
    sent: tuple[int, ...]
    written: tuple[int, ...]
    number: str = ""
    """What the integer after the process group is."""


_KINDS = {
    "allreduce_": Kind("all_reduce", (0,), (0,)),
    "allreduce_coalesced_": Kind("all_reduce_coalesced", (0,), (0,)),
    "broadcast_": Kind("broadcast", (0,), (0,), "src"),
    "reduce_": Kind("reduce", (0,), (0,), "dst"),
    "allgather_": Kind("all_gather", (1,), (0,)),
    "_allgather_base_": Kind("all_gather_into_tensor", (1,), (0,)),
    "allgather_coalesced_": Kind("all_gather_coalesced", (1,), (0,)),
    "allgather_into_tensor_coalesced_": Kind("all_gather_into_tensor_coalesced", (1,), (0,)),
    "reduce_scatter_": Kind("reduce_scatter", (1,), (0,)),
    "_reduce_scatter_base_": Kind("reduce_scatter_tensor", (1,), (0,)),
    "reduce_scatter_tensor_coalesced_": Kind("reduce_scatter_tensor_coalesced", (1,), (0,)),
    "gather_": Kind("gather", (1,), (0,), "dst"),
    "scatter_": Kind("scatter", (1,), (0,), "src"),
    "alltoall_": Kind("all_to_all", (1,), (0,)),
    "alltoall_base_": Kind("all_to_all_single", (1,), (0,)),
    "send": Kind("send", (0,), (), "dst"),
    "recv_": Kind("recv", (), (0,), "src"),
    "recv_any_source_": Kind("recv", (), (0,)),
    "barrier": Kind("barrier", (), ()),
    "monitored_barrier_": Kind("monitored_barrier", (), ()),
}


class _Arriving:
    """A collective whose result may still be on its way: what waits for it, and the tensors that it writes, held weakly."""

    work: Any = None

    def __init__(self, record: OpRecord, tensors: Sequence[torch.Tensor]) -> None:
        self.record = record
        self.tensors = [(weakref.ref(tensor), version_of(tensor)) for tensor in tensors]
        self._on_cpu = all(tensor.is_cpu for tensor in tensors)

    def is_there(self) -> bool:
        """Whether it has arrived. On the CPU the Work's future knows that earlier than the Work itself."""
        if self.work is None or self.work.is_completed():
            return True
        try:
            return self._on_cpu and bool(self.work.get_future().done())
        except RuntimeError:  # this Work has none
            return False


class Collectives:
    """While installed, every collective is an op of the step in which it ran."""

    _installed: ClassVar[Collectives | None] = None
    """There is one place before the backend's kernels."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._pending: dict[int, _Arriving] = {}
        self._undo: list[Callable[[], None]] = []
        if Collectives._installed is not None:
            Collectives._installed.remove()
        if torch.distributed.is_available():
            state.guarded(self._install)

    def _install(self) -> None:
        Collectives._installed = self
        state, work = self._state, torch._C._distributed_c10d.Work
        original, wait = work.wait, self._make_wait(work.wait)
        known = [name for name in _KINDS if hasattr(torch.ops.c10d, name)]
        kernels = {name: self._kernel(getattr(torch.ops.c10d, name).default, _KINDS[name]) for name in known}
        library: Any = torch.library.Library("c10d", "IMPL")  # type: ignore[no-untyped-call]
        self._undo.append(library._destroy)
        for name, kernel in kernels.items():
            library.impl(name, kernel, _KEY, with_keyset=True)
        setattr(work, "wait", wait)  # noqa: B010
        self._undo.append(lambda: setattr(work, "wait", original) if work.wait is wait else None)
        self._undo.append(register_optimizer_step_pre_hook(self._before).remove)
        state.before_step_ends.append(self._settle_all)
        self._undo.append(state.before_step_ends.clear)

    def remove(self) -> None:
        """Take the kernels away."""
        while self._undo:
            self._undo.pop()()
        self._pending.clear()
        if Collectives._installed is self:
            Collectives._installed = None

    # ------------------------------------------------------------------ what stands in torch's way

    def _kernel(self, function: Any, kind: Kind) -> Callable[..., Any]:
        state, redispatch = self._state, function.redispatch

        def kernel(keyset: Any, *args: Any, **kwargs: Any) -> Any:
            if state.function_calls.run_again:  # the other processes do not wait for this one
                raise NotAgain("it talks to the other processes")
            if state.gate.armed and state.guarded(self._is_seen, kind, args):
                state.hold(state.holding.before_collective, kind.name, sys._getframe(1), _in_backward(state))
            begun = state.guarded(self._begin, kind, args, sys._getframe(1))
            result = redispatch(keyset & _BELOW, *args, **kwargs)
            if begun is not None and state.guarded(self._started, begun, result) and state.gate.armed:
                state.hold(state.holding.after_collective, begun.record)
            return result

        return kernel

    def _make_wait(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def wait(work: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(work, *args, **kwargs)
            if self._pending:
                record = self._state.guarded(self._arrived, work)
                if record is not None and self._state.gate.armed:
                    self._state.hold(self._state.holding.after_collective, record)
            return result

        return wait

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self._pending:
            self._state.guarded(self._settle_all)

    # ------------------------------------------------------------------ 1. it begins

    def _is_seen(self, kind: Kind, args: tuple[Any, ...]) -> bool:
        """Whether it will be an event: nothing of a compiler's, nor of a backward that is not recorded."""
        state = self._state
        if any(_is_fake(tensor) for tensor in (*_tensors(args, kind.sent), *_tensors(args, kind.written))):
            return False
        return not _in_backward(state) or (backward_around(state) or _backward_under_way(state)) is not None

    def _begin(self, kind: Kind, args: tuple[Any, ...], frame: FrameType | None) -> _Arriving | None:
        state = self._state
        state.go_slowly()
        sent, written = _tensors(args, kind.sent), _written(state, kind, args)
        if any(_is_fake(tensor) for tensor in (*sent, *written)):
            return None
        around = backward_around(state) or _backward_under_way(state)
        if around is None and _in_backward(state):
            return None  # a backward that is not recorded
        place = state.places.of(frame, through=True) or NOWHERE
        record = OpRecord(0, kind.name, _inputs(state, kind, args, place), ())
        record.begin, record.place = clock(), place
        record.arguments = [], _words(kind, args, frame)
        record.serial = state.next_serial()
        record.outputs = tuple(_output(state, tensor, record.serial) for tensor in written)
        if around is None:
            self._add(record)
        else:
            record.tags = ("in backward", "collective")
            around.inside.append((len(around.ran) + (not _called_by_python(frame)), record))
        if state.looking:
            for tensor, slot in zip(sent, record.inputs, strict=True):
                state.observe(slot, tensor)
        return _Arriving(record, written)

    def _add(self, record: OpRecord) -> None:
        thread, steps = self._state.thread, self._state.steps
        record.tags = ("collective",)
        if thread.calls:
            record.call = thread.calls[-1]
        if thread.functions:
            record.parent = thread.functions[-1]
        updated = next((slot for slot in record.outputs if slot.written and slot.graded), None)
        if updated is not None and steps.trained:
            record.update, record.variable = True, updated.name
        self._state.add(record)

    # ------------------------------------------------------------------ 2. the backend has it

    def _started(self, arriving: _Arriving, result: Any) -> bool:
        """Whether it has arrived already."""
        arriving.record.duration = clock() - arriving.record.begin
        arriving.work = _work_of(result)
        if arriving.work is None and not torch.distributed.distributed_c10d._world.pg_coalesce_state:
            self._measure(arriving, waited=True)  # the backend has put it in order on the stream already
            return True
        if len(self._pending) >= _PENDING_LIMIT:
            self._pending.clear()
        self._pending[id(arriving if arriving.work is None else arriving.work)] = arriving
        return False

    # ------------------------------------------------------------------ 3. it has arrived

    def _arrived(self, work: Any) -> OpRecord | None:
        arriving = self._pending.pop(id(work), None)
        if arriving is None:
            return None
        arriving.record.duration = clock() - arriving.record.begin
        self._measure(arriving, waited=True)
        return arriving.record

    def _settle_all(self) -> None:
        """Measure what has arrived without a ``wait`` in Python, such as the buckets of DistributedDataParallel."""
        pending = list(self._pending.values())
        self._pending.clear()
        for arriving in pending:
            if arriving.is_there():
                self._measure(arriving, waited=False)

    def _measure(self, arriving: _Arriving, *, waited: bool) -> None:
        """Measure what arrived; where nobody waited for it just now, only what nobody has written to since."""
        for slot, (reference, version) in zip(arriving.record.outputs, arriving.tensors, strict=True):
            tensor = reference()
            if tensor is None or not (waited or version_of(tensor) == version):
                continue
            self._state.values.settle(tensor)  # some backends write through torch, some do not
            if self._state.looking:
                self._state.observe(slot, tensor)


def _tensors(args: tuple[Any, ...], places: tuple[int, ...]) -> list[torch.Tensor]:
    return list(tensors_in(args[place] for place in places))


def _written(state: State, kind: Kind, args: tuple[Any, ...]) -> list[torch.Tensor]:
    """What a collective writes: its tensors, and the known ones that these are views of (the parts of one buffer)."""
    tensors = _tensors(args, kind.written)
    own = {id(tensor) for tensor in tensors}
    bases = {id(base): base for tensor in tensors if (base := tensor._base) is not None and id(base) not in own}
    return tensors + [base for base in bases.values() if state.values.before(base) is not None]


def _in_backward(state: State) -> bool:
    return state.thread.backwards > 0 or torch._C._current_graph_task_id() >= 0


def _backward_under_way(state: State) -> BackwardRecord | None:
    """The backward in which this runs, also where the engine runs it in a thread of a device."""
    if not _in_backward(state):
        return None
    return next((record for record in reversed(state.steps.log) if isinstance(record, BackwardRecord)), None)


def _called_by_python(frame: FrameType | None) -> bool:
    """Whether a hook in Python asks, or a backward. Otherwise it is a hook in C++, which runs after its Node."""
    return frame is not None and frame.f_code is not torch.autograd.graph._engine_run_backward.__code__


def _inputs(state: State, kind: Kind, args: tuple[Any, ...], place: Place) -> tuple[Slot, ...]:
    names = _argument_names(kind, place)
    slots: list[Slot] = []
    for index in kind.sent:
        tensors = list(tensors_in((args[index],)))
        name = names[index] if len(tensors) == 1 and index < len(names) else ""
        slots += [state.slot_of(tensor, name) for tensor in tensors]
    return tuple(slots)


def _argument_names(kind: Kind, place: Place) -> tuple[str, ...]:
    """What the user's line calls the arguments, where it calls the collective itself."""
    if place.call.callee.rpartition(".")[2] != kind.name:
        return ()
    names = names_for(place.call, len(place.call.operands))
    return names[1::-1] if kind.name == "gather" else names  # the one whose operator has them the other way round


def _output(state: State, tensor: torch.Tensor, serial: int) -> Slot:
    known = state.values.find(tensor) is not None
    slot = state.values.write(tensor) if known else state.values.put(tensor, describe(tensor))
    slot.serial = serial
    return slot


def _is_fake(tensor: torch.Tensor) -> bool:
    """Whether a compiler only looks at what would happen."""
    return tensor.is_meta or isinstance(tensor, torch._subclasses.FakeTensor)


def _words(kind: Kind, args: tuple[Any, ...], frame: FrameType | None) -> dict[str, Any]:
    """The arguments worth telling: ``op`` (``sum``), the other rank, and how many ranks take part."""
    words: dict[str, Any] = {}
    group = next((index for index, argument in enumerate(args) if isinstance(argument, torch.ScriptObject)), 0)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("torch.distributed."):
        if isinstance(op := frame.f_locals.get("op"), torch.distributed.ReduceOp | torch.distributed.ReduceOp.RedOpType):
            words["op"] = str(op).rpartition(".")[2].lower()
            break
        frame = frame.f_back
    if kind.number:
        words[kind.number] = next((argument for argument in args[group + 1 :] if type(argument) is int), None)
    words["ranks"] = torch._C._distributed_c10d.ProcessGroup.unbox(args[group]).size()
    return words


def _work_of(result: Any) -> Any:
    """The one Python object of a collective's Work, or None where there is none to wait for."""
    last = result[-1] if isinstance(result, tuple) else result
    if not isinstance(last, torch.ScriptObject):
        return None
    try:
        return torch._C._distributed_c10d.Work.unbox(last)
    except (RuntimeError, TypeError):
        return None
