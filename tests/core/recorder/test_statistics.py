"""Statistics against float64 NumPy, at once and by way of a device's batch."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gradwalk.recorder.capture import ALL, Captor
from gradwalk.recorder.device_batches import DeviceBatch
from gradwalk.recorder.host import host_array
from gradwalk.recorder.statistics import Statistics, row_of_measured
from gradwalk.recorder.transfers import Transfer, Transfers
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

ON_THE_CPU = {
    "large bfloat16": torch.randn(300_000).bfloat16(),
    "transposed bfloat16": torch.randn(200, 300).bfloat16().t(),
    "strided bfloat16": torch.randn(300, 300).bfloat16()[:, ::3],
    "expanded bfloat16": torch.full((1,), 0.5).bfloat16().expand(50_000),
    "bfloat16 with a nan": torch.cat([torch.randn(30_000), torch.tensor([float("nan"), float("inf")])]).bfloat16(),
    "bfloat16 of a leaf": torch.randn(20_000).bfloat16().requires_grad_(),
}


@pytest.mark.parametrize("name", [*TENSORS, *ON_THE_CPU])
def test_a_row_is_that_of_numpy(name):
    tensor = (TENSORS | ON_THE_CPU)[name]
    row = row_of_measured(Statistics().measure(tensor, host_array(tensor)))
    data = tensor.detach().resolve_neg().double().numpy()
    expected = statistics_of(data)
    np.testing.assert_allclose(row, expected, rtol=2e-5, atol=2e-5 * np.sqrt(abs(expected[4])) if np.isfinite(expected[4]) else 0)
    assert row[:1] + row[5:] == tuple(expected[[0, 5, 6, 7]])


FLOATS = [name for name, tensor in TENSORS.items() if tensor.is_floating_point() and tensor.numel() > 1]


@pytest.mark.parametrize("counting", [True, False])
@pytest.mark.parametrize("copied", [4096, 0])
@pytest.mark.parametrize("name", FLOATS)
def test_a_batch_gives_the_same_in_one_transfer(monkeypatch, name, copied, counting):
    monkeypatch.setattr("gradwalk.recorder.device_batches._COPIED", copied)
    tensor = TENSORS[name]
    transfer = Transfer()
    batch = DeviceBatch(transfer, counting=counting)
    late = [batch.add(torch.ones(3)), batch.add(tensor)]
    batch.send()
    row = late[1].row()
    expected = statistics_of(tensor.resolve_neg().double().numpy())
    np.testing.assert_array_equal(row[1:3], expected[1:3])
    if name not in ("huge", "tiny", "overflowing sum"):  # float32 on the device
        np.testing.assert_allclose(row[4], expected[4], rtol=1e-5)
    if counting or (tensor.dtype == torch.float32 and tensor.numel() <= copied):
        assert row[:1] + row[5:] == tuple(expected[[0, 5, 6, 7]])
    else:  # at least one NaN, or else at least one Inf
        assert (row[0], row[7]) == (expected[0], expected[7])
        assert row[5:7] == (min(expected[5], 1), min(expected[6], 1) if not expected[5] else 0)
    assert batch.bad == bool(expected[5] or expected[6])
    assert late[0].row()[:4] == (3, 1, 1, 3)


def test_nan_is_counted_once_one_has_been_seen():
    statistics, bad = Statistics(), torch.full((5000,), float("nan"))
    counts = []
    for tensor in (torch.ones(5000), bad, bad, bad, torch.ones(5000)):
        late = statistics._on_device(tensor, None)
        statistics.end_step()
        counts.append(late.row()[5])
    assert counts == [0, 1, 5000, 5000, 0]


def test_a_device_takes_few_kernels_a_tensor_and_one_transfer_a_step(monkeypatch):
    kernels, moved = [], []
    real = Transfer.send
    monkeypatch.setattr(Transfer, "send", lambda self: (moved.append(len(self._queued)), real(self))[1])
    small, large = [torch.ones(100)] * 20, [torch.ones(10_000)] * 20

    class Count(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            kernels.append(func.overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    statistics = Statistics()
    with Count():
        for tensor in (*small, *large):
            statistics._on_device(tensor, None)
    per = {name: kernels.count(name) for name in set(kernels) - {"detach"}}
    assert per == {"clone": 20, "aminmax": 20, "sum": 20, "linalg_vector_norm": 20, "count_nonzero": 20}
    statistics.end_step()
    assert [count for count in moved if count] == [20 + 2]  # the small ones, and one stack per dtype of numbers


COPIED = ("normal", "one", "transposed", "expanded", "float64", "float16", "bfloat16", "integers", "bool", "negative bit")
OTHERS = [torch.tensor([1 + 2j, 3 - 1j]).conj(), torch.zeros(0, 3), torch.ones(3).to(torch.float8_e4m3fn)]


@pytest.mark.parametrize("tensor", [*(TENSORS[name] for name in COPIED), *OTHERS], ids=lambda tensor: f"{tensor.dtype}")
def test_copies_come_over_in_one_transfer_as_they_were(tensor, monkeypatch):
    monkeypatch.setattr("gradwalk.recorder.capture.is_on_cpu", lambda tensor: False)  # as on a GPU
    transfers = Transfers()
    captor = Captor(transfers)
    captor.begin_step(ALL)
    copies = [captor.copy(torch.tensor([True, False, True]), None), captor.copy(tensor, None), captor.copy(torch.ones(3), None)]
    transfers.end_step()
    kept = [copy.kept() for copy in copies]
    there = tensor.float() if tensor.dtype in (torch.bfloat16, torch.float8_e4m3fn) else tensor
    assert kept[1].data.tobytes() == there.resolve_conj().resolve_neg().contiguous().numpy().tobytes()
    assert (kept[1].shape, kept[1].complete) == (tuple(tensor.shape), True)
    assert kept[1].data.base is None
    assert not kept[1].data.flags.writeable
    assert (kept[0].data.tolist(), kept[2].data.tolist()) == ([True, False, True], [1.0, 1.0, 1.0])


def test_steps_whose_numbers_come_late_are_handed_over_whole_and_in_order(record, monkeypatch):
    """As on a GPU, whose steps are handed over one step later."""
    with record() as plain:
        autograd_net()
    for user in ("state", "backward"):
        monkeypatch.setattr(f"gradwalk.recorder.{user}.host_array", lambda tensor: None)
    monkeypatch.setattr("gradwalk.recorder.transfers._AT_ONCE", frozenset())
    monkeypatch.setattr(Statistics, "_measure", Statistics._on_device)
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


def test_an_empty_tensor_has_no_extremes():
    row = row_of_measured(Statistics().measure(torch.empty(0, 3), host_array(torch.empty(0, 3))))
    assert (row[0], np.isnan(row[1]), row[3]) == (0, True, 0)
