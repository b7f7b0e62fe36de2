"""Checks of single ops against their NumPy formulas, and error maps: small ones at once, large ones in a thread. No Qt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from gradwalk.reference.checking import check, elements_of, why_not
from gradwalk.reference.error_map import Side, sides
from gradwalk.reference.registry import Formula, formula_of
from gradwalk.same import Same
from gradwalk.trace import NONE, Graph, TensorKey, Trace, Verdict

from ..graph.quiet import handing_over
from ..state import Selection
from .subject import inside_of, op_behind

AT_ONCE = 4096
"""Elements of the inputs and outputs of an op up to which it is checked as soon as it is looked at."""
STEPS = 2
"""Of so many steps checks are remembered here; a step holds its tensors."""
Made = TypeVar("Made")
Key = tuple[int, TensorKey | None]
"""An op, and of an error map the tensor."""


def op_to_check(trace: Trace, subject: Selection) -> int:
    """The op that a thing belongs to, where there is a formula for it (or ops inside a custom Function), else NONE."""
    op = op_behind(trace.graph, subject)
    if op == NONE:
        return NONE
    made = trace.graph.ops[op]
    return op if made.outputs and (made.custom or formula_of(made.name) is not None) else NONE


def formulas_of(graph: Graph, op: int) -> tuple[Formula, ...]:
    """The formula of an op, or of the ops inside a custom Function theirs, each once."""
    found: dict[Formula, None] = {}
    todo, seen = [op], set[int]()
    while todo:
        one = graph.ops[todo.pop()]
        if one.id in seen:
            continue
        seen.add(one.id)
        if one.custom:
            todo += [inside for inside in reversed(inside_of(graph, one.id)) if graph.ops[inside].phase == "forward"]
        elif (formula := formula_of(one.name, one.arguments)) is not None:
            found[formula] = None
    return tuple(found)


def refused(trace: Trace, op: int) -> Verdict | None:
    """The verdict on an op that cannot be checked because a tensor is not there; None where it can."""
    made = trace.graph.ops[op]
    sentence = why_not(trace, made)
    return Verdict(op, "ops inside" if made.custom else "formula", (), sentence) if sentence else None


class Checks:
    """What was asked for, by step."""

    def __init__(self) -> None:
        self._verdicts: OrderedDict[Same[Trace], dict[Key, Future[Verdict]]] = OrderedDict()
        self._maps: OrderedDict[Same[Trace], dict[Key, Future[Side]]] = OrderedDict()
        self._pool: ThreadPoolExecutor | None = None

    def of(self, trace: Trace, op: int) -> Verdict | None:
        """The verdict on an op: at once where it is small or cannot be checked, else None until it was asked for and has come."""
        known = _of(self._verdicts, trace)
        if (op, None) not in known:
            made = trace.graph.ops[op]
            no = refused(trace, op)
            if no is None and elements_of(trace, made) > AT_ONCE:
                return None
            known[op, None] = Future()
            known[op, None].set_result(no or check(trace, made).verdict)
        future = known[op, None]
        return future.result() if future.done() else None

    def ask(self, trace: Trace, op: int) -> None:
        """Have an op checked in a thread."""
        known = _of(self._verdicts, trace)
        if (op, None) not in known:
            known[op, None] = self._submit(lambda: check(trace, trace.graph.ops[op]).verdict)

    def is_asked(self, trace: Trace, op: int) -> bool:
        """Whether a check is on its way."""
        future = _of(self._verdicts, trace).get((op, None))
        return future is not None and not future.done()

    def map_of(self, trace: Trace, op: int, tensor: TensorKey) -> Side | str | None:
        """Both sides of an error map, or why there is none: at once for a small op, else None until it has come."""
        known, made = _of(self._maps, trace), trace.graph.ops[op]
        if (op, tensor) not in known:
            if elements_of(trace, made) > AT_ONCE:
                known[op, tensor] = self._submit(lambda: sides(trace, made, tensor))
            else:
                known[op, tensor] = _at_once(lambda: sides(trace, made, tensor))
        future = known[op, tensor]
        if not future.done():
            return None
        error = future.exception()
        if isinstance(error, ValueError):
            return str(error)
        return future.result()

    def _submit(self, work: Callable[[], Made]) -> Future[Made]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "check")
        return self._pool.submit(_quietly, work)

    def close(self) -> None:
        """Let go of the thread; what it is at ends by itself."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def _quietly(work: Callable[[], Made]) -> Made:
    with handing_over():
        return work()


def _at_once(work: Callable[[], Side]) -> Future[Side]:
    future: Future[Side] = Future()
    try:
        future.set_result(work())
    except ValueError as error:
        future.set_exception(error)
    return future


def _of(done: OrderedDict[Same[Trace], dict[Key, Future[Made]]], trace: Trace) -> dict[Key, Future[Made]]:
    found = done.setdefault(Same(trace), {})
    done.move_to_end(Same(trace))
    while len(done) > STEPS:
        done.popitem(last=False)
    return found
