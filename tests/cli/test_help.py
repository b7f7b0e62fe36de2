"""What ``gradwalk --help`` says."""

from __future__ import annotations

import click
import pytest

from gradwalk import __version__
from gradwalk.cli import commands, main

NAMES = ["open", "run", "demo", "info", "show", "check", "diff", "compare", "export"]


def test_the_commands_in_the_order_in_which_one_meets_them(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    listed = said.split("Commands:\n")[1].splitlines()
    assert [line.split()[0] for line in listed] == NAMES
    assert all(len(line) <= 80 for line in said.splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_each_of_its_options(name, capsys):
    assert main([name, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: gradwalk {name} ")
    assert all(option.help for option in commands.commands[name].params if isinstance(option, click.Option))


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gradwalk {__version__}\n"
