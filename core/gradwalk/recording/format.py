"""What a recording file is made of: version, limits, channels, codes, and the one exception that reading raises."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

MAJOR, MINOR = 1, 2
VERSION = f"{MAJOR}.{MINOR}"
"""The version that this Gradwalk writes. A newer minor version opens, a newer major one is refused."""

MAGIC = b"\x89MCAP0\r\n"
PROFILE = "gradwalk"
MARKER = b"\xf1GRADWALK-SYNC\r\n"
"""The 16 bytes by which a Sync record is found again after damage."""

MIB = 1 << 20
MAX_CHUNK = 64 * MIB
MAX_GRAPH = 64 * MIB
MAX_HEADER = 8 * MIB
MAX_RATIO, RATIO_FROM = 100, MIB
"""A compressed text above this size may not expand to more than so many times what it takes (ours shrink 5 to 30 times)."""
MAX_NOTE = MIB
MAX_GAIN = 64 * MIB
"""By how much all notes together, and all scalars, may expand: they are held in memory."""
MAX_NAMES = 1 << 16
MAX_SHAPES = MIB
"""How many numbers a batch may hold for shapes that differ from its graph's, and how many for strides."""
MAX_FOREIGN = 1000
"""How many records that are none of ours may follow one another."""
MAX_SYNC = 4 * MIB
MAX_THINGS = 5_000_000
MAX_TEXT = 64 * 1024
MAX_SOURCE = 16 * MIB
MAX_VERDICT_BLOCKS = 256
"""How many messages with verdicts of one step are read, the last ones."""
MAX_STEPS = 1 << 20
"""How many steps one batch may hold."""

BATCH_BYTES = 768 * 1024
"""A batch of steps is closed at this size before compression, so that any step reads in a few milliseconds."""


class RecordingError(Exception):
    """A recording cannot be read or made: ``where``, ``what`` (with what to do), and how much is still ``readable``."""

    def __init__(self, where: object, what: str, readable: str = "") -> None:
        self.where = str(where)
        self.what = what
        self.readable = readable
        super().__init__(f"{self.where}: {what}" + (f" ({readable})" if readable else ""))


class NewerVersionError(RecordingError):
    """A recording of a newer major version than this Gradwalk reads."""

    def __init__(self, where: object, major: int, minor: int) -> None:
        ours = f"and this Gradwalk reads up to {MAJOR}.x; open it with a newer Gradwalk"
        super().__init__(where, f"written in format {major}.{minor}, {ours}")


class Damaged(Exception):  # noqa: N818 - a finding about bytes, which the reader turns into a gap or a RecordingError
    """Bytes that do not mean anything; never leaves this package."""


class Opcode(IntEnum):
    """MCAP records, and our private one."""

    HEADER = 0x01
    FOOTER = 0x02
    SCHEMA = 0x03
    CHANNEL = 0x04
    MESSAGE = 0x05
    CHUNK = 0x06
    MESSAGE_INDEX = 0x07
    CHUNK_INDEX = 0x08
    ATTACHMENT = 0x09
    ATTACHMENT_INDEX = 0x0A
    STATISTICS = 0x0B
    METADATA = 0x0C
    METADATA_INDEX = 0x0D
    SUMMARY_OFFSET = 0x0E
    DATA_END = 0x0F
    SYNC = 0x80


class Channel(IntEnum):
    """What a message holds; the number is its MCAP channel id."""

    STEPS = 1
    GRAPH = 2
    TENSOR = 3
    """Kept tensors of a step: Values, gradients, and masks (since 1.2)."""
    EVENT = 4
    SCALAR = 5
    SOURCE = 6
    PARTIAL = 7
    INFO = 8
    VERDICT = 9
    """What ops of a step were found to be while it ran (since 1.1)."""


class Flag(IntEnum):
    """What the directory of a Sync record says about a message beside its channel."""

    NONE = 0
    ORDER = 1
    """On SCALAR: the chunk's steps in order, with their losses."""
    OF_PARTIAL = 2
    """On TENSOR: tensors of a step that is not complete yet."""
    COPY = 3
    """On GRAPH: a second copy, in case the first is damaged."""
    IN_PART = 4
    """On TENSOR: of the step's tensors some are not kept, or as a sample."""


class Encoding(IntEnum):
    """How a column's bytes are stored."""

    RAW = 0
    SHUFFLED = 1
    """All first bytes of the elements, then all second bytes, ...; then zstd."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened beside the steps.

    Kinds: ``exception`` (of the script), ``fault`` (of the recorder), ``nan``, ``dropped``, ``thinned``, ``disk``, ``mark``,
    ``no-backward``, ``asked`` (steps that did not come) and ``end``.
    """

    kind: str
    message: str
    step: int = -1
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of a file that cannot be read; ``steps`` are the steps lost with it (0 where that is not known)."""

    start: int
    end: int
    first_step: int
    steps: int
    why: str
