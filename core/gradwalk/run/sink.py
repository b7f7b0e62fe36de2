"""The sink of a run: learns from the first step on which device the run trains, and whether the script's exception was told."""

from __future__ import annotations

from ..recording.sink import Sink
from ..trace import Trace


class RunSink(Sink):
    """Writes the device of the first step's leaves (or, without leaves, of its values) into the run's description.

    ``told_error``: whether an exception of the script is in the recording. While ``only_trained`` is set, steps without an update
    are left out.
    """

    told_error = False
    only_trained = False
    _device_known = False

    def add(self, trace: Trace) -> None:
        """Hand over a complete step."""
        if self.only_trained and all(event.phase != "update" for event in trace.graph.events):
            return
        if not self._device_known:
            self._device_known = True
            self.writer.update_info(device=device_of(trace))
        super().add(trace)

    def failed(self, trace: Trace) -> None:
        """Hand over a step that raised."""
        self.told_error = True
        super().failed(trace)

    def note(self, kind: str, message: str, step: int = -1) -> None:
        """Write that something happened."""
        self.told_error = self.told_error or kind == "exception"
        super().note(kind, message, step)


def device_of(trace: Trace) -> str:
    """``cpu``, ``cuda:0``, or several with commas between them."""
    values = trace.graph.values
    devices = [value.device for value in values if value.role == "leaf"] or [value.device for value in values]
    return ", ".join(dict.fromkeys(devices))
