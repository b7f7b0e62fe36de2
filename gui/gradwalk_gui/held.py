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

    def sentence(self) -> str:
        """What the red bar says."""
        where = f" at {_short(self.source)}" if self.source else f" in {self.module}" if self.module else ""
        why = f" ({self.why})" if self.why not in ("paused", "next step") else ""
        return f"Training is waiting {self.when} {self.name}{where}, step {self.step:,}, {self.position:,} events have run{why}"


def held_of(frame: Mapping[str, Any]) -> Held:
    """From what the run tells."""
    texts = {name: str(frame.get(name, "")) for name in ("name", "why", "source", "module")}
    when: When = "after" if frame.get("when") == "after" else "before"
    return Held(when=when, step=int(frame.get("step", 0)), position=int(frame.get("position", 0)), **texts)


def _short(source: str) -> str:
    return source.replace("\\", "/").rpartition("/")[2]
