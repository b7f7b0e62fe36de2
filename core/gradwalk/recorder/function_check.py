"""Custom Functions of a step checked while it runs: against formulas that the script registered, else by central differences.

In order: 1. what each was given was copied when it began (``function_calls.py``); 2. when the step has ended, each is run again
on these copies in float64, with the random states put back (``rerun.py``); 3. the gradient that its backward gives for a random
dL/d output is compared, input by input; 4. what it gave in the step is compared with what it gives of the same once more
(``in_the_step.py``); 5. what was found becomes a Verdict about the op. Nothing here raises, nothing of the training is touched.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from ..reference.comparing import ulps
from ..reference.own import Own, call, input_names, registered
from ..reference.recorded import Recorded
from ..tape import index
from ..trace import NONE, Compared, Graph, Judge, TensorKey, Trace, Verdict, empty_table
from .aside import aside
from .assemble import Draft
from .capture import kept_of
from .copies import NotAgain
from .differences import COARSE_FLOOR, FLOOR, Differences, Found
from .function_calls import FunctionCall
from .functions import tensors_in
from .in_the_step import InTheStep, in_the_step
from .numbering import Numbers
from .rerun import Rerun
from .state import State, Thread
from .widened import UNITS

DIFFERENCES = "(f(x + h d) - f(x - h d)) / 2h"
TOO_COARSE = 1e-4
"""A Function that rounds away more than this part of a number is not compared with central differences."""


def function_verdicts(state: State, calls: dict[int, FunctionCall], numbers: Numbers, draft: Draft) -> tuple[Verdict, ...]:
    """A verdict on each custom Function of a step that needed a gradient. ``draft`` is the step, numbered as in ``numbers``."""
    trace, found = _as_recorded(draft), []
    for op, record in enumerate(numbers.ops):
        made = calls.get(record.opened)
        if made is None or not record.custom or op >= len(trace.graph.ops):
            continue
        if made.why_not:
            found.append(Verdict(op, "central differences", (), f"not checked: {made.why_not}"))
            continue
        found.append(_beside(state, made, trace, op))
    return tuple(found)


def _as_recorded(draft: Draft) -> Trace:
    """The tensors of a step, before its statistics are there."""
    graph, tensors = draft.known.graph, {key: kept_of(copied) for key, copied in draft.copies}
    tables = empty_table(len(graph.values)), empty_table(len(graph.edges))
    return Trace(draft.step, graph, draft.known.tape, *tables, tensors=MappingProxyType(tensors))


def _beside(state: State, made: FunctionCall, trace: Trace, op: int) -> Verdict:
    """The verdict on one call; recording is off meanwhile, also in the threads in which autograd runs a backward on a GPU."""
    off, state.off, state.function_calls.run_again = state.off, True, True
    try:
        return verdict_on(state.thread, made, trace, op)
    finally:
        state.off, state.function_calls.run_again = off, False


def verdict_on(thread: Thread, made: FunctionCall, trace: Trace, op: int) -> Verdict:
    """The verdict on one call."""
    own = registered(made.function)
    by: Judge = "registered formula" if own.vjps or own.forward else "central differences"
    try:
        devices = [tensor.device for tensor in tensors_in(made.arguments)]
        with aside(thread, made.function, devices):
            return _Checking(_again(made, _used(trace.graph, op)), made, own, trace, op).verdict(by)
    except NotAgain as why:
        return Verdict(op, by, (), f"not checked: {why}")
    except Exception as error:  # whatever a Function of the script does on copies, the training goes on
        return Verdict(op, by, (), f"not checked: run again in float64 it raises {_raised(error)}")


def _raised(error: Exception) -> str:
    text = (str(error).splitlines() or [""])[0][:200]
    return f"{type(error).__name__}: {text}".rstrip(": ")


def _used(graph: Graph, op: int) -> frozenset[int]:
    """Which outputs of an op a gradient came to."""
    look = index(graph)
    edges = [graph.edges[edge] for node in look.nodes_of_op[op] for edge in look.edges_into[node]]
    return frozenset(edge.input_nr for edge in edges if not edge.none)


def _again(made: FunctionCall, used: frozenset[int]) -> Rerun:
    """Run it in float64; where it casts to fewer bits, in float64 all the same; where it takes no float64, in its own dtype."""
    try:
        plain = Rerun(made, torch.float64, used, widens=False)
    except NotAgain:
        raise
    except Exception:
        coarse = max((UNITS.get(x.dtype, 0.0), n) for n, x in enumerate(made.arguments) if made.needs_gradient[n])
        return Rerun(made, made.arguments[coarse[1]].dtype, used, widens=False)
    if plain.unit <= UNITS[torch.float64]:
        return plain
    try:
        return Rerun(made, torch.float64, used, widens=True)
    except Exception:
        return plain


class _Checking:
    """The work on one call."""

    def __init__(self, again: Rerun, made: FunctionCall, own: Own, trace: Trace, op: int) -> None:
        self.again, self.made, self.own, self.trace, self.graph, self.op = again, made, own, trace, trace.graph, op
        self.names = input_names(made.function)

    def verdict(self, by: Judge) -> Verdict:
        rows = list(self._forward()) if self.own.forward is not None else []
        told: list[str] = []
        for number in self.again.numbers:
            name = self._name(number)
            if name in self.own.vjps:
                rows.append(self._by_formula(number, self.own.vjps[name]))
                continue
            found = self._by_differences(number)
            if found.why_not:
                told.append(f"not checked: dL/d{name}, as {found.why_not}")
            else:
                rows.append(self._row(number, found))
        step = self._in_the_step()
        if step.why_not and rows:
            told.append(f"its gradients in the step are not compared, as {step.why_not}")
        proved = {row.symbol for row in rows}  # a run that gives the same proves nothing by itself
        rows += [row for n, row in step.rows.items() if f"dL/d{self._name(n)}" in proved or not row.agrees]
        return Verdict(self.op, by, tuple(rows), "; ".join(told))

    def _in_the_step(self) -> InTheStep:
        try:
            recorded = Recorded(self.trace, self.graph.ops[self.op])
            return in_the_step(self.made, recorded, {number: self._name(number) for number in self.again.numbers})
        except Exception as error:
            return InTheStep({}, f"run again it raises {_raised(error)}")

    def _by_differences(self, number: int) -> Found:
        again = self.again
        if again.unit > TOO_COARSE:
            return Found((), math.nan, math.nan, 0.0, why_not="it rounds to too few bits for central differences")
        x, gradient = again.arguments[number], again.gradients[number]
        differences = Differences(lambda y: again.s({number: y}), x, gradient, unit=again.unit, size=again.size)
        return differences.found()

    def _row(self, number: int, found: Found) -> Compared:
        gradient = _array(self.again.gradients[number])
        largest = float(np.abs(gradient[np.isfinite(gradient)]).max(initial=0.0))
        expected = found.slope
        absolute = abs(found.given - expected) if math.isfinite(found.given) else math.inf
        if not gradient.size or math.isnan(expected):
            absolute = 0.0
        relative = absolute / max(largest, abs(expected)) if max(largest, abs(expected)) else 0.0
        unit = UNITS[self.made.arguments[number].dtype]
        figures = found.given, expected, absolute, relative, ulps(absolute, expected, unit), found.off
        return Compared(self._key(number), f"dL/d{self._name(number)}", DIFFERENCES, found.place, *figures, kinks=found.kinks)

    # ---------------------------------------------------------------- registered formulas

    def _by_formula(self, number: int, written: Any) -> Compared:
        again, name = self.again, self._name(number)
        g = [again.g[n].cpu().numpy() if n in again.g else None for n in range(len(again.outputs))]
        outs = [_array(one) for one in again.outputs]
        first = (g[0], outs[0]) if len(outs) == 1 else (tuple(g), tuple(outs))
        expected = _called(f"dL/d{name}", written, first, *self._given())
        unit = UNITS[self.made.arguments[number].dtype]
        return self._compared(self._key(number), f"dL/d{name}", _text_of(written), again.gradients[number], expected, unit)

    def _forward(self) -> Iterable[Compared]:
        assert self.own.forward is not None
        made = _called("its output", self.own.forward, (), *self._given())
        several = made if isinstance(made, tuple) else (made,)
        for place, (seen, expected) in enumerate(zip(self.again.outputs, several, strict=False)):
            values = self.graph.ops[self.op].outputs
            key: TensorKey = ("value", values[min(place, len(values) - 1)])
            symbol = "Z" if len(several) == 1 else f"Z{place}"
            yield self._compared(key, symbol, _text_of(self.own.forward), seen, expected, self._unit_of(key))

    def _unit_of(self, key: TensorKey) -> float:
        kept = self.trace.tensors.get(key)
        return UNITS.get(getattr(torch, kept.dtype), UNITS[torch.float64]) if kept is not None else UNITS[torch.float64]

    def _given(self) -> tuple[list[Any], dict[str, Any]]:
        """The tensors in their order as NumPy arrays, and the other arguments by name."""
        arguments = list(enumerate(self.again.arguments))
        tensors = [_array(argument) for _, argument in arguments if isinstance(argument, torch.Tensor)]
        return tensors, {self._name(n): argument for n, argument in arguments if not isinstance(argument, torch.Tensor)}

    def _compared(self, key: TensorKey, symbol: str, text: str, seen: torch.Tensor, made: Any, unit: float) -> Compared:
        given, expected = _array(seen.double()), np.asarray(made, np.float64)
        if given.shape != expected.shape:
            raise NotAgain(f"its formula gives the shape {expected.shape} for {symbol}, which is {given.shape}")
        if not given.size:
            return Compared(key, symbol, text, (), math.nan, math.nan, 0.0, 0.0, 0.0, 0.0)
        same = (given == expected) | (np.isnan(given) & np.isnan(expected))
        with np.errstate(all="ignore"):
            apart = np.where(same, 0.0, np.nan_to_num(np.abs(given - expected), nan=np.inf, posinf=np.inf))
        place = tuple(int(i) for i in np.unravel_index(int(apart.argmax()), apart.shape))
        largest = float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
        worst = float(apart[place])
        floor = FLOOR if self.again.unit < 1e-12 else max(COARSE_FLOOR, 16 * self.again.unit)
        relative = worst / largest if largest else math.inf if worst else 0.0
        pair = float(given[place]), float(expected[place])
        return Compared(key, symbol, text, place, *pair, worst, relative, ulps(worst, pair[1], unit), relative / floor)

    # ---------------------------------------------------------------- names

    def _name(self, number: int) -> str:
        return self.names[number] if number < len(self.names) else f"input {number}"

    def _key(self, number: int) -> TensorKey:
        """The gradient of an argument in the step; its Value, where no gradient came."""
        before = sum(1 for _ in tensors_in(self.made.arguments[:number]))
        op = self.graph.ops[self.op]
        value = op.inputs[before] if before < len(op.inputs) else NONE
        look = index(self.graph)
        edges = [self.graph.edges[e] for node in look.nodes_of_op[self.op] for e in look.edges_from[node]]
        given = sorted((edge.output == before, edge.backward, edge.id) for edge in edges if edge.value == value and not edge.none)
        return ("gradient", given[-1][2]) if given else ("value", max(value, 0))


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().cpu().double().numpy() if tensor.is_floating_point() else tensor.detach().cpu().numpy()


def _called(what: str, written: Callable[..., Any], first: tuple[Any, ...], tensors: list[Any], others: dict[str, Any]) -> Any:
    """What a registered formula gives. Raises NotAgain where it raises."""
    try:
        return call(written, first, tensors, others)
    except Exception as error:
        raise NotAgain(f"the formula registered for {what} raises {_raised(error)}") from error


def _text_of(written: Any) -> str:
    """What is shown of a registered formula: the first line of its docstring, or its name."""
    return (inspect.getdoc(written) or f"{getattr(written, '__name__', 'a formula')}(), registered by the script").splitlines()[0]
