"""Checks of ops against their NumPy formulas: small ones at once, large ones in a thread when they are asked for. No Qt."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor

from gradwalk.reference.checking import Check, check, elements_of, why_not
from gradwalk.reference.registry import formula_of
from gradwalk.same import Same
from gradwalk.trace import NONE, Trace, Verdict

from ..state import Selection
from .subject import op_behind

AT_ONCE = 4096
"""Elements of the inputs and outputs of an op up to which it is checked as soon as it is looked at."""
STEPS = 2
"""Of so many steps checks are remembered; a step holds its tensors."""


def op_to_check(trace: Trace, subject: Selection) -> int:
    """The op that a thing belongs to, where there is a formula for it (or ops inside a custom Function), else NONE."""
    op = op_behind(trace.graph, subject)
    if op == NONE:
        return NONE
    made = trace.graph.ops[op]
    return op if made.outputs and (made.custom or formula_of(made.name) is not None) else NONE


class Checks:
    """What was checked, by step and op."""

    def __init__(self) -> None:
        self._done: OrderedDict[Same[Trace], dict[int, Future[Check]]] = OrderedDict()
        self._pool: ThreadPoolExecutor | None = None

    def of(self, trace: Trace, op: int) -> Check | None:
        """The check of an op: at once where it is small or cannot be done, else None until it was asked for and has come."""
        future = self._of(trace).get(op)
        if future is not None:
            return future.result() if future.done() else None
        made = trace.graph.ops[op]
        sentence = why_not(trace, made)
        if not sentence and elements_of(trace, made) > AT_ONCE:
            return None
        future = Future()
        refused = Check(Verdict(op, "ops inside" if made.custom else "formula", (), sentence))
        future.set_result(refused if sentence else check(trace, made))
        self._of(trace)[op] = future
        return future.result()

    def ask(self, trace: Trace, op: int) -> None:
        """Have an op checked in a thread."""
        if op not in self._of(trace):
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, "check")
            self._of(trace)[op] = self._pool.submit(check, trace, trace.graph.ops[op])

    def is_asked(self, trace: Trace, op: int) -> bool:
        """Whether a check is on its way."""
        future = self._of(trace).get(op)
        return future is not None and not future.done()

    def close(self) -> None:
        """Let go of the thread; what it is at ends by itself."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _of(self, trace: Trace) -> dict[int, Future[Check]]:
        found = self._done.setdefault(Same(trace), {})
        while len(self._done) > STEPS:
            self._done.popitem(last=False)
        return found
