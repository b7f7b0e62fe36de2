"""Names of variables as a script writes them: which is the loss, and which the gradient of what."""

from __future__ import annotations

import re

PREFIXES = ("grad_", "gradient_", "g_", "d_", "dL_d", "dl_d", "dLd", "dloss_d", "dJ_d", "grad", "d", "g")
SUFFIXES = ("_grad", "_gradient", "_g", "grad")
CONTAINERS = re.compile(r"^(?:.*\.)?(?:d|g|grad|grads|gradient|gradients|dparams|d_params)\[(.+)\]$")
_KEY = re.compile(r"^(.*)\[(['\"])(.+)\2\]$")
_VARIABLE_INDEX = re.compile(r"\[[^\W\d]")
LOSSES = ("loss", "cost")
LIKE_LOSSES = ("loss", "cost", "error", "objective", "mse", "nll")


def is_fixed(name: str) -> bool:
    """Whether a name always means the same variable, as ``params['w']`` does and ``params[k]`` does not."""
    return not _VARIABLE_INDEX.search(name)


def is_member(name: str) -> bool:
    """Whether a name is that of an attribute or an item, and not of a plain variable."""
    return "." in name or "[" in name


def base_name(name: str) -> str:
    """The name without what it is kept in: ``w1`` of ``self.w1`` and of ``params['w1']``."""
    key = _KEY.match(name)
    return key.group(3) if key else name.rpartition(".")[2]


def gradient_bases(name: str) -> tuple[str, ...]:
    """Of what a variable may hold the gradient: ``("h",)`` for ``grad_h``, ``dh`` or ``grads['h']``; likeliest first."""
    container = CONTAINERS.match(name)
    if container:
        return (container.group(1).strip("'\""),)
    plain = base_name(name)
    found = [plain[len(prefix) :] for prefix in PREFIXES if plain.startswith(prefix) and len(plain) > len(prefix)]
    found += [plain[: -len(suffix)] for suffix in SUFFIXES if plain.endswith(suffix) and len(plain) > len(suffix)]
    return tuple(dict.fromkeys(part for part in found if part.isidentifier()))


def is_gradient_name(name: str, of: str) -> bool:
    """Whether ``name`` is a name for the gradient of the variable ``of``."""
    return bool(name) and base_name(of) in gradient_bases(name)


def loss_rank(name: str) -> int:
    """How much a name sounds like the loss: 2 for ``loss``, 1 for the likes of ``data_loss``, 0 for others."""
    plain = base_name(name).lower()
    if plain in LOSSES:
        return 2
    return int(any(word in plain for word in LIKE_LOSSES))
