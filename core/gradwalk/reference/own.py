"""Formulas that a script registers for its custom Functions: ``@gradwalk.reference.vjp(MyFunction, "x")``.

They are used in the process that registered them, when a step is checked there; no file is ever read with them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

Written = TypeVar("Written", bound=Callable[..., Any])


@dataclass(slots=True)
class Own:
    """What is registered for a Function: the VJP of an input by its name, and what computes the output, if anything."""

    vjps: dict[str, Callable[..., Any]] = field(default_factory=dict)
    forward: Callable[..., Any] | None = None


_KNOWN: WeakKeyDictionary[type, Own] = WeakKeyDictionary()


def vjp(function: type, input_name: str) -> Callable[[Written], Written]:
    """Register the formula of one input's gradient, for a custom ``autograd.Function`` of the script.

    The decorated function is called with ``g`` (dL/d output), the output, the tensors given to the Function in their order (all
    of them float64 NumPy arrays, integers and masks in their own dtype; tuples of ``g`` and output where there are several
    outputs), and those of the other arguments that it takes, by name. It returns dL/d input, shaped like the input. Raises
    TypeError for what is no custom Function, ValueError for a name that ``forward`` does not have and for a second formula.
    """
    names = input_names(function)
    if input_name not in names:
        known = ", ".join(names) or "none that have a name"
        raise ValueError(f"{function.__name__}.forward has no input {input_name!r}; its inputs are {known}")

    def register(written: Written) -> Written:
        own = _KNOWN.setdefault(function, Own())
        if input_name in own.vjps:
            raise ValueError(f"a formula for {input_name} of {function.__name__} is registered already")
        own.vjps[input_name] = written
        return written

    return register


def forward(function: type) -> Callable[[Written], Written]:
    """Register the formula of a custom Function's output: called like a VJP, without ``g`` and output; gives the output, or a
    tuple of outputs. Raises TypeError for what is no custom Function, ValueError for a second formula.
    """
    input_names(function)

    def register(written: Written) -> Written:
        own = _KNOWN.setdefault(function, Own())
        if own.forward is not None:
            raise ValueError(f"a forward formula of {function.__name__} is registered already")
        own.forward = written
        return written

    return register


def registered(function: type) -> Own:
    """What the script has registered for a Function."""
    return _KNOWN.get(function) or Own()


def input_names(function: type) -> tuple[str, ...]:
    """The names of what a custom Function's ``forward`` takes, ``ctx`` left out. Raises TypeError for what is none."""
    bases = [f"{base.__module__}.{base.__name__}" for base in inspect.getmro(function)] if isinstance(function, type) else []
    written = getattr(function, "forward", None)
    if "torch.autograd.function.Function" not in bases[1:] or not callable(written):
        raise TypeError(f"{function!r} is no custom torch.autograd.Function; give the class itself")
    parameters = list(inspect.signature(written).parameters.values())
    apart = any("setup_context" in vars(base) for base in function.__mro__ if not base.__module__.startswith("torch."))
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(one.name for one in parameters[0 if apart else 1 :] if one.kind in named)


def call(written: Callable[..., Any], first: tuple[Any, ...], tensors: list[Any], others: dict[str, Any]) -> Any:
    """Call a registered formula; of the other arguments it gets those that it takes."""
    taken = inspect.signature(written).parameters.values()
    if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken):
        names = {one.name for one in taken}
        others = {name: value for name, value in others.items() if name in names}
    return written(*first, *tensors, **others)
