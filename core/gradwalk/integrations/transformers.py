"""A callback for the Trainer of transformers: ``Trainer(..., callbacks=[GradwalkCallback("out")])``."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from .block import Block

try:
    from transformers import TrainerCallback
except ImportError as missing:
    raise ImportError("gradwalk.integrations.transformers needs the package transformers, which cannot be imported") from missing


class GradwalkCallback(TrainerCallback):  # type: ignore[misc]
    """Records from the beginning of ``train`` to its end, whatever ends it; settings as for :func:`gradwalk.record`.

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

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Begin to record."""
        self.block.begin()
        train = _frame_of_train(sys._getframe(1))
        if train is not None:  # the Trainer tells no callback of an exception
            self.block.end_with(train)

    def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """End the recording."""
        self.block.end()


def _frame_of_train(frame: FrameType | None) -> FrameType | None:
    """The innermost ``train`` on the stack."""
    while frame is not None and frame.f_code.co_name != "train":
        frame = frame.f_back
    return frame
