"""Anything as a key by its identity: for ``functools.lru_cache`` over what cannot be hashed, or is large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


@dataclass(frozen=True, eq=False)
class Same(Generic[Thing]):
    """Equal to another only where both hold the very same object."""

    thing: Thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.thing is self.thing
