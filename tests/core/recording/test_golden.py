"""A file of every format version that was released opens for ever, and says what it said."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from gradwalk.recording.format import VERSION
from gradwalk.recording.reader import open_recording

HERE = Path(__file__).parent
FILES = sorted((HERE / "golden").glob("format-*.mcap"))


@pytest.fixture(scope="module")
def made() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_golden", HERE / "make_golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_golden"] = module
    spec.loader.exec_module(module)
    return module


def test_there_is_a_file_of_this_version():
    assert f"format-{VERSION}.mcap" in [file.name for file in FILES]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.parametrize("finished", [True, False], ids=["finished", "killed"])
def test_a_golden_file_opens(file, finished, made, same, tmp_path):
    data = file.read_bytes()
    target = tmp_path / file.name
    target.write_bytes(data if finished else data[: data.index(b"gradwalk.index") - 29])
    with open_recording(target) as recording:
        minor = int(file.stem.rpartition(".")[2])
        traces = made.golden_traces(minor)
        assert len(recording) == len(traces)
        for read, wrote in zip(recording, traces, strict=True):
            same(read, wrote)
        verdicts = {trace.step: trace.verdicts for trace in recording if trace.verdicts}
        assert verdicts == ({} if file.stem == "format-1.0" else {6: made.golden_verdicts()})
        assert replace(recording.info, format="") == replace(made.INFO, format="")
        assert recording.info.format == file.stem.removeprefix("format-")
        assert recording.source("train.py") == made.SOURCE
        assert recording.scalars()["lr"][1].tolist() == [0.5] * 8
        assert recording.error is not None
        assert recording.error.message == "ValueError: shapes differ"
        assert (recording.ended, recording.closed) == ("error", finished)
        assert recording.graphs == (made.golden_graph("y", minor), made.golden_graph("z", minor))
        assert (recording.gaps, recording.skipped) == ([], [])
