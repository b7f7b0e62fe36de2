"""The step that an exception of the user's cut short: kept up to the op or Node that raised."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from ..trace import NONE, StepError
from .order import events_of
from .places import is_ours
from .records import BackwardRecord, Failure, OpRecord, Record
from .state import State


def note_failure(state: State, error: BaseException, record: OpRecord | BackwardRecord) -> None:
    """An exception passes through an op or a backward; the step so far is written at once. It may still be caught by the user.

    The exception itself is not held: it would hold the user's frames, and these the tensors.
    """
    before = state.failure
    if before is not None and before.is_of(error):
        began = record.opened if isinstance(record, OpRecord) and record.opened >= 0 else record.serial
        if began <= before.record.serial:  # otherwise the one before is gone, and this one has its place in memory
            return  # noted already by the op inside
    if isinstance(record, OpRecord):
        state.steps.prepare(record)
    state.failure = Failure(id(error), type(error).__name__, str(error), record, len(state.steps.log))
    _hand_over(state, _with_failure(state, state.failure), error, record, partial=True)


def end_with(state: State, error: BaseException) -> None:
    """The recording ends because of ``error``: the complete steps are handed over, then the one that it cut short."""
    failure = state.failure
    if failure is not None and failure.is_of(error):
        records = _with_failure(state, failure)
        if records:
            _hand_over(state, records, error, failure.record)
            return
    if state.steps.complete or not state.steps.log:
        state.steps.end()
        state.sink.note("exception", f"{type(error).__name__}: {error}")
    else:
        _hand_over(state, state.steps.log, error, None)


def _with_failure(state: State, failure: Failure) -> Sequence[Record]:
    """The open step with the op that raised in its place; empty where that step has ended since."""
    log = state.steps.log
    if isinstance(failure.record, BackwardRecord):
        return list(log) if failure.record in log else []
    if log and log[0].serial > failure.record.serial:
        return []
    return [*log[: failure.index], failure.record, *log[failure.index :]]


def _hand_over(
    state: State, records: Sequence[Record], error: BaseException, failed: Record | None, *, partial: bool = False
) -> None:
    records = state.of_the_step(records)
    position = position_of(records, failed)
    found = StepError(type(error).__name__, str(error), position, _text_of(error))
    state.hand_over_incomplete(records, found, state.sink.partial if partial else state.sink.failed)


def _text_of(error: BaseException) -> str:
    """The traceback as Python prints it, without our own frames."""
    told = traceback.TracebackException.from_exception(error)
    told.stack = traceback.StackSummary.from_list([frame for frame in told.stack if not is_ours(frame.filename)])
    return "".join(told.format())


def position_of(records: Sequence[Record], failed: Record | None) -> int:
    """The tape position of the event at which a record failed, or NONE."""
    positions = [position for position, (record, _) in enumerate(events_of(records)) if record is failed]
    return positions[-1] if positions else NONE
