"""Float64 all the way: while it is on, what a Function casts to fewer bits by itself stays float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

UNITS = {torch.float64: 2.0**-53, torch.float32: 2.0**-24, torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}
"""What a dtype rounds away, as a part of the number."""


class Widened(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """With ``widens`` casts to fewer bits, and new tensors of fewer, become float64; without, they are only seen. ``unit`` is
    then what the coarsest dtype that was seen rounds away.
    """

    def __init__(self, *, widens: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._widens = widens
        self.unit = UNITS[torch.float64]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing here is compiled: torch need not import its compiler, which it cannot while Python is ending."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if self._widens and kwargs.get("dtype") in UNITS:
            kwargs["dtype"] = torch.float64
        result = func(*args, **kwargs)
        if self._widens and not func._schema.is_mutable:
            result = tree_map_only(torch.Tensor, _wide, result)
        tree_map_only(torch.Tensor, self._see, result)
        return result

    def _see(self, tensor: torch.Tensor) -> torch.Tensor:
        self.unit = max(self.unit, UNITS.get(tensor.dtype, 0.25 if tensor.is_floating_point() else 0.0))
        return tensor


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.dtype in UNITS and tensor.dtype is not torch.float64 else tensor
