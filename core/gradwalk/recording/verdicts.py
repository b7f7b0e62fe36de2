"""Verdicts as a block: what ops were compared with and said about in words, the compared tensors as columns of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np

from ..trace import Compared, Judge, TensorKey, Verdict
from .columns import Array, Block, Part, ReadAt, is_count, read_column, read_header
from .dtypes import DType
from .format import MAX_NOTE, MAX_TEXT, MAX_THINGS, Damaged

JUDGES: tuple[Judge, ...] = get_args(Judge)
KINDS = "value", "gradient"
NUMBERS = ("recorded", "expected", "absolute", "relative", "ulps", "off")
"""The columns of a compared tensor that are float64, in the order of ``Compared``."""
AT_ONCE, AT_ONCE_ROWS = 1000, 4000
"""Verdicts and compared tensors of one block: their texts are read at once, and are bounded."""
SENTENCE = 600
"""Characters of a sentence, a symbol or a formula that are kept."""
MAX_DIMENSIONS = 64


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was found in a step while it ran."""

    step: int
    verdicts: tuple[Verdict, ...]


def blocks_of(found: Verdicts) -> Iterator[list[Part]]:
    """The blocks that hold some verdicts."""
    some: list[Verdict] = []
    rows = 0
    for verdict in found.verdicts:
        if some and (len(some) == AT_ONCE or rows + len(verdict.rows) > AT_ONCE_ROWS):
            yield _block(found.step, some)
            some, rows = [], 0
        some.append(verdict)
        rows += len(verdict.rows)
    if some:
        yield _block(found.step, some)


def _block(step: int, verdicts: Sequence[Verdict]) -> list[Part]:
    texts: dict[str, int] = {}

    def number(text: str) -> int:
        return texts.setdefault(text[:SENTENCE], len(texts))

    rows = [row for verdict in verdicts for row in verdict.rows]
    heads = [[one.op, JUDGES.index(one.by), number(one.sentence), len(one.rows)] for one in verdicts]
    of = [[KINDS.index(r.tensor[0]), r.tensor[1], number(r.symbol), number(r.formula), r.kinks, len(r.place)] for r in rows]
    block = Block(step=step, texts=list(texts))
    block.add("verdict", np.array(heads, np.int64).reshape(-1, 4), DType.INT64)
    block.add("row", np.array(of, np.int64).reshape(-1, 6), DType.INT64)
    block.add("place", np.array([i for row in rows for i in row.place], np.int64), DType.INT64)
    numbers = [[getattr(row, name) for name in NUMBERS] for row in rows]
    block.add("number", np.array(numbers, np.float64).reshape(-1, len(NUMBERS)), DType.FLOAT64)
    return block.parts()


def read_verdicts(read: ReadAt, length: int, sizes: Mapping[str, int]) -> list[Verdict]:
    """The verdicts of a block; ``sizes`` says how many ops, values and gradients the step has. Raises Damaged."""
    header = read_header(read, length, MAX_NOTE, MAX_NOTE)
    texts = header.meta.get("texts")
    if not isinstance(texts, list) or not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in texts):
        raise Damaged("verdicts are malformed")
    heads, of, place, numbers = (read_column(read, header, name) for name in ("verdict", "row", "place", "number"))
    _check_shapes(heads, of, place, numbers)
    _check_ids(heads, of, len(texts), sizes)
    rows = _rows(of, place, numbers, texts)
    found, at = [], 0
    for op, by, sentence, count in heads.tolist():
        found.append(Verdict(op, JUDGES[by], tuple(rows[at : at + count]), texts[sentence]))
        at += count
    return found


def _check_shapes(heads: Array, of: Array, place: Array, numbers: Array) -> None:
    good = heads.ndim == 2 and heads.shape[1] == 4 and of.ndim == 2 and of.shape[1] == 6 and place.ndim == 1
    good = good and numbers.shape == (len(of), len(NUMBERS)) and numbers.dtype.kind == "f"
    if not good or any(column.dtype.kind != "i" for column in (heads, of, place)):
        raise Damaged("verdicts are malformed")


def _check_ids(heads: Array, of: Array, texts: int, sizes: Mapping[str, int]) -> None:
    """Every number points at something that is there."""
    _within(heads[:, 0], sizes["op"])
    _within(heads[:, 1], len(JUDGES))
    _within(heads[:, 2], texts)
    _within(heads[:, 3], len(of) + 1)
    _within(of[:, 0], len(KINDS))
    for kind, name in enumerate(KINDS):
        _within(of[of[:, 0] == kind, 1], sizes[name])
    _within(of[:, 2:4], texts)
    _within(of[:, 4], MAX_THINGS * 1000)
    _within(of[:, 5], MAX_DIMENSIONS + 1)
    if int(heads[:, 3].sum()) != len(of):
        raise Damaged("verdicts are malformed")


def _within(numbers: Array, end: int) -> None:
    if numbers.size and not (int(numbers.min()) >= 0 and int(numbers.max()) < end):
        raise Damaged("verdicts point at what is not there")


def _rows(of: Array, place: Array, numbers: Array, texts: list[str]) -> list[Compared]:
    indices: list[Any] = place.tolist()
    if int(of[:, 5].sum()) != len(indices) or not all(map(is_count, indices)):
        raise Damaged("verdicts are malformed")
    rows, at = [], 0
    for (kind, number, symbol, formula, kinks, dimensions), figures in zip(of.tolist(), numbers.tolist(), strict=True):
        key = cast(TensorKey, (KINDS[kind], number))
        where = tuple(indices[at : at + dimensions])
        recorded, expected, absolute, relative, ulps, off = figures
        row = Compared(key, texts[symbol], texts[formula], where, recorded, expected, absolute, relative, ulps, off, kinks)
        rows.append(row)
        at += dimensions
    return rows
