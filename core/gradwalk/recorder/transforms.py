"""functorch: each call of a function that ``vmap``, ``grad``, ``jacrev`` and the like have transformed is one op.

What runs inside works on functorch's own tensors and is not looked at. Most transforms go through one function of theirs,
which is wrapped where its module looks it up; ``jacrev``, ``jacfwd`` and ``hessian`` return a closure, which is wrapped instead
and shows Dynamo the plain one. While Dynamo works, all of it is lifted.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

import torch
import torch.func
from torch._functorch import apis, eager_transforms

from .forward import ForwardMode, _transforming
from .insist import insist
from .modes import put_back, take_off
from .regions import Region
from .state import State

_FUNCTORCH = os.path.join(os.path.dirname(torch.__file__), "_functorch", "")

_Arguments = Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]


def _after(first: int) -> _Arguments:
    """The user's arguments are those from this one on."""
    return lambda *args, **kwargs: (args[first:], {name: value for name, value in kwargs.items() if name not in _OPTIONS})


def _packed(function: Any, argnums: Any, has_aux: Any, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return tuple(args), dict(kwargs)


def _primals(function: Any, primals: Any, tangents: Any, *rest: Any, **options: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (*_tuple(primals), *_tuple(tangents)), {}


def _tuple(thing: Any) -> tuple[Any, ...]:
    return tuple(thing) if isinstance(thing, tuple | list) else (thing,)


_OPTIONS = ("argnums", "has_aux")
_CALLED: tuple[tuple[ModuleType, str, str, _Arguments], ...] = (
    (apis, "vmap_impl", "vmap", _after(5)),
    (eager_transforms, "grad_impl", "grad", _packed),
    (eager_transforms, "grad_and_value_impl", "grad_and_value", _packed),
    (eager_transforms, "_vjp_with_argnums", "vjp", _after(1)),
    (eager_transforms, "_jvp_with_argnums", "jvp", _primals),
)
"""The functions through which transformed functions are called: module, name, what the op is called, the user's arguments."""
_RETURNED = ("jacrev", "jacfwd", "hessian")
"""The transforms whose closures are wrapped."""


class Transforms:
    """Makes every call of a transformed function an op."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._patches: list[tuple[ModuleType, str, Any, Any]] = []
        self._lifts = 0
        for module, attribute, name, arguments in _CALLED:
            plain = getattr(module, attribute, None)
            if plain is not None:
                self._patches.append((module, attribute, plain, self._called(plain, name, arguments)))
        for name in _RETURNED:
            plain = getattr(eager_transforms, name)
            wrapper = self._returned(plain, name)
            self._patches += [(module, name, plain, wrapper) for module in (torch.func, eager_transforms)]
        self._set()

    def remove(self) -> None:
        """Take the wrappers away."""
        for module, attribute, plain, wrapper in self._patches:
            if getattr(module, attribute) is wrapper:
                setattr(module, attribute, plain)
        self._patches = []

    def lift(self) -> None:
        """Take the wrappers away until ``restore``."""
        self._lifts += 1
        for module, attribute, plain, wrapper in self._patches:
            if getattr(module, attribute) is wrapper:
                setattr(module, attribute, plain)

    def restore(self) -> None:
        """The wrappers are back."""
        self._lifts -= 1
        if self._lifts <= 0:
            self._set()

    def _set(self) -> None:
        for module, attribute, plain, wrapper in self._patches:
            if getattr(module, attribute) is plain:
                setattr(module, attribute, wrapper)

    def _called(self, plain: Callable[..., Any], name: str, arguments: _Arguments) -> Callable[..., Any]:
        run = self._run

        @functools.wraps(plain)
        def transformed(*args: Any, **kwargs: Any) -> Any:
            return run(plain, args, kwargs, name, arguments, sys._getframe(1))

        return transformed

    def _returned(self, plain: Callable[..., Any], name: str) -> Callable[..., Any]:
        run, arguments = self._run, _after(0)

        @functools.wraps(plain)
        def transform(*args: Any, **kwargs: Any) -> Any:
            function = plain(*args, **kwargs)

            @functools.wraps(function)
            def transformed(*args: Any, **kwargs: Any) -> Any:
                return run(function, args, kwargs, name, arguments, sys._getframe(1))

            transformed._torchdynamo_inline = function  # type: ignore[attr-defined]
            transformed._torchdynamo_orig_callable = function  # type: ignore[attr-defined]
            return transformed

        return transform

    def _run(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str,
        arguments: _Arguments,
        frame: FrameType | None,
    ) -> Any:
        """Call the function with nobody looking, and note it as one op."""
        state = self._state
        thread = state.thread
        unseen = state.off or thread.aside or _transforming() or (thread.backwards and thread.inside is None)
        region = None if unseen else state.guarded(self._open, name, function, arguments, args, kwargs, frame)
        if region is None:
            return function(*args, **kwargs)
        thread.aside.append(state.guarded(take_off, ForwardMode) or [])
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            insist(put_back, thread.aside.pop())
            state.guarded(region.fail, error)
            raise
        insist(put_back, thread.aside.pop())
        state.guarded(region.close, result)
        return result

    def _open(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: _Arguments,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        frame: FrameType | None,
    ) -> Region:
        users, named = arguments(*args, **kwargs)
        region = Region(self._state, name, function, users, named)
        while frame is not None and frame.f_code.co_filename.startswith(_FUNCTORCH):
            frame = frame.f_back
        region.open(frame)
        return region
