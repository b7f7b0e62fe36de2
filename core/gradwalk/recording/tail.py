"""Following one file: opening it once it is there, taking in what was added, remembering what was found damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from . import opening
from .access import ENDS_EARLY, Access
from .chunks import Place
from .decoding import Decoder
from .format import MAGIC, MAX_TEXT, Damaged, Gap, Note, RecordingError
from .index import Index
from .info import RunInfo
from .opening import Found
from .runs import Run
from .scan import Scan
from .sync import Sync


@dataclass(slots=True)
class File:
    """An open file and how far it was read."""

    access: Access
    scan: Scan
    decoder: Decoder


@dataclass(slots=True)
class Tail:
    """What is known of a file. ``file`` is None before the first byte is there."""

    found: Found
    info: RunInfo
    file: File | None = None
    index: Index = field(default_factory=Index)
    notes: list[Note] = field(default_factory=list)
    sources: dict[str, Place] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    copies: int = 0
    """How often the file was copied anew, short for a while."""
    _was_short: bool = False
    _told: bool = False
    _seen: tuple[int, int, int, int] = (0, 0, 0, 0)
    _known: set[tuple[int, int]] = field(default_factory=set)

    def poll(self) -> bool:
        """Look for more; True where something came. Raises RecordingError where what came is no recording that we can read."""
        if self.file is None:
            self.file = self._open()
        if self.file is None or self.file.scan.closed:
            return False
        if not self._is_long_enough(self.file):
            return False
        scan = self.file.scan
        try:
            syncs = scan.by_index() if scan.end == len(MAGIC) else None
            if syncs is None:
                syncs = scan.advance()
        except Damaged:  # the disk gives an error, perhaps for now only
            return False
        for found in syncs:
            self._add(found)
        if syncs:
            self.file.decoder.forget_failures()
        grown_again, self._was_short = self._was_short, False
        if scan.metadata and not self._told:
            self._told = True
            self.info = opening.info_of(scan, self.found.run)
        self._take_in(self.file)
        return bool(syncs) or scan.closed or grown_again

    def _is_long_enough(self, file: File) -> bool:
        """Whether all that was found is there: a copy that is made anew is short for a while."""
        renewed = file.access.renew(file.scan.end)
        if file.access.size < file.scan.end:
            self._was_short = True
            return False
        if self._was_short or renewed:
            file.decoder.forget_failures()
            self.copies += self._was_short
        return True

    def damaged(self, place: Place, why: str, first_step: int = -1, steps: int = 0) -> None:
        """Remember a stretch of what was found that cannot be read, once; not while the file is being copied anew."""
        if why == ENDS_EARLY and self.file is not None and not self.file.scan.closed:
            self._was_short = True
        else:
            self._remember(place, why, first_step, steps)

    def _remember(self, place: Place, why: str, first_step: int = -1, steps: int = 0) -> None:
        if (place.offset, place.length) not in self._known:
            self._known.add((place.offset, place.length))
            self.gaps.append(Gap(place.offset, place.offset + place.length, first_step, steps, why))

    def _add(self, found: Sync | Run) -> None:
        if isinstance(found, Run):
            self.index.add_run(found)
            return
        try:
            self.index.add(found)
        except Damaged as error:
            self.damaged(Place(found.offset, found.end - found.offset), str(error))

    def _open(self) -> File | None:
        path = self.found.file
        if path is None and self.found.folder is not None:
            path = opening.file_in(self.found.folder)
        if path is None:
            return None
        try:
            access = Access(path)
        except RecordingError:
            if path.exists():
                raise
            return None  # it is being put in place
        try:
            ready = opening.check(access)
        except RecordingError:
            access.close()
            raise
        if ready:
            return File(access, Scan(access), Decoder(access))
        access.close()
        return None

    def _take_in(self, file: File) -> None:
        """Read what is read at once: notes, what the run is, and which sources there are."""
        index, decoder = self.index, file.decoder
        for gap in file.scan.gaps[self._seen[3] :]:
            self._remember(Place(gap.start, gap.end - gap.start), gap.why)
        for place in index.notes[self._seen[0] :]:
            self._guarded(place, lambda place: self.notes.append(decoder.note(place)))
        for place in index.sources[self._seen[1] :]:
            self._guarded(place, self._take_source)
        for place in index.infos[self._seen[2] :]:
            self._guarded(place, self._take_info)
        self._seen = len(index.notes), len(index.sources), len(index.infos), len(file.scan.gaps)

    def _guarded(self, place: Place, act: Callable[[Place], None]) -> None:
        try:
            act(place)
        except Damaged as error:
            self.damaged(place, str(error))

    def _take_source(self, place: Place) -> None:
        assert self.file is not None
        file = self.file.decoder.meta(place).get("file")
        if not isinstance(file, str) or len(file) > MAX_TEXT:
            raise Damaged("a source file has no name")
        self.sources[file] = place

    def _take_info(self, place: Place) -> None:
        assert self.file is not None
        record = self.file.decoder.meta(place).get("info")
        try:
            self.info = RunInfo.from_record(record, self.file.access.path)
        except RecordingError as error:
            raise Damaged(error.what) from error
