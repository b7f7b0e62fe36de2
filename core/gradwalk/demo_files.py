"""The scripts of the examples, and a change of one of their weights as it is typed. Light: the window imports it at its start."""

from __future__ import annotations

import re
from pathlib import Path

from .refusal import RefusalError

DEMOS = {"numpy": "numpy_by_hand.py", "autograd": "autograd.py", "function": "custom_function.py", "mlp": "mlp_digits.py"}
NAME, THREE = "compare", ("numpy", "autograd", "function")
"""The demo that runs several, and which: the columns in their order, and the names of their folders."""
_CHANGE = re.compile(r"([A-Za-z_][\w.]*)\[(\d+(?:,\d+)*)\]=(\S+)")


def parse_change(text: str) -> tuple[str, tuple[int, ...], float]:
    """A change of a weight, ``w1[3, 2] = 0.5``, as name, place and number. Raises RefusalError."""
    match = _CHANGE.fullmatch("".join(text.split()))
    try:
        if match is None:
            raise ValueError
        name, place, number = match.groups()
        return name, tuple(map(int, place.split(","))), float(number)
    except ValueError:
        raise RefusalError(f"{text!r} changes no weight; write a name, a place and a number, such as w1[3,2]=0.5") from None


def change_text(name: str, place: tuple[int, ...], number: float) -> str:
    """A change as :func:`parse_change` reads it."""
    return f"{name}[{','.join(map(str, place))}]={number!r}"


def example(name: str) -> Path:
    """The script of a demo: inside the package in a wheel, at the top of the repository otherwise. Raises RefusalError."""
    inside = Path(__file__).parent / "examples"
    folder = inside if inside.is_dir() else Path(__file__).parents[2] / "examples"
    script = folder / DEMOS[name]
    if not script.is_file():
        raise RefusalError(f"the example {DEMOS[name]} is missing from this installation")
    return script
