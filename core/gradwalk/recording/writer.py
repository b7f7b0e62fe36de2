"""The writer: the training thread hands over, a thread of ours writes.

The cycle, in order: 1. ``add`` and the like put an item into a queue, nothing more; 2. the thread wakes every 50 ms (or when half
a megabyte waits) and takes all of it; 3. the assembler makes chunk groups; 4. each group goes into the file with one write, or
not at all; 5. what could not be written is kept and tried again. Nothing here raises into the training, bar the constructor.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..trace import Trace
from .appending import AppendOnly
from .assemble import Assembler, Item, Source
from .ending import Contents, closing, opening
from .folder import RUN_FILE, USED, claim, joins, write_run
from .format import MAX_TEXT, Note, RecordingError
from .groups import Group, place
from .info import RunInfo, bounded
from .tensors import Tensors, bytes_of
from .verdicts import Verdicts
from .waiting import Waiting
from .waking import Ticket, Wake

INTERVAL, BREATH = 0.05, 0.01
"""Seconds from one look of the thread into the queue to the next, and at least from the end of a write to it."""
WAKE_BYTES = 512 * 1024
RETRY = 0.5
"""Seconds between two attempts to write while the disk refuses."""
PATIENCE = 3.0
"""Seconds for which closing keeps trying to write."""

_writers: weakref.WeakSet[Writer] = weakref.WeakSet()


class Writer:
    """Writes one rank's file of a run folder. ``steps`` counts the steps handed over.

    Whoever forgets ``close`` has it done when the program exits, unless ``close_at_exit`` is False. Raises RecordingError where
    the folder already holds a recording (another rank of the same run joins it) or cannot be written.
    """

    def __init__(self, folder: Path, info: RunInfo, *, close_at_exit: bool = True) -> None:
        info = bounded(info)
        self.folder = Path(folder)
        self.path = claim(self.folder, info)
        self.info = info
        self.steps = 0
        self._contents = Contents()
        self._owns_run = False
        self._file = self._created(info)
        self._waiting = Waiting()
        self._wake = Wake()
        self._done = Ticket()
        self._closing: str | None = None
        self._closed = False
        self._sources: set[str] = set()
        self._assembler = Assembler()
        self._groups: Iterator[Group] = iter(())
        self._unwritten: Group | None = None
        self._complained = False
        self._thread = threading.Thread(target=self._run, name="gradwalk-writer", daemon=True)
        _writers.add(self)
        self._thread.start()
        if close_at_exit:
            atexit.register(self._at_exit)

    def _created(self, info: RunInfo) -> AppendOnly:
        """The new file, after ``run.json``: other ranks that start now must see whose folder this is."""
        try:
            self._owns_run = write_run(self.folder, info, first=True)
            if not self._owns_run and not joins(self.folder, info):
                raise RecordingError(self.folder, USED)
            return self._opened(info)
        except OSError as error:
            if self._owns_run:
                (self.folder / RUN_FILE).unlink(missing_ok=True)
            raise RecordingError(self.folder, f"the recording cannot be written: {error.strerror or error}") from error

    def _opened(self, info: RunInfo) -> AppendOnly:
        file = AppendOnly(self.path)
        try:
            file.append([opening(info, self._contents)])
        except BaseException:
            file.close()
            self.path.unlink(missing_ok=True)
            raise
        return file

    # 1. What the training thread calls.

    def add(self, trace: Trace, *, asked: bool = False) -> None:
        """Hand over a step. ``asked``: somebody wants its tensors in full; they stay whole where no other such step waits."""
        if asked and self._takes and self._waiting.pressure.lets_through(bytes_of(trace.tensors)):
            self.add(replace(trace, tensors={}))
            self._waiting.put_beyond(trace.step, trace.tensors)
            self._wake.set()
            return
        lighter, weight = self._waiting.fitting(trace)
        if lighter is None:
            self.scalar("loss", trace.step, trace.loss if trace.loss is not None else float("nan"))
            return
        self.steps += 1
        self._put(weight, lighter)

    def add_tensors(self, step: int, tensors: Tensors, *, lent: int = 0) -> None:
        """Hand over tensors of a step that was, or will be, added without them; ``lent``: they stay on the ring's account."""
        if self._takes:
            self._waiting.put_tensors(step, tensors, lent)
            self._call()

    def add_verdicts(self, found: Verdicts) -> None:
        """Hand over what was found in a step that was, or will be, added."""
        self._put(sum(256 + 512 * len(verdict.rows) for verdict in found.verdicts), found)

    def has_room(self, size: int) -> bool:
        """Whether so many bytes of tensors may wait now, or as many as ever may."""
        pressure = self._waiting.pressure
        return pressure.waiting + min(size, pressure.line * 3 // 4) <= pressure.line

    def on_loan(self) -> int:
        """How many bytes of the ring's memory wait for the file."""
        return self._waiting.pressure.on_loan

    def partial(self, trace: Trace) -> None:
        """Write a step so far, at once; the complete step replaces it."""
        if self._takes:
            self._waiting.put_partial(trace)
        self.flush(2.0)

    def note(self, kind: str, message: str, step: int = -1) -> None:
        """Write that something happened (kinds: see :class:`~gradwalk.recording.format.Note`)."""
        message = message[:MAX_TEXT]
        self._put(256 + len(message), Note(kind[:256], message, step, time.time()))

    def scalar(self, name: str, step: int, value: float) -> None:
        """Write a number of a step, such as a learning rate."""
        if self._takes:
            self._waiting.put_number(name, step, float(value))

    def source(self, file: str, text: str) -> None:
        """Keep the text of a source file, once."""
        if file not in self._sources:
            self._sources.add(file)
            self._put(len(text), Source(file, text))

    def update_info(self, **changes: Any) -> None:
        """Change what is known of the run (device, torch, kind ...)."""
        self.info = replace(self.info, **changes)
        self._put(256, self.info)

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything handed over so far is in the file; False where it is not after ``timeout`` seconds."""
        if self._closed or not self._file.ours:
            return False
        ticket = Ticket()
        self._put(0, ticket)
        self._wake.set()
        return ticket.wait(timeout)

    def close(self, ended: str) -> None:
        """Write everything, the end (``clean``, ``error`` or ``stopped``) and the index; it may be called again."""
        if self._closed or not self._file.ours:
            return
        self._closing = self._closing or ended
        self._wake.set()
        self._done.wait(PATIENCE + 30)
        self._closed = True
        atexit.unregister(self._at_exit)

    def _at_exit(self) -> None:
        """Close, even where the user has no patience: the few milliseconds that it takes, or as long as a disk may refuse."""
        deadline = time.monotonic() + PATIENCE
        while not self._closed and self._file.ours and time.monotonic() < deadline:
            with suppress(KeyboardInterrupt):
                self.close("stopped")

    def _put(self, weight: int, item: Item | Ticket) -> None:
        if self._takes:
            self._waiting.put(weight, item)
            self._call()

    @property
    def _takes(self) -> bool:
        """Whether anything may still be handed over."""
        return not self._closed and self._closing is None

    def _call(self) -> None:
        """Wake the thread where much waits."""
        if self._waiting.pressure.waiting > WAKE_BYTES and not self._complained and not self._wake.is_set():
            self._wake.set()

    def forked(self) -> None:
        """Called in a forked child: it must never write."""
        self._closed = True
        self._file.close()

    # 2. to 5. What the thread does.

    def _run(self) -> None:
        try:
            spent = 0.0
            while self._closing is None:
                self._wake.wait(RETRY if self._complained else max(INTERVAL - spent, BREATH))
                start = time.monotonic()
                self._guarded_drain()
                spent = time.monotonic() - start
            self._finish(self._closing)
        finally:
            self._done.set()

    def _guarded_drain(self, *, last: bool = False) -> bool:
        """A fault of ours loses what was being assembled, says so, and recording goes on."""
        try:
            return self._drain(last=last)
        except Exception as error:
            self._groups, self._unwritten = iter(()), None
            text = f"some steps could not be stored: {type(error).__name__}: {error}"
            self._waiting.add_note(Note("fault", text, -1, time.time()))
            return False

    def _drain(self, *, last: bool = False) -> bool:
        """Write what waits; False where the disk refuses. What comes meanwhile waits for its turn, unless it is much."""
        taken = False
        while True:
            if self._unwritten is None:
                self._unwritten = next(self._groups, None)
            if self._unwritten is not None:
                if not self._written(self._unwritten):
                    return False
                self._unwritten = None
            elif not self._take(last, again=taken and not last):
                return True
            else:
                taken = True

    def _take(self, last: bool, *, again: bool) -> bool:
        """Everything in the queue goes to the assembler, item by item; False where nothing waits, or ``again`` only little."""
        waiting = self._waiting
        waiting.settle()
        if again and waiting.pressure.waiting <= WAKE_BYTES:
            return False
        notes = list(waiting.pressure.notes(last))
        if not notes and not waiting.any:
            waiting.is_empty()
            return False
        self._groups = self._assembler.groups(self._arrivals(notes))
        return True

    def _arrivals(self, notes: list[Note]) -> Iterator[Item]:
        yield from notes
        for item in self._waiting.arrivals(lambda: self._assembler.empty):
            if isinstance(item, RunInfo):
                self._rewrite_run(item)
            yield item

    def _written(self, group: Group) -> bool:
        placed = place(group, self._file.size)
        try:
            self._file.append(placed.parts)
        except (OSError, MemoryError) as error:
            self._complain(error)
            return False
        if placed.offset + sum(map(len, placed.parts)) == self._file.size:
            self._contents.add(group, placed)
        self._complained = False
        return True

    def _complain(self, error: OSError | MemoryError) -> None:
        if not self._complained and self._file.ours:
            self._complained = True
            why = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
            text = f"the recording could not be written: {why}; the newest steps are kept until there is room"
            self._waiting.add_note(Note("disk", text, -1, time.time()))

    def _rewrite_run(self, info: RunInfo) -> None:
        if self._owns_run and self._file.ours:
            try:
                write_run(self.folder, info)
            except OSError as error:
                self._complain(error)

    def _finish(self, ended: str) -> None:
        """The last groups, the end note, the index."""
        deadline = time.monotonic() + PATIENCE
        while not self._guarded_drain(last=True) and time.monotonic() < deadline:
            time.sleep(0.1)
        if self._unwritten is None:
            self._groups = self._assembler.groups([Note("end", ended, -1, time.time())], last=True)
            try:
                if self._guarded_drain(last=True):
                    self._file.append(closing(self._contents, self._file.size, self._file.checked_crc))
            except OSError:
                pass  # the file ends with its last whole group: an unfinished recording, readable
        self._file.close()


def _in_child() -> None:
    for writer in list(_writers):
        writer.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
