"""What the ops of the steps before turned out to be, so that a step under way is told as it will be once it has ended."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from ..trace import Phase, Shape
from .roles import Roles, find_roles, gradients_after, path_of

if TYPE_CHECKING:
    from .flow import Flow
    from .places import Place
    from .records import OpRecord, Slot


class Former:
    """By their places: phases, updates, the loss, and of what an op gives the gradient; leaves by name and shape."""

    def __init__(self) -> None:
        self.phases: dict[Place, Phase] = {}
        self.updates: set[Place] = set()
        self.losses: set[Place] = set()
        self.gives: dict[Place, str] = {}
        """The name of the value whose gradient comes of an op."""
        self.leaves: set[tuple[str, Shape]] = set()
        self.learned = 0
        """How many structures were learned."""

    def learn(self, flow: Flow, roles: Roles) -> None:
        """A step of another structure has ended."""
        self.learned += 1
        for index, record in enumerate(flow.records):
            self.phases[record.place] = roles.phases[index]
            for of in (roles.gradient_of.get(slot) for slot in record.outputs):
                if of is not None:
                    self.gives[record.place] = of.name
        self.updates.update(flow.records[index].place for index in roles.updates)
        if roles.loss is not None:
            self.losses.add(flow.records[flow.made[roles.loss]].place)
        self.leaves.update((slot.name, slot.shape) for slot in roles.leaves if slot.name)

    def makes_loss(self, record: OpRecord) -> bool:
        """Whether an op makes the loss, if it was known by then which does."""
        return record.place in self.losses and any(map(_may_be_loss, record.outputs))

    def roles(self, flow: Flow, printed: Collection[Place]) -> Roles:
        """The roles in a step under way; from its ops alone while no step has ended."""
        if not self.phases:
            return find_roles(flow, printed)
        records = flow.records
        guessed: tuple[Phase, ...] = ()
        if any(record.place not in self.phases for record in records):
            guessed = find_roles(flow, printed).phases
        phases = tuple([self.phases.get(record.place) or guessed[index] for index, record in enumerate(records)])
        made = (slot for r in reversed(records) if self.makes_loss(r) for slot in r.outputs if _may_be_loss(slot))
        loss = next(made, None)
        forward = [index for index, phase in enumerate(phases) if phase == "forward"]
        split = flow.made[loss] if loss is not None else max(forward, default=-1)
        leaves = tuple(slot for slot in flow.outside() if (slot.name, slot.shape) in self.leaves)
        gradient_of = gradients_after(flow, split)
        updates = frozenset(index for index, record in enumerate(records) if record.place in self.updates)
        return Roles(loss, leaves, gradient_of, phases, updates, path_of(flow, phases, loss, leaves, gradient_of))


def _may_be_loss(slot: Slot) -> bool:
    return slot.shape == () and slot.dtype.startswith("float")
