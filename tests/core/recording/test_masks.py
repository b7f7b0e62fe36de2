"""Masks of dropouts among the tensors of a step: read back, left out by a reader that does not know them, never counted."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from gradwalk.recording import tensors
from gradwalk.recording.reader import open_recording
from gradwalk.scales import unscaled
from gradwalk.trace import Kept

MASK = Kept(np.random.default_rng(0).random((2, 3, 40, 50)) > 0.1, "bool", (2, 3, 40, 50))


@pytest.fixture
def whole(trace):
    """A step that keeps every tensor that it measured, and a mask."""
    one = trace(0)
    one.values[0] = one.gradients[0] = 1  # all of them were measured
    values = {("value", i): Kept(np.ones(v.shape, np.float32), "float32", v.shape) for i, v in enumerate(one.graph.values)}
    gradients = {("gradient", i): Kept(np.ones(3, np.float32), "float32", (3,)) for i in range(len(one.graph.edges))}
    return replace(one, tensors=MappingProxyType({**values, **gradients, ("mask", 0): MASK}))


def test_a_mask_is_read_as_it_was_written_and_takes_about_a_bit_each(folder, writer, whole):
    writer.add(whole)
    writer.close("clean")
    recording = open_recording(folder)
    read = recording[0].tensors["mask", 0]
    assert (read.dtype, read.shape, read.complete, read.data.dtype) == ("bool", MASK.shape, True, np.dtype(bool))
    np.testing.assert_array_equal(read.data, MASK.data)
    assert set(recording[0].tensors) == set(whole.tensors)
    (block,) = tensors.blocks_of(0, {("mask", 0): MASK})
    assert sum(map(len, block)) < MASK.data.size / 5


def test_a_reader_that_does_not_know_masks_leaves_them_out(folder, writer, whole, monkeypatch):
    writer.add(whole)
    writer.close("clean")
    monkeypatch.setattr(tensors, "_KINDS", {"v": "value", "g": "gradient"})
    recording = open_recording(folder)
    assert set(recording[0].tensors) == set(whole.tensors) - {("mask", 0)}
    assert recording.gaps == []


def test_a_mask_stands_for_no_tensor_that_is_not_kept(folder, writer, whole):
    writer.add(whole)
    fewer = {key: kept for key, kept in whole.tensors.items() if key != ("value", 0)}
    writer.add(replace(whole, step=1, tensors=MappingProxyType(fewer)))
    writer.close("clean")
    recording = open_recording(folder)
    assert recording.kept_steps().tolist() == [0, 1]
    assert recording.steps_kept_in_part().tolist() == [1]


@pytest.mark.parametrize("data", [MASK.data, MASK.data.astype(np.float32)], ids=["truth values", "numbers"])
def test_the_factor_of_a_scaler_is_not_taken_out_of_a_mask(whole, data):
    scaled = replace(whole, scales=(1024.0,), tensors=MappingProxyType({("mask", 99): replace(MASK, data=data)}))
    np.testing.assert_array_equal(unscaled(scaled).tensors["mask", 99].data, data)
