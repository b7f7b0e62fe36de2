"""The pass over memory, compiled and by NumPy, against float64; and what is done where numba is missing or may keep nothing."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from gradwalk.recorder.kernel import by_numpy, kernel
from gradwalk.recorder.rows import careful_row, rows_of
from gradwalk.statistics import row_of

COLUMNS, COLUMN = 5, 3
SIZES = (1, 2, 7, 1023, 1024, 1025, 5000, 100_001)


def numbers(size):
    found = np.random.default_rng(size).normal(size=size).astype(np.float32)
    found[::3] = np.maximum(found[::3], 0)
    return found


def run(work, array, copy=None):
    """Whether the numbers hold, and the table with one column written."""
    table = np.full((8, COLUMNS), -7.0)
    to = 0 if copy is None else copy.ctypes.data
    rows, length = array.shape if array.ndim > 1 else (1, array.size)
    step = array.strides[0] // 4 if array.ndim > 1 else 0
    holds = work(array.ctypes.data, rows, length, step, table.ctypes.data + 8 * COLUMN, COLUMNS, to)
    return bool(holds), table


@pytest.mark.parametrize("work", [kernel(), by_numpy], ids=["compiled", "numpy"])
@pytest.mark.parametrize("size", SIZES)
def test_one_column_is_written_and_the_elements_are_copied(work, size):
    array, copy = numbers(size), np.zeros(size + 1, np.float32)
    holds, table = run(work, array, copy[:-1])
    assert holds
    np.testing.assert_allclose(table[:, COLUMN], row_of(array), rtol=1e-5, atol=1e-5 * size**0.5)
    assert (np.delete(table, COLUMN, axis=1) == -7).all()
    assert (copy[:-1] == array).all()
    assert copy[-1] == 0
    assert run(work, array)[1].tolist() == table.tolist()


@pytest.mark.parametrize("work", [kernel(), by_numpy], ids=["compiled", "numpy"])
def test_rows_that_lie_apart(work):
    array = numbers(60 * 3000).reshape(60, 3000)[:, 100:2200]
    copy = np.zeros(array.size, np.float32)
    holds, table = run(work, array, copy)
    assert holds
    np.testing.assert_allclose(table[:, COLUMN], row_of(array), rtol=1e-5, atol=1e-2)
    assert (copy.reshape(array.shape) == array).all()


@pytest.mark.parametrize(
    ("make", "layout"),
    [
        (lambda x: x, (1, 24, 0, True)),
        (lambda x: x.transpose(0, 2), (1, 24, 0, False)),
        (lambda x: x[:, :, 1:3], (6, 2, 4, True)),
        (lambda x: x[1], (1, 12, 0, True)),
        (lambda x: x[:, 1], (2, 4, 12, True)),
        (lambda x: x[:, 1].t(), (2, 4, 12, False)),
        (lambda x: x[:, :, 1], (6, 1, 4, True)),
        (lambda x: x[:, 1:, 1:], None),
        (lambda x: x[:, :1, :1].expand(2, 3, 4), None),
        (lambda x: x.as_strided((3, 3), (1, 1)), None),
        (lambda x: x[:1, :1, :1], (1, 1, 0, True)),
    ],
)
def test_how_elements_lie(make, layout):
    tensor = make(torch.arange(24.0).view(2, 3, 4))
    assert rows_of(tensor.shape, tensor.stride()) == layout
    if layout is not None:
        rows, length, step, _ = layout
        found = tensor.as_strided((rows, length), (step, 1)).reshape(-1)
        assert sorted(found.tolist()) == sorted(tensor.reshape(-1).tolist())


@pytest.mark.parametrize("work", [kernel(), by_numpy], ids=["compiled", "numpy"])
@pytest.mark.parametrize(
    ("planted", "holds"), [(np.nan, False), (np.inf, False), (-np.inf, False), (1e20, False), (3e38, False), (1e10, True)]
)
def test_what_does_not_hold_in_float32_is_counted_in_float64_or_says_so(work, planted, holds):
    array = numbers(3000)
    array[2000] = planted
    found, table = run(work, array)
    assert found is (holds or work is not by_numpy)
    if found:
        np.testing.assert_allclose(table[:, COLUMN], careful_row(array), rtol=1e-5)
    assert (np.delete(table, COLUMN, axis=1) == -7).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda x: np.where(x > 0, x, -np.inf),
        lambda x: np.where(x > 0, np.inf, x),
        lambda x: np.where(x > 0, np.inf, -np.inf),
        lambda x: np.where(x > 1, np.nan, x),
        lambda x: x * np.nan,
        lambda x: np.where(x > 1, np.nan, np.inf),
        lambda x: x * 1e-38,
        lambda x: x * 1e37,
        lambda x: np.where(x > 0, 0.0, 1e-30),
    ],
)
@pytest.mark.parametrize("shape", [(2,), (1023,), (5000,), (40, 300)])
def test_the_second_pass_is_that_of_numpy(make, shape):
    array = make(numbers(int(np.prod(shape)))).astype(np.float32).reshape(shape)
    holds, table = run(kernel(), array)
    assert holds or kernel() is by_numpy
    if holds:
        np.testing.assert_allclose(table[:, COLUMN], careful_row(array), rtol=1e-5, atol=0)


@pytest.mark.parametrize("work", [kernel(), by_numpy], ids=["compiled", "numpy"])
def test_equal_elements_hold_however_small(work):
    assert run(work, np.zeros(2000, np.float32))[0]
    assert run(work, np.array([1e-25, 2e-25], np.float32))[0] is (work is not by_numpy)


RECORDING = """
import sys
{before}
import torch, gradwalk, warnings
warnings.simplefilter("error")
w = torch.ones(3, requires_grad=True)
with gradwalk.record(sys.argv[1]):
    for _ in range(6):
        (w * 2).sum().backward()
recording = gradwalk.open_recording(sys.argv[1])
print([int(recording[i].loss) for i in range(len(recording))], recording[5].values[3].tolist())
"""
WITHOUT = "sys.modules['numba'] = None"
NOWHERE = "import numba.core.caching as c; c.CacheImpl._locator_classes = []"


UNCOMPILED = "import os; os.environ['NUMBA_DISABLE_JIT'] = '1'"


@pytest.mark.parametrize(
    "before", ["", WITHOUT, NOWHERE, UNCOMPILED], ids=["with numba", "without", "with no place for its cache", "not compiling"]
)
def test_a_training_is_recorded_with_numba_and_without(before, tmp_path):
    command = [sys.executable, "-c", RECORDING.format(before=before), str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[6, 6, 6, 6, 6, 6] [3.0, 6.0, 6.0")
