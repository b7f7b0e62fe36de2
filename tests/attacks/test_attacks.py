"""Recordings made to harm: each is opened, read to the last byte and shown, within a second and 300 MB, and says one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gradwalk.recording.format import RecordingError
from gradwalk.recording.reader import open_recording

FILES = Path(__file__).parent / "files"
NO_RECORDING = "this is not a recording; give a run folder or an .mcap file that Gradwalk wrote"
TEXT = "bytes of text are said to be in"
POINTS = "verdicts point at what is not there"
CHAIN = "a chain of parents in a graph has no end"

TABLE = [  # file, steps that can be read, what is said
    ("a-pickle.mcap", 0, NO_RECORDING),
    ("a-checkpoint.mcap", 0, NO_RECORDING),
    ("a-robot.mcap", 0, "this is an MCAP file, but not one that Gradwalk recorded"),
    ("bomb-in-a-graph.mcap", 0, TEXT),
    ("bomb-in-a-graph-that-says-ten-bytes.mcap", 0, "a compressed block says another size than its header"),
    ("bomb-in-a-graph-that-says-exabytes.mcap", 0, TEXT),
    ("bomb-in-a-header.mcap", 0, TEXT),
    ("bomb-in-a-shape-column.mcap", 0, "the shapes of a batch are malformed"),
    ("strides-of-other-axes.mcap", 0, "a value in a graph has other strides than axes"),
    ("bomb-in-a-stride-column.mcap", 0, "the strides of a batch are malformed"),
    ("bomb-of-columns.mcap", 0, "a block declares more than is allowed, or a column twice"),
    ("bomb-of-notes.mcap", 0, "there is more text here than is allowed"),
    ("bomb-of-one-note-four-thousand-times.mcap", 0, "a Sync record names overlapping messages"),
    ("bomb-of-scalars.mcap", 0, "there are more scalars here than are allowed"),
    ("chain-of-bases.mcap", 0, CHAIN),
    ("chain-of-modules.mcap", 0, CHAIN),
    ("chain-of-parents.mcap", 0, CHAIN),
    ("climbing-paths.mcap", 1, ""),
    ("claims-a-million-steps.mcap", 0, "a group says another number of steps than it lists"),
    ("eleven-thousand-records-of-nothing.mcap", 0, "too many records that are none of ours"),
    ("escapes-and-markup.mcap", 1, ""),
    ("event-that-is-not-there.mcap", 0, "a tape names an event that its graph does not have"),
    ("error-at-an-event-that-is-not-there.mcap", 0, "an error names an event that its tape does not have"),
    ("huge-number-in-a-note.mcap", 0, "a note is malformed"),
    ("huge-number-in-the-scales.mcap", 0, "the scales of a batch are malformed"),
    ("huge-number-of-the-start.mcap", 1, ""),
    ("huge-shapes.mcap", 1, ""),
    ("index-bomb.mcap", 3, ""),
    ("index-of-another-file.mcap", 3, ""),
    ("index-that-is-nested.mcap", 3, ""),
    ("infinitely-many-elements.mcap", 1, ""),
    ("markers-everywhere.mcap", 0, "bytes that are no record"),
    ("masks-larger-than-the-file.mcap", 1, "a tensor has another size than its shape"),
    ("masks-of-ops-that-are-not-there.mcap", 1, ""),
    ("masks-of-two-dtypes.mcap", 1, ""),
    ("messages-outside-their-chunk.mcap", 0, "a Sync record points outside its chunk"),
    ("names-sixty-five-thousand-scalars.mcap", 0, "scalars are malformed"),
    ("nested-header.mcap", 0, "a header is no JSON"),
    ("nested-run.mcap", 0, ""),
    (
        "newer-by-eight-versions.mcap",
        0,
        "format 9.0, and this Gradwalk reads up to 1.x; open it with a newer Gradwalk",
    ),
    ("objects-in-a-column.mcap", 0, "the column 'values.min' is missing"),
    ("points-to-nothing.mcap", 0, "an id in a graph points to nothing"),
    ("sync-of-exabytes.mcap", 0, "a Sync record declares more than is allowed"),
    ("sync-that-was-moved.mcap", 0, "a Sync record stands where it does not belong"),
    ("verdicts-by-nobody.mcap", 1, POINTS),
    ("verdicts-longer-than-the-file.mcap", 1, POINTS),
    ("verdicts-of-a-gradient-that-is-not-there.mcap", 1, POINTS),
    ("verdicts-of-an-op-that-is-not-there.mcap", 1, POINTS),
    ("verdicts-with-escapes.mcap", 1, ""),
    ("verdicts-with-nested-texts.mcap", 1, "verdicts are malformed"),
]

LOOK = """
import contextlib, io, json, os, resource, sys
from pathlib import Path
import gradwalk.dot, gradwalk.graph_json, gradwalk.info, gradwalk.show, gradwalk.terminal
from gradwalk.cli import main
from gradwalk.recording.format import RecordingError
from gradwalk.recording.reader import DAMAGED, open_recording

def read(path):
    try:
        recording = open_recording(path)
    except RecordingError as error:
        return [str(error)], 0
    with recording:
        recording.losses(), recording.scalars(), recording.graphs, recording.notes, recording.kept_steps()
        steps, said = 0, []
        for source in list(recording._tail.sources):
            assert recording.source(source) is not None
        for trace in recording:
            str(trace), [trace.tensors.get(key) for key in trace.tensors]
            steps += trace.label != DAMAGED
            said += [trace.error.message] if trace.label == DAMAGED else []
        return said + [gap.why for gap in recording.gaps] + recording.skipped, steps

def show(path, away):
    out, errors = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    step = ["--step", "-1"]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        for words in (["info", path], ["info", path, "--json"], ["show", path, *step], ["show", path, *step, "--json"],
                      ["export", path, *step, "-o", away + "/a.dot"], ["export", path, *step, "-o", away + "/a.json"]):
            code = main(words)
            assert code in (0, 2), (words, code)
    out.flush(), errors.flush()
    return (out.buffer.getvalue() + errors.buffer.getvalue()).decode()

path, away = sys.argv[1:]
for file in sorted(Path(path).iterdir()):
    results, writing = os.pipe()
    if os.fork() == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (20, 20))  # what goes on for ever is ended
        said, steps = read(file)
        os.write(writing, json.dumps([said[:3], steps]).encode())
        Path(away, file.name + ".txt").write_text(show(str(file), away))
        os._exit(0)
    os.close(writing)
    _, status, usage = os.wait4(-1, 0)
    with os.fdopen(results) as pipe:
        told = pipe.read() or "[[], 0]"
    print(json.dumps([file.name, status, usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20), *json.loads(told)]))
"""


@pytest.fixture(scope="module")
def away(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("away")


@pytest.fixture(scope="module")
def looked(away) -> dict[str, list[Any]]:
    """What became of each file: exit status, most memory in MB, sentences, steps."""
    if not hasattr(os, "fork"):
        pytest.skip("memory and time of one file are measured in a child that is forked")
    done = subprocess.run([sys.executable, "-c", LOOK, FILES, away], capture_output=True, text=True, check=False)
    print(done.stderr)
    return {name: rest for name, *rest in map(json.loads, done.stdout.splitlines())}


def test_every_file_has_its_sentence():
    assert sorted(name for name, *_ in TABLE) == sorted(file.name for file in FILES.iterdir())


@pytest.mark.parametrize(("file", "steps", "sentence"), TABLE, ids=[row[0] for row in TABLE])
def test_an_attack_is_met_with_a_sentence(file, steps, sentence, looked, away):
    status, megabytes, said, readable = looked[file]
    assert status == 0
    assert readable == steps
    assert any(sentence in one for one in said) if sentence else said == []
    assert megabytes < 300
    shown = (away / f"{file}.txt").read_text(encoding="utf-8")
    assert shown
    assert not [c for c in shown if not c.isprintable() and c != "\n"]


def test_nothing_in_a_file_becomes_a_path(looked, away):
    assert looked["climbing-paths.mcap"][0] == 0
    assert not Path("/tmp/gradwalk-was-here").exists()
    assert {path.suffix for path in away.iterdir()} == {".txt", ".dot", ".json"}
    shown = (away / "climbing-paths.mcap.txt").read_text(encoding="utf-8")
    assert "../../../../../../tmp/gradwalk-was-here" in shown


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_run_folder_of_pipes_devices_and_folders_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "rank00000.0000.mcap")
    os.symlink("/dev/zero", tmp_path / "rank00001.0000.mcap")
    (tmp_path / "rank00002.0000.mcap").mkdir()
    with pytest.raises(RecordingError, match="there is no recording in this folder"):
        open_recording(tmp_path)
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(RecordingError, match="this is no file, so it cannot describe a run"):
        open_recording(tmp_path)
    with pytest.raises(RecordingError, match="this is no file; give a run folder"):
        open_recording(tmp_path / "rank00000.0000.mcap")
