"""An optimizer of torch's own makes its step with our mode off the stack: nothing that it calls is an op of the user's.

The mode is put back where torch's ``record_function`` around each step ends, whatever has happened in the step.
"""

from __future__ import annotations

import inspect
from types import CodeType
from typing import Any

from torch._C import _get_function_stack_at, _len_torch_function_stack
from torch.autograd.profiler import record_function
from torch.optim import optimizer as optimizers
from torch.optim.optimizer import Optimizer
from torch.overrides import TorchFunctionMode, _pop_mode

from .insist import insist
from .modes import push
from .places import OPTIMIZERS
from .state import State

_OURS = f"{__package__}."
"""How the names of the modules begin whose hooks are no code of the user's."""


class OptimizersUnwatched:
    """Takes our mode off while an optimizer steps that has no closure and no hooks of the user's."""

    def __init__(self, state: State, ours: type[TorchFunctionMode]) -> None:
        self._state = state
        self._ours = ours
        self._works = _ends_in_record_function()
        self._original = original = record_function.__exit__

        def leave(self_: Any, *error: Any) -> Any:
            if state.thread.unstacked is not None:
                self.end()
            return original(self_, *error)

        self._leave = record_function.__exit__ = leave  # type: ignore[method-assign]

    def remove(self) -> None:
        """Take the wrapper away."""
        if record_function.__exit__ is self._leave:
            record_function.__exit__ = self._original  # type: ignore[method-assign]

    def begin(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """An optimizer begins its step."""
        thread, height = self._state.thread, _len_torch_function_stack()
        if not self._works or not height or len(args) > 1 or kwargs or thread.unstacked is not None:
            return
        top = _get_function_stack_at(height - 1)
        if type(top) is self._ours and _is_alone(optimizer):
            _pop_mode()  # type: ignore[no-untyped-call]
            thread.unstacked = top

    def end(self) -> None:
        """It has ended."""
        thread = self._state.thread
        mode, thread.unstacked = thread.unstacked, None
        if mode is not None and not self._state.off:
            insist(push, mode)


def _is_alone(optimizer: Optimizer) -> bool:
    """Whether a step runs code of torch's only."""
    code = getattr(inspect.unwrap(type(optimizer).step), "__code__", None)
    if not isinstance(code, CodeType) or not code.co_filename.startswith(OPTIMIZERS):
        return False
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        return False
    hooks = *optimizers._global_optimizer_pre_hooks.values(), *optimizers._global_optimizer_post_hooks.values()
    return all([str(getattr(hook, "__module__", "")).startswith(_OURS) for hook in hooks])  # noqa: C419


def _ends_in_record_function() -> bool:
    """Whether this torch makes an optimizer's step inside a ``record_function``."""
    inner = [const for const in Optimizer.profile_hook_step.__code__.co_consts if isinstance(const, CodeType)]
    return any("record_function" in code.co_names for code in inner)
