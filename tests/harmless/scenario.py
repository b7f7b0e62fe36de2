"""The tables: a row is one scenario."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

Program = Callable[[], Any]


class Row(NamedTuple):
    """One scenario: what it is called, the program, ops that its recording must hold; ``bug`` where that fails as yet."""

    name: str
    program: Program
    ops: str
    bug: str = ""


def rows(table: Sequence[Row]) -> Callable[[Any], Any]:
    """Make a test of every row."""
    assert len({row.name for row in table}) == len(table)
    marks = [[pytest.mark.xfail(strict=True, reason=row.bug)] if row.bug else [] for row in table]
    cases = [pytest.param(row, id=row.name, marks=mark) for row, mark in zip(table, marks, strict=True)]
    return pytest.mark.parametrize("row", cases)
