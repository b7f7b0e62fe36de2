"""Groups taken in many at once are the groups that are read one by one, and what is wrong with one is found all the same."""

from __future__ import annotations

import os
import random
from dataclasses import fields, replace
from itertools import pairwise
from zlib import crc32

import numpy as np
import pytest

from gradwalk.recording import runs
from gradwalk.recording.access import Access
from gradwalk.recording.format import MAJOR, MAX_CHUNK, MAX_STEPS, MAX_SYNC, MINOR, Damaged
from gradwalk.recording.index import Index
from gradwalk.recording.order import order_size
from gradwalk.recording.reader import open_recording
from gradwalk.recording.runs import PLAIN, Run, read_plain
from gradwalk.recording.scan import Scan
from gradwalk.recording.sync import CRC, ENTRY, HEAD, Entry, Sync, pack_sync, read_sync
from gradwalk.trace import Kept

COUNT = 40
CHUNK = 5000


def sync_at(offset, number, **changes) -> Sync:
    order = Entry(5, 1, 100, order_size(3), -1, 3 * number, 3)
    entries = order, Entry(1, 0, 300, 4000, 0, 3 * number, 3)
    made = Sync(offset, 9 + PLAIN, CHUNK, 70, 7, 3 * number, 3, entries)
    return made._replace(**changes)


def contents(count: int = COUNT) -> list[bytes]:
    step = 9 + PLAIN + CHUNK + 70
    return [pack_sync(sync_at(1000 + step * number, number)) for number in range(count)]


def signed(content: bytes | bytearray) -> bytes:
    body = bytes(content[: -CRC.size])
    return body + CRC.pack(crc32(body))


def taken(groups) -> dict[str, object]:
    """What an index makes of groups."""
    index = Index()
    for one in groups:
        if isinstance(one, Run):
            if not one.in_order:
                raise Damaged("out of order")
            index.add_run(one)
        else:
            index.add(one)
    found = {field.name: getattr(index, field.name) for field in fields(index)}
    return found | {"chunks": list(index.chunks), "steps": index.steps}


def outcome(act) -> object:
    try:
        return taken(act())
    except Damaged as error:
        return str(error)


def one_by_one(data):
    return [read_sync(content, int.from_bytes(content[20:28], "little")) for content in data]


def test_many_at_once_are_what_they_are_one_by_one():
    data = contents()
    found = list(read_plain(b"".join(data)))
    assert [type(one) for one in found] == [Run]
    assert found[0].end == 1000 + COUNT * (9 + PLAIN + CHUNK + 70)
    assert taken(found) == taken(one_by_one(data))


LIES = {  # where in the content, and what stands there then
    "marker": (3, b"\0"),
    "major": (16, bytes([MAJOR + 1])),
    "minor": (17, bytes([MINOR + 1])),
    "entries": (18, (3).to_bytes(2, "little")),
    "chunk too long": (28, (MAX_CHUNK + MAX_SYNC + 1).to_bytes(8, "little")),
    "chunk enormous": (28, (1 << 63).to_bytes(8, "little")),
    "chunk too short": (28, (4299).to_bytes(8, "little")),
    "index too long": (36, (MAX_SYNC + 1).to_bytes(4, "little")),
    "too many steps": (52, (MAX_STEPS + 1).to_bytes(4, "little")),
    "no steps": (52, bytes(4)),
    "other steps": (52, (4).to_bytes(4, "little")),
    "order elsewhere": (HEAD.size, (6).to_bytes(2, "little")),
    "no order": (HEAD.size + 2, bytes(2)),
    "order too early": (HEAD.size + 4, (10).to_bytes(4, "little")),
    "order of another length": (HEAD.size + 8, (1).to_bytes(4, "little")),
    "order of too many steps": (HEAD.size + 24, (MAX_STEPS + 1).to_bytes(4, "little")),
    "no batch": (HEAD.size + ENTRY.size, (3).to_bytes(2, "little")),
    "batch over the order": (HEAD.size + ENTRY.size + 4, (120).to_bytes(4, "little")),
    "batch outside": (HEAD.size + ENTRY.size + 8, (4701).to_bytes(4, "little")),
    "batch far outside": (HEAD.size + ENTRY.size + 8, b"\xff\xff\xff\xff"),
    "batch of too many steps": (HEAD.size + ENTRY.size + 24, (MAX_STEPS + 1).to_bytes(4, "little")),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("number", [0, 20, COUNT - 1])
def test_a_lie_among_them_is_met_as_by_itself(lie, number):
    data = contents()
    where, what = LIES[lie]
    changed = bytearray(data[number])
    changed[where : where + len(what)] = what
    data[number] = signed(changed)
    expected = outcome(lambda: one_by_one(data))
    assert outcome(lambda: read_plain(b"".join(data))) == expected
    assert expected != outcome(lambda: one_by_one(contents()))


def test_a_checksum_or_a_place_that_is_wrong():
    data = contents()
    data[20] = data[20][:-1] + bytes([data[20][-1] ^ 1])
    with pytest.raises(Damaged, match="CRC"):
        list(read_plain(b"".join(data)))
    data = contents()
    offsets = np.array([1000 + number * (9 + PLAIN + CHUNK + 70) for number in range(COUNT)], np.int64)
    assert [type(one) for one in read_plain(b"".join(data), offsets)] == [Run]
    offsets[20] += 1
    with pytest.raises(Damaged, match="does not belong"):
        list(read_plain(b"".join(data), offsets))


def overlap(data) -> bool:
    return any(second.offset < first.end for first, second in pairwise(one_by_one(data)))


OTHERS = [*range(20), *range(28, PLAIN - CRC.size)]
"""All bytes but those of the place where the record says that it stands, which is compared with where it does."""


def test_any_byte_changed_and_signed_anew():
    chance = random.Random(5)
    seen = set()
    for _ in range(1500):
        data = contents(20)
        changed = bytearray(data[9])
        for _ in range(chance.choice((1, 1, 2))):
            changed[chance.choice(OTHERS)] = chance.choice((0, 1, 2, 255, chance.randrange(256)))
        data[9] = signed(changed)
        expected = outcome(lambda data=data: one_by_one(data))
        found = outcome(lambda data=data: read_plain(b"".join(data)))
        assert found == expected or (found == "out of order" and overlap(data))
        seen.add(expected if isinstance(expected, str) else "read")
    assert len(seen) > 5


def test_an_index_whose_groups_overlap_is_not_believed():
    data = contents()
    data[20] = pack_sync(sync_at(1000 + 19 * (9 + PLAIN + CHUNK + 70) + 5, 20))
    (run,) = read_plain(b"".join(data))
    assert not run.in_order


@pytest.fixture
def long(folder, writer, trace):
    """A file of 150 groups, most of them plain."""
    for step in range(150):
        one = trace(step)
        if step % 40 == 7:
            one = replace(one, tensors={("value", 0): Kept(np.ones((4, 3), np.float32), "float32", (4, 3))})
            writer.note("mark", "here", step)
            writer.scalar("lr", step, 0.5)
        writer.add(one)
        writer.flush()
    writer.close("clean")
    return writer.path


@pytest.mark.parametrize("cut", [0, 40, 1000])
def test_a_file_reads_the_same_either_way(long, cut, monkeypatch, trace, same):
    os.truncate(long, long.stat().st_size - cut)
    ways = {}
    for least in (1, 16, 10**9):
        monkeypatch.setattr(runs, "LEAST", least)
        scan = Scan(Access(long))
        groups = scan.by_index() or scan.advance()
        ways[least] = taken(groups), scan.closed, scan.end
        assert any(isinstance(one, Run) for one in groups) == (least < 100)
        with open_recording(long) as recording:
            assert (len(recording), recording.gaps) == (150, [])
            same(recording[75], trace(75))
    assert ways[1] == ways[16] == ways[10**9]


def test_damage_between_plain_groups_is_a_gap(long, monkeypatch):
    scan = Scan(Access(long))
    at = list(scan.by_index())[-1].offset // 2
    os.truncate(long, long.stat().st_size - 40)
    with long.open("r+b") as file:
        file.seek(at)
        file.write(bytes(512))
    found = {}
    for least in (16, 10**9):
        monkeypatch.setattr(runs, "LEAST", least)
        with open_recording(long) as recording:
            found[least] = [read.step for read in recording if read.done], recording.gaps
    assert found[16] == found[10**9]
    assert 140 < len(found[16][0]) < 150
