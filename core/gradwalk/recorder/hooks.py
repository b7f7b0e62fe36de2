"""The hooks of the script's: which functions tensors, Nodes and modules call, by name and place in the source.

Hooks of tensors are read where a backward reaches a leaf, and noted where they are registered on what an op made. Those of a
Node are found through the dictionary that a hook of our own shares with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import Node

from ..trace import Hook, HookKind

_OURS = __name__.rpartition(".")[0]
_OF_MODULES: tuple[tuple[str, HookKind], ...] = (
    ("_forward_pre_hooks", "forward_pre_hook"),
    ("_forward_hooks", "forward_hook"),
    ("_backward_pre_hooks", "full_backward_pre_hook"),
    ("_backward_hooks", "full_backward_hook"),
)


def hook_of(kind: HookKind, function: Any) -> Hook:
    """What is said of a hook: the name of its function (of the class of a callable object), and where that is defined."""
    function = _inside(function)
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return Hook(kind, str(name), "", 0) if code is None else Hook(kind, str(name), code.co_filename, code.co_firstlineno)


def _inside(function: Any) -> Any:
    """The function in a partial or a bound method."""
    while isinstance(function, partial):
        function = function.func
    return getattr(function, "__func__", function)


def _named(kind: HookKind, functions: Iterable[Any]) -> tuple[Hook, ...]:
    """Each once: a script that registers a hook anew at every step has one all the same."""
    found = [hook_of(kind, function) for function in functions if not _is_ours(function)]
    return tuple(dict.fromkeys(found))


def _is_ours(function: Any) -> bool:
    """Also those with which torch itself calls the hooks of a module."""
    return str(getattr(_inside(function), "__module__", "")).startswith((_OURS, "torch.utils.hooks"))


def of_tensor(tensor: torch.Tensor) -> tuple[Hook, ...]:
    """The hooks of a tensor. One that the engine alone still holds may have more: they are noted when they are registered."""
    hooks, accumulated = tensor._backward_hooks, tensor._post_accumulate_grad_hooks
    if not hooks and not accumulated:
        return ()
    return _named("hook", (hooks or {}).values()) + _named("post_accumulate_grad_hook", (accumulated or {}).values())


def posthooks(handle: Any) -> tuple[Hook, ...]:
    """The hooks of a Node that run after it; ``handle`` is that of one of our own on it."""
    hooks = handle.hooks_dict_ref()
    return _named("hook", list(hooks.values())) if hooks and len(hooks) > 1 else ()


def prehooks(node: Node) -> tuple[Hook, ...]:
    """The hooks of a Node that run before it."""
    handle = node.register_prehook(_nothing)
    hooks = handle.hooks_dict_ref()
    found = _named("prehook", list(hooks.values())) if hooks and len(hooks) > 1 else ()
    handle.remove()
    return found


def _nothing(gradients: tuple[Any, ...]) -> None:
    """Stands among the hooks of a Node while they are read."""


def is_hooked(module: nn.Module) -> bool:
    """Whether a module has hooks of its own."""
    about = module.__dict__
    return bool(
        about.get("_forward_hooks")
        or about.get("_forward_pre_hooks")
        or about.get("_backward_hooks")
        or about.get("_backward_pre_hooks")
    )


def of_module(module: nn.Module) -> tuple[Hook, ...]:
    """The hooks of a module."""
    if not is_hooked(module):
        return ()
    found: tuple[Hook, ...] = ()
    for attribute, kind in _OF_MODULES:
        found += _named(kind, list((module.__dict__.get(attribute) or {}).values()))
    return found


def registered(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hook | None:
    """The hook that ``tensor.register_hook(...)`` has registered."""
    given = args[1] if len(args) > 1 else next(iter(kwargs.values()), None)
    kind: HookKind = "post_accumulate_grad_hook" if "accumulate" in function.__name__ else "hook"
    return None if given is None or _is_ours(given) else hook_of(kind, given)
