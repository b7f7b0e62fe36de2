"""Which events of a step a filter matches: each part of it for all events at once, from the recorded statistics."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..ragged import Ragged
from ..scales import unscaled
from ..tape import rms_of
from ..trace import STATISTICS, Trace
from .columns import Columns, Texts, columns_of
from .syntax import Call, Condition, Either, Every, Filter, Without, Word
from .vocabulary import CHECKS, PHASES

Mask = NDArray[np.bool_]
Numbers = NDArray[np.float64]
_COMPARE: Mapping[str, np.ufunc] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "=": np.equal,
    "!=": np.not_equal,
}


class Measurements(Protocol):
    """The numbers of some events: statistics tables, float64 ``[8, things]``, and seconds per event (NaN where not known)."""

    @property
    def values(self) -> Numbers:
        """Of what the events make."""

    @property
    def gradients(self) -> Numbers:
        """Of what they send."""

    @property
    def seconds(self) -> Numbers:
        """How long they took."""

    @property
    def checks(self) -> NDArray[np.int8]:
        """What checks found, per event, as ``verdicts.Mark``."""


def matches(asked: Filter, trace: Trace) -> Mask:
    """Which events of a step match, bool ``[len(trace.tape)]``. Gradients under a GradScaler are taken without its factor."""
    if asked == Every(()):  # nothing has to be known of the Graph
        return np.ones(len(trace.tape), dtype=np.bool_)
    found: Mask = holds(asked, _OfTrace(unscaled(trace)), columns_of(trace.graph))[trace.tape]
    return found


def holds(asked: Filter, measured: Measurements, columns: Columns) -> Mask:
    """Which events match, bool ``[events of the columns]``. Numbers are asked for only where the texts before them match."""
    match asked:
        case Word(text):
            return columns.labels.where(_word(text))
        case Without(of):
            return ~holds(of, measured, columns)
        case Every(of):
            everything = np.ones(len(columns), dtype=np.bool_)
            for one in sorted(of, key=asks_numbers):
                if not everything.any():
                    break
                everything &= holds(one, measured, columns)
            return everything
        case Either(of):
            anything = np.zeros(len(columns), dtype=np.bool_)
            for one in sorted(of, key=asks_numbers):
                if anything.all():
                    break
                anything |= holds(one, measured, columns)
            return anything
        case Call():
            return _called(asked, measured, columns)


def asks_numbers(asked: Filter) -> bool:
    """Whether a filter asks for what is only known when an event has run: its statistics or its time."""
    return _asks(asked, ("nan", "inf", "grad", "value", "time", "check"))


def asks_results(asked: Filter) -> bool:
    """Whether a filter asks what an op makes is like: its type, where it is, what is kept of it."""
    return _asks(asked, ("dtype", "device", "saved"))


def asks_checks(asked: Filter) -> bool:
    """Whether a filter asks for what checks found."""
    return _asks(asked, ("check",))


def _asks(asked: Filter, names: tuple[str, ...]) -> bool:
    match asked:
        case Without(of):
            return _asks(of, names)
        case Every(of) | Either(of):
            return any(_asks(one, names) for one in of)
        case Call(name):
            return name in names
    return False


@dataclass(frozen=True, slots=True)
class _OfTrace:
    trace: Trace

    @property
    def values(self) -> Numbers:
        return self.trace.values

    @property
    def gradients(self) -> Numbers:
        return self.trace.gradients

    @property
    def seconds(self) -> Numbers:
        trace = self.trace
        seconds = np.full(len(trace.graph.events), np.nan)
        if len(trace.durations) == len(trace.tape):
            seconds[trace.tape] = trace.durations
        return seconds

    @property
    def checks(self) -> NDArray[np.int8]:
        from ..verdicts import marks_of_events  # the formulas are not needed otherwise

        return marks_of_events(self.trace.graph, {verdict.op: verdict for verdict in self.trace.verdicts})


def _called(call: Call, measured: Measurements, columns: Columns) -> Mask:
    if call.name in ("nan", "inf"):
        row = STATISTICS.index(call.name)
        bad = _any(columns.outputs, measured.values[row] > 0), _any(columns.edges, measured.gradients[row] > 0)
        return np.logical_or(*bad)
    if call.name == "grad":
        table = measured.gradients
        return _any(columns.edges, _compared(call.conditions, _figures(table), table.shape[1]))
    if call.name == "value":
        table = measured.values
        return _any(columns.outputs, _compared(call.conditions, _figures(table), table.shape[1]))
    if call.name == "saved":
        figures = {name: (lambda row=row: columns.saved[row]) for row, name in enumerate(("bytes", "tensors"))}
        kept: Mask = columns.saved[1] > 0
        return kept & _compared(call.conditions, figures, len(kept))
    if call.name == "time":
        return _took(call.conditions, measured.seconds)
    if call.name == "check":
        wanted_marks = [CHECKS[one.lower()] for one in call.patterns] or list(CHECKS.values())
        return np.isin(measured.checks, wanted_marks)
    texts, pattern = _TEXTS[call.name]
    held = texts(columns)
    wanted = [pattern(one) for one in call.patterns or ("*",)]
    return held.where(lambda word: any(one(word) for one in wanted))


def _took(conditions: tuple[Condition, ...], seconds: Numbers) -> Mask:
    figures = {name: (lambda factor=factor: seconds * factor) for name, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6))}
    known: Mask = ~np.isnan(seconds)
    return known & _compared(conditions, figures, len(seconds))


def _any(rows: Ragged, mask: Mask) -> Mask:
    return rows.reduced(np.logical_or, mask[rows.flat], False)


def _compared(conditions: tuple[Condition, ...], figures: Mapping[str, Callable[[], NDArray[np.generic]]], things: int) -> Mask:
    """Which things meet all conditions; what was not counted meets none."""
    found = np.ones(things, dtype=np.bool_)
    with np.errstate(all="ignore"):
        for condition in conditions:
            figure = figures[condition.field]().astype(np.float64)
            found &= _COMPARE[condition.comparison](figure, condition.number) & ~np.isnan(figure)
    return found


def _figures(table: Numbers) -> Mapping[str, Callable[[], Numbers]]:
    """The figures of a statistics table, each worked out when it is asked for; NaN for what was not counted."""
    row = dict(zip(STATISTICS, table, strict=True))

    def counted(name: str) -> Numbers:
        return np.where(row[name] >= 0, row[name], np.nan)

    def per_element(name: str) -> Numbers:
        with np.errstate(all="ignore"):
            return np.where(row["count"] > 0, row[name] / row["count"], np.nan)

    return {
        "rms": lambda: rms_of(table),
        "max": lambda: row["max"],
        "min": lambda: row["min"],
        "absmax": lambda: np.maximum(np.abs(row["min"]), np.abs(row["max"])),
        "mean": lambda: per_element("sum"),
        "norm": lambda: np.sqrt(np.where(row["count"] >= 0, row["sumsq"], np.nan)),
        "zeros": lambda: np.where(row["zero"] >= 0, per_element("zero"), np.nan),
        "nan": lambda: counted("nan"),
        "inf": lambda: counted("inf"),
        "count": lambda: counted("count"),
    }


# ---------------------------------------------------------------------- texts

Matching = Callable[[str], bool]


def _word(text: str) -> Matching:
    """Part of a name, or, with a wild card, all of it."""
    if "*" in text or "?" in text:
        return _whole(text)
    part = text.lower()
    return lambda name: part in name.lower()


def _whole(text: str) -> Matching:
    """All of a name, with ``*`` and ``?``; brackets stand for themselves."""
    found = re.compile(translate(text.replace("[", "[[]")), re.IGNORECASE)
    return lambda name: found.match(name) is not None


def _module(text: str) -> Matching:
    """A module's path, or its end from a dot on, or that of a module around it."""
    asked = [_whole(before + text + after) for before in ("", "*.") for after in ("", ".*")]
    return lambda path: any(one(path) for one in asked)


def _source(text: str) -> Matching:
    """The end of a path, from a slash on, and the line where one is given."""
    name = text.replace("\\", "/")
    head, _, line = name.rpartition(":")
    ask = name if head and line.isdigit() else f"{name}:*"
    here, below = _whole(ask), _whole(f"*/{ask}")
    return lambda source: here(source) or below(source)


def _phase(text: str) -> Matching:
    phase = PHASES[text.lower()]
    return lambda name: name == phase


_TEXTS: Mapping[str, tuple[Callable[[Columns], Texts], Callable[[str], Matching]]] = {
    "phase": (lambda columns: columns.phases, lambda text: _whole(text) if text == "*" else _phase(text)),
    "kind": (lambda columns: columns.kinds, _whole),
    "op": (lambda columns: columns.names, _whole),
    "module": (lambda columns: columns.modules, _module),
    "src": (lambda columns: columns.sources, _source),
    "dtype": (lambda columns: columns.dtypes, _whole),
    "device": (lambda columns: columns.devices, _whole),
    "tag": (lambda columns: columns.tags, _whole),
}
