"""A callback for Lightning: ``Trainer(..., callbacks=[GradwalkCallback("out")])``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from .block import Block

try:
    from lightning.pytorch.callbacks import Callback
except ImportError:
    try:
        from pytorch_lightning.callbacks import Callback
    except ImportError as missing:
        raise ImportError("gradwalk.integrations.lightning needs the package lightning, which cannot be imported") from missing


class GradwalkCallback(Callback):  # type: ignore[misc]
    """Records from the beginning of the training to its end, whatever ends it; settings as for :func:`gradwalk.record`.

    Inside another recording (also that of ``gradwalk run``) it changes nothing.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        level: Literal["structure", "statistics", "tensors"] = "statistics",
        every: int = 1,
        steps: int | None = None,
    ) -> None:
        self.block = Block(path, level=level, every=every, steps=steps)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to record."""
        self.block.begin()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """End the recording."""
        self.block.end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """End the recording with the step that raised."""
        self.block.end(exception)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """End the recording, where nothing has done so."""
        self.block.end()
