"""Copies of what a Function of the script is given or holds: running it again with these changes nothing of the training."""

from __future__ import annotations

import copy
import enum
import random
from types import BuiltinFunctionType, EllipsisType
from typing import Any

import numpy as np
import torch
from torch import nn

_AS_THEY_ARE = (
    *(type(None), bool, int, float, complex, str, bytes, range, slice, EllipsisType, enum.Enum, type, BuiltinFunctionType),
    *(np.generic, np.dtype, torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Size),
)
"""What nothing can change."""
_DEEP = (np.random.Generator, np.random.RandomState, random.Random)
_DEEPEST = 8


class NotAgain(Exception):  # noqa: N818 - a finding, which becomes a sentence
    """A Function cannot be run again; the text says why."""


def copy_of(thing: Any, how: str = "it is given", depth: int = 0) -> Any:
    """A copy of it, tensors detached. Raises NotAgain, ``how`` it comes to the Function first, for what has to stay as it is."""
    if depth > _DEEPEST:
        raise NotAgain(f"{how} data that is nested too deeply to be copied")
    if isinstance(thing, torch.Tensor):
        return _copy_of_tensor(thing, how)
    if isinstance(thing, _AS_THEY_ARE) and type(thing) is not tuple:
        return thing
    if isinstance(thing, torch.Generator):
        made = torch.Generator(device=thing.device)
        made.set_state(thing.get_state())
        return made
    if isinstance(thing, _DEEP):
        return copy.deepcopy(thing)
    if type(thing) is np.ndarray and not thing.dtype.hasobject:
        return thing.copy()
    return _copy_of_parts(thing, how, depth + 1)


def _copy_of_parts(thing: Any, how: str, depth: int) -> Any:
    kind = type(thing)
    if kind in (list, tuple, set, frozenset):
        return kind(copy_of(part, how, depth) for part in thing)
    if isinstance(thing, tuple) and hasattr(kind, "_fields"):
        return kind(*(copy_of(part, how, depth) for part in thing))
    if kind is dict:
        return {copy_of(name, how, depth): copy_of(part, how, depth) for name, part in thing.items()}
    if isinstance(thing, nn.Module):
        raise NotAgain(f"{how} a module, which running it again could change")
    if callable(thing):
        raise NotAgain(f"{how} a function, which could change more than its result")
    if not is_plain(kind):
        raise NotAgain(f"{how} a {kind.__name__}, which running it again could change")
    made = object.__new__(kind)
    made.__dict__.update({name: copy_of(part, how, depth) for name, part in vars(thing).items()})
    return made


def is_plain(kind: type) -> bool:
    """Whether its objects are their attributes and nothing else."""
    own = all(getattr(kind, name) is getattr(object, name) for name in ("__new__", "__reduce_ex__", "__reduce__"))
    slots = any("__slots__" in vars(base) for base in kind.__mro__[:-1])
    return own and not slots and not hasattr(kind, "__deepcopy__") and bool(kind.__dictoffset__)


def _copy_of_tensor(tensor: torch.Tensor, how: str) -> torch.Tensor:
    if type(tensor) not in (torch.Tensor, nn.Parameter):
        raise NotAgain(f"{how} a {type(tensor).__name__}, which is more than a plain tensor")
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.is_meta:
        raise NotAgain(f"{how} a tensor that is complex, quantized, sparse or without elements of its own")
    return tensor.detach().clone()
