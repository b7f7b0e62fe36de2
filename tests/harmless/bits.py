"""Everything that recording must not change, as plain facts: bytes, versions, strides, what was drawn at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

Fact = tuple[str, object]


def outcome(program: Callable[[], Any]) -> dict[str, Any]:
    """What a program leaves behind when it starts from known random states: its result, and these states."""
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)
    result = program()
    return {
        "result": result,
        "torch": torch.get_rng_state(),
        "python": repr(random.getstate()),
        "numpy": list(np.random.get_state()),
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "default dtype": torch.get_default_dtype(),
    }


def assert_same_bits(recorded: Any, plain: Any) -> None:
    """Equal to the last bit; the message names the first thing that differs."""
    assert_same_facts(list(facts(recorded)), list(facts(plain)))


def assert_same_facts(found: list[Fact], wanted: list[Fact]) -> None:
    for one, other in zip(found, wanted, strict=False):
        assert one == other, f"recorded {one}, plain {other}"
    assert len(found) == len(wanted), "one result is longer"
    assert any(path.endswith("bytes") for path, _ in wanted if path.startswith("['result']")), "a program must give back a tensor"


def facts(thing: Any, path: str = "") -> Iterator[Fact]:
    """Path by path, what a result consists of. TypeError for what this cannot look into."""
    yield f"{path}.type", f"{type(thing).__module__}.{type(thing).__qualname__}"
    if isinstance(thing, torch.Tensor):
        yield from _facts_of_tensor(thing, path)
    elif isinstance(thing, nn.Module):
        yield from _facts_of_module(thing, path)
    elif isinstance(thing, torch.optim.Optimizer):
        yield from facts(thing.state_dict(), f"{path}.state")
    elif isinstance(thing, Mapping):
        for key, value in thing.items():
            yield from facts(value, f"{path}[{key!r}]")
    elif isinstance(thing, list | tuple):
        for index, value in enumerate(thing):
            yield from facts(value, f"{path}[{index}]")
    elif isinstance(thing, np.ndarray):
        yield f"{path}.bytes", (thing.dtype, thing.shape, thing.tobytes())
    elif isinstance(thing, int | float | complex | str | bytes | BaseException | torch.dtype | torch.device | type(None)):
        yield path, repr(thing)
    else:
        raise TypeError(f"{path} is a {type(thing)}")


def _facts_of_module(module: nn.Module, path: str) -> Iterator[Fact]:
    for name, part in module.named_modules():
        yield f"{path}.{name}", (type(part).__qualname__, part.training, sorted(vars(part)))
        yield f"{path}.{name}.hooks", [len(value) for key, value in vars(part).items() if key.endswith("_hooks")]
    for name, parameter in module.named_parameters(remove_duplicate=False):
        yield from facts(parameter, f"{path}.{name}")
    for name, buffer in module.named_buffers(remove_duplicate=False):
        yield from facts(buffer, f"{path}.{name}")


def _facts_of_tensor(tensor: torch.Tensor, path: str) -> Iterator[Fact]:
    for name, ask in _ASKED.items():
        yield f"{path}.{name}", _answer(ask, tensor)
    yield from _memory(tensor.detach(), path)
    if tensor.is_leaf and tensor.grad is not None:
        yield from facts(tensor.grad, f"{path}.grad")


def _answer(ask: Callable[[torch.Tensor], object], tensor: torch.Tensor) -> object:
    try:
        return ask(tensor)
    except (RuntimeError, NotImplementedError) as refusal:
        return type(refusal).__name__


_ASKED: dict[str, Callable[[torch.Tensor], object]] = {
    "dtype": lambda t: t.dtype,
    "device": lambda t: t.device,
    "layout": lambda t: t.layout,
    "shape": lambda t: tuple(t.shape),
    "stride": lambda t: t.stride(),
    "offset": lambda t: t.storage_offset(),
    "version": lambda t: t._version,
    "requires_grad": lambda t: t.requires_grad,
    "leaf": lambda t: t.is_leaf,
    "node": lambda t: type(t.grad_fn).__name__,
    "inference": lambda t: t.is_inference(),
    "conjugate": lambda t: (t.is_conj(), t.is_neg()),
    "hooks": lambda t: (len(t._backward_hooks or ()), len(t._post_accumulate_grad_hooks or ())),
    "attributes": lambda t: sorted(vars(t)),
    "resizable": lambda t: t.untyped_storage().resizable(),
}


def _memory(tensor: torch.Tensor, path: str) -> Iterator[Fact]:
    """The elements as bytes; of a layout that has no memory of its own, those of its parts."""
    if hasattr(tensor, "__tensor_flatten__"):
        for name in tensor.__tensor_flatten__()[0]:
            yield from _memory(getattr(tensor, name).detach(), f"{path}.{name}")
    elif tensor.is_nested:
        for index, part in enumerate(tensor.unbind()):
            yield from _memory(part, f"{path}.{index}")
    elif tensor.is_quantized:
        yield f"{path}.scale", (tensor.q_scale(), tensor.q_zero_point())
        yield from _memory(tensor.int_repr(), path)
    elif tensor.layout is torch.sparse_coo:
        yield f"{path}.coalesced", tensor.is_coalesced()
        yield from _memory(tensor._indices(), f"{path}.indices")
        yield from _memory(tensor._values(), f"{path}.values")
    elif tensor.layout is torch.sparse_csr:
        for name in ("crow_indices", "col_indices", "values"):
            yield from _memory(getattr(tensor, name)(), f"{path}.{name}")
    elif tensor.device.type == "meta":
        yield f"{path}.bytes", "meta"
    else:
        plain = tensor.as_subclass(torch.Tensor).resolve_conj().resolve_neg().contiguous().reshape(-1).clone()
        yield f"{path}.bytes", plain.view(torch.uint8).numpy().tobytes()
