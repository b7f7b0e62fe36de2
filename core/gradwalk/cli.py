"""The command ``gradwalk``. Commands import what they need when they run, so that ``gradwalk run`` adds nothing to the script."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import __version__
from .cli_compare import checked_beside
from .cli_reading import READING, opened, rank_option, writing
from .refusal import RefusalError

if TYPE_CHECKING:
    from .run import Options

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


@commands.command("open", short_help="Open a recording in the window.")
@click.argument("path", type=click.Path(path_type=Path))
@rank_option
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

    with opened(path, rank):
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


for reading in READING:
    commands.add_command(reading)


@commands.command("pictures", hidden=True)
@click.argument("folder", type=click.Path(path_type=Path))
def pictures_command(folder: Path) -> None:
    """Draw the pictures that a demo without a window leaves in its run folder."""
    from .demo import write_pictures
    from .platform import own_command
    from .run.recorded import say

    with writing(folder):
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
