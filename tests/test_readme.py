"""What the README tells people to type is right."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch

from gradwalk.cli import commands

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    shlex.split(line, comments=True)[1:]
    for language, block in BLOCKS
    if not language
    for line in block.splitlines()
    if re.match(r"(\.venv/bin/)?gradwalk ", line)
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_of_the_readme_is_understood(words):
    command = commands.commands[words[0]]
    assert command.make_context(words[0], list(words[1:])).params


def test_every_command_is_in_the_readme():
    assert {words[0] for words in COMMANDS} == set(commands.commands) - {"pictures"}


def test_the_program_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (program,) = [block for language, block in BLOCKS if language == "python"]
    model = torch.nn.Linear(3, 1)

    def train(model):
        for _ in range(4):
            model(torch.ones(2, 3)).pow(2).sum().backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.01 * parameter.grad
                    parameter.grad = None

    exec(program, {"train": train, "model": model})
    steps = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [step for step, _ in steps] == ["0", "1", "2", "3"]
    assert float(steps[0][1]) > float(steps[3][1])


def test_the_pictures_of_the_readme_are_there():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (Path(__file__).parents[1] / picture).read_bytes().startswith(b"\x89PNG")


def test_the_program_of_checking_functions_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[1] / "docs" / "checking-functions.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(program, {"__name__": "checking_functions"})
    assert capsys.readouterr().out.splitlines() == ["0 registered formula True", *[f"{op} formula True" for op in (1, 2, 3, 4)]]
