"""What every part of the recorder shares: the log of the open step, the Values, and the one guard at the hook boundary."""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from threading import get_ident
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

from ..gate import Gate, Stop
from ..recording.retention import Keep
from ..recording.sink import Sink
from ..trace import StepError, Trace, Verdict
from . import device_times
from .capture import ALL, FULL, NOTHING, SMALL, Captor
from .device_times import DeviceTimes
from .function_calls import FunctionCalls
from .handing import Handing
from .host import host_array
from .modes import Taken
from .numbering import Numbers, slots_of
from .parameters import ParameterNames
from .places import Places
from .prelude import without_setup
from .records import BackwardRecord, Call, Copied, Failure, Measured, OpRecord, Record, Slot
from .rest import Rest
from .running import Running
from .statistics import Statistics
from .steps import Cut, Steps
from .trail import Arrival, Chain, Trail, chain_of
from .transfers import Transfers
from .values import Values, describe, is_foreign

if TYPE_CHECKING:
    from .follower import Follower
    from .holding import Holding
    from .lead import Lead

T = TypeVar("T")

_FAULTS = 10
"""Faults of ours after which recording switches itself off."""

clock = time.perf_counter
_dispatch_modes: Callable[[], int] = torch._C._len_torch_dispatch_stack


class Thread(threading.local):
    """What the recorder keeps per thread."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        """The module calls under way, outermost first."""
        self.functions: list[int] = []
        """The custom Functions whose forward is under way, by the serial number at which they began."""
        self.backwards = int(torch._C._current_graph_task_id() >= 0)
        """How many backwards are under way, one inside the other. The engine's own threads (of a GPU) do nothing else."""
        self.aside: list[Taken] = []
        """Not empty while what runs is not to be looked at: our modes, which are off the stack."""
        self.unstacked: TorchFunctionMode | None = None
        """Our mode, while it is off the stack because an optimizer makes its step."""
        self.inside: BackwardRecord | None = None
        """The backward inside which this thread is."""
        self.tag = ""
        """What an op inside a backward is, where that is known: ``recomputed``."""
        self.unseen: list[int] = []
        """Parts of what is not looked at that a hook came by, and left so: the ``id`` of their frames."""
        self.compiled: list[Any] = []
        """The compiled functions under way (``compiled.py``)."""
        self.arrived: list[OpRecord] = []
        """While the gate is armed, the ops and updates that have run since it last saw any."""


class State:
    """The recorder's state. Every part works under :meth:`guarded`."""

    def __init__(self, sink: Sink, gate: Gate | None = None) -> None:
        self.sink = sink
        self.gate = gate or Gate()
        """Where the training is held (``holding.py``)."""
        self.off = False
        self.checks = sink.checks
        self.function_calls = FunctionCalls()
        self.thread = Thread()
        self.values = Values()
        self.places = Places()
        self.parameters = ParameterNames(self.values)
        transfers = Transfers()
        self.statistics = Statistics(transfers)
        self.captor = Captor(transfers)
        self.steps = Steps(self._close_step)
        self.backward_seen = False
        self.timer: DeviceTimes | None = None
        """What times ops on a GPU, where there is one at work."""
        self.scaled_in = -1
        """The serial number of the last loss that a GradScaler scaled."""
        self.grad = True
        """Whether grad was enabled where the work under way was called from."""
        self.failure: Failure | None = None
        self.when_full: Callable[[], None] = lambda: None
        self.look_at_functions: Callable[..., tuple[Verdict, ...]] = lambda *_: ()
        """Checks the custom Functions of a step that is to be checked (``function_check.py``)."""
        self.before_step_ends: list[Callable[[], None]] = []
        """Called while what the step kept is still at hand."""
        self.lock = threading.RLock()
        self.trail = Trail()
        self.holding: Holding
        """Holds the training at the gate; there once the recorder has started."""
        self.lead: Lead | None = None
        """What follows steps that are known; set once the recorder has started."""
        self.rest = Rest(self)
        self.disturbed = False
        """Whether something of the user's has run inside the backward that is followed."""
        self._serial = 0
        self._step = 0
        self._faults = 0
        self.handing = Handing(sink, self.statistics, self.parameters.name_of, time.time() - clock())
        self._begin_step()

    # ------------------------------------------------------------------ the guard

    def guarded(self, work: Callable[..., T], *arguments: Any) -> T | None:
        """Do our own work: unwatched, without grad, one thread at a time. A fault of ours ends here, as a note."""
        if self.off:
            return None
        if _dispatch_modes():  # of the user's: they must not see what we do
            return self._unseen(work, *arguments)
        try:
            with self.lock, torch._C.DisableTorchFunction():
                self.grad = torch.is_grad_enabled()
                if not self.grad:
                    return work(*arguments)
                torch._C._set_grad_enabled(False)
                try:
                    return work(*arguments)
                finally:
                    torch._C._set_grad_enabled(True)
        except Exception as fault:
            self.fault(fault)
            return None

    def hold(self, ask: Callable[..., Stop | None], *arguments: Any) -> None:
        """Hold the training here if the gate is to: ``ask`` (of ``holding.py``) says so, guarded. What waits holds no lock."""
        if self.gate.armed:
            self.gate.hold(self.guarded(ask, *arguments))

    def _unseen(self, work: Callable[..., T], *arguments: Any) -> T | None:
        try:
            with _disable_current_modes():
                return self.guarded(work, *arguments)
        except Exception as fault:
            self.fault(fault)
            return None

    def fault(self, fault: Exception) -> None:
        """Note a fault of ours; after too many of them recording goes off."""
        self._faults += 1
        try:
            where = "".join(traceback.format_exception(fault)[-3:])
            self.sink.note("fault", f"{type(fault).__name__}: {fault}\n{where}", self._step)
            if self._faults >= _FAULTS:
                self.off = True
                self.sink.note("off", f"recording switched itself off after {_FAULTS} faults of its own", self._step)
        except Exception:
            self.off = True

    def give_up(self, fault: Exception) -> None:
        """After a fault with which recording cannot go on: it is off, and says so."""
        self.fault(fault)
        self.off = True
        with contextlib.suppress(Exception):
            self.sink.note("off", "recording could not start", self._step)

    # ------------------------------------------------------------------ what comes

    def arrive(self, arrival: Arrival) -> None:
        """Something came the slow way."""
        self.trail.add(arrival)
        if self.lead is not None:
            self.lead.came(arrival)

    def following(self) -> Follower | None:
        """What follows the step in this thread, if it is followed; what comes in another thread ends that."""
        lead = self.lead
        if lead is None:
            return None
        if self.thread.backwards:
            self.disturbed = True
            return None
        follower = lead.follower
        if follower.item is None:
            return follower if lead.begins() else None
        if get_ident() != follower.thread:
            follower.leave()
            return None
        return follower

    def leave(self) -> None:
        """Go the slow way from here on."""
        if self.lead is not None:
            self.lead.follower.leave()

    def go_slowly(self) -> None:
        """What comes can only be told the slow way, in this step and in those like it."""
        self.leave()
        self.trail.broken = True

    def chain_of(self, frame: FrameType | None) -> Chain:
        """The frames that have to be the same for a call to be the same."""
        return chain_of(frame, in_module=bool(self.thread.calls))

    # ------------------------------------------------------------------ Values

    def next_serial(self) -> int:
        """A number greater than every one before."""
        self._serial += 1
        return self._serial

    def add(self, record: OpRecord) -> None:
        """An op or an update has run: it goes into the log, or into the backward inside which it ran."""
        inside = self.thread.inside
        if inside is None:
            self.trail.note(record)
            self.steps.add(record)
        else:
            record.tags += (self.thread.tag or "in backward",)
            inside.note(record)
        if self.gate.armed:
            self.thread.arrived.append(record)

    def slot_of(self, tensor: torch.Tensor, name: str = "") -> Slot:
        """The Value that a tensor is; one that was never seen is a leaf or an input with this name."""
        slot = self.values.find(tensor)
        if slot is None:
            slot = self.values.put(tensor, describe(tensor, self.parameters.name_of(tensor) or variable_name(name)))
            slot.shared = is_foreign(tensor)
        elif name and not slot.name and slot.serial < 0:
            slot.name = variable_name(name)
        return slot

    def observe(self, slot: Slot, tensor: torch.Tensor) -> None:
        """Measure a Value once, and copy it once a step if it is to be kept."""
        measure = self.measuring and (slot.measured is None or (slot.shared and slot.measured_in != self._step))
        copy = self.captor.wanted and slot.copied_in != self._step
        if measure or copy:
            array = host_array(tensor)
            if copy:
                slot.copied, slot.copied_in = self.captor.copy(tensor, array), self._step
            if measure:
                slot.measured = self.statistics.measure(tensor, array, slot.copied if copy else None)
                slot.measured_in = self._step

    def take_over(self, slot: Slot, measured: Measured | None, copied: Copied | None) -> None:
        """What has been measured and copied already is this Value's."""
        slot.measured, slot.copied = measured, copied
        slot.measured_in = slot.copied_in = self._step

    def copy_of(self, gradient: torch.Tensor) -> Copied | None:
        """A copy of a gradient, None where it is not wanted."""
        return self.captor.copy(gradient, host_array(gradient)) if self.captor.wanted else None

    def look_at_gradient(self, gradient: torch.Tensor) -> tuple[Measured | None, Copied | None]:
        """The statistics and the copy of a gradient, None for what is not wanted."""
        if not self.looking:
            return None, None
        array = host_array(gradient)
        copied = self.captor.copy(gradient, array) if self.captor.wanted else None
        return self.statistics.measure(gradient, array, copied) if self.measuring else None, copied

    # ------------------------------------------------------------------ steps

    def _begin_step(self) -> None:
        self.wanted = wanted = self.sink.wants(self._step) or self.gate.armed
        self.measuring = self.measured = wanted and self.sink.level != "structure"
        self.keep = keep = self.sink.plan(self._step) if wanted else Keep.NONE
        level = {Keep.NONE: NOTHING, Keep.SMALL: SMALL, Keep.FULL: ALL if self.sink.everything(self._step) else FULL}[keep]
        self.captor.begin_step(level)
        self.looking = self.measuring or self.captor.wanted
        self.timer = self.handing.times if wanted and device_times.at_work() else None

    def _close_step(self, cut: Cut) -> None:
        """A step has ended: its Trace is handed to the sink, that of a GPU one step later."""
        for settle in self.before_step_ends:
            settle()
        records = without_setup(cut) if self._step == 0 else cut.records
        if not records:
            return
        step, self._step = self._step, self._step + 1
        numbers = Numbers(records)
        draft = self.handing.draft(numbers, step)
        calls = self.function_calls.take(records[-1].serial)
        try:
            if calls and self.wanted and self.checks.wants(step):
                draft.verdicts = self.look_at_functions(self, calls, numbers, draft)
        finally:
            if self.wanted:
                self.handing.pass_on(draft, cut.label)
        if self.lead is not None:
            self.lead.step_ended(cut, numbers, draft.known)
        self._forget(records, cut.following)
        self._begin_step()
        self._end_if_full()
        self.rest.step_ended(len(numbers.backwards))

    def close_followed(self, running: Running) -> None:
        """A step that was followed has ended."""
        step, self._step = self._step, self._step + 1
        self.steps.pending = {running.held[number] for number in running.routine.waits if number in running.held}
        if self.sink.wants(step):
            self.handing.pass_on(self.handing.followed(running, step), running.routine.label)
        else:
            running.release()
        self.values.forget_dead()
        self._begin_step()
        self._end_if_full()
        self.rest.step_ended(running.routine.backwards)

    def look_ahead(self) -> None:
        """A backward has ended: what comes now may be the next step's, and is measured if that one is wanted."""
        if self.sink.level != "structure" and self.sink.wants(self._step + 1):
            self.measuring = self.looking = True

    def start_again(self, steps: int) -> None:
        """So many steps were not looked at. What the last of them still does is dropped."""
        self._step += steps
        self.thread.calls.clear()
        self.values.forget_dead()
        self.trail = Trail()
        self.trail.broken = True
        self.steps = Steps(self._close_step)
        self.steps.drop_until_graph()
        if self.lead is not None:
            self.lead.start_again()
        self._begin_step()
        self._end_if_full()

    def _end_if_full(self) -> None:
        if self.sink.steps is not None and self._step >= self.sink.steps:
            self.when_full()

    @property
    def step_number(self) -> int:
        """The number of the open step."""
        return self._step

    def _forget(self, records: Iterable[Record], following: Iterable[Record]) -> None:
        """Let go of what only the finished step needed, so that no chain of Values grows from step to step."""
        copies = [(slot, slot.copied, slot.copied_in) for record in following for slot in slots_of(record)]
        for record in records:
            for slot in slots_of(record):
                slot.base = slot.copied = None
                slot.copied_in = -1
            if isinstance(record, OpRecord):
                record.mask = None
        for slot, copied, copied_in in copies:
            slot.copied, slot.copied_in = copied, copied_in
        self.values.forget_dead()

    # ------------------------------------------------------------------ the end

    def of_the_step(self, records: Sequence[Record]) -> Sequence[Record]:
        """Those records of the open log that belong to the step: in the first step not the set-up before it."""
        return without_setup(Cut(records, at_end=True)) if self._step == 0 else records

    def hand_over_incomplete(self, records: Sequence[Record], error: StepError, give: Callable[[Trace], None]) -> None:
        """Hand over the step that an exception cut short, if it is wanted."""
        if records and self.sink.wants(self._step):
            self.handing.incomplete(Numbers(records), self._step, error, give)


def variable_name(dotted: str) -> str:
    """How a tensor is called after the expression that names it: ``self.w1`` and ``w1.data`` are ``w1``."""
    return dotted.removeprefix("self.").removesuffix(".data")
