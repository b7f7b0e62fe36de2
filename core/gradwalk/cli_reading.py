"""The commands that read a recording: ``info``, ``show``, ``check``, ``diff`` and ``export``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .cli_compare import compare_command, tolerance_option
from .refusal import RefusalError

if TYPE_CHECKING:
    from .recording.reader import Recording
    from .trace import Trace

rank_option = click.option(
    "--rank", type=click.IntRange(min=0), metavar="N", help="Which rank of a distributed run (default: the lowest)."
)


@click.command("info", short_help="A recording in a few figures.")
@click.argument("path", type=click.Path(path_type=Path))
@rank_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info_command(path: Path, rank: int | None, as_json: bool) -> None:
    """Say what the recording at PATH holds."""
    from .info import info_json
    from .terminal import print_info

    with opened(path, rank) as recording:
        about = info_json(recording)
    if as_json:
        print_json(about)
    else:
        print_info(about, str(path))


@click.command("show", short_help="One step's events, in order.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--step", type=int, required=True, metavar="N", help="Which step; -1 is the last.")
@rank_option
@click.option("--filter", "asked", metavar="EXPR", help="Only events that match, such as: +linear $phase(bwd) $grad(rms>1e3)")
@click.option("--gradients", is_flag=True, help="The gradient of each parameter instead.")
@click.option("--saved", is_flag=True, help="What is kept for the backward instead, and its bytes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: of the tape an array, one object per event.")
def show_command(path: Path, step: int, rank: int | None, asked: str | None, gradients: bool, saved: bool, as_json: bool) -> None:
    """Print the tape of step N of the recording at PATH: what ran, in the order in which it ran."""
    from . import show, tables, terminal

    if sum((asked is not None, gradients, saved)) > 1:
        raise RefusalError("show takes one of --filter, --gradients and --saved")
    with opened(path, rank) as recording:
        trace = step_of(recording, step)
        if gradients:
            print_json(tables.gradients_json(trace)) if as_json else tables.print_gradients(trace)
        elif saved:
            print_json(tables.saved_json(trace)) if as_json else tables.print_saved(trace)
        else:
            positions = None if asked is None else show.matching(trace, asked)
            print_json(show.tape_json(trace, positions)) if as_json else terminal.print_tape(trace, positions)


@click.command("check", short_help="What is wrong in a training; exit code 1 if something is.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--fail-on", metavar="LIST", help="What to look for, with commas between, or all (see below).")
@click.option("--step", type=int, metavar="N", help="Step N only; -1 is the last.")
@click.option("--steps", metavar="A:B", help="Steps A to B - 1 only.")
@click.option("--end-to-end", is_flag=True, help="With --step: how far rounding has moved each gradient from float64.")
@rank_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check_command(
    path: Path, fail_on: str | None, step: int | None, steps: str | None, end_to_end: bool, rank: int | None, as_json: bool
) -> int:
    """Look through the recording at PATH for NaN, parameters without gradient and the like, and print what is found.

    LIST: nan, no-grad, unchanged, inplace (these by default), spike, vanishing, exploding, zero-grad, dead-relu, update-ratio,
    and mismatch: every op of the steps that keep their tensors, checked against its NumPy formula (by default only what was found
    while a step ran, with --check-steps).
    """
    from .checking import chosen, kinds_of, report_json, report_lines
    from .mismatches import Mismatches
    from .terminal import plain
    from .watches import look

    if end_to_end:
        return _end_to_end(path, fail_on is None and steps is None, step, rank, as_json)
    kinds = kinds_of(fail_on)
    if step is not None and steps is not None:
        raise RefusalError("check takes either --step N or --steps A:B")
    with opened(path, rank) as recording:
        checked = Mismatches(fail_on, kinds)
        report = look(checked.of(chosen(recording, steps) if step is None else [step_of(recording, step)]), kinds)
    if as_json:
        print_json({**report_json(report, kinds), **checked.json()})
    else:
        click.echo("\n".join(map(plain, [*report_lines(report, kinds), *checked.lines()])))
    return 1 if report.findings else 0


def _end_to_end(path: Path, alone: bool, step: int | None, rank: int | None, as_json: bool) -> int:
    from .end_to_end import chain_json, computed, print_chain

    if step is None or not alone:
        raise RefusalError("--end-to-end goes with --step N, and with neither --steps nor --fail-on")
    with opened(path, rank) as recording:
        trace = step_of(recording, step)
        found = computed(recording, trace)
        print_json(chain_json(trace, found)) if as_json else print_chain(trace, found)
    return 0


@click.command("diff", short_help="Where two recordings, ranks or steps part.")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--step", type=int, metavar="N", help="Which step (default: the first that parts).")
@click.option("--other-step", type=int, metavar="N", help="Which step of SECOND (default: the same).")
@rank_option
@click.option("--other-rank", type=click.IntRange(min=0), metavar="N", help="Which rank of SECOND (default: the same).")
@tolerance_option(1e-6)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diff_command(
    first: Path,
    second: Path,
    step: int | None,
    other_step: int | None,
    rank: int | None,
    other_rank: int | None,
    tolerance: float,
    as_json: bool,
) -> int:
    """Compare the steps of FIRST and SECOND event by event, as far as their structures agree; exit code 1 where they part.

    For programs that are written in different ways use compare.
    """
    from .divergence import differences, first_divergence, report_json, report_lines
    from .terminal import plain

    if other_step is not None and step is None:
        raise RefusalError("--other-step goes with --step")
    with opened(first, rank) as one, opened(second, rank if other_rank is None else other_rank) as other:
        if step is None:
            parted = first_divergence(one, other, tolerance)
        else:
            pair = step_of(one, step), step_of(other, step if other_step is None else other_step)
            found = differences(*pair, tolerance)
            parted = (*pair, found) if found else None
    if as_json:
        print_json(report_json(parted, tolerance))
    else:
        click.echo("\n".join(map(plain, report_lines(parted, tolerance))))
    return 0 if parted is None else 1


@click.command("export", short_help="A step as a picture, film or data; or the loss.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--step", type=int, metavar="N", help="The graph of step N; -1 is the last.")
@click.option("--event", type=click.IntRange(min=0), metavar="K", help="As it is when K events have run (default: all).")
@click.option("--loss", is_flag=True, help="The loss of every step instead.")
@rank_option
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Its ending says the kind.")
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True, help="Colours.")
@click.option("--mode", type=click.Choice(["ops", "tensors"]), default="ops", show_default=True, help="What the nodes are.")
@click.option(
    "--halves", type=click.Choice(["both", "forward", "backward"]), default="both", show_default=True, help="What of the graph."
)
@click.option("--scale", type=click.FloatRange(0.1, 10), help="For .png: pixels per point (default: 2).")
@click.option("--outlines", is_flag=True, default=None, help="For .svg: letters as shapes, the same everywhere.")
@click.option(
    "--phase", type=click.Choice(["backward", "forward", "step"]), help="For films: what is played (default: backward)."
)
@click.option("--speed", type=click.FloatRange(0.1, 10), help="For films: 1 is 300 ms an event (default: 1).")
@click.option("--fps", type=click.IntRange(5, 60), help="For films: pictures a second (default: 20).")
@click.option("--size", metavar="WxH", help="For films: pixels at most (default: 1280x800).")
def export_command(path: Path, step: int | None, loss: bool, rank: int | None, **wanted: Any) -> None:
    """Write a step's graph, a film of its backward pass, or the loss to FILE.

    A graph is .svg .png .pdf .dot or .json, a film .gif .apng .webp or .mp4, the loss .png .svg or .csv.
    """
    from .exporting import Wanted, export_graph, export_loss

    if loss == (step is not None):
        raise RefusalError("export wants either --step N, for a graph, or --loss")
    export = Wanted.checked(loss=loss, **wanted)
    with opened(path, rank) as recording, writing(export.output):
        if step is None:
            export_loss(recording, export)
        else:
            export_graph(step_of(recording, step), export)


@contextmanager
def opened(path: Path, rank: int | None) -> Iterator[Recording]:
    """The recording at a path, of one rank; closed at the end."""
    from .recording.reader import open_recording

    with open_recording(path, rank) as recording:
        yield recording


def step_of(recording: Recording, step: int) -> Trace:
    """A step by its number, or counted from the end. Raises RefusalError where it is not there."""
    numbers = recording.step_numbers()
    if not len(numbers):
        raise RefusalError("the recording holds no step")
    found = [position for position, number in enumerate(numbers) if number == step]
    if (step >= 0 and not found) or step < -len(numbers):
        raise RefusalError(f"step {step} is not in the recording, which holds {len(numbers)}: {numbers[0]} to {numbers[-1]}")
    return recording[found[0] if step >= 0 else len(numbers) + step]


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """What cannot be written there is a refusal."""
    try:
        yield
    except OSError as error:
        raise RefusalError(f"{output} cannot be written ({error.strerror or error}); the recording is unchanged") from None


def print_json(data: object) -> None:
    """One JSON text on the terminal."""
    from .exporting import json_text

    click.echo(json_text(data), nl=False)


READING = (info_command, show_command, check_command, diff_command, compare_command, export_command)
"""In the order of the help."""
