"""What a recording holds and where, from the directories of its Sync records: nothing is decoded to build it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .chunks import Place, StepChunks
from .format import MINOR, Channel, Damaged, Flag
from .order import order_size
from .runs import Run
from .sync import Entry, Sync

KNOWN_CHANNELS = frozenset(Channel)
STEPS, SCALAR, ORDER = int(Channel.STEPS), int(Channel.SCALAR), int(Flag.ORDER)
"""As plain integers: a long run has tens of thousands of groups, and all of them are looked at when it is opened."""


@dataclass(slots=True)
class Index:
    """Grows with every group."""

    chunks: StepChunks = field(default_factory=StepChunks)
    graphs: dict[int, list[Place]] = field(default_factory=dict)
    tensors: dict[int, list[Place]] = field(default_factory=dict)
    in_part: set[int] = field(default_factory=set)
    """The numbers of the steps of whose tensors some are not kept, or as a sample."""
    partial_tensors: dict[int, list[Place]] = field(default_factory=dict)
    notes: list[Place] = field(default_factory=list)
    scalars: list[Place] = field(default_factory=list)
    sources: list[Place] = field(default_factory=list)
    infos: list[Place] = field(default_factory=list)
    verdicts: dict[int, list[Place]] = field(default_factory=dict)
    partial: tuple[int, Place] | None = None
    unknown: dict[int, int] = field(default_factory=dict)
    """Messages on channels that this version does not know, counted per channel."""
    newest_minor: int = MINOR

    @property
    def steps(self) -> int:
        """How many complete steps there are."""
        return self.chunks.total

    def add_run(self, run: Run) -> None:
        """Take in groups that hold steps and nothing else."""
        self.chunks.add_run(run)

    def add(self, sync: Sync) -> None:
        """Take in a group. Raises Damaged where it says more steps than it lists, and takes in the rest of it."""
        if sync.version[1] > self.newest_minor:
            self.newest_minor = sync.version[1]
        batches: list[Place] = []
        order: Place | None = None
        chunk = sync.offset + sync.size
        for entry in sync.entries:
            channel, flag, offset, length, _, _, _ = entry
            place = Place(chunk + offset, length)
            if channel == STEPS:
                batches.append(place)
            elif channel == SCALAR and flag == ORDER:
                order = place
            else:
                self._other(Entry._make(entry), place)
        if not sync.steps and not batches:
            return
        if order is None or not batches or order.length != order_size(sync.steps):
            raise Damaged("a group says another number of steps than it lists")
        if sync.steps:
            self.chunks.add(sync.steps, sync.first_step, order, batches)

    def _other(self, entry: Entry, place: Place) -> None:
        lists = {
            Channel.EVENT: self.notes,
            Channel.SCALAR: self.scalars,
            Channel.SOURCE: self.sources,
            Channel.INFO: self.infos,
        }
        if entry.channel == Channel.GRAPH:
            self.graphs.setdefault(entry.graph, []).append(place)
        elif entry.channel == Channel.TENSOR:
            table = self.partial_tensors if entry.flag == Flag.OF_PARTIAL else self.tensors
            table.setdefault(entry.first_step, []).append(place)
            if entry.flag == Flag.IN_PART:
                self.in_part.add(entry.first_step)
        elif entry.channel == Channel.VERDICT:
            self.verdicts.setdefault(entry.first_step, []).append(place)
        elif entry.channel == Channel.PARTIAL:
            self.partial = entry.first_step, place
        elif entry.channel in KNOWN_CHANNELS:
            lists[Channel(entry.channel)].append(place)
        else:
            self.unknown[entry.channel] = self.unknown.get(entry.channel, 0) + 1
