"""The recorder of torch programs; the only package that imports torch."""

from .recorder import Recorder

__all__ = ["Recorder"]
