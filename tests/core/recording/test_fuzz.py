"""Files made to harm, with every CRC right: only RecordingError comes out, and nothing large is made from little."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import zstandard

from gradwalk.recording import columns, graph_code, order, scan, sync
from gradwalk.recording.access import Access
from gradwalk.recording.batch import decode_batch, encode_batch
from gradwalk.recording.columns import BLOCK_MAGIC, HEAD, read_column, read_header, reader_of
from gradwalk.recording.format import Damaged, RecordingError
from gradwalk.recording.graph_code import decode_graph, encode_graph
from gradwalk.recording.reader import open_recording
from gradwalk.recording.scan import Scan
from gradwalk.recording.tensors import LazyTensors, blocks_of
from gradwalk.trace import Kept

NASTY: list[Any] = [
    -1, 0, 1, 7, 255, 2**31, 2**40, 2**63, -(2**70), 1e308, 0.5, True, None, "", "x" * 70_000, [], {}, [[]], [2**40] * 3,
    [-1], {"0": 1}, [0, 0, 0, 0, 0, 0, 0],
]  # fmt: skip


class Anything:
    """A CRC that is always right."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = None


def trust_every_crc(monkeypatch) -> None:
    for module in (columns, graph_code, order, scan, sync):
        monkeypatch.setattr(module, "crc32", lambda *_: Anything())
    monkeypatch.setattr(scan, "signed", lambda *_: Anything())


def small_file(writer, trace) -> bytes:
    for step in range(6):
        tensors = {("gradient", 1): Kept(np.zeros(500, np.float32), "float32", (500,))} if step == 1 else {}
        writer.add(replace(trace(step), tensors=tensors, shapes={0: (step, 3)}))
        writer.scalar("lr", step, 0.1)
    writer.source("net.py", "y = 1\n")
    writer.close("clean")
    return writer.path.read_bytes()


def look(path: Path) -> None:
    try:
        recording = open_recording(path)
    except RecordingError:
        return
    with recording:
        recording.losses(), recording.scalars(), recording.source("net.py"), recording.graphs, recording.notes, recording.skipped
        for trace in recording:
            str(trace)
            for key in trace.tensors:
                trace.tensors.get(key)


def test_changed_bytes_with_every_crc_right(writer, trace, tmp_path, monkeypatch):
    good, path = small_file(writer, trace), tmp_path / "file.mcap"
    trust_every_crc(monkeypatch)
    chance = random.Random(7)
    tracemalloc.start()
    for _ in range(100):
        data = bytearray(good)
        for _ in range(chance.choice([1, 2, 5, 20])):
            place = chance.randrange(len(data))
            data[place] = chance.choice([0, 1, 127, 255, chance.randrange(256)])
        path.write_bytes(data)
        look(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 300 << 20


@pytest.mark.skipif(sys.platform == "win32", reason="the memory of a process is not measured here")
@pytest.mark.parametrize(("messages", "files"), [(19_000, 1000), pytest.param(100_000, 10_000, marks=pytest.mark.slow)])
def test_twenty_thousand_lies_with_their_checksums_signed_anew(messages, files):
    command = [sys.executable, Path(__file__).with_name("fuzz.py"), "7", str(messages), str(files)]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert told["crashes"] == []
    assert told["read"] + told["refused"] == messages + files
    assert min(told["read"], told["refused"]) > 0.2 * messages
    assert told["megabytes"] < 300


def mutate(record: Any, chance: random.Random) -> Any:
    """The record with one thing in it replaced by something nasty."""
    if isinstance(record, list) and record and chance.random() < 0.9:
        place = chance.randrange(len(record))
        return [mutate(x, chance) if i == place else x for i, x in enumerate(record)]
    if isinstance(record, dict) and record and chance.random() < 0.9:
        place = chance.choice(list(record))
        if chance.random() < 0.1:
            return {key: value for key, value in record.items() if key != place}
        return {key: mutate(value, chance) if key == place else value for key, value in record.items()}
    return chance.choice(NASTY)


def mutated_block(block: bytes, chance: random.Random) -> bytes:
    _, packed_size, size, _ = HEAD.unpack_from(block)
    record = json.loads(zstandard.decompress(block[HEAD.size : HEAD.size + packed_size], size))
    text = json.dumps(mutate(record, chance)).encode()
    packed = zstandard.compress(text)
    return HEAD.pack(BLOCK_MAGIC, len(packed), len(text), crc32(packed)) + packed + block[HEAD.size + packed_size :]


def test_a_batch_whose_header_lies(trace):
    block = b"".join(encode_batch([replace(trace(i), label="x", shapes={1: (i, i)}) for i in range(3)], 0))
    chance, refused = random.Random(3), 0
    for _ in range(400):
        data = mutated_block(block, chance)
        try:
            batch = decode_batch(reader_of(data), len(data))
            for row in range(len(batch)):
                batch.trace(row, trace(0).graph, {}, 0)
        except Damaged:
            refused += 1
    assert refused > 200


def test_tensors_whose_header_lies():
    data = b"".join(next(blocks_of(3, {("value", i): Kept(np.zeros((3, 4)), "float64", (3, 4)) for i in range(4)})))
    chance = random.Random(4)
    found: list[str] = []
    for _ in range(400):
        block = mutated_block(data, chance)
        tensors = LazyTensors([(reader_of(block), len(block))], "here", found.append)
        for key in tensors:
            kept = tensors.get(key)
            assert kept is None or kept.data.nbytes < 1 << 20
    assert len(found) > 100


def test_a_graph_that_lies(graph):
    record = json.loads(zstandard.decompress(encode_graph(graph())[graph_code.HEAD.size :]))
    chance, refused = random.Random(5), 0
    for _ in range(600):
        text = json.dumps(mutate(record, chance)).encode()
        try:
            made = decode_graph(graph_code.signed_graph(text))
        except Damaged:
            refused += 1
            continue
        assert all(-1 <= edge.target < len(made.nodes) for edge in made.edges)
        assert all(0 <= value < len(made.values) for op in made.ops for value in (*op.inputs, *op.outputs))
    assert refused > 300


@pytest.mark.parametrize("said", [10, 1 << 30, 1 << 62])
def test_a_bomb_does_not_go_off(said):
    bomb = zstandard.compress(bytes(200 << 20))
    with pytest.raises(Damaged):
        decode_graph(graph_code.HEAD.pack(said, crc32(bomb)) + bomb)
    with pytest.raises(Damaged):
        columns.expand(bomb, min(said, 64 << 20), 64 << 20)


def test_a_frame_without_a_size_is_refused():
    packed = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1000))
    with pytest.raises(Damaged):
        columns.expand(packed, 1000, 1 << 20)


def test_deeply_nested_json_is_refused():
    with pytest.raises(Damaged):
        columns.read_json(b"[" * 1_000_000)


def test_columns_that_together_declare_too_much_are_refused():
    row = ["a", 1, 0, [1 << 22], 0, 8, 0]
    text = json.dumps({"meta": {}, "columns": [[f"c{i}", *row[1:]] for i in range(10)]}).encode()
    packed = zstandard.compress(text)
    block = HEAD.pack(BLOCK_MAGIC, len(packed), len(text), crc32(packed)) + packed + bytes(100)
    with pytest.raises(Damaged, match="more than is allowed"):
        read_header(reader_of(block), len(block))


def test_a_column_longer_than_its_block_is_refused():
    text = json.dumps({"meta": {}, "columns": [["a", 1, 0, [2], 0, 16, 0]]}).encode()
    packed = zstandard.compress(text)
    block = HEAD.pack(BLOCK_MAGIC, len(packed), len(text), crc32(packed)) + packed + bytes(16)
    assert read_header(reader_of(block), len(block)).columns["a"].raw == 16
    with pytest.raises(Damaged):
        read_header(reader_of(block[:-1]), len(block) - 1)
    header = read_header(reader_of(block), len(block))
    with pytest.raises(Damaged, match="CRC"):
        read_column(reader_of(block), header, "a")


def test_a_group_that_claims_a_million_steps_is_a_gap(writer, trace, tmp_path):
    good = small_file(writer, trace)
    group = next(found for found in Scan(Access(writer.path)).advance() if found.steps)
    lying = sync.pack_sync(group._replace(steps=1 << 20))
    path = tmp_path / "lying.mcap"
    path.write_bytes(good[: group.offset + 9] + lying + good[group.chunk : good.index(b"gradwalk.index") - 29])
    recording = open_recording(path)
    assert len(recording) == 6 - group.steps
    assert ["another number of steps" in gap.why for gap in recording.gaps] == [True]
    assert recording.source("net.py") == "y = 1\n"


def test_a_sync_that_points_outside_its_chunk_is_refused(writer, trace):
    good = small_file(writer, trace)
    start = good.index(b"\xf1GRADWALK-SYNC\r\n")
    (length,) = struct.unpack_from("<Q", good, start - 8)
    content = bytearray(good[start : start + length])
    assert sync.read_sync(bytes(content), start - 9).entries
    struct.pack_into("<I", content, sync.HEAD.size + 8, 1 << 30)
    struct.pack_into("<I", content, length - 4, crc32(content[:-4]))
    with pytest.raises(Damaged, match="outside its chunk"):
        sync.read_sync(bytes(content), start - 9)
