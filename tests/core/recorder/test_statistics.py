"""Statistics against float64 NumPy, at once and by way of a device's batch."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gradwalk.recorder.batches import DeviceBatch, HostBatch
from gradwalk.recorder.host import host_array
from gradwalk.recorder.statistics import Statistics, row_of_measured
from gradwalk.sample import statistics_of

sys.path.insert(0, str(Path(__file__).parent))
from programs import autograd_net

TENSORS = {
    "normal": torch.randn(100, 37),
    "large": torch.randn(40_000),
    "zeros": torch.zeros(50),
    "relu": torch.randn(30_000).relu(),
    "positive": torch.rand(100) + 1,
    "one": torch.tensor(3.0),
    "transposed": torch.randn(20, 30).t(),
    "expanded": torch.ones(1).expand(200),
    "strided": torch.randn(10, 10)[:, ::3],
    "tiny": torch.full((10,), 1e-30),
    "huge": torch.full((100_000,), 1e30),
    "overflowing sum": torch.full((100,), 3e38),
    "nan": torch.tensor([1.0, float("nan"), 0.0]),
    "inf": torch.tensor([1.0, float("inf"), -float("inf"), float("nan")]),
    "nan alone": torch.tensor(float("nan")),
    "many nan": torch.full((20_000,), float("nan")),
    "float64": torch.randn(100, dtype=torch.float64),
    "float16": torch.randn(100).half() * 1000,
    "bfloat16": torch.randn(100).bfloat16(),
    "integers": torch.arange(-5, 5),
    "bool": torch.tensor([True, False, True]),
    "negative bit": torch.tensor([1 + 2j, 3 - 1j]).conj().imag,
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_row_is_that_of_numpy(name):
    tensor = TENSORS[name]
    row = row_of_measured(Statistics().measure(tensor, host_array(tensor)))
    data = tensor.resolve_neg().double().numpy() if name != "bfloat16" else tensor.double().numpy()
    expected = statistics_of(data)
    np.testing.assert_allclose(row, expected, rtol=2e-5, atol=2e-5 * np.sqrt(abs(expected[4])) if np.isfinite(expected[4]) else 0)
    assert row[:1] + row[5:] == tuple(expected[[0, 5, 6, 7]])


@pytest.mark.parametrize(
    "name", [name for name, tensor in TENSORS.items() if tensor.dtype == torch.float32 and tensor.numel() > 1]
)
def test_a_batch_gives_the_same_in_one_transfer(name):
    tensor = TENSORS[name]
    batch = DeviceBatch()
    late = [batch.add(torch.ones(3)), batch.add(tensor)]
    batch.send()
    row = late[1].row()
    expected = statistics_of(tensor.resolve_neg().double().numpy())
    assert row[:1] + row[5:] == tuple(expected[[0, 5, 6, 7]])
    np.testing.assert_array_equal(row[1:3], expected[1:3])
    if name not in ("huge", "tiny", "overflowing sum"):  # float32 on the device
        np.testing.assert_allclose(row[4], expected[4], rtol=1e-5)
    assert late[0].row()[:4] == (3, 1, 1, 3)


def test_steps_whose_numbers_come_late_are_handed_over_whole_and_in_order(record, monkeypatch):
    """As on a GPU, whose steps are handed over one step later."""
    with record() as plain:
        autograd_net()
    for user in ("state", "backward"):
        monkeypatch.setattr(f"gradwalk.recorder.{user}.host_array", lambda tensor: None)
    monkeypatch.setattr(
        Statistics, "_measure", lambda self, tensor: self._devices.setdefault(tensor.device, DeviceBatch()).add(tensor)
    )
    counts = []
    with record() as late:
        autograd_net(on_step=lambda: counts.append(len(late.traces)))
    assert counts == [0, 0, 1, 2, 3, 4]  # one step is open, one on its way
    assert [trace.step for trace in late.traces] == list(range(6))
    for one, other in zip(plain.traces, late.traces, strict=True):
        assert one.loss == other.loss
        np.testing.assert_allclose(one.values, other.values, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(one.gradients, other.gradients, rtol=1e-4, atol=1e-3)
        assert one.tensors.keys() == other.tensors.keys()
        assert all((one.tensors[key].data == other.tensors[key].data).all() for key in one.tensors)


@pytest.mark.parametrize(
    "tensor",
    [torch.ones(3, dtype=torch.complex64), torch.empty(2, device="meta"), torch.arange(2_000_000)],
)
def test_what_has_no_statistics_says_so(tensor):
    assert Statistics().measure(tensor, host_array(tensor)) is None


def test_a_batch_of_copies_is_measured_together(monkeypatch):
    tensors = [tensor for tensor in TENSORS.values() if tensor.dtype == torch.float32 and tensor.numel() > 1]
    arrays = [tensor.resolve_neg().numpy() for tensor in tensors]
    batch = HostBatch()
    rows = [batch.add(array.copy()) for array in arrays]
    for array, late in zip(arrays, rows, strict=True):
        np.testing.assert_allclose(late.row(), statistics_of(array), rtol=1e-6, atol=1e-6)
    monkeypatch.setattr("gradwalk.recorder.batches._FLUSH", 100)
    late = batch.add(np.ones(60, dtype=np.float32))
    assert late._batch is None  # taken at once, where much is queued


def test_an_empty_tensor_has_no_extremes():
    row = row_of_measured(Statistics().measure(torch.empty(0, 3), host_array(torch.empty(0, 3))))
    assert (row[0], np.isnan(row[1]), row[3]) == (0, True, 0)
