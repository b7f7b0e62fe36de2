"""A step's gradients and saved tensors as the commands give them: tables for people, plain data for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from .gradients import GradientRow, gradients_of
from .saved import held, saved_by_module, saved_of
from .show import number_json
from .terminal import console, in_bytes, plain
from .trace import Trace


def gradients_json(trace: Trace) -> list[dict[str, Any]]:
    """One object per parameter."""
    rows = [asdict(row) for row in gradients_of(trace)]
    return [{name: number_json(x) if isinstance(x, float) else x for name, x in row.items()} for row in rows]


def saved_json(trace: Trace) -> dict[str, Any]:
    """What is kept per op and per module, and the bytes held when 0, 1, 2 ... events have run."""
    line = held(trace)
    return {
        "peak": int(line.max()),
        "peak_event": int(line.argmax()),
        "held": line.tolist(),
        "ops": [asdict(row) for row in saved_of(trace)],
        "modules": [asdict(row) for row in saved_by_module(trace)],
    }


def print_gradients(trace: Trace) -> None:
    """A row per parameter; below it why there is no gradient where there is none."""
    rows = gradients_of(trace)
    _print(
        f"step {trace.step}: gradients of {len(rows):,} parameters",
        ("parameter", "module", "shape", "rms", "max", "update", "zeros", "NaN"),
        [_gradient_cells(row) for row in rows],
    )
    out = console()
    for row in rows:
        if row.why:
            out.print(Text(plain(f"  {row.why}")), soft_wrap=True)


def print_saved(trace: Trace) -> None:
    """A row per op that keeps tensors, then one per module, then the peak."""
    kept, modules, line = saved_of(trace), saved_by_module(trace), held(trace)
    head = f"step {trace.step}: tensors kept for the backward"
    ops = [(str(row.event), row.name, row.module, str(row.tensors), in_bytes(row.bytes), in_bytes(row.own)) for row in kept]
    _print(head, ("#", "op", "module", "tensors", "size", "for it alone"), ops)
    if modules:
        cells = [(row.module, str(row.tensors), in_bytes(row.bytes), in_bytes(row.own)) for row in modules]
        _print("by module", ("module", "tensors", "size", "for it alone"), cells)
    console().print(
        f"at most {in_bytes(int(line.max()))} are held for the backward alone, when {int(line.argmax())} events have run"
    )


def _gradient_cells(row: GradientRow) -> tuple[str, ...]:
    shape = "x".join(map(str, row.shape)) or "scalar"
    update = "" if row.update_ratio is None else f"{'' if row.exact else '≥ '}{row.update_ratio:.2g}"
    bad = f"{row.nan:,}" + (f", {row.inf:,} Inf" if row.inf else "") if row.nan is not None else ""
    zeros = "" if row.zeros is None else f"{row.zeros:.1%}"
    return row.name, row.module, shape, row.said or _short(row.rms), _short(row.absmax), update, zeros, bad


def _short(number: float | None) -> str:
    return "" if number is None else f"{number:.3g}"


def _print(head: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    out = console()
    out.print(Text(plain(head), style="bold"))
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, overflow="fold", justify="left" if number < 3 else "right")
    for row in rows:
        table.add_row(*[Text(plain(cell)) for cell in row])
    out.print(table)
