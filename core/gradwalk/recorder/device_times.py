"""Times on a CUDA device, by pairs of events around ops and Nodes, read a step late.

The CPU only launches what a device runs, so its clock says little there. An event costs the device next to nothing and the CPU
about two microseconds; used ones go back to a pool. A Node's begin is the end of our own work after the Node before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_POOL = 20_000
"""Events held for further use."""


class Timing:
    """Two events on a device: before and after."""

    __slots__ = ("begin", "end")

    def __init__(self, begin: Any, end: Any) -> None:
        self.begin, self.end = begin, end


def cuda_event() -> Any:
    """A new event that can be timed."""
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def at_work() -> bool:
    """Whether this process uses a CUDA device."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def is_timed(device: str) -> bool:
    """Whether what runs there is timed by events."""
    return device.startswith("cuda")


class DeviceTimes:
    """Records events on the current stream, and reads them."""

    def __init__(self, make_event: Callable[[], Any] = cuda_event) -> None:
        self._make = make_event
        self._pool: list[Any] = []

    def mark(self) -> Any:
        """An event at this place of the current stream; None while a CUDA graph is captured."""
        if torch.cuda.is_current_stream_capturing():
            return None
        event = self._pool.pop() if self._pool else self._make()
        event.record()
        return event

    def since(self, begin: Any) -> Timing | None:
        """The time from an event to here."""
        end = None if begin is None else self.mark()
        return None if end is None else Timing(begin, end)

    def read(
        self, timings: Sequence[tuple[int, Timing]], begins: NDArray[np.float64], durations: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Begins and durations in seconds with those of the device put in, by their place on the tape; waits for the events.

        The first event of the step stands where the CPU launched it: the device's clock has no zero of its own. ``timings`` are
        in the order of the tape.
        """
        begins, durations = begins.copy(), durations.copy()
        first_place, first = timings[0][0], timings[0][1].begin
        start = begins[first_place]
        for place, timing in timings:
            for event in (timing.begin, timing.end):  # of a Node, they may be on two streams
                event.synchronize()
            durations[place] = max(timing.begin.elapsed_time(timing.end), 0.0) / 1e3
            begins[place] = start + max(first.elapsed_time(timing.begin), 0.0) / 1e3
        self._give_back(timings)
        return _in_order(begins, np.array([place for place, _ in timings])), durations

    def _give_back(self, timings: Sequence[tuple[int, Timing]]) -> None:
        events = {id(event): event for _, timing in timings for event in (timing.begin, timing.end)}
        self._pool += list(events.values())[: max(_POOL - len(self._pool), 0)]


def _in_order(begins: NDArray[np.float64], timed: NDArray[np.int64]) -> NDArray[np.float64]:
    """Begins that never go back: what the CPU's clock told stands between those of the device (``timed``) around it."""
    device = np.maximum.accumulate(begins[timed])
    places = np.arange(len(begins))
    low = np.concatenate(([-np.inf], device))[np.searchsorted(timed, places, side="right")]
    high = np.concatenate((device, [np.inf]))[np.searchsorted(timed, places, side="left")]
    ordered: NDArray[np.float64] = np.maximum.accumulate(np.clip(begins, low, high))
    return ordered
