"""The NumPy reference: formulas of outputs and VJPs, written by hand. Those of a script's Functions: ``vjp`` and ``forward``."""

from __future__ import annotations

from .own import forward, vjp

__all__ = ["forward", "vjp"]
