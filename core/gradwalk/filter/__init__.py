"""Filters over a step's events, such as ``+linear -view $phase(bwd) $grad(rms<1e-7)``: the grammar is in ``grammar.lark``."""

from __future__ import annotations

from .completing import Completion, complete
from .matching import asks_checks, matches
from .parsing import FilterError, parse
from .syntax import Filter, text_of

__all__ = ["Completion", "Filter", "FilterError", "asks_checks", "complete", "matches", "parse", "text_of"]
