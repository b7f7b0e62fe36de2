"""What an example was started with, read off its recording, so that it can be run again with something changed. No Qt."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath

from gradwalk.demo_files import DEMOS, change_text, parse_change
from gradwalk.recording.info import RunInfo
from gradwalk.refusal import RefusalError
from gradwalk.tape import shape_of
from gradwalk.trace import NONE, Trace

from .inspection.facts import kept_at
from .numbers import exact

OPTIONS = ("--device", "--steps", "--seed", "--lr", "--set")


@dataclass(frozen=True, slots=True)
class Again:
    """The start of an example. ``rest`` are arguments that are kept as they are, such as ``--optimizer adam``."""

    target: str
    seed: int
    device: str = "auto"
    steps: int = 500
    lr: float | None = None
    changes: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    level: str = "statistics"


@lru_cache(maxsize=16)
def again_of(info: RunInfo | None) -> Again | str:
    """How to run a recording's example again, or one sentence that says why that cannot be done."""
    name = PurePath(info.script.replace("\\", "/")).name if info is not None else ""
    target = next((demo for demo, script in DEMOS.items() if script == name), None)
    if info is None or target is None:
        return f"Only an example can be edited and run again; this is a recording of {name or 'something else'}."
    told: dict[str, list[str]] = {option: [] for option in OPTIONS}
    rest, words = list[str](), iter(info.program[1:])
    for word in words:
        option, equals, value = word.partition("=")
        if option in told:
            told[option].append(value if equals else next(words, ""))
        else:
            rest.append(word)
    try:
        seed = int(told["--seed"][-1])
        steps = int((told["--steps"] or ["500"])[-1])
        rate = float(told["--lr"][-1]) if told["--lr"] else None
    except (IndexError, ValueError):
        return f"{name} was started without --seed: the same values cannot be drawn again."
    device = (told["--device"] or ["auto"])[-1]
    return Again(target, seed, device, steps, rate, tuple(told["--set"]), tuple(rest), info.level)


def weights_of(trace: Trace) -> Mapping[str, int]:
    """The weights of a step, by name: the Values that training changes."""
    written = {trace.graph.values[value].base for op in trace.graph.ops if op.phase == "update" for value in op.outputs}
    values = trace.graph.values
    return {v.name: v.id for v in values if v.op == NONE and v.name and (v.requires_grad or v.parameter or v.id in written)}


def rate_in(trace: Trace) -> str:
    """The learning rate of an update that is written out (``learning_rate * w1.grad``), as recorded, or an empty string."""
    updates = (op for op in trace.graph.ops if op.phase == "update" and op.name in ("mul", "multiply"))
    return next((text for op in updates for name, text in op.arguments if name in ("other", "x1", "x2")), "")


def changes_in(text: str, trace: Trace) -> tuple[str, ...]:
    """The changes of weights in what was typed, each as the command line takes it. Raises RefusalError with a sentence."""
    made = []
    for piece in re.split(r"[;\s]+(?=[A-Za-z_])", text.strip(" ;")):
        if not piece:
            continue
        name, place, number = parse_change(piece)
        _check(trace, name, place)
        made.append(change_text(name, place, number))
    return tuple(made)


def _check(trace: Trace, name: str, place: tuple[int, ...]) -> None:
    weights = weights_of(trace)
    if name not in weights:
        raise RefusalError(f"there is no weight {name!r}; there is {', '.join(weights) or 'none'}")
    shape = shape_of(trace, weights[name])
    if len(place) != len(shape) or any(i >= size for i, size in zip(place, shape, strict=True)):
        raise RefusalError(f"there is no element {list(place)} in {name}, which is {list(shape)}")


def before_text(changes: tuple[str, ...], trace: Trace) -> str:
    """What the changed weights were in a step: ``w1[3, 2] was -0.15``; nothing for what is not kept."""
    told = []
    for change in changes:
        name, place, _ = parse_change(change)
        kept = kept_at(trace, ("value", weights_of(trace)[name]))
        if kept is not None and kept.complete:
            told.append(f"{name}{list(place)} was {exact(float(kept.data[place]), kept.dtype)}")
    return ", ".join(told)


def rate_of(text: str) -> float | None:
    """The learning rate that was typed, None for nothing. Raises RefusalError."""
    if not text.strip():
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not math.isfinite(rate):
        raise RefusalError("the learning rate is a finite number, such as 2e-6")
    return rate
