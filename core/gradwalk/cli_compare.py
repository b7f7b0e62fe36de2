"""The command ``gradwalk compare``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from .refusal import RefusalError


def tolerance_option(default: float) -> Callable[[Any], Any]:
    """``--tolerance T``: a number from 0 on, no NaN and no infinity."""
    return click.option(
        "--tolerance",
        type=click.FloatRange(min=0),
        callback=_finite,
        default=default,
        show_default=True,
        metavar="T",
        help="How far figures may be apart, of the largest element.",
    )


def _finite(context: click.Context, option: click.Parameter, number: float) -> float:
    if not math.isfinite(number):
        raise click.BadParameter(f"{number} is no tolerance; give a number such as 1e-4", context, option)
    return number


@click.command("compare", short_help="Two or three recordings side by side, however written.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="A B [C]")
@click.option(
    "--step", type=int, metavar="N", help="Which step; -1 is the last (default: the first that is apart, else the last)."
)
@click.option("--rank", type=click.IntRange(min=0), metavar="N", help="Which rank of distributed runs (default: the lowest).")
@tolerance_option(1e-4)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compare_command(paths: tuple[Path, ...], step: int | None, rank: int | None, tolerance: float, as_json: bool) -> int:
    """Put A, B and C side by side: each quantity on one row, its number in each; exit code 1 where one is apart.

    They may be written in different ways, in NumPy by hand, with autograd, with a custom Function: what is the same quantity is
    told from the dataflow, not from names. For two recordings of one program use diff, which goes event by event.
    """
    from .comparison import MOST, Comparison, names_of
    from .comparison_report import print_report, report, report_json
    from .exporting import json_text
    from .recording.reader import open_recording

    if not 2 <= len(paths) <= MOST:
        raise RefusalError(f"compare takes two or three recordings, not {len(paths)}: gradwalk compare A B [C]")
    with ExitStack() as stack:
        recordings = [stack.enter_context(open_recording(path, rank)) for path in paths]
        made = report(Comparison(recordings), names_of(recordings), step, tolerance)
        if as_json:
            click.echo(json_text(report_json(made)), nl=False)
        else:
            print_report(made)
    return 1 if made.differs else 0


def checked_beside(paths: Sequence[Path]) -> list[str]:
    """The window's arguments for recordings beside the one that is opened. Raises RefusalError, RecordingError."""
    from .comparison import MOST
    from .recording.reader import open_recording

    if len(paths) >= MOST:
        raise RefusalError(f"at most {MOST - 1} recordings stand beside the one that is opened, not {len(paths)}")
    for path in paths:
        open_recording(path).close()
    return [word for path in paths for word in ("--beside", str(path))]
