"""A training that waits: what is known of the place at which it is held. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradwalk.gate import When


@dataclass(frozen=True, slots=True)
class Held:
    """``step`` is the number of the step, ``position`` how many of its events have run; ``why`` is what holds it."""

    name: str
    when: When
    why: str
    step: int
    position: int
    source: str = ""
    module: str = ""
    rank: int = 0
    ranks: int = 1
    """How many train together."""
    backend: str = ""
    timeout: float = 0.0
    """Seconds after which a collective of theirs gives up; 0 where it is not known."""

    def sentence(self) -> str:
        """What the red bar says."""
        who = "Training" if self.ranks < 2 else f"Rank {self.rank}"
        where = f" at {_short(self.source)}" if self.source else f" in {self.module}" if self.module else ""
        why = f" ({self.why})" if self.why not in ("paused", "next step") else ""
        run = "1 event has run" if self.position == 1 else f"{self.position:,} events have run"
        return f"{who} is waiting {self.when} {self.name}{where}, step {self.step:,}, {run}{why}"

    def risk(self) -> str:
        """What it means for the other ranks, "" where there are none."""
        if self.ranks < 2:
            return ""
        after = f"{_span(self.timeout)} of waiting" if self.timeout > 0 else "its timeout"
        return f"The other ranks wait in their next collective; after {after} {self.backend} ends the training with an error"


def held_of(frame: Mapping[str, Any]) -> Held:
    """From what the run tells."""
    texts = {name: str(frame.get(name, "")) for name in ("name", "why", "source", "module", "backend")}
    numbers = {name: int(frame.get(name, usual)) for name, usual in (("step", 0), ("position", 0), ("rank", 0), ("ranks", 1))}
    when: When = "after" if frame.get("when") == "after" else "before"
    return Held(when=when, timeout=float(frame.get("timeout", 0.0)), **texts, **numbers)  # type: ignore[arg-type]


def _span(seconds: float) -> str:
    """``30 min``, ``90 s``."""
    return f"{seconds / 60:g} min" if seconds >= 120 else f"{seconds:g} s"


def _short(source: str) -> str:
    return source.replace("\\", "/").rpartition("/")[2]
