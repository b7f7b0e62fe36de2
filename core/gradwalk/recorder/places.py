"""From a Python frame to the user's call site and stack, cached by the chain of (code object, instruction)."""

from __future__ import annotations

import dataclasses
import os
import sysconfig
from functools import lru_cache
from types import FrameType

import torch

from ..callsite import CallSite, call_of_frame, frame_of
from ..real_path import real_path
from ..trace import Site
from .records import Place

_USER, _INTERNAL, _API, _OPTIMIZER, _LOADER, _RUNNER, _SCALER, _DISTRIBUTED = range(8)
_CACHE_LIMIT = 100_000
_DEEPEST = 64
_API_FILES = frozenset(
    (
        "overrides.py",
        "functional.py",
        "nn/functional.py",
        "_tensor.py",
        "_jit_internal.py",
        "_ops.py",
        "nn/init.py",
        "utils/_contextlib.py",
        "autograd/function.py",
    )
)
"""Files of torch whose functions are ops themselves: a user's line that calls them calls the op."""


def _folder(path: str) -> str:
    return os.path.join(os.path.realpath(path), "")


_TORCH = _folder(os.path.dirname(torch.__file__))
OPTIMIZERS = os.path.join(os.path.dirname(torch.optim.__file__), "")
"""Where the code of torch's optimizers is, as its code objects name it: links are not followed.

What they do shows as one update per parameter when their step is done.
"""
_SCALER_FILE = "amp/grad_scaler.py"
_SCALING = frozenset(("scale", "apply_scale"))
"""Functions of a GradScaler whose ops are part of the graph; what else it computes is its own business."""
_GRADWALK = _folder(os.path.dirname(os.path.dirname(__file__)))
_RUN = os.path.join(_GRADWALK, "run", "")
_STDLIB = _folder(sysconfig.get_paths()["stdlib"])
_PACKAGES = (_folder(sysconfig.get_paths()["purelib"]), _folder(sysconfig.get_paths()["platlib"]))


def kind_of(file: str) -> int:
    """Whose code a file is: the user's, torch's or ours, that of one of torch's parts, or of ``gradwalk run``."""
    path = real_path(file)
    if path.startswith(_TORCH):
        inside = path[len(_TORCH) :].replace(os.sep, "/")
        if inside.startswith("optim/"):
            return _OPTIMIZER
        if inside.startswith("distributed/"):
            return _DISTRIBUTED
        if inside in _API_FILES:
            return _API
        if inside == _SCALER_FILE:
            return _SCALER
        return _LOADER if inside.startswith("utils/data/") else _INTERNAL
    if path.startswith(_RUN):
        return _RUNNER
    if is_ours(file):
        return _INTERNAL
    if file.startswith("<frozen ") or (path.startswith(_STDLIB) and not path.startswith(_PACKAGES)):
        return _INTERNAL
    return _USER


@lru_cache(maxsize=4096)
def is_runner(file: str) -> bool:
    """Whether a file is part of ``gradwalk run``, which starts the script."""
    return kind_of(file) == _RUNNER


def _keeps_to_itself(kind: int, function: str) -> bool:
    """Whether what code of this kind computes is its own business: an optimizer's, and a GradScaler's but for the scaling."""
    return kind == _OPTIMIZER or (kind == _SCALER and function not in _SCALING)


def is_users(file: str) -> bool:
    """Whether a file is the user's: neither torch's, nor ours, nor the standard library's."""
    return kind_of(file) == _USER


def is_ours(file: str) -> bool:
    """Whether a file is Gradwalk's own; its examples are the user's."""
    path = real_path(file)
    return path.startswith(_GRADWALK) and not path.startswith(os.path.join(_GRADWALK, "examples"))


NOWHERE = Place(CallSite(Site("", 0, 0, 0, 0, "", "")), (), False)
"""The place of what no user's line led to."""


class Places:
    """The places that were seen."""

    def __init__(self) -> None:
        self._kinds: dict[str, int] = {}
        self._places: dict[tuple[object, ...], Place] = {}
        self._sites: dict[Site, Site] = {}

    def of(self, frame: FrameType | None, *, through: bool = False) -> Place | None:
        """The user's place that led to ``frame``.

        None where an optimizer, a data loader or a GradScaler asked, unless ``through`` these too.

        A closure that an optimizer calls (LBFGS) is the user's: the innermost frame that is not torch's decides.
        """
        key: list[object] = []
        users: list[FrameType] = []
        direct, innermost, distributed = False, True, False
        while frame is not None and len(users) < _DEEPEST:
            code = frame.f_code
            kind = self._kinds.get(code.co_filename)
            if kind is None:
                kind = self._kinds[code.co_filename] = kind_of(code.co_filename)
            if kind == _USER:
                direct = direct if users else innermost
                users.append(frame)
                key += (id(code), frame.f_lasti)
            elif kind == _RUNNER:
                break  # ``gradwalk run`` itself, and what started it
            elif not through and (kind == _LOADER or (not users and _keeps_to_itself(kind, code.co_name))):
                return None
            distributed = distributed or (innermost and kind == _DISTRIBUTED)
            innermost = innermost and kind == _API
            frame = frame.f_back
        return self._place((direct, distributed, *key), users, direct, distributed) if users else NOWHERE

    def _place(self, key: tuple[object, ...], users: list[FrameType], direct: bool, distributed: bool) -> Place:
        place = self._places.get(key)
        if place is None:
            if len(self._places) >= _CACHE_LIMIT:
                self._places.clear()
            place = self._places[key] = self._new(users, direct, distributed)
        return place

    def _new(self, users: list[FrameType], direct: bool, distributed: bool) -> Place:
        call = call_of_frame(users[0])
        stack = tuple(frame_of(frame) for frame in reversed(users))
        site = dataclasses.replace(call.site, stack=stack)
        site = self._sites.setdefault(site, site)
        return Place(call, stack, direct, tuple(frame.f_code for frame in users), site, distributed)
