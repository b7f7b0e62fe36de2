"""The numbers of one step that is followed: its tensors by number, its times, and its statistics in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..statistics import row_of_number
from ..trace import NONE, Shape, Strides, TensorKey
from .host import host_array, plain_address
from .kept import KeptStrip
from .kernel import by_numpy, kernel
from .records import Held, Measured, OpRecord, Row, Slot
from .routine import Routine
from .rows import SHARED, careful_row, row_by_threads, rows_of
from .statistics import Statistics, row_of_measured

Reference = Callable[[], "torch.Tensor | None"]
Table = NDArray[np.float64]
_NUMBER = 8
"""Bytes of a number of the table."""


def unbound() -> None:
    """Stands for a tensor that has not come yet."""
    return


class Opening:
    """A custom Function under way: its serial number and inputs, once it has gone the slow way."""

    __slots__ = ("inputs", "serial")

    def __init__(self, serial: int = -1, inputs: tuple[Slot, ...] = ()) -> None:
        self.serial, self.inputs = serial, inputs


class Column:
    """The statistics of a Value of a followed step, for the Slot that goes on to the next."""

    __slots__ = ("_column", "_running")

    def __init__(self, running: Running, column: int) -> None:
        self._running, self._column = running, column

    @property
    def at(self) -> tuple[Running, int]:
        """The step, and the column of its table."""
        return self._running, self._column

    def row(self) -> Row:
        """The statistics."""
        self._running.settle()
        return tuple(self._running.table[:, self._column].tolist())


class Running:
    """A step under way. ``table`` is float64 ``[8, Values + edges]``."""

    def __init__(
        self,
        serial: int,
        routine: Routine,
        statistics: Statistics,
        guarded: Callable[..., Any],
        *,
        measuring: bool,
        kept: KeptStrip | None,
    ) -> None:
        self.serial = serial
        self.routine = routine
        count = len(routine.slots)
        self.refs: list[Reference] = [unbound] * count
        self.versions = [0] * count
        self.begins = [0.0] * routine.events
        self.durations = [0.0] * routine.events
        self.shapes: dict[int, Shape] = {}
        self.strides: dict[int, Strides] = {}
        """Of those Values whose strides are not what is expected of their shape."""
        self.arguments: dict[int, tuple[OpRecord, Held]] = {}
        """By event: of those ops that were given others than in the first step, with a record of such an op."""
        self.held: dict[int, Slot] = {}
        """The Slots of those Values that are known beyond the step: external ones, leaves written, gradients."""
        self.gradients: list[Slot] = []
        """The Slots of the leaves' gradients."""
        self.openings: dict[int, Opening] = {}
        """The custom Functions that are under way, by the position of the item at which they began."""
        self.closed = False
        self.loss_at = NONE
        self.loss_likeness = -1
        """How much like a loss is what is there (as in ``assemble``)."""
        self.sequence = 0
        """The sequence number at which the step began."""
        self.edges = routine.values
        """The column of edge 0."""
        self.measuring = measuring
        self.kept = kept
        self.scales: tuple[float, ...] = ()
        self.loss: float | None = None
        self.table: Table = routine.blank.copy() if measuring else routine.blank
        self._kernel = kernel() if measuring else by_numpy
        self._out, self._columns = self.table.ctypes.data, self.table.shape[1]
        self._statistics = statistics
        self._guarded = guarded
        self._late: list[tuple[int, Measured]] = []
        self._borrowed: list[tuple[int, Running, int]] = []
        self._aliases: list[int] = []
        """Columns, each followed by the one whose elements it has."""

    # ------------------------------------------------------------------ statistics

    def look(self, column: int, tensor: torch.Tensor) -> None:
        """Take the statistics of a tensor as it is now, and keep its elements if there is room."""
        address, size = plain_address(tensor), tensor.numel()
        if not address or not 0 < size < SHARED:
            self._guarded(self._look_slowly, column, tensor)
            return
        if tensor.is_contiguous():
            rows, length, step, in_order = 1, size, 0, True
        else:
            layout = rows_of(tensor.shape, tensor.stride())
            if layout is None:
                self._guarded(self._look_slowly, column, tensor)
                return
            rows, length, step, in_order = layout
        kept, to = self.kept, 0
        if kept is not None:
            if in_order:
                to = kept.place(column, tensor, size)
            else:
                self._guarded(kept.add, column, tensor)
        if not self._kernel(address, rows, length, step, self._out + _NUMBER * column, self._columns, to):
            self._guarded(self._look_again, column, tensor)

    def _look_again(self, column: int, tensor: torch.Tensor) -> None:
        array = host_array(tensor)
        if array is not None:
            self.table[:, column] = careful_row(array)

    def _look_slowly(self, column: int, tensor: torch.Tensor) -> None:
        self.keep(column, tensor)
        array = host_array(tensor)
        if array is not None and array.dtype == np.float32 and array.size > 1 and any(array.strides):
            row = row_by_threads(tensor)
            if row is not None:
                self.table[:, column] = row
                return
            flat = array.ravel(order="K")
            if not self._kernel(flat.ctypes.data, 1, flat.size, 0, self._out + _NUMBER * column, self._columns, 0):
                self.table[:, column] = careful_row(flat)
            return
        measured = self._statistics.measure(tensor, array)
        if measured is not None:
            self._late.append((column, measured))

    def note_strides(self, number: int, tensor: torch.Tensor, wanted: Strides | None) -> None:
        """Note the strides of a Value where they are not what is expected; ``wanted`` are the Graph's, None where contiguous."""
        strides = tensor.stride()
        if strides != wanted or number in self.shapes:
            self.strides[number] = strides

    def same_as(self, column: int, other: int) -> None:
        """The Value or edge has the elements of another one."""
        self._aliases += (column, other)

    def borrow(self, column: int, slot: Slot) -> None:
        """A Value that is known from before the step brings its statistics along."""
        measured = slot.measured
        if isinstance(measured, Column):
            self._borrowed.append((column, *measured.at))
        elif measured is not None:
            self._late.append((column, measured))

    def settle(self) -> None:
        """Have everything that was measured in the table; waits for what is under way from a device."""
        table = self.table
        late, self._late = self._late, []
        for column, measured in late:
            table[:, column] = row_of_measured(measured)
        borrowed, self._borrowed = self._borrowed, []
        _copy_borrowed(table, borrowed)
        aliases, self._aliases = self._aliases, []
        if aliases:
            _copy_aliases(table, aliases)

    def statistics(self) -> Table:
        """The whole table; of a step that is not measured it holds the loss alone."""
        if self.measuring:
            self.settle()
        elif self.loss is not None:
            self.table = self.table.copy()
            self.table[:, self.loss_at] = row_of_number(self.loss)
        return self.table

    def loss_value(self) -> float | None:
        """The number that the backward at ``loss_at`` started from, if it was one."""
        if self.loss is None and self.measuring and self.loss_at != NONE and self.table[0, self.loss_at] == 1:
            return float(self.table[1, self.loss_at])
        return self.loss

    def release(self) -> None:
        """The step has been handed over: only its statistics are asked for from now on, by the Slots that outlive it."""
        self.refs, self.versions, self.begins, self.durations, self.gradients = [], [], [], [], []
        self.held, self.openings, self.shapes, self.strides, self.kept = {}, {}, {}, {}, None

    # ------------------------------------------------------------------ copies

    def keep(self, column: int, tensor: torch.Tensor) -> None:
        """Keep the elements of a tensor for the ring, if there is room."""
        if self.kept is not None:
            self.kept.add(column, tensor)

    def keep_mask(self, event: int, noise: torch.Tensor | None) -> None:
        """Keep the mask of the op that is an event for the ring, if there is room."""
        if self.kept is not None and noise is not None:
            self.kept.add_mask(self.routine.known.graph.events[event].ref, noise)

    @property
    def tensors(self) -> Mapping[TensorKey, Any]:
        """What was kept."""
        return {} if self.kept is None else self.kept.tensors(self.edges)


def _copy_borrowed(table: Table, borrowed: list[tuple[int, Running, int]]) -> None:
    sources: dict[int, tuple[Running, list[int], list[int]]] = {}
    for column, running, other in borrowed:
        _, to, of = sources.setdefault(id(running), (running, [], []))
        to.append(column)
        of.append(other)
    for running, to, of in sources.values():
        running.settle()
        table[:, to] = running.table[:, of]


def _copy_aliases(table: Table, aliases: list[int]) -> None:
    """Each alias stands behind what it is an alias of, so that one pass finds the first of a chain."""
    first: dict[int, int] = {}
    for column, other in zip(aliases[::2], aliases[1::2], strict=True):
        first[column] = first.get(other, other)
    table[:, list(first)] = table[:, list(first.values())]
