"""Steps that were asked for by their numbers, and did not come."""

from __future__ import annotations

from collections.abc import Sequence


class Asked:
    """Steps in ``ranges`` were ``wish`` ("to be kept in full", "to be checked")."""

    def __init__(self, wish: str, ranges: Sequence[range]) -> None:
        self._wish = wish
        self._waited = list(ranges)

    def came(self, step: int) -> None:
        """A step was recorded."""
        if self._waited:
            self._waited = [steps for steps in self._waited if step not in steps]

    def sentence(self) -> str:
        """What is said of those that were not recorded; nothing where at least one of each range was."""
        if not self._waited:
            return ""
        names = ", ".join(str(steps[0]) if len(steps) == 1 else f"{steps[0]}-{steps[-1]}" for steps in self._waited)
        several = len(self._waited) > 1 or len(self._waited[0]) > 1
        return f"{'steps' if several else 'step'} {names}, {self._wish}, {'were' if several else 'was'} not recorded"
