"""Tensors of every element type keep their bits; narrow floats are stored narrow and come back widened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradwalk.recording.dtypes import DType, to_stored, widened
from gradwalk.recording.reader import open_recording
from gradwalk.recording.tensors import LazyTensors, blocks_of
from gradwalk.trace import Kept, TensorKey

NUMPY = (
    "float64",
    "float32",
    "float16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "complex64",
)
NARROW = ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
KEY: TensorKey = ("value", 3)


def round_trip(kept: Kept) -> Kept:
    blocks = blocks_of(0, {KEY: kept})
    block = b"".join(next(blocks))
    with pytest.raises(StopIteration) as end:
        next(blocks)
    assert not end.value.value  # nothing was refused
    return LazyTensors([(lambda offset, length: block[offset : offset + length], len(block))], "here", pytest.fail)[KEY]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), dtype=st.sampled_from(NUMPY))
def test_any_array_keeps_its_bits(data, dtype):
    array = data.draw(hnp.arrays(np.dtype(dtype), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)))
    for given_as in (array, np.asfortranarray(array), array.astype(array.dtype.newbyteorder(">"))):
        read = round_trip(Kept(given_as, dtype, array.shape))
        assert read.data.tobytes() == array.tobytes()
        assert (read.data.dtype, read.data.shape, read.dtype, read.shape) == (array.dtype, array.shape, dtype, array.shape)


@pytest.mark.parametrize("name", NARROW)
def test_narrow_floats_mean_what_torch_means(name):
    torch = pytest.importorskip("torch")
    dtype = getattr(torch, name, None)
    if dtype is None:
        pytest.skip(f"this torch has no {name}")
    bits = torch.arange(256, dtype=torch.uint8) if name != "bfloat16" else torch.arange(65536, dtype=torch.int32).to(torch.uint16)
    tensor = bits.view(dtype)
    wide = tensor.to(torch.float32).numpy()
    raw = tensor.view(torch.uint8).numpy()
    read = round_trip(Kept(raw, name, (len(tensor),)))
    assert np.array_equal(read.data, wide, equal_nan=True)
    assert read.data.dtype == np.float32
    assert read.dtype == name


@pytest.mark.parametrize("name", NARROW)
def test_a_widened_narrow_float_is_stored_narrow_again(name):
    code = DType[name.upper()]
    bits = np.arange(256, dtype=np.uint16 if name == "bfloat16" else np.uint8)
    wide = widened(bits, code)
    stored = to_stored(wide, name)
    assert stored is not None
    assert stored[0] is code
    assert np.array_equal(widened(stored[1], code), wide, equal_nan=True)
    assert stored[1].nbytes < wide.nbytes


@pytest.mark.parametrize("name", NARROW)
def test_float32_values_that_a_narrow_type_does_not_have_stay_float32(name):
    wide = np.array([0.1, 1.2345678, 3e38], np.float32)
    read = round_trip(Kept(wide, name, (3,)))
    assert read.data.tobytes() == wide.tobytes()
    assert read.dtype == name


def test_a_sample_stays_a_sample():
    read = round_trip(Kept(np.arange(10, dtype=np.float32), "float32", (100, 100), complete=False))
    assert (read.shape, read.complete, read.data.shape) == ((100, 100), False, (10,))


def test_smooth_tensors_are_compressed_and_noise_is_not():
    noise = np.random.default_rng(0).standard_normal(50_000).astype(np.float32)

    def stored(data: np.ndarray) -> int:
        return len(b"".join(next(blocks_of(0, {KEY: Kept(data, "float32", data.shape)}))))

    assert stored(noise) >= noise.nbytes
    assert stored(np.zeros_like(noise)) < noise.nbytes // 100


def test_what_cannot_be_stored_is_said_and_the_rest_is_kept(folder, writer, trace):
    good = Kept(np.ones(2, np.float32), "float32", (2,))
    words = Kept(np.array(["a", "b"]), "str", (2,))
    writer.add(replace(trace(0), tensors={("value", 0): good, ("value", 1): words}))
    writer.flush()
    recording = open_recording(folder)
    assert set(recording[0].tensors) == {("value", 0)}
    assert [note.kind for note in recording.notes] == ["fault"]
    assert "value 1" in recording.notes[0].message


def test_many_large_tensors_are_split_over_chunks(folder, writer, trace):
    size = 1 << 20
    tensors = {("value", i): Kept(np.random.default_rng(i).random(size, np.float32), "float32", (size,)) for i in range(4)}
    writer.add(replace(trace(0), tensors=tensors))
    writer.flush(30)
    read = open_recording(folder)[0].tensors
    assert set(read) == set(tensors)
    assert all(np.array_equal(read[key].data, kept.data) for key, kept in tensors.items())
