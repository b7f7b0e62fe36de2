"""A batch of steps of one Graph by column: per statistic ``[thing, step]``, and the rest of a Trace beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..trace import STATISTICS, Arguments, Graph, Kept, Shape, StepError, Strides, TensorKey, Trace
from .columns import Block, Part, ReadAt, is_number, read_column, read_header
from .dtypes import DType
from .format import MAX_SHAPES, MAX_STEPS, MAX_TEXT, Damaged

Array: TypeAlias = NDArray[Any]
HAS_LOSS, DONE = 1, 2
TABLES = ("values", "gradients")
NOT_FINITE = ("inf", "-inf", "nan")
ARGUMENT_BYTES = 200
"""About how many bytes the arguments of an op take in a batch."""
_LEAST_STRIDE = -(1 << 62)


def batch_key(trace: Trace) -> tuple[int, ...]:
    """Traces with equal keys (and the same Graph) fit into one batch."""
    return (
        len(trace.tape),
        len(trace.times),
        len(trace.durations),
        trace.values.shape[1],
        trace.gradients.shape[1],
        trace.rank,
    )


def raw_bytes(trace: Trace) -> int:
    """About how many bytes a trace takes in a batch before compression, tensors aside."""
    told = ARGUMENT_BYTES * len(trace.arguments)
    return trace.values.nbytes + trace.gradients.nbytes + 20 * len(trace.tape) + told + 64


def storable(trace: Trace) -> bool:
    """Whether the tables fit the trace's Graph."""
    graph, rows = trace.graph, len(STATISTICS)
    return trace.values.shape == (rows, len(graph.values)) and trace.gradients.shape == (rows, len(graph.edges))


def encode_batch(traces: Sequence[Trace], graph: int, graph_bytes: bytes | None = None) -> list[Part]:
    """The block of a batch of traces with equal :func:`batch_key`; ``graph_bytes`` is the encoded Graph where it goes along."""
    count = len(traces)
    block = Block(graph=graph, steps=count, rank=traces[0].rank, **_texts(traces))
    flags = [(HAS_LOSS if t.loss is not None else 0) | (DONE if t.done else 0) for t in traces]
    losses = [np.nan if t.loss is None else t.loss for t in traces]
    block.add("step", np.array([t.step for t in traces], np.int64), DType.INT64)
    block.add("start", np.array([t.start for t in traces], np.float64), DType.FLOAT64)
    block.add("loss", np.array(losses, np.float64), DType.FLOAT64)
    block.add("flags", np.array(flags, np.uint8), DType.UINT8)
    block.add("tape", _by_step([t.tape for t in traces], np.int32), DType.INT32)
    block.add("times", _by_step([t.times for t in traces], np.float64), DType.FLOAT64)
    block.add("durations", _by_step([t.durations for t in traces], np.float64), DType.FLOAT64)
    for name, tables in (("values", [t.values for t in traces]), ("gradients", [t.gradients for t in traces])):
        for statistic, planes in zip(STATISTICS, _planes(tables), strict=True):
            block.add_planes(f"{name}.{statistic}", planes, DType.FLOAT64)
    for name, of_values in (("shapes", [t.shapes for t in traces]), ("strides", [t.strides for t in traces])):
        if any(of_values):
            block.add(name, _flat(of_values), DType.INT64)
    if graph_bytes is not None:
        block.add("graph", np.frombuffer(graph_bytes, np.uint8), DType.UINT8)
    return block.parts()


def _planes(tables: Sequence[Array]) -> Array:
    """Tables ``[statistics, things]`` as bytes ``[statistics, bytes of a float64, things, steps]``, moved in one go.

    NumPy lets other threads run while it copies, and a training that computes is in no hurry to let us go on.
    """
    stacked = np.concatenate(tables, dtype=np.float64).reshape(len(tables), len(STATISTICS), -1)
    by_step = np.ascontiguousarray(stacked.transpose(1, 2, 0))
    planes = by_step.view(np.uint8).reshape(len(STATISTICS), -1, by_step.itemsize).transpose(0, 2, 1)
    return np.ascontiguousarray(planes).reshape(len(STATISTICS), by_step.itemsize, *by_step.shape[1:])


def _by_step(rows: Sequence[Array], dtype: type[np.generic]) -> Array:
    return np.ascontiguousarray(np.concatenate(rows).reshape(len(rows), -1).T, dtype)


def _texts(traces: Sequence[Trace]) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    labels = {str(row): t.label[:MAX_TEXT] for row, t in enumerate(traces) if t.label}
    errors = {
        str(row): [t.error.kind[:MAX_TEXT], t.error.message[:MAX_TEXT], t.error.event, t.error.traceback[-MAX_TEXT:]]
        for row, t in enumerate(traces)
        if t.error is not None
    }
    scales = {str(row): [_to_json(scale) for scale in t.scales] for row, t in enumerate(traces) if t.scales}
    arguments = {
        str(row): [[op, *(text[:MAX_TEXT] for pair in pairs for text in pair)] for op, pairs in t.arguments.items()]
        for row, t in enumerate(traces)
        if t.arguments
    }
    if arguments:
        meta["arguments"] = arguments
    if scales:
        meta["scales"] = scales
    if labels:
        meta["labels"] = labels
    if errors:
        meta["errors"] = errors
    return meta


def _to_json(scale: float) -> float | str:
    """A number that JSON has, or the name of one that it lacks."""
    return float(scale) if math.isfinite(scale) else str(float(scale))


def _flat(steps: Sequence[Mapping[int, Shape | Strides]]) -> NDArray[np.int64]:
    """Rows of ``step row, value, dimensions, sizes (or strides) ...`` one after the other."""
    flat: list[int] = []
    for row, of_values in enumerate(steps):
        for value, numbers in of_values.items():
            flat += (row, value, len(numbers), *numbers)
    return np.array(flat, np.int64)


@dataclass(frozen=True, slots=True)
class Batch:
    """A decoded batch. Tables are float64 ``[8, things, steps]``."""

    graph: int
    steps: NDArray[np.int64]
    starts: NDArray[np.float64]
    losses: NDArray[np.float64]
    flags: NDArray[np.uint8]
    tape: NDArray[np.int32]
    times: NDArray[np.float64]
    durations: NDArray[np.float64]
    values: NDArray[np.float64]
    gradients: NDArray[np.float64]
    labels: Mapping[int, str]
    errors: Mapping[int, StepError]
    shapes: Mapping[int, Mapping[int, Shape]]
    strides: Mapping[int, Mapping[int, Strides]]
    scales: Mapping[int, tuple[float, ...]]
    arguments: Mapping[int, Mapping[int, Arguments]]
    graph_bytes: bytes | None = None
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def nbytes(self) -> int:
        """Memory that the tables take."""
        return self.values.nbytes + self.gradients.nbytes + self.times.nbytes * 2 + self.tape.nbytes

    def trace(self, row: int, graph: Graph, tensors: Mapping[TensorKey, Kept], rank: int) -> Trace:
        """One step as a Trace of the rank whose file this is. Raises Damaged where the batch does not fit the Graph."""
        if self.values.shape[1] != len(graph.values) or self.gradients.shape[1] != len(graph.edges):
            raise Damaged("a batch has other things than its graph")
        tape = _frozen(self.tape[:, row])
        if len(tape) and (int(tape.min()) < 0 or int(tape.max()) >= len(graph.events)):
            raise Damaged("a tape names an event that its graph does not have")
        error = self.errors.get(row)
        if error is not None and not -1 <= error.event <= len(tape):
            raise Damaged("an error names an event that its tape does not have")
        shapes, strides = self.shapes.get(row, {}), self.strides.get(row, {})
        if any(value >= len(graph.values) for value in (*shapes, *strides)):
            raise Damaged("a shape belongs to a value that the graph does not have")
        if any(len(steps) != len(shapes.get(value, graph.values[value].shape)) for value, steps in strides.items()):
            raise Damaged("a value in a batch has other strides than axes")
        arguments = self.arguments.get(row, {})
        if any(op >= len(graph.ops) for op in arguments):
            raise Damaged("arguments belong to an op that the graph does not have")
        flags = int(self.flags[row])
        trace = Trace(
            step=int(self.steps[row]),
            graph=graph,
            tape=tape,
            values=_frozen(self.values[:, :, row]),
            gradients=_frozen(self.gradients[:, :, row]),
            loss=float(self.losses[row]) if flags & HAS_LOSS else None,
            start=float(self.starts[row]),
            times=_frozen(self.times[:, row]),
            durations=_frozen(self.durations[:, row]),
            tensors=tensors,
            shapes=MappingProxyType(dict(shapes)),
            strides=MappingProxyType(dict(strides)),
            rank=rank,
            label=self.labels.get(row, ""),
            done=bool(flags & DONE),
            error=error,
            scales=self.scales.get(row, ()),
            arguments=arguments,
        )
        return trace.told()


KNOWN = frozenset(
    {"step", "start", "loss", "flags", "tape", "times", "durations", "shapes", "strides", "graph"}
    | {f"{table}.{statistic}" for table in TABLES for statistic in STATISTICS}
)


def decode_batch(read: ReadAt, length: int) -> Batch:
    """The batch in a block of ``length`` bytes. Raises Damaged."""
    header = read_header(read, length)
    meta = header.meta
    count, graph = meta.get("steps"), meta.get("graph")
    if type(count) is not int or not 1 <= count <= MAX_STEPS or type(graph) is not int or type(meta.get("rank")) is not int:
        raise Damaged("a batch's header is malformed")

    def column(name: str, dtype: DType, dimensions: int) -> Array:
        array = read_column(read, header, name)
        if header.columns[name].dtype is not dtype or array.ndim != dimensions or array.shape[-1] != count:
            raise Damaged(f"the column {name!r} of a batch is not of the kind it must be")
        return array

    def table(name: str) -> NDArray[np.float64]:
        columns = [column(f"{name}.{statistic}", DType.FLOAT64, 2) for statistic in STATISTICS]
        if len({c.shape for c in columns}) != 1:
            raise Damaged("the statistics of a batch differ in size")
        return np.stack(columns)

    def of_values(name: str, least: int) -> dict[int, dict[int, Shape]]:
        return _read_flat(name, read_column(read, header, name), count, least) if name in header.columns else {}

    return Batch(
        graph=graph,
        steps=column("step", DType.INT64, 1),
        starts=column("start", DType.FLOAT64, 1),
        losses=column("loss", DType.FLOAT64, 1),
        flags=column("flags", DType.UINT8, 1),
        tape=column("tape", DType.INT32, 2),
        times=column("times", DType.FLOAT64, 2),
        durations=column("durations", DType.FLOAT64, 2),
        values=table("values"),
        gradients=table("gradients"),
        labels=_labels(meta.get("labels", {}), count),
        errors=_errors(meta.get("errors", {}), count),
        shapes=of_values("shapes", 0),
        strides=of_values("strides", _LEAST_STRIDE),
        scales=scales_of_rows(meta.get("scales", {}), count),
        arguments=_arguments(meta.get("arguments", {}), count),
        graph_bytes=read_column(read, header, "graph").tobytes() if "graph" in header.columns else None,
        skipped=(*header.skipped, *(name for name in header.columns if name not in KNOWN)),
    )


def _frozen(array: Array) -> Array:
    copy = np.ascontiguousarray(array)
    if copy.base is not None:
        copy = copy.copy()
    copy.flags.writeable = False
    return copy


def _by_row(record: Any, count: int) -> dict[int, Any]:
    if not isinstance(record, dict) or not all(row.isascii() and row.isdigit() and len(row) < 8 for row in record):
        raise Damaged("the texts of a batch are malformed")
    rows = {int(row): value for row, value in record.items()}
    if any(row >= count for row in rows):
        raise Damaged("a text belongs to a step that the batch does not have")
    return rows


def _is_text(x: object) -> bool:
    return isinstance(x, str) and len(x) <= MAX_TEXT


def _labels(record: Any, count: int) -> dict[int, str]:
    rows = _by_row(record, count)
    if not all(_is_text(label) for label in rows.values()):
        raise Damaged("a label is malformed")
    return rows


def _arguments(record: Any, count: int) -> dict[int, dict[int, Arguments]]:
    """Per row of a batch and op its arguments, where they are others than the Graph's. Raises Damaged."""
    found: dict[int, dict[int, Arguments]] = {}
    for row, ops in _by_row(record, count).items():
        if not isinstance(ops, list) or not all(isinstance(one, list) and len(one) % 2 for one in ops):
            raise Damaged("the arguments of a batch are malformed")
        for op, *texts in ops:
            if type(op) is not int or op < 0 or not all(_is_text(text) for text in texts):
                raise Damaged("the arguments of a batch are malformed")
            found.setdefault(row, {})[op] = tuple(zip(texts[::2], texts[1::2], strict=True))
    return found


def _errors(record: Any, count: int) -> dict[int, StepError]:
    errors: dict[int, StepError] = {}
    for row, fields in _by_row(record, count).items():
        if not isinstance(fields, list) or len(fields) < 4 or type(fields[2]) is not int:
            raise Damaged("an error is malformed")
        kind, message, event, traceback = fields[:4]
        if not (_is_text(kind) and _is_text(message) and _is_text(traceback)):
            raise Damaged("an error is malformed")
        errors[row] = StepError(kind, message, event, traceback)
    return errors


def scales_of_rows(record: Any, count: int) -> dict[int, tuple[float, ...]]:
    """Per row of a batch the factors that its backwards carry. Raises Damaged."""
    rows = _by_row(record, count)
    if not all(isinstance(row, list) and all(is_number(one) or one in NOT_FINITE for one in row) for row in rows.values()):
        raise Damaged("the scales of a batch are malformed")
    return {row: tuple(map(float, scales)) for row, scales in rows.items()}


def _read_flat(name: str, flat: Array, count: int, least: int) -> dict[int, dict[int, Shape]]:
    """Per row of a batch and Value its sizes (or strides), none below ``least``. Raises Damaged."""
    if flat.dtype != np.int64 or flat.ndim != 1 or flat.size > MAX_SHAPES:
        raise Damaged(f"the {name} of a batch are malformed")
    shapes: dict[int, dict[int, Shape]] = {}
    numbers: list[int] = flat.tolist()
    at = 0
    while at < len(numbers):
        row, value, dimensions, *_ = (*numbers[at : at + 3], -1, -1, -1)
        shape = tuple(numbers[at + 3 : at + 3 + dimensions]) if 0 <= dimensions <= 64 else None
        if not 0 <= row < count or value < 0 or shape is None or len(shape) != dimensions or any(size < least for size in shape):
            raise Damaged(f"the {name} of a batch are malformed")
        shapes.setdefault(row, {})[value] = shape
        at += 3 + dimensions
    return shapes
