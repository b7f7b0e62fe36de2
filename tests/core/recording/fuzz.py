"""Recordings with one thing or more in them that lies, every checksum made right again, read to the last byte.

python tests/core/recording/fuzz.py SEED MESSAGES FILES  prints one JSON object; ``crashes`` are exceptions that are not ours.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import struct
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import zstandard

from gradwalk.recording import ending, graph_code, mcap, scan
from gradwalk.recording.access import Access
from gradwalk.recording.batch import decode_batch, encode_batch
from gradwalk.recording.columns import BLOCK_MAGIC, HEAD, Block, reader_of
from gradwalk.recording.decoding import Decoder
from gradwalk.recording.dtypes import DType
from gradwalk.recording.format import Channel, Damaged, Flag, RecordingError
from gradwalk.recording.graph_code import decode_graph, encode_graph, signed_graph
from gradwalk.recording.groups import Group, Message, place
from gradwalk.recording.index import Index, Place
from gradwalk.recording.info import RunInfo
from gradwalk.recording.order import decode_order, encode_order
from gradwalk.recording.reader import open_recording
from gradwalk.recording.sync import CRC, read_sync
from gradwalk.recording.tables import Asked
from gradwalk.recording.tensors import LazyTensors, blocks_of
from gradwalk.sample import sample_trace
from gradwalk.trace import STATISTICS, Kept, StepError

Data = bytes | bytearray
NASTY: list[Any] = [
    -1, 0, 1, 7, 255, 2**31, 2**40, 2**62, 2**63, -(2**70), 10**400, 1e308, "1e999", 0.5, True, None, "", "x" * 70_000, "\ud800",
    [], {}, [[]], [2**40] * 3, [-1], {"0": 1}, {"0": []}, [0] * 8, "../../x", ["v0"], 18, 19,
]  # fmt: skip
BASE = sample_trace()
GRAPH = BASE.graph
INFO = RunInfo(run_id="fuzz", program=("train.py", "--epochs"), started=1.75e9)


def trace(step: int) -> Any:
    made = replace(
        BASE,
        step=step,
        label="x" if step % 2 else "",
        shapes={1: (step, 3)},
        strides={1: (3, -step)},
        scales=(2.0**step,),
        tensors={},
    )
    return replace(made, error=StepError("E", "m", 2, "t")) if step % 3 == 2 else made


def block(_meta: dict[str, Any], **columns: Any) -> bytes:
    made = Block(**_meta)
    for name, array in columns.items():
        made.add(name, array, {"f": DType.FLOAT64, "i": DType.INT64, "u": DType.UINT32}[array.dtype.kind])
    return b"".join(made.parts())


def good_messages() -> list[Message]:
    """One of everything."""
    kept = {("value", i): Kept(np.arange(12.0).reshape(3, 4), "float64", (3, 4)) for i in range(3)}
    kept["mask", 0] = Kept(np.arange(12).reshape(3, 4) % 5 > 0, "bool", (3, 4))
    source = Block(file="net.py")
    source.add("text", np.frombuffer(b"y = 1\n", np.uint8), DType.UINT8)
    names = {"name": np.array([0, 1, 0], np.uint32), "step": np.arange(3), "value": np.ones(3)}
    places = [(step, 1.0, 0, step) for step in range(4)]
    made = [
        (Channel.GRAPH, encode_graph(GRAPH), {"graph": 0}),
        (Channel.SCALAR, encode_order(places), {"flag": Flag.ORDER, "steps": 4}),
        (Channel.STEPS, b"".join(encode_batch([trace(step) for step in range(4)], 0)), {"graph": 0, "steps": 4}),
        (Channel.TENSOR, b"".join(next(blocks_of(1, kept))), {"step": 1}),
        (Channel.EVENT, block({"kind": "mark", "message": "here", "step": 1, "time": 5.0}), {}),
        (Channel.SCALAR, block({"names": ["lr", "m"]}, **names), {}),
        (Channel.SOURCE, b"".join(source.parts()), {}),
        (Channel.INFO, block({"info": asdict(INFO)}), {}),
        (Channel.PARTIAL, b"".join(encode_batch([replace(trace(9), done=False)], 0)), {"step": 9, "steps": 1}),
    ]
    return [Message(channel, [data], 1, **more) for channel, data, more in made]


GOOD = good_messages()
EVERYTHING = Asked(frozenset(STATISTICS), frozenset(STATISTICS))


def mutated_json(record: Any, chance: random.Random) -> Any:
    """The record with one thing in it replaced, dropped or doubled."""
    if isinstance(record, list) and record and chance.random() < 0.9:
        at = chance.randrange(len(record))
        if chance.random() < 0.1:
            return record[:at] + record[at + chance.randrange(2) :] + record[at : at + chance.randrange(3)]
        return [mutated_json(x, chance) if i == at else x for i, x in enumerate(record)]
    if isinstance(record, dict) and record and chance.random() < 0.9:
        key = chance.choice(list(record))
        if chance.random() < 0.1:
            return {k: v for k, v in record.items() if k != key}
        return {k: mutated_json(v, chance) if k == key else v for k, v in record.items()}
    return chance.choice(NASTY)


def mutated_bytes(data: Data, chance: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 8])):
        if made:
            made[chance.randrange(len(made))] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
    if chance.random() < 0.1:
        del made[chance.randrange(len(made) + 1) :]
    return bytes(made)


def text_of(record: Any) -> bytes:
    return json.dumps(record).replace('"1e999"', "1e999").encode()


def mutated_block(data: bytes, chance: random.Random) -> bytes:
    """A block with a lie in its header, or with other bytes in a column, signed anew."""
    _, packed_size, size, _ = HEAD.unpack_from(data)
    payload = bytearray(data[HEAD.size + packed_size :])
    record = json.loads(zstandard.decompress(data[HEAD.size : HEAD.size + packed_size], size))
    if record["columns"] and chance.random() < 0.4:
        row = chance.choice(record["columns"])
        part = mutated_bytes(payload[row[4] : row[4] + row[5]], chance).ljust(row[5], b"\0")
        payload[row[4] : row[4] + row[5]] = part
        row[6] = crc32(part)
    else:
        record = mutated_json(record, chance)
    text = text_of(record)
    packed = zstandard.compress(text)
    return HEAD.pack(BLOCK_MAGIC, len(packed), len(text), crc32(packed)) + packed + bytes(payload)


def mutated_graph(data: bytes, chance: random.Random) -> bytes:
    record = json.loads(zstandard.decompress(data[graph_code.HEAD.size :]))
    for _ in range(chance.choice([1, 1, 3])):
        record = mutated_json(record, chance)
    return signed_graph(text_of(record))


def mutated_order(data: bytes, chance: random.Random) -> bytes:
    table = mutated_bytes(data[12:], chance)
    return struct.pack("<4sII", data[:4], len(table) // 22, crc32(table)) + table


def mutated(message: Message, chance: random.Random) -> Message:
    data = bytes(message.parts[0])
    if message.flag == Flag.ORDER:
        data = mutated_order(data, chance)
    elif message.channel == Channel.GRAPH:
        data = mutated_graph(data, chance)
    else:
        data = mutated_block(data, chance)
    if chance.random() < 0.2:
        change = {chance.choice(["graph", "step", "steps"]): chance.choice([-1, 0, 1, 5, 2**20, 2**20 + 1])}
        return replace(message, parts=[data], **(change if "steps" not in change else {"steps": max(0, change["steps"])}))
    return replace(message, parts=[data])


class Memory(Access):
    """A file that is in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._fd = -1

    def up_to(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]

    @property
    def size(self) -> int:
        return len(self.data)


def read_batch(data: bytes) -> None:
    batch = decode_batch(reader_of(data), len(data))
    for row in range(min(len(batch), 8)):
        str(batch.trace(row, GRAPH, {}, 0))


def read_tensors(data: bytes) -> None:
    found: list[str] = []
    tensors = LazyTensors([(reader_of(data), len(data))], "here", found.append)
    for key in tensors:
        tensors.get(key)
    if found:
        raise Damaged(found[0])


def decoded(way: Callable[[Decoder, Place], Any]) -> Callable[[bytes], Any]:
    return lambda data: way(Decoder(Memory(data)), Place(0, len(data)))


READERS: dict[Channel, Callable[[bytes], Any]] = {
    Channel.GRAPH: decode_graph,
    Channel.STEPS: read_batch,
    Channel.PARTIAL: read_batch,
    Channel.TENSOR: read_tensors,
    Channel.EVENT: decoded(Decoder.note),
    Channel.SOURCE: decoded(Decoder.source),
    Channel.SCALAR: decoded(Decoder.scalars),
    Channel.INFO: decoded(lambda decoder, whole: RunInfo.from_record(decoder.meta(whole).get("info"), "here")),
}


def read_message(message: Message) -> None:
    """Decode one message as the reader would."""
    read = decode_order if message.flag == Flag.ORDER else READERS[message.channel]
    read(bytes(message.parts[0]))


def fuzz_message(chance: random.Random) -> None:
    read_message(mutated(chance.choice(GOOD), chance))


PLACED = place(Group(GOOD, 4, 0), 500)


def fuzz_sync(chance: random.Random) -> None:
    content = mutated_bytes(PLACED.sync[: -CRC.size], chance)
    Index().add(read_sync(content + CRC.pack(crc32(content)), 500))


def fuzz_index(chance: random.Random) -> None:
    raw = struct.pack("<I", len(PLACED.sync)) + PLACED.sync
    if chance.random() < 0.5:
        content = mutated_bytes(PLACED.sync[: -CRC.size], chance)
        raw = struct.pack("<I", len(content) + 4) + content + CRC.pack(crc32(content))
    said = {"format": "1.0", "groups": 1, "bytes": len(raw)}
    text = text_of(mutated_json(said, chance) if chance.random() < 0.7 else said)
    scan._syncs_of(struct.pack("<I", len(text)) + text + zstandard.compress(raw), 1 << 20)


def whole_file(chance: random.Random) -> bytes:
    """A file of several groups with lies in some of them; finished or not."""
    contents, info = ending.Contents(), INFO
    made = ending.opening(info, contents)
    if chance.random() < 0.05:
        run = text_of(mutated_json(asdict(info), chance)).decode()
        made = made[: contents.metadata[0]]
        made += mcap.metadata("gradwalk", ending.signed("1.0", run)) + ending._channels()
    for _ in range(chance.choice([1, 1, 2, 3])):
        messages = [mutated(one, chance) if chance.random() < 0.15 else one for one in GOOD if chance.random() < 0.95]
        if not messages:
            continue
        steps = 4 if chance.random() < 0.9 else chance.choice([0, 1, 5, 2**20])
        group = Group(messages, steps, 0)
        placed = place(group, len(made) if chance.random() < 0.97 else chance.randrange(1 << 20))
        contents.add(group, placed)
        made += b"".join(placed.parts)
    if chance.random() < 0.5:
        made += b"".join(ending.closing(contents, len(made), 0))
    return made if chance.random() < 0.8 else mutated_bytes(made, chance)


def fuzz_file(chance: random.Random, path: Path) -> None:
    path.write_bytes(whole_file(chance))
    with open_recording(path) as recording:
        recording.losses(), recording.scalars(), recording.source("net.py"), recording.graphs, recording.notes, recording.skipped
        recording.kept_steps(), recording.step_numbers(), recording.info, recording.ended
        start = 0
        while start < min(len(recording), 200):
            end, tables = recording.tables(start, EVERYTHING)
            if end == start:  # what is left is a step so far
                assert start == len(recording) - 1
                break
            assert all(one.values.shape[2] == one.gradients.shape[2] == len(one.places) for one in tables)
            start = end
        for number in range(min(len(recording), 200)):
            read = recording[number]
            str(read), [read.tensors.get(key) for key in read.tensors]
        if recording.gaps:
            raise Damaged(recording.gaps[0].why)


ENDLESS = 20.0
"""Seconds of computing after which a file is taken to go on for ever."""


def give_up(*_: object) -> None:
    raise RuntimeError("reading went on and on")


def main(seed: int, messages: int, files: int) -> None:
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    crashes: list[str] = []
    signal.signal(signal.SIGPROF, give_up)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rank00000.0000.mcap"
        ways: list[Callable[[], None]] = [lambda: fuzz_message(chance)] * 8
        ways += [lambda: fuzz_sync(chance), lambda: fuzz_index(chance)]
        acts = [chance.choice(ways) for _ in range(messages)] + [lambda: fuzz_file(chance, path)] * files
        chance.shuffle(acts)
        for act in acts:
            signal.setitimer(signal.ITIMER_PROF, ENDLESS)
            try:
                act()
                outcomes["read"] += 1
            except (Damaged, RecordingError):
                outcomes["refused"] += 1
            except Exception:
                crashes.append(traceback.format_exc(limit=-4))
        signal.setitimer(signal.ITIMER_PROF, 0)
    print(json.dumps({**outcomes, "megabytes": most_memory(), "crashes": crashes}))


def most_memory() -> float:
    """The most megabytes that this process ever held. (What getrusage says begins, on Linux, with what its parent held.)"""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
