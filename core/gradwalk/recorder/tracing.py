"""``torch.jit.trace`` reads names and lines off the Python frame that calls an op: ours must not stand between.

``torch.export`` runs the model on tensors without memory: no op of the user's training.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.export
import torch.jit._trace
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack, _pop_mode, _push_mode

from .state import State

_ENTRIES = (
    (torch.jit._trace, "_trace_impl"),
    (torch.jit._trace, "trace_module"),
    (torch.jit, "trace_module"),
    (torch.jit, "_get_trace_graph"),
    (torch.export, "export"),
)


class Tracing:
    """While installed, nothing is recorded of what is traced, and our mode leaves the stack for as long as it does."""

    def __init__(self, state: State, kind: type[TorchFunctionMode]) -> None:
        known = [(owner, name, getattr(owner, name)) for owner, name in _ENTRIES if hasattr(owner, name)]
        self._patched = [(owner, name, original, _wrap(state, kind, original)) for owner, name, original in known]
        for owner, name, _, wrapper in self._patched:
            setattr(owner, name, wrapper)

    def remove(self) -> None:
        """Take the wrappers away."""
        for owner, name, original, wrapper in self._patched:
            if getattr(owner, name) is wrapper:
                setattr(owner, name, original)


def _wrap(state: State, kind: type[TorchFunctionMode], original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def traced(*args: Any, **kwargs: Any) -> Any:
        state.thread.aside.append([])
        try:
            with without_modes(kind):
                return original(*args, **kwargs)
        finally:
            state.thread.aside.pop()

    return traced


@contextmanager
def without_modes(kind: type[TorchFunctionMode]) -> Iterator[None]:
    """Without the modes of this kind on this thread's stack, those of the user's as they were."""
    stack = list(_get_current_function_mode_stack())  # type: ignore[no-untyped-call]
    _replace([mode for mode in stack if not isinstance(mode, kind)])
    try:
        yield
    finally:
        _replace(stack)


def _replace(stack: Sequence[TorchFunctionMode]) -> None:
    with torch._C.DisableTorchFunction():
        for _ in _get_current_function_mode_stack():  # type: ignore[no-untyped-call]
            _pop_mode()  # type: ignore[no-untyped-call]
        for mode in stack:
            _push_mode(mode)  # type: ignore[no-untyped-call]
