"""Reading a recording: a sequence of Traces, decoded when looked at, that grows while the run goes on."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from ..trace import Graph, StepError, Trace, Verdict, empty_table
from . import opening
from .batch import Batch, decode_batch
from .chunks import Place, StepChunk
from .folder import rank_files
from .format import MAX_GAIN, MAX_VERDICT_BLOCKS, Damaged, Gap, Note
from .graph_code import decode_graph
from .info import RunInfo
from .losses import Losses
from .tables import Asked, Tables, tables_of
from .tail import File, Tail
from .tensors import LazyTensors

DAMAGED = "damaged"
"""The label of a step that could not be read: its tables are empty and its ``error`` says what was found."""
Scalars: TypeAlias = dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]
_EMPTY = Graph(-1, "", (), (), (), (), ())


def open_recording(path: str | Path, rank: int | None = None) -> Recording:
    """Open a run folder or one .mcap file; of several ranks the lowest, or ``rank``.

    Raises RecordingError where there is no recording, where it is none of Gradwalk's or cannot be read, and for a newer major
    version.
    """
    found = opening.find(Path(path), rank)
    return Recording(Tail(found, found.run or RunInfo()))


class Recording(Sequence[Trace]):
    """One rank of a run, as a read-only sequence of its steps.

    The last one may be a step so far (``done`` False) that the next :meth:`poll` completes. A step whose bytes are damaged is a
    Trace with the label :data:`DAMAGED`, never an exception; ``gaps`` lists what was found damaged up to now.
    """

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._losses = Losses()
        self._partial: Trace | None = None
        self._lock = threading.RLock()
        self.poll()

    # The steps.

    def __len__(self) -> int:
        return self._tail.index.steps + (self._partial is not None)

    @overload
    def __getitem__(self, index: int, /) -> Trace: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[Trace]: ...
    def __getitem__(self, index: int | slice, /) -> Trace | list[Trace]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"there is no step {index} in a recording of {len(self)}")
        with self._lock:
            if number == self._tail.index.steps and self._partial is not None:
                return self._partial
            return self._step(number)

    def __iter__(self) -> Iterator[Trace]:
        number = 0
        while number < len(self):
            yield self[number]
            number += 1

    def losses(self) -> NDArray[np.float64]:
        """The loss of every step, float64 ``[len(self)]``, read-only; NaN where a step has none."""
        losses = self._known().losses
        if self._partial is None:
            return losses
        return np.append(losses, math.nan if self._partial.loss is None else self._partial.loss)

    def step_numbers(self) -> NDArray[np.int64]:
        """The number of every step, int64 ``[len(self)]``, read-only."""
        steps = self._known().steps
        return steps if self._partial is None else np.append(steps, self._partial.step)

    def tables(self, start: int, asked: Asked) -> tuple[int, list[Tables]]:
        """The statistics of the complete steps that lie together in the file with the ``start``-th; see ``tables_from``.

        Steps that cannot be read are left out.
        """
        with self._lock:
            if start >= self._tail.index.steps:
                return start, []
            chunk, _ = self._tail.index.chunks.find(start)
            try:
                found = list(tables_of(self._file.decoder, chunk, self._tail.index.graphs, asked))
            except Damaged as error:
                self._tail.damaged(chunk.batches[0], str(error), chunk.first_step, chunk.steps)
                found = []
            return chunk.start + chunk.steps, found

    def kept_steps(self) -> NDArray[np.int64]:
        """Which steps keep tensors, as rising indices into this sequence, int64 ``[k]``."""
        return self._places_of(self._tail.index.tensors)

    def steps_kept_in_part(self) -> NDArray[np.int64]:
        """Those of them of whose tensors some are not kept, or as a sample; a file before 1.1 does not say, and gives none."""
        return self._places_of(self._tail.index.in_part)

    def _places_of(self, steps: Iterable[int]) -> NDArray[np.int64]:
        numbers, kept = self.step_numbers(), np.array(sorted(steps), np.int64)
        places = np.searchsorted(numbers, kept)
        there = places < len(numbers)
        found: NDArray[np.int64] = places[there][numbers[places[there]] == kept[there]]
        return found

    def checked_steps(self) -> NDArray[np.int64]:
        """Which steps were checked while they ran, as rising indices into this sequence, int64 ``[k]``."""
        return self._places_of(self._tail.index.verdicts)

    # What is beside them.

    def scalars(self) -> Scalars:
        """Numbers written beside the steps: per name their steps and values."""
        found: dict[str, list[tuple[NDArray[np.int64], NDArray[np.float64]]]] = {}
        gain = 0
        for place in self._tail.index.scalars:
            for name, columns in self._scalars_at(place).items():
                found.setdefault(name, []).append(columns)
                gain += columns[0].nbytes * 2
            gain -= place.length
            if gain > MAX_GAIN:
                self._tail.damaged(place, "there are more scalars here than are allowed")
                break
        return {
            name: (np.concatenate([c[0] for c in all_]), np.concatenate([c[1] for c in all_])) for name, all_ in found.items()
        }

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """Every distinct Graph that can be read, in the order in which they came."""
        found = (self._graph(number) for number in sorted(self._tail.index.graphs))
        return tuple(graph for graph in found if graph is not None)

    @property
    def info(self) -> RunInfo:
        """The run, as this rank knows it."""
        return self._tail.info

    @property
    def notes(self) -> list[Note]:
        """What happened beside the steps, in order."""
        return self._tail.notes

    @property
    def ended(self) -> str | None:
        """How the run ended (``clean``, ``error``, ``stopped``), or None while it goes on or where it was killed."""
        return next((note.message for note in reversed(self.notes) if note.kind == "end"), None)

    @property
    def closed(self) -> bool:
        """Whether the writer finished the file, so that nothing more will come."""
        return self._tail.file is not None and self._tail.file.scan.closed

    @property
    def error(self) -> Note | None:
        """The last exception of the script that was recorded."""
        return next((note for note in reversed(self.notes) if note.kind == "exception"), None)

    def source(self, file: str) -> str | None:
        """The text of a source file as it was when recorded, or None."""
        place = self._tail.sources.get(file)
        if place is None:
            return None
        try:
            return self._file.decoder.source(place)
        except Damaged as error:
            self._tail.damaged(place, str(error))
            return None

    @property
    def path(self) -> Path:
        """What was opened."""
        return self._tail.found.path

    @property
    def bytes(self) -> int:
        """The size of the file now."""
        return 0 if self._tail.file is None else self._tail.file.access.size

    @property
    def gaps(self) -> list[Gap]:
        """What was found damaged up to now."""
        return self._tail.gaps

    @property
    def rank(self) -> int:
        """The rank that this is."""
        return self.info.rank

    @property
    def ranks(self) -> tuple[int, ...]:
        """All ranks that have a file in the run folder."""
        try:
            found = () if self._tail.found.folder is None else tuple(rank_files(self._tail.found.folder))
        except OSError:
            found = ()
        return found or (self.rank,)

    @property
    def skipped(self) -> list[str]:
        """What the file holds that this version does not know, in words, as far as it was read; usually empty."""
        file = self._tail.file
        return [] if file is None else opening.skipped(file.scan, self._tail.index) + sorted(file.decoder.skipped)

    # Following a file that grows.

    def poll(self) -> bool:
        """Look for more; True where something came. Raises RecordingError where what came is no recording that we can read."""
        with self._lock:
            copies = self._tail.copies
            news = self._tail.poll()
            if self._tail.copies != copies:
                self._losses = Losses()
            if news:
                self._partial = self._read_partial()
            return news

    def close(self) -> None:
        """Close the file: what was not read before cannot be read any more."""
        if self._tail.file is not None:
            self._tail.file.access.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    # Decoding.

    @property
    def _file(self) -> File:
        assert self._tail.file is not None
        return self._tail.file

    def _known(self) -> Losses:
        with self._lock:
            if self._tail.file is not None:
                for chunk, why in self._losses.read(self._tail.file.decoder, self._tail.index.chunks):
                    self._tail.damaged(chunk.order or Place(0, 0), why, chunk.first_step, chunk.steps)
            return self._losses

    def _step(self, number: int) -> Trace:
        chunk, row = self._tail.index.chunks.find(number)
        graph: Graph | None = None
        try:
            batch, row = self._file.decoder.row(chunk, row)
            graph = self._file.decoder.graph(batch.graph, self._tail.index.graphs.get(batch.graph, []))
            step = int(batch.steps[row])
            trace = batch.trace(row, graph, self._tensors(step, self._tail.index.tensors), self.rank)
            return replace(trace, verdicts=self._verdicts(step, graph)) if step in self._tail.index.verdicts else trace
        except Damaged as error:
            self._tail.damaged(chunk.batches[0], str(error), chunk.first_step, chunk.steps)
            return self._unreadable(number, chunk, graph, str(error))

    def _unreadable(self, number: int, chunk: StepChunk, graph: Graph | None, why: str) -> Trace:
        steps, losses = self.step_numbers(), self.losses()
        graph = graph or _EMPTY
        loss = float(losses[number])
        return Trace(
            step=int(steps[number]),
            graph=graph,
            tape=np.zeros(0, np.int32),
            values=empty_table(len(graph.values)),
            gradients=empty_table(len(graph.edges)),
            loss=None if math.isnan(loss) else loss,
            rank=self.rank,
            label=DAMAGED,
            done=False,
            error=StepError(
                "RecordingError", f"this step cannot be read, its bytes at {chunk.batches[0].offset:,} are damaged: {why}"
            ),
        )

    def _scalars_at(self, place: Place) -> Scalars:
        try:
            return self._file.decoder.scalars(place)
        except Damaged as error:
            self._tail.damaged(place, str(error))
            return {}

    def _graph(self, number: int) -> Graph | None:
        places = self._tail.index.graphs[number]
        try:
            with self._lock:
                return self._file.decoder.graph(number, places)
        except Damaged as error:
            self._tail.damaged(places[0], str(error))
            return None

    def _tensors(self, step: int, table: dict[int, list[Place]]) -> LazyTensors:
        places = table.get(step, [])
        file, tail = self._file, self._tail

        def damaged(why: str) -> None:
            tail.damaged(places[0], why, step, 0)

        return LazyTensors([(file.access.within(*place), place.length) for place in places], str(self.path), damaged)

    def _verdicts(self, step: int, graph: Graph) -> tuple[Verdict, ...]:
        """What was found in a step while it ran; of an op the last verdict."""
        places = self._tail.index.verdicts[step][-MAX_VERDICT_BLOCKS:]
        found = {one.op: one for place in places for one in self._verdicts_at(place, step, graph)}
        return tuple(found[op] for op in sorted(found))

    def _verdicts_at(self, place: Place, step: int, graph: Graph) -> list[Verdict]:
        try:
            return self._file.decoder.verdicts(place, graph)
        except Damaged as error:
            self._tail.damaged(place, str(error), step)
            return []

    def _read_partial(self) -> Trace | None:
        """The step so far, unless it has been completed."""
        partial = self._tail.index.partial
        if partial is None:
            return None
        step, place = partial
        try:
            if self._tail.index.chunks and int(self._file.decoder.order(self._tail.index.chunks[-1]).steps.max()) >= step:
                self._tail.index.partial = None
                return None
            batch = decode_batch(self._file.access.within(*place), place.length)
            tensors = self._tensors(step, self._tail.index.partial_tensors)
            return batch.trace(0, self._graph_of_partial(batch), tensors, self.rank)
        except Damaged as error:
            self._tail.damaged(place, str(error))
            return None

    def _graph_of_partial(self, batch: Batch) -> Graph:
        if batch.graph_bytes is not None:
            return decode_graph(batch.graph_bytes)
        return self._file.decoder.graph(batch.graph, self._tail.index.graphs.get(batch.graph, []))
