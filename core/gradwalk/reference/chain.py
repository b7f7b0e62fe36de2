"""A whole step again in float64, from its leaves to its loss and back: what rounding has added up to, tensor by tensor.

Unlike the check of one op, which starts from the recorded inputs, only the leaves (parameters, inputs, targets, masks, random
numbers) are read from the recording here; every other tensor is what the formulas made of them. The order:

1. the ways that gradients took are read off the record (``routes.py``): a ``detach`` or ``no_grad`` cuts here as it did there;
2. every op runs forwards by its formula (``chain_forward.py``, ``ran.py``); one that cannot goes on from its recorded output;
3. each backward runs from its seed along its way to the leaves (``chain_backward.py``), whose ``.grad`` adds up as it did;
4. every tensor is measured next to the recorded one as soon as it is there, and let go when nothing needs it any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ..paths import id_of, path_of
from ..scales import as_recorded
from ..trace import NONE, Edge, TensorKey, Trace
from .accumulated import Chain
from .chain_backward import Backward, carried
from .chain_book import Book, Heard, MissingError, StoppedError, Told
from .chain_forward import Forward

MICRO_BATCHES = 64
"""So many steps at most are gone back for what a ``.grad`` held before."""


class Steps(Protocol):
    """Steps of a recording by their index."""

    def __getitem__(self, index: int, /) -> Trace: ...


def _go_on(done: int, all_: int) -> bool:
    return True


def _nobody(key: TensorKey, array: Any) -> None:
    pass


def chain(trace: Trace, told: Told = _go_on, *, before: Mapping[int, Any] | None = None, heard: Heard = _nobody) -> Chain:
    """The accumulated error of every Value and every gradient of a step. Never raises: what cannot be is said in ``sentence``.

    ``before`` are the float64 gradients that leaves (by Value) held from earlier micro-batches; without them what was recorded
    counts. Memory: float64 copies of what the backward needs.
    """
    book = Book(as_recorded(trace), told, heard)
    with np.errstate(all="ignore"):
        try:
            forward = Forward(book)
            forward.run()
            backward = Backward(book, forward, before or {})
            for route in book.routes:
                backward.run(route)
            book.end()
        except StoppedError:
            return book.chain(complete=False)
        except MissingError as error:
            return book.chain(str(error))
        except MemoryError:
            return book.chain("not computed: there is not enough memory for this step in float64")
    return book.chain()


def chain_of(steps: Steps, place: int, told: Told = _go_on, heard: Heard = _nobody) -> Chain:
    """The same for the step at a place of a recording; where gradients of earlier micro-batches are part of its ``.grad``, those
    steps are computed first.
    """
    batches = [steps[place]]
    while len(batches) <= MICRO_BATCHES and place >= len(batches) and _carries(batches[0]):
        earlier = steps[place - len(batches)]
        if earlier.step != batches[0].step - 1 or not _stored(earlier):
            break
        batches.insert(0, earlier)
    before: dict[str, Any] = {}
    for number, trace in enumerate(batches):
        last = number == len(batches) - 1
        given = {id_of(trace.graph, "value", path): grad for path, grad in before.items()}
        grads: dict[int, Any] = {}
        found = chain(
            trace,
            lambda done, all_, number=number: told(number * all_ + done, len(batches) * all_),  # type: ignore[misc]
            before={leaf: grad for leaf, grad in given.items() if leaf != NONE},
            heard=heard if last else _store(trace, grads),
        )
        if last or not found.complete:
            return found
        before = {path_of(trace.graph, "value", leaf): grad for leaf, grad in grads.items()}
    raise AssertionError("there is always a last step")


def _stored(trace: Trace) -> dict[int, Edge]:
    """The edges that bring leaves their ``.grad``, by Value, each the first of the step."""
    found: dict[int, Edge] = {}
    for edge in trace.graph.edges:
        if edge.target == NONE and not edge.none and edge.by == NONE and edge.value != NONE:
            found.setdefault(edge.value, edge)
    return found


def _carries(trace: Trace) -> bool:
    """Whether a ``.grad`` of a step held something before."""
    trace = as_recorded(trace)
    return any(carried(trace, edge) is not None for edge in _stored(trace).values())


def _store(trace: Trace, grads: dict[int, Any]) -> Heard:
    """Takes the ``.grad`` of each leaf as it is at the end of a step."""

    def heard(key: TensorKey, array: Any) -> None:
        edge = trace.graph.edges[key[1]] if key[0] == "gradient" else None
        if edge is not None and edge.target == NONE:
            grads[edge.value] = array

    return heard
