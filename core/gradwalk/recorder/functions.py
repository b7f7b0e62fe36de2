"""What a torch function is to the recorder, what its op is called, and its arguments in words."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import torch

from ..trace import Arguments
from .records import Held, OpRecord


class Kind(enum.IntEnum):
    """How the recorder handles a torch function."""

    IGNORED = 0
    OP = 1
    GRAD_READ = 2
    GRAD_SET = 3
    DATA_READ = 4
    DATA_SET = 5
    REFRESH = 6
    SHARED = 7
    ITEM_SET = 8
    ZERO = 9
    HOOKED = 10
    NODE_READ = 11


_OP_PROPERTIES = frozenset({"T", "mT", "H", "mH", "real", "imag"})
_NO_OPS = """
backward grad retain_grad size dim numel nelement element_size item tolist
stride storage untyped_storage data_ptr storage_offset ndimension get_device type allclose equal manual_seed seed initial_seed
_set_grad_enabled set_grad_enabled result_type can_cast get_default_dtype set_printoptions broadcast_shapes promote_types finfo
iinfo save load compile share_memory_ __len__ __repr__ __str__ __format__ __hash__ __bool__ __int__ __float__ __index__
__complex__ __contains__ __dir__ __reduce__ __reduce_ex__ __setstate__ __getstate__ __deepcopy__ __iter__ __array__
__array_wrap__ __dlpack_device__
"""
_IGNORED = frozenset(_NO_OPS.split())
_INPLACE_NAMES = "iadd isub imul idiv itruediv ifloordiv ipow imod iand ior ixor imatmul ilshift irshift"
_INPLACE = frozenset(_INPLACE_NAMES.split())
_PLAIN_NAMES = {
    "truediv": "div",
    "truediv_": "div_",
    "rtruediv": "rdiv",
    "rmul": "mul",
    "radd": "add",
    "floordiv": "floor_divide",
}
_SPECIAL = {
    "numpy": Kind.SHARED,
    "__dlpack__": Kind.SHARED,
    "requires_grad_": Kind.REFRESH,
    "__setitem__": Kind.ITEM_SET,
    "zero_": Kind.ZERO,
    "_foreach_zero_": Kind.ZERO,
    "register_hook": Kind.HOOKED,
    "register_post_accumulate_grad_hook": Kind.HOOKED,
}


class _Tensor:
    """Stands for a tensor among held arguments."""

    def __str__(self) -> str:
        return "tensor"


_PLACEHOLDER = _Tensor()
_TEXT_LIMIT = 80


def kind_of(function: Callable[..., Any]) -> Kind:
    """How a function that passes through the mode is handled."""
    name = getattr(function, "__name__", "")
    if name in ("__get__", "__set__", "__delete__"):
        return _kind_of_property(getattr(getattr(function, "__self__", None), "__name__", ""), name)
    if name in _SPECIAL:
        return _SPECIAL[name]
    return Kind.IGNORED if name in _IGNORED or name.startswith("is_") else Kind.OP


def _kind_of_property(name: str, access: str) -> Kind:
    if name == "grad":
        return Kind.GRAD_READ if access == "__get__" else Kind.GRAD_SET
    if name == "data":
        return Kind.DATA_READ if access == "__get__" else Kind.DATA_SET
    if name == "grad_fn":  # hooks may be registered on it, which nothing else tells
        return Kind.NODE_READ
    if name == "requires_grad" and access == "__set__":
        return Kind.REFRESH
    return Kind.OP if name in _OP_PROPERTIES and access == "__get__" else Kind.IGNORED


def op_name(function: Callable[..., Any]) -> str:
    """The torch name of an op: ``mm``, ``sub_`` for ``-=``, ``rsub``, ``getitem``, ``T``."""
    name = str(getattr(function, "__name__", "") or type(function).__name__)
    if name == "__get__":
        return str(getattr(function.__self__, "__name__", "get"))  # type: ignore[attr-defined]
    if not (name.startswith("__") and name.endswith("__")):
        return name
    plain = name[2:-2]
    if plain in _INPLACE:
        plain = plain[1:] + "_"
    return _PLAIN_NAMES.get(plain, plain)


def writes(name: str) -> bool:
    """Whether an op of this name writes to its first argument."""
    return name.endswith("_") and not name.startswith("_")


def tensors_in(things: Iterable[Any]) -> Iterator[torch.Tensor]:
    """The tensors among arguments or results, those inside lists, tuples and dicts included, in order."""
    pending = list(things)
    pending.reverse()
    while pending:
        thing = pending.pop()
        if isinstance(thing, torch.Tensor):
            yield thing
        elif isinstance(thing, list | tuple):
            pending.extend(reversed(thing))
        elif isinstance(thing, dict):
            pending.extend(reversed(thing.values()))


def split(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[torch.Tensor], Held]:
    """The tensors among the arguments, and the arguments as a record may hold them (None where all are tensors)."""
    tensors: list[torch.Tensor] = []
    held: list[Any] = []
    for argument in args:
        if isinstance(argument, torch.Tensor):
            tensors.append(argument)
            held.append(_PLACEHOLDER)
        elif type(argument) in _PLAIN:
            held.append(argument)
        else:
            tensors.extend(tensors_in((argument,)))
            held.append(without_tensors(argument))
    if not kwargs:
        return tensors, None if all(one is _PLACEHOLDER for one in held) else (held, kwargs)
    tensors.extend(tensors_in(kwargs.values()))
    return tensors, (held, {name: without_tensors(value) for name, value in kwargs.items()})


_PLAIN = frozenset((int, float, bool, str, type(None), torch.dtype, torch.device, complex))


def without_tensors(thing: Any) -> Any:
    """An argument as it may be held: tensors replaced, anything that is not plain data by its type's name."""
    if type(thing) in _PLAIN or isinstance(thing, slice | range) or thing is Ellipsis:
        return thing
    if isinstance(thing, torch.Tensor):
        return _PLACEHOLDER
    if isinstance(thing, list | tuple):
        return [without_tensors(part) for part in thing[:32]]
    return type(thing).__name__


def words(record: OpRecord) -> Arguments:
    """The non-tensor arguments of an op as ``(name, text)``; those that are None are left out."""
    return words_of(record, record.arguments)


def words_of(record: OpRecord, held: Held) -> Arguments:
    """The same for other arguments of the same call, as :func:`split` gives them."""
    if held is None:
        return ()
    positional, named = held
    pairs = [*zip(*named_positional(record.function, positional), strict=True), *named.items()]
    untold = () if record.name in ("getitem", "setitem") else (None,)  # x[None] adds an axis
    return tuple((name, _text(value)) for name, value in pairs if value not in untold and value is not _PLACEHOLDER)


def _text(value: Any) -> str:
    if isinstance(value, list):
        text = f"({', '.join(_text(part) for part in value)}{',' if len(value) == 1 else ''})"
    elif isinstance(value, slice):
        parts = (value.start, value.stop, *([] if value.step is None else [value.step]))
        text = ":".join("" if part is None else str(part) for part in parts)
    elif value is Ellipsis:
        text = "..."
    else:
        text = str(value).removeprefix("torch.") if isinstance(value, torch.dtype) else str(value)
    return text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 1] + "…"


def named_positional(function: Any, values: Sequence[Any]) -> tuple[list[str], list[Any]]:
    """The names and values of positional arguments: from the signature, else from the operator's schemas, else ``#1``.

    Integers that a schema takes as one list (``view(2, 3)``) become one value.
    """
    names = _signature_names(function)
    if not names:
        for candidate, types in _schemas(op_name(function).removesuffix("_")):
            packed = _fit(types, values)
            if packed is not None:
                return list(candidate[: len(packed)]), packed
    return [names[i] if i < len(names) else f"#{i}" for i in range(len(values))], list(values)


@lru_cache(maxsize=1024)
def _signature_names(function: Any) -> tuple[str, ...]:
    if not inspect.isfunction(function):
        return ()
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # it wraps a builtin
        return ()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(parameter.name for parameter in parameters if parameter.kind in kinds)


@lru_cache(maxsize=1024)
def _schemas(name: str) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Names and types of the arguments of each overload of an operator that may be given by position."""
    try:
        schemas = torch._C._jit_get_schemas_for_operator(f"aten::{name}")
    except RuntimeError:
        return ()
    found = []
    for schema in schemas:
        given = [argument for argument in schema.arguments if not argument.kwarg_only]
        found.append(
            (tuple(str(one.name) for one in given), tuple(f"{one.type}{getattr(one, 'N', None) or ''}" for one in given))
        )
    return tuple(found)


def _fit(types: Sequence[str], values: Sequence[Any]) -> list[Any] | None:
    """The values as these types take them, or None where they do not fit. The last type may take the rest as one list."""
    packed: list[Any] = []
    for index, value in enumerate(values):
        if index >= len(types):
            return None
        rest = list(values[index:])
        if index == len(types) - 1 and _listed(types[index], rest):
            return [*packed, rest]
        if not _takes(types[index], value):
            return None
        packed.append(value)
    return packed


def _listed(kind: str, rest: Sequence[Any]) -> bool:
    """Whether a type takes these values as one list: ``view(2, 3)``, ``einsum(equation, x, y)``."""
    if kind == "List[int]":
        return all(type(one) is int for one in rest)
    return kind == "List[Tensor]" and all(one is _PLACEHOLDER for one in rest)


_TAKEN: dict[type, tuple[str, ...]] = {
    bool: ("bool", "number"),
    int: ("int", "number", "float"),
    float: ("float", "number"),
    str: ("str", "Device"),
    torch.dtype: ("int",),
    torch.device: ("Device",),
}
"""Per type of a value how schemas call what takes it."""


def _takes(kind: str, value: Any) -> bool:
    sized = kind.rstrip("0123456789")  # int[2] takes one int for both
    if sized.startswith("Optional["):
        return value is None or _takes(sized[len("Optional[") : -1] + kind[len(sized) :], value)
    if value is _PLACEHOLDER:
        return kind == "Tensor"
    if isinstance(value, list):
        return sized.startswith("List[")
    if sized == "List[int]" and kind != sized:
        return type(value) is int
    return kind in _TAKEN.get(type(value), (kind,)) and kind != "Tensor"
