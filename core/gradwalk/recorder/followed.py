"""A step that was followed, on its way to the sink."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from ..trace import StepError, Trace
from .assemble import Known
from .device_times import DeviceTimes
from .functions import words_of
from .running import Running


class FollowedDraft:
    """Its numbers are in one table already; those of a device may still be on their way."""

    def __init__(self, running: Running, step: int, start: float) -> None:
        self._running, self._step, self._start = running, step, start

    @property
    def known(self) -> Known:
        """The structure of the step."""
        return self._running.routine.known

    def finish(self, timer: DeviceTimes, *, label: str, error: StepError | None) -> Trace:
        """The Trace; waits for what is under way."""
        running, graph = self._running, self.known.graph
        count = len(graph.values)
        table = running.statistics()
        values, gradients = table[:, :count], table[:, count:]
        begins = np.array(running.begins)
        first = begins[0] if len(begins) else 0.0
        begins -= first
        trace = Trace(
            step=self._step,
            graph=graph,
            tape=self.known.tape,
            values=values,
            gradients=gradients,
            loss=running.loss_value(),
            start=self._start + float(first),
            times=begins,
            durations=np.array(running.durations),
            tensors=running.tensors,
            shapes=MappingProxyType(running.shapes),
            strides=MappingProxyType(running.strides),
            arguments=MappingProxyType(
                {graph.events[event].ref: words_of(record, held) for event, (record, held) in running.arguments.items()}
            ),
            label=label,
            done=error is None,
            error=error,
            scales=running.scales,
        )
        running.release()
        return trace
