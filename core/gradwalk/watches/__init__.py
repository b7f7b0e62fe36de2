"""Watches: what may go wrong in a training, looked for in its record. One file per kind; ``table.py`` lists them."""

from __future__ import annotations

from .alert import Alert, Limits
from .looking import Finding, Looker, Report, look
from .table import KINDS, ON, WATCHES, Watch

__all__ = ["KINDS", "ON", "WATCHES", "Alert", "Finding", "Limits", "Looker", "Report", "Watch", "look"]
