"""Writes files/*: recordings made to harm whoever opens them, every checksum right. Run it when one is added.

python tests/attacks/make_attacks.py
"""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import zstandard

from gradwalk.builder import GraphBuilder
from gradwalk.recording import ending, graph_code, mcap
from gradwalk.recording.batch import encode_batch
from gradwalk.recording.columns import BLOCK_MAGIC, HEAD, Block
from gradwalk.recording.dtypes import DType
from gradwalk.recording.format import MAGIC, MARKER, Channel, Flag, Opcode
from gradwalk.recording.graph_code import encode_graph, signed_graph
from gradwalk.recording.groups import Group, Message, place
from gradwalk.recording.info import RunInfo
from gradwalk.recording.order import encode_order
from gradwalk.recording.sync import Entry, Sync, pack_sync, sync_size
from gradwalk.recording.tensors import blocks_of as blocks_of_tensors
from gradwalk.recording.verdicts import Verdicts, blocks_of
from gradwalk.trace import Compared, Graph, Kept, Site, StepError, Trace, Verdict

FILES = Path(__file__).parent / "files"
INFO = RunInfo(run_id="attack", program=("train.py",), script="train.py", started=1.75e9)
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m[/red][link=file:///etc/passwd]click[/link]\u202efdp.exe\ud800\r\n<img src=x>"
CLIMB = "../../../../../../tmp/gradwalk-was-here"


def small_graph(name: str = "y") -> Graph:
    build = GraphBuilder()
    site = build.add_site(Site("train.py", 1, 1, 0, 1, name, "main"))
    x, w = build.add_value((4, 3), "float32", name="x"), build.add_value((3, 2), "float32", name="w", role="leaf")
    y = build.add_value((4, 2), "float32", name=name)
    mm = build.add_op("mm", (x, w), (y,), module=build.add_module(name, name, "Net"), site=site, variable=name)
    build.add_event("op", "forward", mm)
    build.add_event("loss", "loss", y)
    node = build.add_node("MmBackward0", op=mm)
    build.add_edge(-1, node, value=y)
    build.add_event("node", "backward", node)
    return build.freeze()


def a_trace(step: int = 0, graph: Graph | None = None, **changes: Any) -> Trace:
    graph = graph or small_graph()
    values, gradients = np.ones((8, len(graph.values))), np.ones((8, len(graph.edges)))
    made = Trace(step, graph, np.arange(len(graph.events), dtype=np.int32), values, gradients, loss=1.0 + step, start=1.75e9)
    return replace(made, **changes)


def head(text: bytes) -> bytes:
    """The start of a block whose header is this text."""
    packed = zstandard.compress(text)
    return HEAD.pack(BLOCK_MAGIC, len(packed), len(text), crc32(packed)) + packed


def changed_head(block: bytes, change: Callable[[Any], None]) -> bytes:
    """A block with another header, signed anew."""
    _, packed_size, size, _ = HEAD.unpack_from(block)
    record = json.loads(zstandard.decompress(block[HEAD.size : HEAD.size + packed_size], size))
    change(record)
    return head(json.dumps(record).encode()) + block[HEAD.size + packed_size :]


def message(channel: Channel, data: bytes, **more: Any) -> Message:
    return Message(channel, [data], 1, **more)


def note(**meta: Any) -> Message:
    return message(Channel.EVENT, b"".join(Block(**({"kind": "mark", "message": "x", "step": 0, "time": 0.0} | meta)).parts()))


def steps(*traces: Trace, change: Callable[[Any], None] | None = None, graph: bytes | None = None) -> Group:
    """A group with a graph and a batch, either of them changed."""
    block = b"".join(encode_batch(traces, 0))
    block = changed_head(block, change) if change else block
    places = [(t.step, float(t.loss or 0), 0, row) for row, t in enumerate(traces)]
    messages = [
        message(Channel.GRAPH, encode_graph(traces[0].graph) if graph is None else graph, graph=0),
        message(Channel.SCALAR, encode_order(places), flag=Flag.ORDER, steps=len(traces)),
        message(Channel.STEPS, block, graph=0, steps=len(traces)),
    ]
    return Group(messages, len(traces), traces[0].step)


def beginning(info: RunInfo = INFO) -> bytes:
    return ending.opening(info, ending.Contents())


def unfinished(*groups: Group, info: RunInfo = INFO) -> bytes:
    """A file without its end, as after a kill."""
    made = beginning(info)
    for group in groups:
        made += b"".join(place(group, len(made)).parts)
    return made


def with_sync(change: Callable[[Sync], Sync], group: Group) -> bytes:
    """A file of one group that says something else of itself."""
    start = beginning()
    placed = place(group, len(start))
    entries, at = [], mcap.CHUNK_HEAD
    for one in group.messages:
        at += mcap.MESSAGE_HEAD
        entries.append(Entry(one.channel, one.flag, at, one.size, one.graph, one.step, one.steps))
        at += one.size
    honest = Sync(
        len(start), sync_size(len(entries)), at, placed.chunk.index_length, 0, group.first_step, group.steps, tuple(entries)
    )
    body = b"".join(placed.parts)[9 + len(placed.sync) :]
    return start + mcap.record(Opcode.SYNC, pack_sync(change(honest))) + body


def with_index(data: bytes) -> bytes:
    """A good file of three steps whose index holds this."""
    start = unfinished(steps(*(a_trace(step) for step in range(3))))
    attached = mcap.attachment(ending.INDEX_NAME, ending.INDEX_TYPE, 1, data)
    summary = mcap.attachment_index(len(start), len(attached), 1, len(data), ending.INDEX_NAME, ending.INDEX_TYPE)
    at = len(start) + len(attached)
    return start + attached + mcap.data_end(0) + summary + mcap.footer(at + 13, summary) + MAGIC


def index_data(raw: bytes, groups: int, said: int | None = None) -> bytes:
    text = json.dumps({"format": "1.0", "groups": groups, "bytes": len(raw) if said is None else said}).encode()
    return struct.pack("<I", len(text)) + text + zstandard.compress(raw)


def lists(size: int) -> bytes:
    """JSON that takes twenty times its size in memory."""
    return b"[" + b"[]," * (size // 3) + b"[]]"


def graph_bomb(text: bytes, said: int | None = None) -> bytes:
    packed = zstandard.compress(text)
    return graph_code.HEAD.pack(len(text) if said is None else said, crc32(packed)) + packed


def graph_with(name: str, column: int, entries: Iterable[int]) -> bytes:
    """A graph with other numbers in one column of one of its tables."""
    graph = small_graph()
    record = json.loads(zstandard.decompress(encode_graph(graph)[graph_code.HEAD.size :]))
    for row, entry in zip(record[name], entries, strict=False):
        row[column] = entry
    return signed_graph(json.dumps(record).encode())


def huge(record: Any, path: str) -> None:
    """A number of four hundred digits."""
    meta = record["meta"]
    if path == "scales":
        meta["scales"] = {"0": [10**400]}
    else:
        meta[path] = 10**400


def column_lies(name: str, place_in_row: int, value: Any) -> Callable[[Any], None]:
    def change(record: Any) -> None:
        for row in record["columns"]:
            if row[0] == name:
                row[place_in_row] = value

    return change


def scalars(names: int, count: int) -> Group:
    block = Block(names=[f"n{number}" for number in range(names)])
    block.add("name", np.zeros(count, np.uint32), DType.UINT32)
    block.add("step", np.zeros(count, np.int64), DType.INT64)
    block.add("value", np.zeros(count), DType.FLOAT64)
    return Group([message(Channel.SCALAR, b"".join(block.parts()))])


def shapes_bomb(column: str) -> Group:
    block = Block()
    block.add(column, np.zeros(7 << 20, np.int64), DType.INT64)
    column = json.loads(zstandard.decompress(block.parts()[0][HEAD.size :]))["columns"][0]
    packed = block.parts()[1]
    good = b"".join(encode_batch([a_trace()], 0))

    def change(record: Any) -> None:
        column[4] = len(good) - HEAD.size - HEAD.unpack_from(good)[1]
        record["columns"].append(column)

    trace = a_trace()
    made = changed_head(good, change) + bytes(packed)
    return Group([*steps(trace).messages[:2], message(Channel.STEPS, made, graph=0, steps=1)], 1, 0)


def markers(count: int = 1500) -> bytes:
    """Everywhere what looks like the start of a group, each as long as the rest of the file."""
    start, made = beginning(), bytearray()
    for number in range(count):
        left = (count - number) * 80 - 9
        made += struct.pack("<BQ", Opcode.SYNC, left) + MARKER + bytes(80 - 25)
    return start + b"\x99" * 9 + bytes(made) + MAGIC


def foreign_mcap() -> bytes:
    return MAGIC + mcap.header("ros2", "robot") + mcap.data_end(0) + mcap.footer(0, b"") + MAGIC


class Harm:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return print, ("a pickle was run",)


def written_by(text: str) -> bytes:
    made = mcap.metadata("gradwalk", ending.signed(text, replace(INFO, format=text).to_json()))
    return MAGIC + mcap.header("gradwalk", "gradwalk 9") + made


def nested_run() -> bytes:
    return MAGIC + mcap.header("gradwalk", "x") + mcap.metadata("gradwalk", ending.signed("1.0", "[" * 60_000))


def of_things_beside_the_steps(one: Trace) -> dict[str, bytes]:
    """Indexes, masks and verdicts that are not what they say."""
    return {
        "index-bomb.mcap": with_index(index_data(bytes(250 << 20), 60 << 20)),
        "index-of-another-file.mcap": with_index(index_data(struct.pack("<I", 64) + bytes(64), 1)),
        "index-that-is-nested.mcap": with_index(struct.pack("<I", 90_000) + b"[" * 90_000),
        "masks-larger-than-the-file.mcap": unfinished(steps(one), masks([1 << 40, 1 << 22])),
        "masks-of-ops-that-are-not-there.mcap": unfinished(steps(one), masks([4, 3], "m999999999")),
        "masks-of-two-dtypes.mcap": unfinished(steps(one), masks([4, 3], dtype="float32")),
        "verdicts-by-nobody.mcap": unfinished(steps(one), verdicts(by=9)),
        "verdicts-longer-than-the-file.mcap": unfinished(steps(one), verdicts(rows=1 << 40)),
        "verdicts-of-a-gradient-that-is-not-there.mcap": unfinished(steps(one), verdicts(number=1)),
        "verdicts-of-an-op-that-is-not-there.mcap": unfinished(steps(one), verdicts(op=1)),
        "verdicts-with-escapes.mcap": unfinished(steps(one), verdicts(text=ESCAPES)),
        "verdicts-with-nested-texts.mcap": unfinished(steps(one), Group([changed_verdicts(texts=json.loads(lists(1000)))])),
    }  # fmt: skip


def attacks() -> dict[str, bytes]:
    one = a_trace()
    bad = np.full((8, 3), np.inf)
    names = small_graph(ESCAPES)
    many = Group([note()], 0, -1)
    again = lambda sync: sync._replace(entries=sync.entries * 4_000)  # noqa: E731
    claims = lambda sync: sync._replace(steps=1 << 20)  # noqa: E731
    far = lambda sync: sync._replace(chunk_length=1 << 62)  # noqa: E731
    elsewhere = lambda sync: sync._replace(offset=sync.offset - 400)  # noqa: E731
    outside = lambda sync: sync._replace(entries=(sync.entries[0]._replace(length=1 << 31),))  # noqa: E731
    return {
        "a-pickle.mcap": pickle.dumps(Harm()),
        "a-checkpoint.mcap": b"PK\x03\x04" + bytes(60) + b"archive/data.pkl" + pickle.dumps(Harm()),
        "a-robot.mcap": foreign_mcap(),
        "bomb-in-a-graph.mcap": unfinished(steps(one, graph=graph_bomb(lists(60 << 20)))),
        "bomb-in-a-graph-that-says-ten-bytes.mcap": unfinished(steps(one, graph=graph_bomb(lists(8 << 20), 10))),
        "bomb-in-a-graph-that-says-exabytes.mcap": unfinished(steps(one, graph=graph_bomb(lists(8 << 20), 1 << 62))),
        "bomb-in-a-header.mcap": unfinished(Group([message(Channel.EVENT, head(lists(7 << 20)))])),
        "bomb-in-a-shape-column.mcap": unfinished(shapes_bomb("shapes")),
        "bomb-in-a-stride-column.mcap": unfinished(shapes_bomb("strides")),
        "bomb-of-columns.mcap": unfinished(steps(one, change=column_lies("values.min", 3, [1 << 36, 1]))),
        "bomb-of-notes.mcap": unfinished(*(Group([note(pad="a" * 900_000)] * 20) for _ in range(20))),
        "bomb-of-one-note-four-thousand-times.mcap": with_sync(again, many) + MAGIC,
        "bomb-of-scalars.mcap": unfinished(*(scalars(1, 1 << 20) for _ in range(40))),
        "chain-of-bases.mcap": unfinished(steps(one, graph=graph_with("values", 9, [1, 2, 0]))),
        "chain-of-modules.mcap": unfinished(steps(one, graph=graph_with("modules", 3, [0]))),
        "chain-of-parents.mcap": unfinished(steps(one, graph=graph_with("ops", 8, [0]))),
        "climbing-paths.mcap": unfinished(
            Group([message(Channel.SOURCE, source(CLIMB))]), steps(a_trace(0, small_graph(CLIMB))),
            info=replace(INFO, run_id=CLIMB, script=CLIMB, program=(CLIMB,), host=CLIMB),
        ),
        "claims-a-million-steps.mcap": with_sync(claims, many),
        "eleven-thousand-records-of-nothing.mcap": beginning() + mcap.record(Opcode.METADATA_INDEX, b"") * 11_000 + MAGIC,
        "escapes-and-markup.mcap": unfinished(
            Group([note(kind=ESCAPES, message=ESCAPES), note(kind="mark", message=""), note(kind="exception", message=ESCAPES)]),
            steps(a_trace(0, names, label=ESCAPES, done=False, error=StepError(ESCAPES, ESCAPES, 0, ESCAPES))),
            info=replace(INFO, program=(ESCAPES,), device=ESCAPES, host=ESCAPES, script=ESCAPES),
        ),
        "event-that-is-not-there.mcap": unfinished(steps(a_trace(tape=np.array([0, 99], np.int32)))),
        "error-at-an-event-that-is-not-there.mcap": unfinished(steps(a_trace(error=StepError("E", "m", 10**6)))),
        "huge-number-in-a-note.mcap": unfinished(Group([message(Channel.EVENT, changed_head(
            b"".join(note().parts), lambda record: huge(record, "time")))])),
        "huge-number-in-the-scales.mcap": unfinished(steps(one, change=lambda record: huge(record, "scales"))),
        "huge-number-of-the-start.mcap": unfinished(steps(one), info=replace(INFO, started=9e17)),
        "huge-shapes.mcap": unfinished(steps(one, graph=graph_with("values", 2, [[1 << 61] * 60] * 3))),
        "infinitely-many-elements.mcap": unfinished(steps(a_trace(values=bad, gradients=bad[:, :1]))),
        "markers-everywhere.mcap": markers(),
        "messages-outside-their-chunk.mcap": with_sync(outside, many) + MAGIC,
        "names-sixty-five-thousand-scalars.mcap": unfinished(scalars((1 << 16) + 1, 1)),
        "nested-header.mcap": unfinished(Group([message(Channel.EVENT, head(b"[" * 100_000))])),
        "nested-run.mcap": nested_run(),
        "newer-by-eight-versions.mcap": written_by("9.0"),
        "objects-in-a-column.mcap": unfinished(steps(one, change=column_lies("values.min", 1, 77))),
        "points-to-nothing.mcap": unfinished(steps(one, graph=graph_with("ops", 2, [[0, 77]]))),
        "strides-of-other-axes.mcap": unfinished(steps(one, graph=graph_with("values", 13, [[1] * 60] * 3))),
        "sync-of-exabytes.mcap": with_sync(far, many) + MAGIC,
        "sync-that-was-moved.mcap": with_sync(elsewhere, many) + MAGIC,
        **of_things_beside_the_steps(one),
    }  # fmt: skip


def masks(shape: list[int], name: str = "m0", dtype: str = "bool") -> Group:
    """The mask of a dropout that is not what it says."""
    (block,) = blocks_of_tensors(0, {("mask", 0): Kept(np.ones((4, 3), bool), "bool", (4, 3))})

    def change(record: Any) -> None:
        record["columns"][0][0] = name
        record["meta"]["tensors"] = {name: [dtype, shape, True]}

    return Group([message(Channel.TENSOR, changed_head(b"".join(block), change), step=0)])


def verdicts(op: int = 0, number: int = 0, by: int = 0, rows: int = 1, text: str = "t") -> Group:
    """Verdicts in whose numbers something is off."""
    block = Block(step=0, texts=[text])
    block.add("verdict", np.array([[op, by, 0, rows]], np.int64), DType.INT64)
    block.add("row", np.array([[1, number, 0, 0, 0, 1]], np.int64), DType.INT64)
    block.add("place", np.array([0], np.int64), DType.INT64)
    block.add("number", np.full((1, 6), np.inf), DType.FLOAT64)
    return Group([message(Channel.VERDICT, b"".join(block.parts()), step=0)])


def changed_verdicts(**meta: Any) -> Message:
    row = Compared(("value", 0), "Z", "Z = X Y", (0, 0), 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
    (block,) = blocks_of(Verdicts(0, (Verdict(0, "formula", (row,)),)))
    changed = changed_head(b"".join(block), lambda record: record["meta"].update(meta))
    return message(Channel.VERDICT, changed, step=0)


def source(file: str) -> bytes:
    block = Block(file=file)
    block.add("text", np.frombuffer(b"y = 1\n", np.uint8), DType.UINT8)
    return b"".join(block.parts())


def main() -> None:
    FILES.mkdir(exist_ok=True)
    for name, data in attacks().items():
        (FILES / name).write_bytes(data)


if __name__ == "__main__":
    main()
