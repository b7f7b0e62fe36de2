"""What is said when a run has ended: one sentence."""

from __future__ import annotations

import shlex
from pathlib import Path

from ..platform import own_command


def sentence_about(folder: Path, rank: int, handed_over: int) -> str:
    """Where a rank's recording is and how to open it, or why there is nothing in it, or not all of the steps ``handed_over``."""
    from ..recording.format import RecordingError
    from ..recording.reader import open_recording

    try:
        with open_recording(folder, rank) as recording:
            steps, kind, ended = len(recording), recording.info.kind, recording.ended
            faults = sum(note.kind == "fault" for note in recording.notes)
            missed = "; ".join(note.message for note in recording.notes if note.kind == "asked")
            backward = any(event.phase == "backward" for graph in recording.graphs for event in graph.events)
    except (RecordingError, OSError) as error:
        return f"the recording in {folder} cannot be read ({error})"
    where = f"open it with: {own_command()} open {shlex.quote(str(folder))}"
    if faults:
        where += f" (not all may be in it: {faults} fault{'' if faults == 1 else 's'} in the recorder, which its notes tell)"
    if ended is None or steps < handed_over:
        return f"the disk refused: {steps:,} of {_counted(handed_over)} could be written to {folder}; {where}"
    if not kind:
        return f"nothing was recorded: the script used neither PyTorch nor NumPy ({folder})"
    if kind == "numpy" and not steps:
        return f"nothing was recorded: no training loop was seen in the script's NumPy code ({folder})"
    if not backward:
        return f"no backward() seen, {_counted(steps)} recorded; {where}"
    recorded = f"{_counted(steps)} recorded in {folder}"
    return f"{recorded}; {missed}; {where}" if missed else f"{recorded}; {where}"


def _counted(steps: int) -> str:
    return f"{steps:,} step{'' if steps == 1 else 's'}"
