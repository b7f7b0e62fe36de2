"""What the commands print for people: tables on standard output, by rich."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .blocks import blocks_in_words, repeated_blocks
from .scales import scales_in_words
from .show import row_of
from .trace import Trace
from .verdicts_in_words import in_words, verdict_lines
from .why import without_gradient

WIDTH_OF_A_PIPE = 100
NOTES = 5
COLOURS = {"forward": "blue", "loss": "magenta", "backward": "red", "update": "green"}


def console() -> Console:
    """Standard output; in a pipe as wide as fits a page."""
    width = None if sys.stdout.isatty() else WIDTH_OF_A_PIPE
    return Console(width=width, highlight=False, soft_wrap=False)


def plain(text: str) -> str:
    """Text of a recording as a terminal may have it: what would steer the terminal is shown, not obeyed."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _when(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):
        return "at no time that this machine knows"


def print_info(about: Mapping[str, Any], where: str) -> None:
    """The figures of :func:`gradwalk.info.info_json`, one per line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _lines(about, where):
        table.add_row(Text(plain(name)), Text(plain(text)))
    console().print(table)


def _lines(about: Mapping[str, Any], where: str) -> list[tuple[str, str]]:
    loss = about["loss"]
    graphs = _counted(about["graphs"], "distinct graph")
    lines = [
        ("recording", where),
        ("program", " ".join(about["program"])),
        ("steps", f"{about['steps']:,}"),
        ("loss", f"first {loss['first']}, last {loss['last']}, smallest {loss['min']}" if loss else "none"),
        ("last step", f"{_counted(about['ops'], 'op')}, {_counted(about['nodes'], 'Node')} ({graphs} in all)"),
        ("ranks", _ranks(about)),
        ("device", about["device"] or "unknown"),
        ("level", f"{about['level']}, every {_ordinal(about['every'])} step" if about["every"] > 1 else about["level"]),
        ("started", _when(about["started"]) + f" on {about['host']}"),
        ("size", in_bytes(about["bytes"])),
        ("ended", about["ended"] or "not yet, or it was killed"),
    ]
    checked = about["checked"]
    lines += [("checked", f"step {one['step']:,}: {in_words(one)}") for one in checked[:NOTES]]
    if len(checked) > NOTES:
        lines.append(("", f"and {_counted(len(checked) - NOTES, 'more step')}; see --json"))
    if about["error"]:
        lines.append(("error", about["error"].removesuffix(": ")))
    if about["gaps"]:
        lines.append(("damage", f"{_counted(about['gaps'], 'gap')} where the file cannot be read"))
    if about["skipped"]:
        lines.append(("skipped", ", ".join(map(str, about["skipped"]))))
    told = [note for note in about["notes"] if note["kind"] not in ("end", "exception")]
    lines += [(note["kind"], note["message"].partition("\n")[0]) for note in told[:NOTES]]
    if len(told) > NOTES:
        lines.append(("", f"and {_counted(len(told) - NOTES, 'more note')}; see --json"))
    return lines


def _ranks(about: Mapping[str, Any]) -> str:
    """``2 (this is rank 0)``; where some left no file, ``3 of 4: 0, 1, 3 (this is rank 0)``."""
    there, world = about["ranks_there"], about["world_size"]
    missing = f" of {world}: {', '.join(map(str, there))}" if len(there) < world else ""
    return f"{about['ranks']}{missing} (this is rank {about['rank']})"


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def in_bytes(number: float) -> str:
    """``12 bytes``, ``3.4 kB`` and so on."""
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


Row: TypeAlias = tuple[str, ...]


def print_tape(trace: Trace, positions: Sequence[int] | None = None) -> None:
    """One step's events, in the order in which they ran; of a filtered step those at ``positions`` only."""
    out = console()
    head = f"step {trace.step}" + (f" ({trace.label})" if trace.label else "")
    loss = "no loss" if trace.loss is None else f"loss {trace.loss!r}"
    out.print(Text(plain(f"{head}: {loss}, {_counted(len(trace.tape), 'event')}"), style="bold"))
    if scaled := scales_in_words(trace):
        out.print(f"{scaled} (by a GradScaler; the loss is without it)")
    for line in verdict_lines(trace):
        out.print(Text(plain(line)), soft_wrap=True)
    shown = range(len(trace.tape)) if positions is None else positions
    rows: list[Row] = [tuple(map(plain, row_of(trace, position))) for position in shown]
    out.print(_tape_table(rows, out.width))
    if positions is not None:
        out.print(f"{_counted(len(positions), 'event')} of {len(trace.tape):,} matched")
        return
    _print_without_gradient(out, trace)
    for line in blocks_in_words(trace.graph, repeated_blocks(trace.graph)):
        out.print(Text(plain(line)), soft_wrap=True)
    if trace.error is not None:
        ended = f"the step ended here: {trace.error.kind}: {trace.error.message}"
        out.print(Text(plain(ended.removesuffix(": ")), style="bold red"))


def _tape_table(rows: Sequence[Row], width: int) -> Table:
    """The events as a table; what the columns before it leave is the source's."""
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column("#", justify="right", no_wrap=True)
    used = 3 + max((len(row[0]) for row in rows), default=1)
    for name, column, least, most in (("event", 2, 12, 30), ("gives", 3, 8, 30), ("shape, rms", 4, 10, 24)):
        longest = max((len(line) for row in rows for line in row[column].splitlines()), default=0)
        wide = min(max(longest, least), most)
        table.add_column(name, width=wide, overflow="fold" if column == 2 else "ellipsis", no_wrap=column != 2)
        used += wide + 1
    table.add_column("source", width=max(width - used, 8), no_wrap=True, overflow="ellipsis")
    for number, phase, name, gives, magnitude, source in rows:
        table.add_row(number, Text(name, style=COLOURS[phase]), Text(gives), Text(magnitude), Text(source))
    return table


def _print_without_gradient(out: Console, trace: Trace) -> None:
    """One line per leaf or parameter that got no gradient."""
    if not any(event.kind == "loss" for event in trace.graph.events):
        return
    found = without_gradient(trace)
    if found:
        out.print(Text(f"without gradient: {len(found)}", style="bold"))
        for _, sentence in found:
            out.print(Text(f"  {plain(sentence)}"), soft_wrap=True)
