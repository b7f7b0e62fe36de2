"""The tape: every NumPy op of the script, in order, cut into steps.

The cycle of one op, in order: 1. ``Operands`` finds the arrays among the arguments; 2. ``Passes`` says whether the op begins a
new pass of the training loop, and then the passes that ended go to the sink as steps; 3. what the op reads is measured; 4. NumPy
computes on plain arrays; 5. what it made or wrote is measured and put on the tape.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .capture import Captor
from .dispatch import current, run_plain, switch
from .holding import Holding
from .names import gradient_bases, is_fixed, is_member
from .operands import Operands, map_results, plain
from .own import Own
from .passes import Passes, Update
from .places import Places, names_for
from .records import BEFORE, MOST_NAMES, OpRecord, Slot
from .steps import Steps
from .unwritten import ALL, MAKERS, hands_on, mark_made, mark_written
from .updates import first_read, rebound, take_over
from .values import Values

if TYPE_CHECKING:
    from ..gate import Gate
    from ..recording.sink import Sink
    from .places import Place

REARRANGING = frozenset(("transpose", "reshape", "ravel", "flatten", "squeeze", "swapaxes", "copy", "expand_dims"))
"""Ops whose result has the elements of their first argument, if it has as many."""
_DEEPEST = 1000
FAULTS = 10
"""After so many faults of ours the tape switches itself off."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An op that raised. The exception itself is not held: it would keep the frames that it passed alive."""

    record: OpRecord | None
    error: int
    sentence: str

    def is_by(self, error: BaseException) -> bool:
        """Whether the op raised this exception."""
        return id(error) == self.error and _sentence(error) == self.sentence


class Tape:
    """The ops of the thread that made it, as steps for ``sink``."""

    def __init__(self, sink: Sink, own: Own, gate: Gate) -> None:
        self._sink = sink
        self._places = Places(own)
        self._values = Values()
        self._captor = Captor()
        self._passes = Passes()
        self.steps = Steps(sink, self._captor, self._passes, gate)
        self._holding = Holding(self.steps, gate, self.fault)
        self._gate = gate
        self._thread = threading.get_ident()
        self._busy = False
        self._faults = 0
        self._scalar_at = BEFORE
        self._updating: set[Place] = set()
        """Where leaves are known to be updated."""
        self._writing: set[Place] = set()
        """Where something else is known to be written."""
        self.raised: Raised | None = None
        """The last op that raised."""

    def ready(self) -> bool:
        """Whether ops are noted now: not for what NumPy calls back from inside an op, nor in other threads."""
        return not self._busy and threading.get_ident() == self._thread

    def run(
        self, name: str, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any], target: int | None
    ) -> Any:
        """Call ``function`` on plain arrays and note the op; see :func:`~.dispatch.run`."""
        self._busy = True
        try:
            place = self._place()
            if place is None:
                return run_plain(function, arguments, named)
            operands = Operands(arguments, named, writes_out=not name.startswith("savez"))
            record = self._before(name, place, operands)
            if self._gate.armed and record is not None:
                self._holding.before(record)
            begin = time.perf_counter()
            try:
                result = place.call(function, operands.plain, operands.named)
            except BaseException as error:
                self._note_raised(record, begin, error)
                raise
            if record is not None:
                record.begin, record.duration = begin, time.perf_counter() - begin
            made = self._after(name, record, place, operands, result, arguments[target] if target is not None else None)
            if self._gate.armed and record is not None:
                self._holding.after(record)
            return made
        finally:
            self._busy = False

    def _place(self) -> Place | None:
        try:
            return self._places.of(sys._getframe(4))
        except Exception as fault:  # the program goes on, without this op
            self.fault(fault)
            return None

    def _before(self, name: str, place: Place, operands: Operands) -> OpRecord | None:
        if not operands.arrays and not operands.out:
            return None
        try:
            self.steps.arrive(place)
            if self.steps.finished:
                switch(None)
                return None
            record = OpRecord(name, place, self.steps.moment)
            self._read(record, operands)
        except Exception as fault:  # the program goes on, without this op
            self.fault(fault)
            return None
        return record

    def _read(self, record: OpRecord, operands: Operands) -> None:
        place = record.place
        names = names_for(place, len(operands.plain))
        for original, made, position in operands.arrays:
            slot = self._values.slot_of(original)
            text = names[position] if position is not None else ""
            if is_fixed(text):
                slot.rename(text, place.depth)
            elif not slot.name:
                slot.name, slot.depth = text, _DEEPEST
            if not (slot.unwritten and hands_on(record, slot)):
                self.steps.see(slot, made)
            if self._gate.armed:
                self._holding.know(original, slot)
            record.inputs.append(slot)
            record.texts.append(text)
        record.arguments = tuple(_arguments(operands))

    def _note_raised(self, record: OpRecord | None, begin: float, error: BaseException) -> None:
        """Keep the op for the step that the error may end, and take our call out of the traceback."""
        if record is not None:
            record.begin, record.duration = begin, time.perf_counter() - begin
        self.raised = Raised(record, id(error), _sentence(error))
        trace = error.__traceback__
        if trace is not None and trace.tb_next is not None:
            trace.tb_next = trace.tb_next.tb_next

    def _after(self, name: str, record: OpRecord | None, place: Place, operands: Operands, result: Any, target: Any) -> Any:
        try:
            return self._note(name, record, place, operands, result, target)
        except Exception as fault:  # the program goes on with what NumPy gave
            self.fault(fault)
            found = operands.original(result)
            return result if found is None else found

    def _note(self, name: str, record: OpRecord | None, place: Place, operands: Operands, result: Any, target: Any) -> Any:
        written = [*operands.out, target] if target is not None else list(operands.out)
        sources = [(original, self._values.slot_of(original)) for original, _, _ in operands.arrays]
        made: list[tuple[Any, Slot]] = []
        born = self.steps.moment - (record is None)

        def wrap(part: Any) -> Any:
            original = operands.original(part)
            if original is None:
                wrapped, slot = self._values.wrap(part, sources, born)
                made.append((part, slot))
                if self._gate.armed:
                    self._holding.know(wrapped, slot)
                return wrapped
            if operands.position(original) and not any(original is one for one in written):
                written.append(original)  # given as ``out`` by its position
            return original

        wrapped = map_results(result, wrap)
        if name in MAKERS:
            for _, slot in made:
                slot.unwritten = ALL
        _name([slot for _, slot in made], place)
        if record is not None and (made or written):
            self._commit(record, made, written)
        return wrapped

    def _commit(self, record: OpRecord, made: list[tuple[Any, Slot]], written: list[Any]) -> None:
        same = record.inputs[0] if record.name in REARRANGING and record.inputs else None
        for value, slot in made:
            mark_made(slot, record.inputs)
            if not slot.unwritten:
                self.steps.see(slot, value, same if same is not None and _size(same) == _size(slot) else None)
            slot.maker = record
            record.outputs.append(slot)
            if not slot.shape and slot.dtype.startswith("float"):
                self._scalar_at = record.moment
        touched = [pair for array in written for pair in self._values.written(array)]
        for array, old, new in touched:
            mark_written(record, old, new, touched[0][2])
            if not new.unwritten:
                self.steps.see(new, plain(array))
            if self._gate.armed:
                self._holding.know(array, new)
            new.maker = record
            record.outputs.append(new)
            record.writes.append((old, new))
        self._name_written(record)
        self._note_updates(record)
        for slot in record.inputs:
            if slot.storage.read < self._passes.begin or slot.storage.read == BEFORE:
                slot.storage.read = record.moment
        self.steps.add(record)

    def _name_written(self, record: OpRecord) -> None:
        """A gradient takes the name under which it is written (``dh = dh_relu; dh[h < 0] = 0``); other arrays keep theirs."""
        place = record.place
        record.variable = place.variable if place.direct else ""
        if not record.writes:
            return
        _, new = record.writes[0]
        if record.variable and is_fixed(record.variable):
            new.aliases = (record.variable, *new.aliases)[:MOST_NAMES]
            if gradient_bases(record.variable) and place.depth <= new.depth and is_member(record.variable) >= is_member(new.name):
                new.name, new.depth = record.variable, place.depth
        record.variable = new.name or record.variable

    def _note_updates(self, record: OpRecord) -> None:
        """Tell of a write to (or, by ``w = w - ...``, of a new array in place of) what the same pass has read before."""
        for old, _ in record.writes:
            self._note_update(record, old)
        if record.writes or not record.place.reuses or len(record.outputs) != 1:
            return
        record.rebound = rebound(record, self._scalar_at, self._passes.begin)
        if record.rebound is not None:
            take_over(record.outputs[0], record.rebound)
            self._note_update(record, record.rebound)
        elif record.variable in record.place.operands and record.variable not in record.texts:
            record.counted = True
            self._passes.count(record.moment)

    def _note_update(self, record: OpRecord, old: Slot) -> None:
        place, inside = record.place, self._passes.is_inside(old.storage.born)
        if inside and place in self._writing:
            return
        read = self._passes.begin if place in self._updating else first_read(record, old.storage)
        if self._passes.start is not None:
            (self._updating if read is not None else self._writing).add(place)
        if read is None:
            return
        record.updates = True
        self._passes.update(old.storage, Update(read, record.moment, old.storage.born))

    def fault(self, fault: Exception) -> None:
        """Note a fault of ours; after ten the tape is off."""
        self._faults += 1
        try:
            self._sink.note("fault", f"NumPy tape: {type(fault).__name__}: {fault}", self.steps.step)
            if self._faults == FAULTS:
                self._sink.note("fault", "NumPy tape: switched off after ten faults", self.steps.step)
        except Exception:  # the sink is broken too: there is nobody left to tell
            self._faults = FAULTS
        if self._faults >= FAULTS and current() is self:
            switch(None)


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _size(slot: Slot) -> int:
    return math.prod(slot.shape)


def _name(slots: list[Slot], place: Place) -> None:
    """Give new values the names of the variables that they are assigned to."""
    if not place.variable or not place.direct:
        return
    names = place.variable.split(", ") if len(slots) > 1 else [place.variable]
    if len(names) == len(slots):
        for slot, name in zip(slots, names, strict=True):
            slot.rename(name, place.depth)


def _arguments(operands: Operands) -> list[tuple[str, Any]]:
    """What is no array: ``(position or name, value)``."""
    if not operands.named and len(operands.arrays) == len(operands.plain):
        return []
    places = {position for _, _, position in operands.arrays}
    found = [(str(position), value) for position, value in enumerate(operands.plain) if position not in places]
    return found + [(name, value) for name, value in operands.named.items() if name != "out"]
