"""Holding the training at the gate, between two events: what the gate asks about them. The step so far for those who look is told
by ``moment.py``.

A gate that is armed makes everything go the slow way from the next step on, for a step that is followed shows nothing of itself
before it is complete. Nothing is held inside an op; inside a Node at the ops that its backward runs in Python: those of a custom
Function, of a hook, of a checkpoint's second forward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import FrameType
from typing import Any

import torch
from torch.optim.optimizer import Optimizer

from ..filter.one_event import OneEvent, Row
from ..gate import Gate, Moment, Stop, When
from .functions import op_name, tensors_in, writes
from .moment import RecordedMoment
from .ops import ZEROING
from .records import BackwardRecord, EdgeRecord, Measured, NodeRecord, OpRecord, Place, Slot
from .state import State
from .statistics import row_of_measured
from .values import dtype_name


class Holding:
    """The recorder's side of the gate: whether it is to hold the training where it is now.

    ``State.hold`` asks each of these under the recorder's guard, while the gate is armed; what they answer is waited at without
    the lock.
    """

    def __init__(self, state: State, gate: Gate) -> None:
        self._state, self._gate = state, gate

    def before_op(self, function: Callable[..., Any], frame: FrameType, args: Sequence[Any] = ()) -> Stop | None:
        """A torch function, or a custom Function, of the user's is about to run."""
        thread = self._state.thread
        thread.arrived.clear()
        if str(getattr(function, "__module__", "")).startswith("torch.distributed"):
            return None  # what it does together with other ranks is held at by itself
        if thread.backwards or thread.aside:
            return None
        return self._stop("before", _coming_call(self._state, function, frame, args))

    def before_drop(self, tensor: torch.Tensor, gradient: Any, frame: FrameType) -> Stop | None:
        """``w.grad`` is about to be set: where that drops a gradient, an update begins."""
        self._state.thread.arrived.clear()
        leaf = _dropped(self._state, tensor, gradient) if self._is_looked_at() else None
        return None if leaf is None else self._stop("before", _coming_update(self._state, "zero_grad", [leaf], frame))

    def before_step(self, optimizer: Optimizer, frame: FrameType) -> Stop | None:
        """An optimizer is about to make its step: what it will update is one place, before the first of its updates."""
        self._state.thread.arrived.clear()
        parameters = _stepped(self._state, optimizer) if self._is_looked_at() else []
        name = f"{type(optimizer).__name__}.step"
        return self._stop("before", _coming_update(self._state, name, parameters, frame)) if parameters else None

    def _is_looked_at(self) -> bool:
        """Whether what runs here goes the slow way, outside of a backward: a step that is followed goes on to its end first."""
        lead, thread = self._state.lead, self._state.thread
        return not (thread.backwards or thread.aside) and (lead is None or lead.follower.item is None)

    def after_ops(self) -> Stop | None:
        """What has arrived in this thread has run: where several did so at once, only one of them is held at."""
        thread = self._state.thread
        arrived, thread.arrived = thread.arrived, []
        return None if thread.backwards or thread.aside else self._last_of(arrived)

    def before_inside(self, function: Callable[..., Any], frame: FrameType, tag: str) -> Stop | None:
        """An op inside a backward is about to run."""
        self._state.thread.arrived.clear()
        return self._stop("before", _coming(self._state, function, frame, tag))

    def after_inside(self) -> Stop | None:
        """It has run."""
        thread = self._state.thread
        arrived, thread.arrived = thread.arrived, []
        return self._last_of(arrived)

    def _last_of(self, arrived: Sequence[OpRecord]) -> Stop | None:
        stops = (self._stop("after", _of_op(record, _phase_of(record, self._state))) for record in reversed(arrived))
        return next((stop for stop in stops if stop is not None), None)

    def before_collective(self, name: str, frame: FrameType, inside: bool) -> Stop | None:
        """A collective is about to begin, ``inside`` a backward or not."""
        return self._stop("before", _coming_together(self._state, name, frame, inside))

    def after_collective(self, record: OpRecord) -> Stop | None:
        """A collective has arrived."""
        arrived = self._state.thread.arrived
        if record in arrived:
            arrived.remove(record)
        return self._stop("after", _of_op(record, _phase_of(record, self._state)))

    def before_loss(self, outputs: Sequence[Any]) -> Stop | None:
        """A backward is about to begin at these. Nothing runs there, so only a breakpoint holds at it."""
        if not outputs:
            return None
        return self._stop("before", _loss(outputs[0], self._made_by(outputs[0])), why=self._gate.breakpoint_at)

    def after_loss(self, record: BackwardRecord, outputs: Sequence[Any]) -> Stop | None:
        """It has begun, and no Node has run."""
        return self._stop("after", _loss(outputs[0], self._made_by(outputs[0]), record), why=self._gate.breakpoint_at)

    def _made_by(self, tensor: Any) -> OpRecord | None:
        """The op of the open step that made a tensor."""
        slot = self._state.values.before(tensor) if isinstance(tensor, torch.Tensor) else None
        log = reversed(self._state.steps.log)
        return next((one for one in log if isinstance(one, OpRecord) and slot in one.outputs), None)

    def before_node(self, record: BackwardRecord, place: int) -> Stop | None:
        """A Node is about to run."""
        return self._stop("before", _of_node(record.nodes[place]))

    def after_node(self, record: BackwardRecord, place: int, gradients: Sequence[Any]) -> Stop | None:
        """A Node has run; ``gradients`` are those that it gave."""
        node = record.nodes[place]
        given = {edge: gradients[edge.output] for edge in node.edges if node.leaf is None and edge.output < len(gradients)}
        return self._stop("after", _of_node(node, _rows_of(node, record)), given)

    def _stop(
        self,
        when: When,
        event: OneEvent,
        given: Mapping[EdgeRecord, Any] | None = None,
        why: Callable[[Moment], str] | None = None,
    ) -> Stop | None:
        """Where the training is to be held at an event; ``why`` asks the gate."""
        moment = RecordedMoment(self._state, when, event, self._state.step_number, given or {})
        wanted = (why or self._gate.why)(moment)
        return Stop(moment, wanted, moment.position()) if wanted else None


# ---------------------------------------------------------------------- what is known of an event


def _coming_call(state: State, function: Callable[..., Any], frame: FrameType, args: Sequence[Any]) -> OneEvent:
    """A call outside of a backward: of an op, or of an update by hand."""
    name = op_name(function) if args else ""
    tensors = list(tensors_in(args[:1])) if writes(name) or name in ZEROING else []
    slots = [slot for tensor in tensors if (slot := state.values.before(tensor)) is not None]
    leaves = [slot.gradient_of for slot in slots if slot.gradient_of is not None]
    if name in ZEROING and leaves and len(leaves) == len(tensors):
        return _coming_update(state, "zero_grad", leaves, frame)
    event = _coming(state, function, frame)
    if state.steps.trained and any(slot.graded for slot in slots):
        return replace(event, phase="update", kind="update", labels=tuple(slot.name for slot in slots))
    return event


def _coming_update(state: State, name: str, leaves: Sequence[Slot], frame: FrameType) -> OneEvent:
    place, calls = state.places.of(frame, through=True), state.thread.calls
    labels = tuple(slot.name for slot in leaves)
    return OneEvent(name, "update", "update", labels, calls[-1].path if calls else "", _source(place))


def _dropped(state: State, tensor: torch.Tensor, gradient: Any) -> Slot | None:
    """The leaf whose gradient is dropped where ``tensor.grad`` is set to ``gradient``."""
    drops = gradient is None and tensor.is_leaf and tensor.grad is not None and state.steps.log
    return state.values.before(tensor) if drops else None


def _stepped(state: State, optimizer: Optimizer) -> list[Slot]:
    """The parameters that an optimizer is about to write to."""
    parameters = [one for group in optimizer.param_groups for one in group["params"] if one.grad is not None]
    return [slot for one in parameters if (slot := state.values.before(one)) is not None]


def _coming(state: State, function: Callable[..., Any], frame: FrameType, tag: str = "") -> OneEvent:
    place, calls = state.places.of(frame), state.thread.calls
    variable = place.call.variable if place is not None and place.direct else ""
    name = function.__name__ if isinstance(function, type) else op_name(function)
    phase = "backward" if tag else "update" if state.steps.trained and not state.grad else "forward"
    tags = (tag,) if tag else ()
    return OneEvent(name, phase, "op", (variable,), calls[-1].path if calls else "", _source(place), tags=tags)


def _coming_together(state: State, name: str, frame: FrameType, inside: bool) -> OneEvent:
    place, calls = state.places.of(frame, through=True), state.thread.calls
    phase = "backward" if inside else "update" if state.steps.trained else "forward"
    tags = ("in backward", "collective") if inside else ("collective",)
    return OneEvent(name, phase, "op", (), calls[-1].path if calls else "", _source(place), tags=tags)


def _phase_of(record: OpRecord, state: State) -> str:
    if "in backward" in record.tags or "recomputed" in record.tags:
        return "backward"
    if record.update:
        return "update"
    return "forward" if record.makes_graph or not state.steps.trained or record in state.steps.of_the_next() else "update"


def _of_op(record: OpRecord, phase: str) -> OneEvent:
    about = [] if record.outputs and not record.update else [slot.name for slot in record.inputs]
    return OneEvent(
        record.name,
        phase,
        "update" if record.update else "op",
        (record.variable, *about),
        record.call.path if record.call is not None else "",
        _source(record.place),
        tuple(slot.dtype for slot in record.outputs),
        tuple(slot.device for slot in record.outputs),
        record.tags,
        seconds=record.duration,
        outputs=tuple([_row(slot.measured) for slot in record.outputs if slot.measured is not None]),
    )


def _loss(tensor: Any, made_by: OpRecord | None, begun: BackwardRecord | None = None) -> OneEvent:
    """The loss at which a backward begins, or has ``begun``: it has the place of the op that made it."""
    known = isinstance(tensor, torch.Tensor)
    measured = begun.loss.measured if begun is not None else None
    return OneEvent(
        "loss",
        "loss",
        "loss",
        () if made_by is None else (made_by.name, made_by.variable),
        made_by.call.path if made_by is not None and made_by.call is not None else "",
        _source(made_by.place if made_by is not None else None),
        (dtype_name(tensor.dtype),) if known else (),
        (str(tensor.device),) if known else (),
        made_by.tags if made_by is not None else (),
        outputs=() if measured is None else (_row(measured, begun.scale if begun is not None else None),),
    )


def _of_node(node: NodeRecord, rows: Sequence[Row] = ()) -> OneEvent:
    owner, leaf = node.owner, node.leaf
    labels = (owner.name, owner.variable) if owner is not None else (leaf.name,) if leaf is not None else ()
    slots = [edge.slot for edge in node.edges if edge.slot is not None]
    return OneEvent(
        node.name,
        "backward",
        "accumulate" if leaf is not None else "node",
        labels,
        owner.call.path if owner is not None and owner.call is not None else "",
        _source(owner.place if owner is not None else None),
        tuple(slot.dtype for slot in slots),
        tuple(slot.device for slot in slots),
        owner.tags if owner is not None else (),
        (sum(one.bytes for one in node.saved), len(node.saved)),
        edges=rows,
    )


def _rows_of(node: NodeRecord, backward: BackwardRecord) -> list[Row]:
    """The statistics of what a Node gave, without the factor of a GradScaler."""
    scale = backward.scale
    return [_row(edge.measured, scale) for edge in node.edges if edge.measured is not None]


def _source(place: Place | None) -> str:
    return f"{place.call.site.file}:{place.call.site.line}" if place is not None and place.call.site.file else ""


def _row(measured: Measured, scale: Measured | None = None) -> Row:
    def row() -> tuple[float, ...]:
        found = row_of_measured(measured)
        if scale is None:
            return found
        count, low, high, total, squares, *counts = found
        factor = row_of_measured(scale)[1]
        return count, low / factor, high / factor, total / factor, squares / factor**2, *counts

    return row
