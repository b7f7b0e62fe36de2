"""Names of modules, parameters and buffers, as ``named_modules`` and ``named_parameters`` of the outermost module give them."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from itertools import count

import torch
from torch import nn

from .values import Values


@dataclass(slots=True, eq=False)
class Root:
    """An outermost module: its name and its submodules' names."""

    module: weakref.ref[nn.Module]
    name: str
    names: dict[int, str]


class ParameterNames:
    """What parameters, buffers and modules are called."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._names: dict[int, tuple[weakref.ref[torch.Tensor], str]] = {}
        self._taken: dict[str, tuple[int, str]] = {}
        """By name, which outermost module took it, and for what of it."""
        self._roots: dict[int, Root] = {}

    def name_of(self, tensor: torch.Tensor) -> str:
        """The name of a parameter or buffer, or an empty string."""
        name = self._known(tensor)
        if not name and type(tensor) is nn.Parameter:  # FSDP puts others in the place of those that were there
            for root in self._roots.values():
                self.learn(root)
            name = self._known(tensor)
        return name

    def _known(self, tensor: torch.Tensor) -> str:
        found = self._names.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else ""

    def root_of(self, module: nn.Module, callee: str) -> Root:
        """The outermost module, known by the variable through which it was first called, else by its class.

        Of several that are called through one variable (``for layer in layers``) the second is ``layer_2``.
        """
        root = self._roots.get(id(module))
        if root is None or root.module() is not module:
            name = callee.removeprefix("self.")
            name = type(module).__name__ if name in ("", "self") else name
            root = self._roots[id(module)] = Root(weakref.ref(module), self._free(name, module), {})
            self.learn(root)
        return root

    def _free(self, name: str, module: nn.Module) -> str:
        """The name, with a number where another module that is alive has it; as it is for a module without parameters."""
        if next(module.parameters(), None) is None:
            return name
        taken = {root.name for root in self._roots.values() if root.module() not in (None, module)}
        return next(free for number in count(1) if (free := name if number == 1 else f"{name}_{number}") not in taken)

    def root_around(self, module: nn.Module) -> Root | None:
        """The outermost module that is known to hold this one."""
        return next((root for root in self._roots.values() if id(module) in root.names and root.module() is not None), None)

    def path(self, root: Root, module: nn.Module) -> str:
        """A module's path, such as ``net.fc1``; the class name for one that the outermost module does not know."""
        inside = root.names.get(id(module))
        if inside is None:
            self.learn(root)
            inside = root.names.setdefault(id(module), type(module).__name__)
        return f"{root.name}.{inside}" if inside else root.name

    def learn(self, root: Root) -> None:
        """Look again at what an outermost module is made of."""
        module = root.module()
        if module is None:
            return
        root.names = {id(part): _plain(name) for name, part in module.named_modules()}
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if not self._known(tensor):
                self._name(tensor, _plain(name), root)

    def _name(self, tensor: torch.Tensor, name: str, root: Root) -> None:
        """``fc1.weight`` as in ``named_parameters``; with the module's name where that alone says too little or is taken."""
        owner = id(root), name
        if "." not in name or name[0].isdigit() or self._taken.get(name, owner) != owner:
            name = f"{root.name}.{name}"
        self._taken[name] = owner
        self._names[id(tensor)] = weakref.ref(tensor), name
        slot = self._values.before(tensor)
        if slot is not None:
            slot.name = name


def _plain(name: str) -> str:
    """A name without the wrapper that ``torch.compile`` puts around a module."""
    return name.removeprefix("_orig_mod").removeprefix(".")
