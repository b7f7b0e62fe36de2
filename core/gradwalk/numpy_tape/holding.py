"""Holding a NumPy program at the gate, before and after an op: what the gate asks about it, and the step so far."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..gate import Gate, Stop, When
from ..trace import NONE, Graph, Kept, Phase, Trace
from .former import Former
from .graph import number
from .operands import plain
from .records import OpRecord, Slot
from .steps import Steps

if TYPE_CHECKING:
    from ..filter.one_event import OneEvent

FEW_OPS = 400
"""Before the first step has ended the phase of an op is told from all ops before it, if there are no more than these."""


class Holding:
    """The tape's side of the gate. ``told`` hears of our faults: the program goes on."""

    def __init__(self, steps: Steps, gate: Gate, told: Callable[[Exception], None]) -> None:
        self._steps, self._gate, self._told = steps, gate, told
        self._arrays: dict[Slot, Any] = {}
        """Per value of the step a weak reference to the array that holds it, or the scalar."""
        self._step = -1

    def know(self, thing: Any, slot: Slot) -> None:
        """An array or scalar holds a value."""
        if self._step != self._steps.step:
            self._step, self._arrays = self._steps.step, {}
        self._arrays[slot] = weakref.ref(thing) if isinstance(thing, np.ndarray) else thing

    def before(self, record: OpRecord) -> None:
        """An op is about to run."""
        self._pass("before", record, partial(_coming, record, self._steps))

    def after(self, record: OpRecord) -> None:
        """An op has run."""
        if record.outputs:
            self._pass("after", record, partial(_done, record, self._steps))

    def _pass(self, when: When, record: OpRecord, event: Callable[[], OneEvent]) -> None:
        try:
            self._steps.look()
            moment = TapedMoment(self._steps, self._arrays, self._told, when, event())
            why = self._gate.why(moment)
            position = moment.position() if why else 0
        except Exception as fault:  # the program goes on, without being held
            self._told(fault)
            return
        if why:
            self._gate.hold(Stop(moment, why, position))


@dataclass(slots=True)
class TapedMoment:
    """A place between two ops of a step under way."""

    _steps: Steps
    _arrays: Mapping[Slot, Any]
    _told: Callable[[Exception], None]
    when: When
    event: OneEvent
    _trace: Trace | None = None

    @property
    def step(self) -> int:
        """The number of the step."""
        return self._steps.step

    def position(self) -> int:
        """How many events of the step have run: the ops, and the loss."""
        former, records = self._steps.former, self._steps.records
        if former.phases:
            return len(records) + any(map(former.makes_loss, records))
        return len(self._so_far().tape) if records else 0

    def show(self) -> None:
        """Write the step so far."""
        try:
            if self._steps.records:
                self._steps.show(self._so_far())
        except Exception as fault:
            self._told(fault)

    def fetch(self, kind: str, number: int) -> Kept:
        """A tensor in full."""
        graph = self._so_far().graph if self._steps.records else None
        things = () if graph is None else graph.edges if kind == "gradient" else graph.values
        if graph is None or not 0 <= number < len(things):
            raise LookupError(f"the step so far has no {kind} {number}")
        slot = self._slots()[graph.edges[number].by if kind == "gradient" else number]
        if slot.version != slot.storage.version:
            raise LookupError(f"{_called(graph, kind, number)} is overwritten by #{self._writer(slot)}")
        known = self._arrays.get(slot)
        thing = known() if isinstance(known, weakref.ref) else known
        if thing is None:
            raise LookupError(f"{_called(graph, kind, number)} is freed: nothing holds it any more")
        data = np.array(plain(thing), order="C", copy=True, subok=False)
        data.flags.writeable = False
        return Kept(data, data.dtype.name, data.shape, True)

    def _so_far(self) -> Trace:
        if self._trace is None:
            self._trace = self._steps.so_far()
        return self._trace

    def _slots(self) -> list[Slot]:
        return list(number(self._steps.records))

    def _writer(self, slot: Slot) -> int:
        """The position on the tape of what wrote over a value first, or NONE."""
        records, graph = self._steps.records, self._so_far().graph
        for position, event in enumerate(graph.events):
            writes = records[event.ref].writes if event.kind in ("op", "update") else ()
            if any(new.storage is slot.storage and new.version > slot.version for _, new in writes):
                return position
        return NONE


def _called(graph: Graph, kind: str, number: int) -> str:
    """``%5 square``: a value's number, and its name or that of the op which made it."""
    value = graph.values[graph.edges[number].value if kind == "gradient" else number]
    name = value.name or (graph.ops[value.op].name if value.op != NONE else "")
    return ("the gradient of " if kind == "gradient" else "") + f"%{value.id} {name}".rstrip()


# ---------------------------------------------------------------------- what is known of an event


def _coming(record: OpRecord, steps: Steps) -> OneEvent:
    from ..filter.one_event import OneEvent

    place, former = record.place, steps.former
    after_loss = any(map(former.makes_loss, steps.records))
    phase: Phase = former.phases.get(place) or ("backward" if after_loss else _phase_of_last(steps))
    kind = "update" if place in former.updates else "op"
    return OneEvent(
        record.name, phase, kind, _labels(record, former, place.variable if place.direct else ""), "", _source(record)
    )


def _done(record: OpRecord, steps: Steps) -> OneEvent:
    from ..filter.one_event import OneEvent

    former = steps.former
    updates = record.updates or record.rebound is not None or record.counted
    phase: Phase = former.phases.get(record.place) or ("update" if updates else _phase_of_last(steps))
    rows = [partial(steps.row, slot) for slot in record.outputs]
    return OneEvent(
        record.name,
        phase,
        "update" if record.place in former.updates or (phase == "update" and updates) else "op",
        _labels(record, former, record.variable),
        "",
        _source(record),
        tuple(slot.dtype for slot in record.outputs),
        tuple("cpu" for _ in record.outputs),
        seconds=record.duration,
        outputs=rows,
        edges=rows if record.place in former.gives else (),
    )


def _phase_of_last(steps: Steps) -> Phase:
    """In the first step: what the op that ran last is, as the ops so far have it."""
    if not 0 < len(steps.records) <= FEW_OPS:
        return "forward"
    return steps.roles().phases[-1]


def _labels(record: OpRecord, former: Former, variable: str) -> tuple[str, ...]:
    return tuple(filter(None, (variable, former.gives.get(record.place, ""))))


def _source(record: OpRecord) -> str:
    site = record.place.site
    return f"{site.file}:{site.line}" if site.file else ""
