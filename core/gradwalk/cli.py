"""The command ``gradwalk``. Commands import what they need when they run, so that ``gradwalk run`` adds nothing to the script."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import __version__
from .cli_compare import checked_beside, compare_command
from .refusal import RefusalError

if TYPE_CHECKING:
    from .recording.reader import Recording
    from .run import Options
    from .trace import Trace

REFUSED = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code. A script that is run ends this process as it would have ended under python."""
    try:
        code_or_script = commands.main(arguments, prog_name="gradwalk", standalone_mode=False)
    except click.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except RefusalError as error:
        click.echo(f"gradwalk: {error}", err=True)
        return REFUSED
    return int(code_or_script() if callable(code_or_script) else code_or_script or 0)


class InOrder(click.Group):
    """A group that lists its commands in the order in which they were added, and names our refusals in one place."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a recording that cannot be opened is a refusal."""
        from .recording.format import RecordingError

        try:
            return super().invoke(ctx)
        except RecordingError as error:
            raise RefusalError(str(error)) from None


@click.group(cls=InOrder, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="gradwalk %(version)s")
@click.pass_context
def commands(context: click.Context) -> int | None:
    """See how a training step learns: a debugger and visualizer of backprop for PyTorch and NumPy.

    Without a command, the window opens with its welcome page. PATH is a run folder or one .mcap file.
    """
    return _open_window([]) if context.invoked_subcommand is None else None


_rank_option = click.option(
    "--rank", type=click.IntRange(min=0), metavar="N", help="Which rank of a distributed run (default: the lowest)."
)


@commands.command("open", short_help="Open a recording in the window.")
@click.argument("path", type=click.Path(path_type=Path))
@_rank_option
@click.option("--theme", type=click.Choice(["system", "light", "dark"]), help="Colours of the window.")
@click.option(
    "--beside",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="PATH",
    help="Another recording, side by side (up to two).",
)
def open_command(path: Path, rank: int | None, theme: str | None, beside: tuple[Path, ...]) -> int:
    """Open the recording at PATH in the window."""
    from .recording.opening import find

    with _recording(path, rank):
        shown = path if rank is None else find(path, rank).file or path
    return _open_window([str(shown), *(["--theme", theme] if theme else []), *checked_beside(beside)])


def recording_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that ``run`` and ``demo`` share."""
    for option in reversed(
        [
            click.option("--record", type=click.Path(path_type=Path), metavar="DIR", help="The run folder (default: a new one)."),
            click.option("--no-window", is_flag=True, help="Record only; open no window."),
            click.option(
                "--level",
                type=click.Choice(["structure", "statistics", "tensors"]),
                default="statistics",
                show_default=True,
                help="How much of each step to keep.",
            ),
            click.option("--every", type=click.IntRange(min=1), default=1, metavar="N", help="Record every N-th step only."),
            click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Record the first N steps only."),
            click.option("--pin", metavar="LIST", help="Steps that keep every tensor, such as 10,20-30."),
            click.option("--check-steps", metavar="LIST", help="Steps whose ops are checked while they run, such as 0,100."),
        ]
    ):
        command = option(command)
    return command


@commands.command(
    "run",
    short_help="Run a training script, recorded.",
    context_settings={"allow_interspersed_args": False},
)
@recording_options
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def run_command(script: str, arguments: tuple[str, ...], **wishes: Any) -> Callable[[], int]:
    """Run SCRIPT with ARGS as python would, and record every training step.

    The recording goes to a new folder under gradwalk-runs, or to the one that --record names. The window opens beside it
    and follows.
    """
    from .run import Run
    from .run.program import find_program

    return Run(find_program(script), arguments, _options(**wishes)).execute


@commands.command("demo", short_help="Run one of the examples, recorded.")
@click.argument("name", type=click.Choice(["numpy", "autograd", "function", "mlp", "compare"]))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS]...")
@recording_options
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where to train.")
@click.option("--seed", type=click.IntRange(min=0), help="Draw the same random values each time.")
@click.option("--train-steps", type=click.IntRange(min=1), default=500, show_default=True, help="Train for so many steps.")
@click.option("--lr", type=float, metavar="X", help="The learning rate (default: the example's own).")
@click.option("--set", "changes", multiple=True, metavar="W[I,J]=X", help="Set a weight first, such as: --set 'w1[3,2]=0.5'")
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Without a window: draw pictures, into a new folder in DIR.",
)
def demo_command(
    name: str,
    arguments: tuple[str, ...],
    device: str,
    seed: int | None,
    train_steps: int,
    lr: float | None,
    changes: tuple[str, ...],
    pictures: Path | None,
    **wishes: Any,
) -> Callable[[], int]:
    """Run an example: numpy (the backward pass by hand), autograd, function (a custom one), or mlp (digits).

    compare runs the first three from the same weights and puts them side by side.

    With a display, the window opens before the first event of the first step while the training runs on.
    """
    from .demo import Demo, prepare

    return prepare(Demo(name, device, seed, train_steps, arguments, lr, changes), _options(**wishes), pictures)


@commands.command("info", short_help="A recording in a few figures.")
@click.argument("path", type=click.Path(path_type=Path))
@_rank_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info_command(path: Path, rank: int | None, as_json: bool) -> None:
    """Say what the recording at PATH holds."""
    from .info import info_json
    from .terminal import print_info

    with _recording(path, rank) as recording:
        about = info_json(recording)
    if as_json:
        _print_json(about)
    else:
        print_info(about, str(path))


@commands.command("show", short_help="One step's events, in order.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--step", type=int, required=True, metavar="N", help="Which step; -1 is the last.")
@_rank_option
@click.option("--filter", "asked", metavar="EXPR", help="Only events that match, such as: +linear $phase(bwd) $grad(rms>1e3)")
@click.option("--gradients", is_flag=True, help="The gradient of each parameter instead.")
@click.option("--saved", is_flag=True, help="What is kept for the backward instead, and its bytes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: of the tape an array, one object per event.")
def show_command(path: Path, step: int, rank: int | None, asked: str | None, gradients: bool, saved: bool, as_json: bool) -> None:
    """Print the tape of step N of the recording at PATH: what ran, in the order in which it ran."""
    from . import show, tables, terminal

    if sum((asked is not None, gradients, saved)) > 1:
        raise RefusalError("show takes one of --filter, --gradients and --saved")
    with _recording(path, rank) as recording:
        trace = _step(recording, step)
        if gradients:
            _print_json(tables.gradients_json(trace)) if as_json else tables.print_gradients(trace)
        elif saved:
            _print_json(tables.saved_json(trace)) if as_json else tables.print_saved(trace)
        else:
            positions = None if asked is None else show.matching(trace, asked)
            _print_json(show.tape_json(trace, positions)) if as_json else terminal.print_tape(trace, positions)


@commands.command("check", short_help="What is wrong in a training; exit code 1 if something is.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--fail-on", metavar="LIST", help="What to look for, with commas between, or all (see below).")
@click.option("--step", type=int, metavar="N", help="Step N only; -1 is the last.")
@click.option("--steps", metavar="A:B", help="Steps A to B - 1 only.")
@click.option("--end-to-end", is_flag=True, help="With --step: how far rounding has moved each gradient from float64.")
@_rank_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check_command(
    path: Path, fail_on: str | None, step: int | None, steps: str | None, end_to_end: bool, rank: int | None, as_json: bool
) -> int:
    """Look through the recording at PATH for NaN, parameters without gradient and the like, and print what is found.

    LIST: nan, no-grad, unchanged, inplace (these by default), spike, vanishing, exploding, zero-grad, dead-relu, update-ratio,
    and mismatch: every op of the steps that keep their tensors, checked against its NumPy formula.
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
    with _recording(path, rank) as recording:
        checked = Mismatches(fail_on, kinds)
        report = look(checked.of(chosen(recording, steps) if step is None else [_step(recording, step)]), kinds)
    if as_json:
        _print_json({**report_json(report, kinds), **checked.json()})
    else:
        click.echo("\n".join(map(plain, [*report_lines(report, kinds), *checked.lines()])))
    return 1 if report.findings else 0


def _end_to_end(path: Path, alone: bool, step: int | None, rank: int | None, as_json: bool) -> int:
    from .end_to_end import chain_json, computed, print_chain

    if step is None or not alone:
        raise RefusalError("--end-to-end goes with --step N, and with neither --steps nor --fail-on")
    with _recording(path, rank) as recording:
        trace = _step(recording, step)
        found = computed(recording, trace)
        _print_json(chain_json(trace, found)) if as_json else print_chain(trace, found)
    return 0


@commands.command("diff", short_help="Where two recordings, ranks or steps part.")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--step", type=int, metavar="N", help="Which step (default: the first that parts).")
@click.option("--other-step", type=int, metavar="N", help="Which step of SECOND (default: the same).")
@_rank_option
@click.option("--other-rank", type=click.IntRange(min=0), metavar="N", help="Which rank of SECOND (default: the same).")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-6,
    show_default=True,
    metavar="T",
    help="How far figures may be apart, of the largest element.",
)
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
    """Compare the steps of FIRST and SECOND, which have the same structure, event by event; exit code 1 where they part.

    For programs that are written in different ways use compare.
    """
    from .divergence import differences, first_divergence, report_json, report_lines
    from .terminal import plain

    if other_step is not None and step is None:
        raise RefusalError("--other-step goes with --step")
    with _recording(first, rank) as one, _recording(second, rank if other_rank is None else other_rank) as other:
        if step is None:
            parted = first_divergence(one, other, tolerance)
        else:
            pair = _step(one, step), _step(other, step if other_step is None else other_step)
            found = differences(*pair, tolerance)
            parted = (*pair, found) if found else None
    if as_json:
        _print_json(report_json(parted, tolerance))
    else:
        click.echo("\n".join(map(plain, report_lines(parted, tolerance))))
    return 0 if parted is None else 1


commands.add_command(compare_command)


@commands.command("export", short_help="A step as a picture, film or data; or the loss.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--step", type=int, metavar="N", help="The graph of step N; -1 is the last.")
@click.option("--event", type=click.IntRange(min=0), metavar="K", help="As it is when K events have run (default: all).")
@click.option("--loss", is_flag=True, help="The loss of every step instead.")
@_rank_option
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
    with _recording(path, rank) as recording, _writing(export.output):
        if step is None:
            export_loss(recording, export)
        else:
            export_graph(_step(recording, step), export)


@commands.command("pictures", hidden=True)
@click.argument("folder", type=click.Path(path_type=Path))
def pictures_command(folder: Path) -> None:
    """Draw the pictures that a demo without a window leaves in its run folder."""
    from .demo import write_pictures
    from .platform import own_command
    from .run.recorded import say

    with _writing(folder):
        files = write_pictures(folder)
    names = ", ".join(file.name for file in files)
    say(f"wrote {names} to {folder}; on a machine with a display, see the whole walk with: {own_command()} open {folder}")


def _options(
    record: Path | None, no_window: bool, level: str, every: int, steps: int | None, pin: str | None, check_steps: str | None
) -> Options:
    from .run import Options
    from .run.pins import read_pins
    from .run.recorded import Wishes

    pinned = () if pin is None else read_pins(pin)
    checked = () if check_steps is None else read_pins(check_steps, "--check-steps")
    if checked and level == "structure":
        raise RefusalError("--check-steps needs the tensors of these steps, and --level structure keeps none; leave one out")
    return Options(folder=record, window=not no_window, wishes=Wishes(level, every, steps, pinned, checked))


def _open_window(arguments: list[str]) -> int:
    from .exporting import qt
    from .platform import has_display

    if not has_display() and "QT_QPA_PLATFORM" not in os.environ:
        raise RefusalError("there is no display here; gradwalk run, demo, info, show and export work without one")
    with qt():
        from gradwalk_gui.app import main as show
    return show(arguments)


@contextmanager
def _recording(path: Path, rank: int | None) -> Iterator[Recording]:
    from .recording.reader import open_recording

    with open_recording(path, rank) as recording:
        yield recording


def _step(recording: Recording, step: int) -> Trace:
    numbers = recording.step_numbers()
    if not len(numbers):
        raise RefusalError("the recording holds no step")
    found = [position for position, number in enumerate(numbers) if number == step]
    if (step >= 0 and not found) or step < -len(numbers):
        raise RefusalError(f"step {step} is not in the recording, which holds {len(numbers)}: {numbers[0]} to {numbers[-1]}")
    return recording[found[0] if step >= 0 else len(numbers) + step]


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RefusalError(f"{output} cannot be written ({error.strerror or error}); the recording is unchanged") from None


def _print_json(data: object) -> None:
    from .exporting import json_text

    click.echo(json_text(data), nl=False)
