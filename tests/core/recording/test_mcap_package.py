"""The stock mcap package reads every file that we close, CRCs on, and streams one that is not finished."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mcap.exceptions import EndOfFile
from mcap.reader import NonSeekingReader, make_reader
from mcap.records import Channel, Header, McapRecord, Message
from mcap.stream_reader import StreamReader

from gradwalk.recording.format import VERSION
from gradwalk.trace import Kept

TOPICS = {"steps", "graph", "event", "scalar", "source"}


def test_a_closed_file_reads_with_all_crcs(finished):
    with finished.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        messages = list(reader.iter_messages())
        assert len(messages) == summary.statistics.message_count
        assert {channel.topic for _, channel, _ in messages} == TOPICS
        assert len(summary.chunk_indexes) == summary.statistics.chunk_count
        assert reader.get_header().profile == "gradwalk"
        assert [attachment.name for attachment in reader.iter_attachments()] == ["gradwalk.index"]
        assert [metadata.metadata["format"] for metadata in reader.iter_metadata()] == [VERSION]
    with finished.open("rb") as file:
        assert len(list(NonSeekingReader(file, validate_crcs=True).iter_messages())) == len(messages)


def test_the_data_crc_is_not_left_out(finished):
    with finished.open("rb") as file:
        ends = [record for record in StreamReader(file).records if type(record).__name__ == "DataEnd"]
    assert [record.data_section_crc != 0 for record in ends] == [True]


def test_messages_are_found_by_topic(finished):
    with finished.open("rb") as file:
        events = list(make_reader(file, validate_crcs=True).iter_messages(topics=["event"]))
    assert len(events) == 2


def test_an_unfinished_file_streams_up_to_its_end(writer, trace):
    tensors = {("value", 0): Kept(np.random.default_rng(0).random(400_000), "float64", (400_000,))}
    for step in range(5):
        writer.add(replace(trace(step), tensors=tensors if step == 3 else {}))
        writer.flush()
    found: list[McapRecord] = []
    with writer.path.open("rb") as file, pytest.raises(EndOfFile):
        found.extend(StreamReader(file, validate_crcs=True).records)
    assert isinstance(found[0], Header)
    assert sum(isinstance(record, Channel) for record in found) == 9
    assert sum(isinstance(record, Message) for record in found) == 5 + 5 + 1 + 1  # batches, orders, the graph, the tensors
