"""NumPy by hand: a tape for plain, unmodified NumPy programs whose backward pass is written out.

:func:`install` gives the script's own modules a NumPy whose arrays note every op. A step is one pass of the training loop; ops
after the scalar loss are the hand-written backward, ``grad_h`` is the gradient of ``h``, a write to a leaf is the update.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..gate import Gate
    from ..recording.sink import Sink
    from .session import NumpyTape as NumpyTape

__all__ = ["NumpyTape", "end_step", "install"]

_installed: NumpyTape | None = None


def install(sink: Sink, script_folder: Path, gate: Gate | None = None) -> NumpyTape:
    """Record the NumPy ops of ``__main__`` and of the modules under ``script_folder``, in this thread, from now on.

    At the ``gate`` the program is held where the app asks for it.
    """
    global _installed
    from .session import NumpyTape

    if _installed is not None:
        _installed.off()
    _installed = NumpyTape(sink, script_folder, gate)
    return _installed


def end_step(loss: Any = None) -> None:
    """Say that a training step of a NumPy program ends here, and what its loss is. Without a tape this does nothing."""
    if _installed is not None:
        _installed.end_step(loss)


def __getattr__(name: str) -> Any:
    """``NumpyTape``, which needs NumPy, when it is asked for."""
    if name == "NumpyTape":
        from .session import NumpyTape

        return NumpyTape
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
