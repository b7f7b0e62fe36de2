"""The queue between the training and the writer's thread, with its account of how many bytes wait in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from ..trace import Trace
from .assemble import Item, Later, Partial, Scalar
from .format import Note
from .pressure import Pressure
from .tensors import Tensors, bytes_of
from .waking import Ticket

SCALAR_OBJECTS = 200
"""About how many bytes a number takes that waits by itself."""


class Waiting:
    """Items with their weights, first in, first out; as light as :class:`Pressure` wants them.

    What the training calls is safe against an interrupt at any point: an item is there or it is not, and where its weight was
    missed, the account is right again when the queue has run empty.
    """

    def __init__(self) -> None:
        self.pressure = Pressure()
        self._items: deque[tuple[int, Item | Ticket]] = deque()
        self._tickets: list[Ticket] = []
        self._taken = self._returned = 0
        self._beyond_taken = False

    # What the training thread calls.

    def put(self, weight: int, item: Item | Ticket) -> None:
        """The item waits from now on."""
        self._items.append((weight, item))
        self.pressure.came += weight

    def fitting(self, trace: Trace) -> tuple[Trace | None, int]:
        """As much of a step as may wait, and how many bytes that is."""
        pressure = self.pressure
        weight = pressure.weight_of(trace)
        size = weight + bytes_of(trace.tensors) if trace.tensors else weight
        return (trace, size) if pressure.came - pressure.went + size <= pressure.line else pressure.lighten(trace, weight)

    def put_partial(self, trace: Trace) -> None:
        """A step so far waits, or as much of it as may."""
        lighter, weight = self.fitting(trace)
        if lighter is not None:
            self.put(weight, Partial(lighter))

    def put_tensors(self, step: int, tensors: Tensors, lent: int) -> None:
        """Tensors wait, or as many as may; those of ``lent`` bytes of the ring's memory stay on the ring's account."""
        weight = 0
        if tensors and not lent:
            tensors, weight = self.pressure.lighten_tensors(tensors)
        if tensors:
            self.put(weight, Later(step, tensors, lent))
            self.pressure.lent += lent

    def put_beyond(self, step: int, tensors: Tensors) -> None:
        """Tensors of a step that was asked for in full wait, all of them, whatever else does."""
        self.pressure.beyond = bytes_of(tensors)  # before the writer's thread may take them
        self.put(0, Later(step, tensors, beyond=self.pressure.beyond))

    def put_number(self, name: str, step: int, value: float) -> None:
        """A number waits, in little room where there is little; behind those of its name that wait already."""
        pressure = self.pressure
        if pressure.waiting > pressure.line or pressure.numbers.get(name):
            pressure.pack(name, step, value)
        else:
            self.put(SCALAR_OBJECTS, Scalar(name, step, value))

    # What the writer's thread calls.

    def add_note(self, note: Note) -> None:
        """Something to say that the writer's thread has found."""
        self._items.append((0, note))

    @property
    def any(self) -> bool:
        """Whether something waits."""
        return bool(self._items) or any(self.pressure.numbers.values())

    def settle(self) -> None:
        """All that was taken out is in the file."""
        self.pressure.went += self._taken
        self.pressure.back += self._returned
        if self._beyond_taken:
            self.pressure.beyond, self._beyond_taken = 0, False
        self._taken = self._returned = 0
        tickets, self._tickets = self._tickets, []
        for ticket in tickets:
            ticket.set()

    def is_empty(self) -> None:
        """Nothing waits and nothing is being written: an account that an interrupt has put out is right again."""
        self.pressure.went, self.pressure.back = self.pressure.came, self.pressure.lent
        self.pressure.beyond = 0

    def arrivals(self, written: Callable[[], bool]) -> Iterator[Item]:
        """What waits, taken out one by one; ``written`` says whether all that came before is in the file.

        Packed numbers go before whoever waits for them.
        """
        while self._items:
            if written():
                self.settle()
            weight, item = self._items.popleft()
            self._taken += weight
            if isinstance(item, Ticket):
                yield from self._numbers()
                self._tickets.append(item)
                continue
            if isinstance(item, Later):
                self._returned += item.lent
                self._beyond_taken = self._beyond_taken or item.beyond > 0
            yield item
        yield from self._numbers()

    def _numbers(self) -> Iterator[Item]:
        for weight, packed in self.pressure.unpacked():
            self._taken += weight
            yield packed
