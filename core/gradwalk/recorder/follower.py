"""Following a step that is known: each arrival is compared with what the Routine expects, and only its numbers are noted.

1. A step that went the slow way was learned (``routine.py``). 2. From then on each arrival is compared: the function, the place
that it is called from, the tensors themselves and their versions. 3. What agrees is noted by number. 4. When the first op of the
next step comes, the step is handed over as a whole. 5. What does not agree ends the following: the part that was followed becomes
records (``unwind.py``), and the slow way goes on as if nothing had happened.
"""

from __future__ import annotations

import weakref
from threading import get_ident
from types import FrameType
from typing import Any, Protocol

import torch
from torch.optim.optimizer import Optimizer

from ..trace import NONE
from .binding import bind
from .functions import Kind, split, tensors_in
from .masks import mask_of
from .records import OpRecord
from .routine import Item
from .running import Column, Opening, Running
from .state import State, clock
from .trail import What, comes_along, holds_tensor
from .updates import gradient_slot

reference = weakref.ref
_TOLD = {Kind.GRAD_READ: What.GRAD_READ, Kind.SHARED: What.SHARED, Kind.HOOKED: What.HOOKED}
_CONTAINERS = (list, tuple, dict)


class Leader(Protocol):
    """What begins and ends the following (``lead.Lead``)."""

    def close(self) -> bool:
        """The step before has ended; whether this one can be followed further."""
        ...

    def step_is_complete(self) -> None:
        """Everything of the step has come."""
        ...

    def leave(self) -> None:
        """From here on the slow way."""
        ...


def note_arguments(running: Running, item: Item, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> None:
    """Note the arguments that are no tensors, where they are others than in the first step of the structure."""
    held, record = split(args, kwargs or {})[1], item.records[0]
    if held != item.arguments and isinstance(record, OpRecord):
        running.arguments[item.event] = record, held


class Follower:
    """Follows the steps of one thread. ``item`` is what is expected next, None while the slow way is gone."""

    def __init__(self, state: State, lead: Leader) -> None:
        self.state = state
        self.lead = lead
        self.item: Item | None = None
        self.running: Running | None = None
        self.shift = 0
        """How far autograd's sequence numbers are beyond those of the step that was learned."""
        self.thread = get_ident()

    # ------------------------------------------------------------------ what comes

    def expects(self, item: Item, args: tuple[Any, ...], kwargs: dict[str, Any] | None, frame: FrameType) -> bool:
        """Whether a call of the expected function is the expected one; no fault of ours comes out of here."""
        try:
            return self.expects_op(item, args, kwargs, frame)
        except RuntimeError:  # a tensor without a version, or without memory
            return False
        except Exception as fault:
            self.state.fault(fault)
            return False

    def took(self, item: Item, args: tuple[Any, ...], result: Any, begin: float, end: float) -> bool:
        """Note what it made; no fault of ours comes out of here."""
        try:
            with self.state.lock:
                return self.took_op(item, args, result, begin, end)
        except RuntimeError:
            return False
        except Exception as fault:
            self.state.fault(fault)
            return False

    def expects_op(self, item: Item, args: tuple[Any, ...], kwargs: dict[str, Any] | None, frame: FrameType) -> bool:
        """Whether a call of the expected function is the expected one, from the expected place on the expected tensors."""
        running = self.running
        if running is None or not comes_along(frame, item.chain):
            return False
        if not item.records:
            return True
        if (tuple(kwargs) if kwargs else ()) != item.keywords:
            return False
        if item.zeroes:
            return self._expects_gradients(running, item, args)
        if item.spec is None:
            expected = self._expects_inside(running, item, args, kwargs)
        else:
            expected = len(args) == len(item.spec) and self._expects_plainly(running, item, item.spec, args)
        if expected:
            note_arguments(running, item, args, kwargs)
        return expected

    def _expects_plainly(self, running: Running, item: Item, spec: tuple[int, ...], args: tuple[Any, ...]) -> bool:
        """The same where the tensors are positional arguments."""
        refs: list[Any] = running.refs
        versions = running.versions
        argument: Any
        for argument, number in zip(args, spec, strict=True):
            if number >= 0:
                if refs[number]() is not argument:
                    if not bind(self.state, running, number, argument, measured=number not in item.bases):
                        return False
                elif argument._version != versions[number]:
                    return False
            elif isinstance(argument, torch.Tensor) or (isinstance(argument, _CONTAINERS) and holds_tensor(argument)):
                return False
        return True

    def _expects_gradients(self, running: Running, item: Item, args: tuple[Any, ...]) -> bool:
        """Whether these are the gradients of the leaves whose gradients are to be zeroed."""
        gradients = list(tensors_in(args))
        if len(gradients) != len(item.inputs):
            return False
        for gradient, number in zip(gradients, item.inputs, strict=True):
            slot = self.state.values.find(gradient)
            leaf = slot.gradient_of if slot is not None else None
            if leaf is None or leaf.reference is None or leaf.reference() is not running.refs[number]():
                return False
        return True

    def _expects_inside(self, running: Running, item: Item, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> bool:
        """The same where tensors are in lists or among the named arguments."""
        tensors = list(tensors_in((*args, *(kwargs or {}).values())))
        if len(tensors) != len(item.inputs):
            return False
        for tensor, number in zip(tensors, item.inputs, strict=True):
            if not self.is_value(running, number, tensor, measured=number not in item.bases):
                return False
        return True

    def is_value(self, running: Running, number: int, tensor: torch.Tensor, *, measured: bool = True) -> bool:
        """Whether a tensor is the Value of that number; an external one is bound to it where it comes for the first time."""
        if running.refs[number]() is tensor:
            return tensor._version == running.versions[number]
        return bind(self.state, running, number, tensor, measured=measured)

    # ------------------------------------------------------------------ what was made

    def took_op(self, item: Item, args: tuple[Any, ...], result: Any, begin: float, end: float) -> bool:
        """Note what a call that was expected made; False where that is not what was expected."""
        running = self.running
        if running is None or self.item is not item:
            return False
        if item.position == running.routine.closes and not self.lead.close():
            return False
        if not item.records:
            return self._took_nothing(item, args, result)
        running.begins[item.event] = begin
        running.durations[item.event] = end - begin
        if item.zeroes:
            return self._took_zeroes(item, args)
        return self._took_made(running, item, args, result)

    def _took_zeroes(self, item: Item, args: tuple[Any, ...]) -> bool:
        for gradient in tensors_in(args):
            self.state.values.write(gradient).zeroed = True
        self.advance(item)
        return True

    def _took_made(self, running: Running, item: Item, args: tuple[Any, ...], result: Any) -> bool:
        made = (result,) if isinstance(result, torch.Tensor) else _made(result, args)
        if len(made) != len(item.made):
            return False
        for index, tensor in enumerate(made):
            if item.bases[index] == NONE:
                if not self.took_new(running, item, index, tensor, args):
                    return False
            elif not self.took_written(running, item.made[index], item.bases[index], tensor):
                return False
        self.advance(item)
        return True

    def _took_nothing(self, item: Item, args: tuple[Any, ...], result: Any) -> bool:
        """A call of which no record was made the last time: it gave no tensor, or gave back what it got."""
        if isinstance(result, torch.Tensor):
            if not any(result is argument for argument in args):
                return False
        elif isinstance(result, _CONTAINERS) and holds_tensor(result):
            return False
        self.advance(item)
        return True

    def took_new(  # noqa: C901  (in one piece: it runs for every op)
        self, running: Running, item: Item, index: int, tensor: torch.Tensor, args: tuple[Any, ...]
    ) -> bool:
        """Note a new tensor that an op made; False where it is another than expected."""
        number = item.made[index]
        if tensor.dtype is not item.dtypes[index] or tensor.requires_grad is not item.grads[index]:
            return False
        for argument in args:
            if argument is tensor:
                return False
        shape = tensor.shape
        if shape != item.shapes[index]:
            if len(shape) != len(item.shapes[index]):
                return False
            running.shapes[number] = tuple(shape)
        lies = item.strides[index]
        if lies or (lies is None and not tensor.is_contiguous()):
            running.note_strides(number, tensor, lies)
        running.refs[number] = reference(tensor)
        running.versions[number] = tensor._version
        if running.measuring:
            if item.masked and index == 0:
                begin = item.sequence + self.shift
                running.keep_mask(item.event, mask_of([tensor], range(begin, begin + item.masked)))
            if item.same_as == NONE and running.routine.measurable[number]:
                running.look(number, tensor)
            else:
                if item.same_as != NONE:
                    running.same_as(number, item.same_as)
                running.keep(number, tensor)
        return True

    def took_written(self, running: Running, number: int, base: int, tensor: torch.Tensor) -> bool:
        """A tensor was written in place: it is the next Value."""
        version = tensor._version
        if running.refs[base]() is not tensor or version == running.versions[base]:
            return False
        running.refs[number], running.versions[number] = running.refs[base], version
        if base in running.shapes:
            running.shapes[number] = tuple(tensor.shape)
        if base in running.strides:
            running.strides[number] = tensor.stride()
        if base in running.held:
            slot = self.state.values.write(tensor)
            slot.base, slot.followed_in = None, running.serial
            running.held[number] = slot
            if running.measuring:
                slot.measured = Column(running, number)
        if running.measuring and running.routine.measurable[number]:
            running.look(number, tensor)
        return True

    # ------------------------------------------------------------------ other arrivals

    def passes(self, what: What, function: Any, frame: FrameType | None, detail: Any = None) -> Item | None:
        """The expected item if it is of this kind, function and place, and of this detail."""
        item, running = self.item, self.running
        if item is None or running is None or item.what is not what or item.function != function or item.detail != detail:
            return None
        if not comes_along(frame, item.chain):
            return None
        if item.position == running.routine.closes and not self.lead.close():
            return None
        return item

    def opens(self, item: Item, tensors: list[torch.Tensor], opening: Opening) -> bool:
        """A custom Function begins on these tensors."""
        running = self.running
        if running is None or len(tensors) != len(item.inputs):
            return False
        if not all([self.is_value(running, n, tensor) for n, tensor in zip(item.inputs, tensors, strict=True)]):  # noqa: C419
            return False
        running.openings[item.position] = opening
        self.advance(item)
        return True

    def dropped_gradient(self, item: Item, tensor: torch.Tensor) -> bool:
        """``w.grad = None`` is about to happen."""
        running = self.running
        if running is None or (item.records and running.refs[item.inputs[0]]() is not tensor):
            return False
        if item.records:
            running.begins[item.event] = clock()
        self.advance(item)
        return True

    def stepped(self, item: Item, optimizer: Optimizer, begin: float) -> bool:
        """An optimizer wrote to its parameters: whether to those that were expected, with the gradients expected."""
        running = self.running
        if running is None:
            return False
        end = clock()
        at, updates = 0, item.updates
        for group in optimizer.param_groups:
            parameter: torch.Tensor
            for parameter in group["params"]:
                if at < len(updates) and running.refs[updates[at][0]]() is parameter:
                    if not self._took_update(running, updates[at], parameter):
                        return False
                    at += 1
                elif self.state.values.was_written(parameter):
                    return False
        if at < len(updates):
            return False
        event = item.event
        running.begins[event : event + at] = [end] * at
        if at:
            running.begins[event], running.durations[event] = begin, end - begin
        self.advance(item)
        return True

    def _took_update(self, running: Running, update: tuple[int, int, int], parameter: torch.Tensor) -> bool:
        old, gradient, new = update
        grad = parameter.grad
        if (grad is None) is not (gradient == NONE) or (grad is not None and not self.is_value(running, gradient, grad)):
            return False
        return self.took_written(running, new, old, parameter)

    def starts(self, item: Item, outputs: tuple[Any, ...]) -> bool:
        """A backward is about to start from these outputs."""
        running, losses = self.running, item.owner.losses
        if running is None or len(outputs) != len(losses):
            return False
        loss = outputs[0]
        for output, number in zip(outputs, losses, strict=True):
            if number == NONE or not isinstance(output, torch.Tensor) or running.refs[number]() is not output:
                return False
        likeness = (loss.numel() == 1) * (1 + item.owner.accumulates)
        if likeness > running.loss_likeness:
            running.loss_at, running.loss_likeness = losses[0], likeness
            if not running.measuring and likeness:
                running.loss = float(loss.item())
        return True

    def told(self, kind: Kind, function: Any, args: tuple[Any, ...], result: Any, frame: FrameType) -> bool:
        """A gradient was read, a tensor shown to NumPy, or a hook registered; leaves where that was not expected."""
        item = self.passes(_TOLD[kind], function, frame, args[1] if kind is Kind.HOOKED else None)
        if item is None:
            self.leave()
            return False
        if kind is Kind.GRAD_READ:
            return self.took_gradient(item, args[0], result)
        if kind is Kind.SHARED and isinstance(args[0], torch.Tensor):
            self.state.values.share(args[0])
        self.advance(item)
        return True

    def took_gradient(self, item: Item, tensor: torch.Tensor, gradient: torch.Tensor | None) -> bool:
        """``w.grad`` was read."""
        if gradient is not None and self.state.values.find(gradient) is None:
            gradient_slot(self.state, tensor, gradient)
        self.advance(item)
        return True

    def advance(self, item: Item) -> None:
        """The item is done; at the end of the step the next one begins."""
        self.item = item.after
        if item.after is None:
            self.lead.step_is_complete()

    # ------------------------------------------------------------------ leaving

    def leave(self) -> None:
        """Go the slow way from here on."""
        if self.item is not None:
            self.lead.leave()


def _made(result: Any, args: tuple[Any, ...]) -> list[torch.Tensor]:
    made = list(tensors_in((result,)))
    return made or list(tensors_in(args[:1]))
