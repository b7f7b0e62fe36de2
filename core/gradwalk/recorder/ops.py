"""An op that ran becomes a record.

In order: 1. its arguments become Slots, as they were before it; 2. what it wrote and what it made become new Slots, measured and
copied; 3. an OpRecord goes into the log.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from types import FrameType
from typing import Any

import torch

from ..callsite import names_for
from . import device_times
from .failures import note_failure
from .functions import op_name, split, tensors_in, writes
from .graph_walk import sequence_number
from .host import host_array
from .masks import LAYERS, MASKED, mask_of, masks_between
from .pending import pending_of
from .records import OpRecord, Place, Slot
from .state import State, clock
from .tags import tags_of
from .unwritten import mark_unwritten
from .updates import note_zeroed
from .values import describe
from .views import with_bases

_KINDS_LIMIT = 50_000


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
    place = state.places.of(frame, through=name in ZEROING)
    if place is None or (place.distributed and _moves_shards(state, made)):
        return
    read, arguments = split(call.args, call.kwargs)
    written = _written(state, name, read, made, call.kwargs)
    if written is not NOTHING:
        count = len(made)
        read, made, written = with_bases(state.values, *_leaves_behind(state, read, made, written))
        if len(made) > count:
            state.trail.broken = True  # the bases are not among what the op gives back
        if name in ZEROING and note_zeroed(state, made, place, call.begin):
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
    unread = mark_unwritten(record, made, written)
    if state.looking:
        for tensor, slot in zip(read, record.inputs, strict=True):
            if id(tensor) not in written and slot not in unread:
                state.observe(slot, tensor)
        for tensor, slot in zip(made, record.outputs, strict=True):
            if not slot.unwritten:
                state.observe(slot, tensor)
    if record.name in MASKED and record.makes_graph and state.captor.wanted:
        own = range(record.first_sequence, record.last_sequence)
        noise = masks_between(made, own, record.arguments) if record.name in LAYERS else mask_of(made, own)
        record.mask = None if noise is None else state.captor.copy_mask(noise, host_array(noise))


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
            if state.gate.armed:
                record.pending = pending_of(state.values, record, made)
            break
        if slot.written and slot.graded and state.steps.trained:
            record.update, record.variable = True, slot.name or variable
            break
    if not (state.grad or record.makes_graph or record.update or thread.inside):
        record.tags += tags_of(record)


NOTHING: Container[int] = frozenset()
ZEROING = frozenset(("zero_", "_foreach_zero_"))
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


def note_raised(state: State, call: OpCall, error: BaseException, frame: FrameType | None) -> None:
    """An op raised: the step so far is written, with the op in its place."""
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
