"""The forward: a TorchFunctionMode through which every torch function of the user's passes.

For each function that returns tensors, in order: 1. it runs, untouched; 2. its arguments become Slots, as they were before it;
3. what it wrote and what it made become new Slots, measured and copied; 4. an OpRecord goes into the log.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Sequence
from types import FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ..callsite import names_for
from . import device_times
from .failures import note_failure
from .follower import Follower
from .functions import Kind, kind_of, op_name, split, tensors_in, writes
from .graph_walk import sequence_number
from .places import NOWHERE, OPTIMIZERS
from .records import OpRecord, Place, Slot
from .routine import Item
from .state import State, clock
from .tags import tags_of
from .trail import Arrival, What, spec_of
from .updates import note_data_set, note_grad_read, note_grad_set, note_zeroed
from .values import describe
from .views import with_bases

_transforming: Callable[[], bool] = torch._C._are_functorch_transforms_active
"""Whether vmap, grad and the like are at work, whose tensors are not to be looked at."""
_KINDS_LIMIT = 50_000
_IGNORED = Kind.IGNORED


class ForwardMode(TorchFunctionMode):
    """Watches one thread's torch functions. The thread whose steps may be followed gives its ``follower``."""

    def __init__(self, state: State, follower: Follower | None = None) -> None:
        super().__init__()
        self._state = state
        self._follower = follower
        self._kinds: dict[Any, Kind] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        follower = self._follower
        if follower is not None:
            item = follower.item
            if item is not None and item.function is func:
                frame = sys._getframe(1)
                if item.simple and not kwargs and follower.meets(item, args, frame):
                    return self._follow_simply(follower, item, func, args, frame)
                return self._follow(follower, item, func, args, kwargs, frame)
        kind = self._kinds.get(func) if func.__hash__ is not None else _IGNORED
        if kind is None:
            kind = self._kind(func)
        if kind is _IGNORED or self._state.off or _transforming():
            return func(*args, **kwargs) if kwargs else func(*args)
        if self._state.thread.backwards:
            self._state.disturbed = True
            return func(*args, **kwargs) if kwargs else func(*args)
        return self._come(kind, func, args, {} if kwargs is None else kwargs, sys._getframe(1))

    def _kind(self, function: Callable[..., Any]) -> Kind:
        try:
            kind = self._kinds.get(function)
        except TypeError:  # a callable that does not hash
            return _IGNORED
        if kind is None:
            if len(self._kinds) > _KINDS_LIMIT:
                self._kinds.clear()
            kind = self._kinds[function] = self._state.guarded(kind_of, function) or _IGNORED
        return kind

    # ------------------------------------------------------------------ what is followed

    def _follow_simply(
        self, follower: Follower, item: Item, func: Callable[..., Any], args: tuple[Any, ...], frame: FrameType
    ) -> Any:
        """The call that is expected next, of an op that makes one tensor."""
        begin = clock()
        try:
            result = func(*args)
        except Exception as error:
            self._raised(OpCall(func, args, {}, begin, item.sequence + follower.shift), error, frame)
            raise
        end = clock()
        if not follower.gets(item, args, result, begin, end):
            self._differs(OpCall(func, args, {}, begin, item.sequence + follower.shift), end, result, frame)
        return result

    def _follow(
        self,
        follower: Follower,
        item: Item,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        frame: FrameType,
    ) -> Any:
        """A call of the function that is expected next: run it, and compare before and after."""
        if not follower.expects(item, args, kwargs, frame):
            return self._come(self._kind(func), func, args, kwargs or {}, frame)
        begin = clock()
        try:
            result = func(*args, **kwargs) if kwargs else func(*args)
        except Exception as error:
            self._raised(OpCall(func, args, kwargs or {}, begin, item.sequence + follower.shift), error, frame)
            raise
        end = clock()
        if not follower.took(item, args, result, begin, end):
            self._differs(OpCall(func, args, kwargs or {}, begin, item.sequence + follower.shift), end, result, frame)
        return result

    def _raised(self, call: OpCall, error: Exception, frame: FrameType) -> None:
        """An op that was expected raised."""
        state = self._state
        state.guarded(state.leave)
        state.trail.broken = True
        state.guarded(_note_raised, state, call, error, frame)

    def _differs(self, call: OpCall, end: float, result: Any, frame: FrameType) -> None:
        """An op that was expected made something else than expected."""
        state, call.end = self._state, end
        state.guarded(state.leave)
        state.guarded(_note_slowly, state, self._kind(call.function), call, result, frame)

    # ------------------------------------------------------------------ the slow way

    def _come(self, kind: Kind, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
        """Something that was not expected, or not known to be."""
        state = self._state
        if kind is Kind.IGNORED or state.off or _transforming():
            return func(*args, **kwargs)
        if kind is Kind.GRAD_SET:
            state.guarded(note_grad_set, state, func, args, frame)
            return func(*args, **kwargs)
        if kind is not Kind.ZERO and frame.f_code.co_filename.startswith(OPTIMIZERS):
            return func(*args, **kwargs)
        follower = state.guarded(state.following)
        if follower is not None:
            item = follower.item
            if item is not None and kind in _OPS and item.function == func and follower.expects(item, args, kwargs, frame):
                return self._follow(follower, item, func, args, kwargs, frame)
            if kind is Kind.GRAD_READ or kind is Kind.SHARED:
                return self._tell(follower, kind, func, args, kwargs, frame)
            state.guarded(follower.leave)
        return self._go_slowly(kind, func, args, kwargs, frame)

    def _tell(
        self,
        follower: Follower,
        kind: Kind,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        frame: FrameType,
    ) -> Any:
        """Something that makes no op, in a step that is followed."""
        state = self._state
        result = func(*args, **kwargs)
        if not state.guarded(follower.told, kind, func, args, result, frame):
            state.guarded(_note_slowly, state, kind, OpCall(func, args, kwargs, clock(), 0), result, frame)
        return result

    def _go_slowly(
        self, kind: Kind, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType
    ) -> Any:
        state = self._state
        call = OpCall(func, args, kwargs, clock(), sequence_number())
        if state.timer is not None:
            call.mark = state.guarded(state.timer.mark)
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            state.trail.broken = True
            if kind in _OPS:
                state.guarded(_note_raised, state, call, error, frame)
            raise
        call.end = clock()
        if state.timer is not None:
            call.timing = state.guarded(state.timer.since, call.mark)
        state.guarded(_note_slowly, state, kind, call, result, frame)
        return result


def _note_slowly(state: State, kind: Kind, call: OpCall, result: Any, frame: FrameType | None) -> None:
    what = _WHATS.get(kind)
    if what is None:
        state.trail.broken = True
    else:
        chain = state.chain_of(frame)
        state.arrive(Arrival(what, call.function, chain, spec_of(call.args, call.kwargs), tuple(call.kwargs)))
    _AFTER[kind](state, call, result, frame)


class OpCall:
    """A torch function under way."""

    __slots__ = ("args", "begin", "end", "function", "kwargs", "mark", "sequence", "timing")

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], begin: float, sequence: int
    ) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.begin = self.end = begin
        self.sequence = sequence
        self.mark: Any = None
        """Where it began on a device."""
        self.timing: device_times.Timing | None = None


def note_op(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    """An op ran: into the log with it, if it returned tensors that are not its arguments unchanged."""
    made = [result] if isinstance(result, torch.Tensor) else list(tensors_in((result,)))
    name = _names.get(call.function) or _name(call.function)
    if not made and name.startswith("_foreach_") and name.endswith("_"):
        made = list(tensors_in(call.args[:1]))
    if not made:
        return
    place = state.places.of(frame, through=name in _ZEROING)
    if place is None or (place.distributed and _moves_shards(state, made)):
        return
    read, arguments = split(call.args, call.kwargs)
    written = _written(state, name, read, made, call.kwargs)
    if written is not NOTHING:
        count = len(made)
        read, made, written = with_bases(state.values, *_leaves_behind(state, read, made, written))
        if len(made) > count:
            state.trail.broken = True  # the bases are not among what the op gives back
        if name in _ZEROING and note_zeroed(state, made, place, call.begin):
            return
    made = [tensor for tensor in made if id(tensor) in written or not _among(tensor, read)]
    if not made:
        return
    record = OpRecord(0, name, _inputs(state, call, place, read, written), ())
    record.function, record.arguments = call.function, arguments
    finish_op(state, call, record, place, made, written)
    if not record.makes_graph:
        _link_doors(state, record, read, made)
    state.add(record)
    observe_op(state, record, read, made, written)


def _moves_shards(state: State, made: list[torch.Tensor]) -> bool:
    """Whether an op of torch.distributed's own only prepares what shows as collectives, or sets FSDP up."""
    return not (state.thread.calls and any(tensor.requires_grad for tensor in made))


def observe_op(
    state: State, record: OpRecord, read: list[torch.Tensor], made: list[torch.Tensor], written: Container[int]
) -> None:
    """Measure and copy what an op read and made. After ``steps.add``, which may have begun a new step."""
    if state.looking and record.name not in _UNWRITTEN:
        for tensor, slot in zip(read, record.inputs, strict=True):
            if id(tensor) not in written:
                state.observe(slot, tensor)
        for tensor, slot in zip(made, record.outputs, strict=True):
            state.observe(slot, tensor)


def finish_op(
    state: State, call: OpCall, record: OpRecord, place: Place, made: list[torch.Tensor], written: Container[int]
) -> None:
    """Fill in what an op made and where it stands."""
    record.serial = serial = state.next_serial()
    thread, variable = state.thread, place.call.variable if place.direct else ""
    variables = variable.split(", ") if variable else ()
    record.outputs = tuple(
        [
            _output(state, tensor, serial, written, variables[index] if len(variables) == len(made) else "")
            for index, tensor in enumerate(made)
        ]
    )
    record.place, record.variable = place, variable
    record.begin, record.duration = call.begin, call.end - call.begin
    if call.timing is not None and record.outputs and device_times.is_timed(record.outputs[0].device):
        record.timing = call.timing
    record.first_sequence, record.last_sequence = call.sequence, sequence_number()
    if thread.calls:
        record.call = thread.calls[-1]
    if thread.functions:
        record.parent = thread.functions[-1]
    for slot in reversed(record.outputs):  # the base of a view that was written comes after it
        if slot.requires_grad and not slot.leaf:
            record.makes_graph, record.keys = True, graph_keys(made)
            break
        if slot.written and slot.graded and state.steps.trained:
            record.update, record.variable = True, slot.name or variable
            break
    if not (state.grad or record.makes_graph or record.update or thread.inside):
        record.tags += tags_of(record)


NOTHING: Container[int] = frozenset()
_ZEROING = frozenset(("zero_", "_foreach_zero_"))
_UNWRITTEN = frozenset(("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"))
"""Ops whose result holds whatever was in the memory before."""
_names: dict[Any, str] = {}


def _name(function: Callable[..., Any]) -> str:
    if len(_names) > _KINDS_LIMIT:
        _names.clear()
    name = _names[function] = op_name(function)
    return name


def _among(tensor: torch.Tensor, tensors: list[torch.Tensor]) -> bool:
    for other in tensors:  # noqa: SIM110  (a loop is four times as fast as any() here)
        if tensor is other:
            return True
    return False


def _written(
    state: State, name: str, read: list[torch.Tensor], made: list[torch.Tensor], kwargs: dict[str, Any]
) -> Container[int]:
    """Which of the tensors that the op returned are arguments that it wrote to, by ``id``."""
    result: set[int] | None = None
    for tensor in made:
        if _among(tensor, read):
            known = state.values.was_written(tensor)
            if known or (known is None and (writes(name) or "out" in kwargs)):
                result = result or set()
                result.add(id(tensor))
    return NOTHING if result is None else result


def _leaves_behind(
    state: State, read: list[torch.Tensor], made: list[torch.Tensor], written: Container[int]
) -> tuple[list[torch.Tensor], list[torch.Tensor], Container[int]]:
    """A write to ``w.detach()`` or to a view of ``w`` is a write to the leaf ``w``."""
    doors = {id(tensor): state.values.leaf_behind(tensor) for tensor in made if id(tensor) in written}
    if any(id(leaf) != tensor for tensor, leaf in doors.items()):
        state.trail.broken = True
    swap = [doors.get(id(tensor), tensor) for tensor in read], [doors.get(id(tensor), tensor) for tensor in made]
    return *swap, {id(leaf) for leaf in doors.values()}


def _inputs(state: State, call: OpCall, place: Place, read: list[torch.Tensor], written: Container[int]) -> tuple[Slot, ...]:
    values, inputs = state.values, []
    for tensor in read:
        slot = values.before(tensor) if id(tensor) in written else values.find(tensor)
        inputs.append(_new_input(state, call, place, tensor) if slot is None else slot)
    return tuple(inputs)


def _new_input(state: State, call: OpCall, place: Place, tensor: torch.Tensor) -> Slot:
    """The Slot of an argument that was never seen."""
    names = dict(zip(map(id, call.args), _argument_names(place, call), strict=False))
    return state.slot_of(tensor, names.get(id(tensor), ""))


def _argument_names(place: Place, call: OpCall) -> tuple[str, ...]:
    if not place.direct:
        return ()
    names = names_for(place.call, len(call.args))
    if len(names) == 2 and not place.call.callee and not isinstance(call.args[1], torch.Tensor):
        return (names[0] or names[1], "") if not (names[0] and names[1]) else ()  # ``2 * x`` arrives as ``mul(x, 2)``
    return names[::-1] if getattr(call.function, "__name__", "").startswith("__r") else names


def _output(state: State, tensor: torch.Tensor, serial: int, written: Container[int], variable: str) -> Slot:
    values = state.values
    slot = values.write(tensor) if id(tensor) in written else values.put(tensor, describe(tensor, variable))
    slot.serial = serial
    return slot


def _link_doors(state: State, record: OpRecord, read: list[torch.Tensor], made: list[torch.Tensor]) -> None:
    """Remember which of the results are doors to a leaf."""
    for tensor, slot in zip(read, record.inputs, strict=True):
        if slot.leaf:
            for result in made:
                if result is not tensor and (record.name == "detach" or result._is_view()):
                    state.values.link(result, tensor)


def graph_keys(made: list[torch.Tensor]) -> list[tuple[int, int]]:
    """Per tensor the sequence number of its ``grad_fn`` and its output number there; ``(-1, 0)`` where there is none."""
    return [(-1, 0) if (node := tensor.grad_fn) is None else (node._sequence_nr(), tensor.output_nr) for tensor in made]


def _note_raised(state: State, call: OpCall, error: BaseException, frame: FrameType | None) -> None:
    place = state.places.of(frame)
    if place is None:
        return
    read, arguments = split(call.args, call.kwargs)
    record = OpRecord(0, op_name(call.function), _inputs(state, call, place, read, NOTHING), ())
    record.function, record.arguments = call.function, arguments
    call.end = clock()
    finish_op(state, call, record, place, [], NOTHING)
    record.makes_graph = any(slot.requires_grad for slot in record.inputs)
    note_failure(state, error, record)


def _note_item_set(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    note_op(state, call, call.args[0], frame)


def _note_grad_read(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    if result is not None:
        note_grad_read(state, call.args[0], result)


def _note_data_read(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    place = state.places.of(frame) or NOWHERE
    name = place.call.operands[0] if place.direct and place.call.operands else ""
    state.slot_of(call.args[0], name)
    state.values.alias(result, call.args[0])


def _note_data_set(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    note_data_set(state, call.args[0], call.args[1], state.places.of(frame), call.begin)


def _note_refreshed(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    tensor = call.args[0]
    slot = state.values.before(tensor)
    if slot is not None:
        slot.requires_grad, slot.leaf = tensor.requires_grad, tensor.requires_grad and tensor.is_leaf


def _note_shared(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    """From now on NumPy can write to the tensor behind our back: it is measured every time."""
    if isinstance(call.args[0], torch.Tensor):
        state.values.share(call.args[0])


_WHATS = {
    Kind.OP: What.OP,
    Kind.ZERO: What.OP,
    Kind.ITEM_SET: What.OP,
    Kind.GRAD_READ: What.GRAD_READ,
    Kind.SHARED: What.SHARED,
}
"""How the arrivals that can be followed are called; the others break the trail."""
_OPS = (Kind.OP, Kind.ZERO, Kind.ITEM_SET)
_AFTER: dict[Kind, Callable[[State, OpCall, Any, FrameType | None], None]] = {
    Kind.OP: note_op,
    Kind.ZERO: note_op,
    Kind.ITEM_SET: _note_item_set,
    Kind.GRAD_READ: _note_grad_read,
    Kind.DATA_READ: _note_data_read,
    Kind.DATA_SET: _note_data_set,
    Kind.REFRESH: _note_refreshed,
    Kind.SHARED: _note_shared,
}
