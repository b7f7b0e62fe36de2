"""Recording leaves no trace in the training: no bit, no hook, no reference, no exception."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import sys
import threading
import weakref
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.overrides import _len_torch_function_stack

import gradwalk.recorder.forward
import gradwalk.recorder.functions
from gradwalk.recorder import Recorder

sys.path.insert(0, str(Path(__file__).parent))
from programs import Net, assert_same_bits, autograd_net, mlp
from sinks import ListSink


def adam() -> object:
    return mlp(torch.optim.Adam, lr=0.01, steps=2)


def hooks() -> tuple[object, ...]:
    """Everything that the recorder touches while it runs."""
    modules, optimizers = torch.nn.modules.module, sys.modules["torch.optim.optimizer"]
    return (
        _len_torch_function_stack(),
        torch.autograd._engine_run_backward,
        threading.Thread._bootstrap_inner,
        "apply" in torch.autograd.function._SingleLevelFunction.__dict__,
        dict(modules._global_forward_hooks),
        dict(modules._global_forward_pre_hooks),
        dict(modules._global_forward_hooks_always_called),
        dict(optimizers._global_optimizer_pre_hooks),
        dict(optimizers._global_optimizer_post_hooks),
    )


def test_stop_takes_every_hook_away(record):
    before = hooks()
    with record():
        assert hooks() != before
        autograd_net()
    assert hooks() == before
    with record(steps=2):
        autograd_net()
    assert hooks() == before


def test_stop_takes_the_mode_from_under_a_mode_of_the_users(record):
    before = _len_torch_function_stack()
    recorder = Recorder(ListSink())
    recorder.start()
    with torch.device("cpu"):
        recorder.stop()
        assert torch.ones(1).device.type == "cpu"
    assert _len_torch_function_stack() == before


def test_a_program_may_be_recorded_twice(record):
    with record() as first:
        autograd_net()
    with record() as second:
        autograd_net()
    assert [trace.loss for trace in first.traces] == [trace.loss for trace in second.traces]
    assert first.traces[0].graph.key == second.traces[0].graph.key or first.traces[0].graph.sites != second.traces[0].graph.sites


def test_tensors_die_when_they_would_have_died(record):
    with record() as sink:
        w = torch.ones(4, 4, requires_grad=True)
        dead = []
        for _ in range(3):
            h = torch.ones(2, 4).mm(w)
            r = h.relu()
            loss = r.sum()
            loss.backward()
            dead.append([weakref.ref(t) for t in (h, r, loss)])
            gradient = weakref.ref(w.grad)
            w.grad = None
            assert gradient() is None
            del h, r, loss
            assert all(reference() is None for reference in dead[-1])
    assert len(sink.traces) == 3


def test_a_graph_that_is_dropped_frees_its_saved_tensors(record):
    class Marker(torch.autograd.Function):
        alive = 0

        @staticmethod
        def forward(ctx, x):
            ctx.marker = _Counted()
            return x * 1

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    class _Counted:
        def __init__(self):
            Marker.alive += 1

        def __del__(self):
            Marker.alive -= 1

    with record():
        w = torch.ones(2, requires_grad=True)
        y = Marker.apply(w)
        assert Marker.alive == 1
        del y
        gc.collect()
        assert Marker.alive == 0
        Marker.apply(w).sum().backward()
        gc.collect()
        assert Marker.alive == 0


def test_storages_can_still_be_resized(record):
    with record():
        w = torch.ones(4, requires_grad=True)
        x = torch.ones(4)
        (w * x).sum().backward()
    assert x.untyped_storage().resizable()
    assert w.grad.untyped_storage().resizable()


def test_a_tensor_whose_memory_was_given_back_is_not_read(record):
    w = torch.ones(1, requires_grad=True)
    with record() as sink:
        gathered = torch.ones(1 << 20)
        gathered.untyped_storage().resize_(0)
        gathered.view(2, -1)
        (w * 2).backward()
    assert sink.traces


def test_memory_that_nobody_has_written_has_no_statistics(record):
    w = torch.ones(3, requires_grad=True)
    with record() as sink:
        for _ in range(2):
            buffer = torch.empty(3)
            (torch.mul(w, 2, out=None) + torch.zeros(3)).sum().backward()
            del buffer
    assert sink.traces[1].graph.ops[0].name == "empty"
    assert sink.traces[1].values[0, sink.traces[1].graph.ops[0].outputs[0]] == -1


def test_grad_mode_and_random_state_are_the_users(record):
    with record():
        torch.manual_seed(5)
        with torch.no_grad():
            torch.ones(2) * 2
            assert not torch.is_grad_enabled()
        assert torch.is_grad_enabled()
        with torch.inference_mode():
            y = torch.ones(2) + 1
            assert y.is_inference()
            assert torch.is_inference_mode_enabled()
        state = torch.get_rng_state()
    torch.manual_seed(5)
    assert torch.equal(state, torch.get_rng_state())


def test_a_model_pickles_copies_and_saves_while_recorded(record, tmp_path):
    net = Net()
    with record() as sink:
        net(torch.ones(2, 12)).sum().backward()
        twin = copy.deepcopy(net)
        loaded = pickle.loads(pickle.dumps(net.state_dict()))
        torch.save(net.state_dict(), tmp_path / "net.pt")
        assert repr(net.fc1.weight)
        assert f"{net.fc1.bias.sum().item():.2f}"
    assert_same_bits(dict(loaded), dict(net.state_dict()))
    assert_same_bits(list(twin.parameters()), list(net.parameters()))
    assert len(sink.traces) == 2  # the sum for the f-string makes a graph of its own


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64, torch.complex64, torch.int64, torch.bool])
def test_any_dtype_goes_through(record, kind):
    with record() as sink:
        w = torch.ones(3, requires_grad=True)
        x = torch.tensor([1, 0, 1]).to(kind)
        empty = x[:0]
        y = torch.cat([x, empty]) + x.sum()
        (w * y.real.float() if kind.is_complex else w * y.float()).sum().backward()
    trace = sink.traces[0]
    assert {value.dtype for value in trace.graph.values} >= {str(kind).removeprefix("torch.")}
    assert len(trace.tensors) >= len(trace.graph.values) - 1


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_sparse_meta_and_quantized_tensors_go_through(record):
    with record() as sink:
        w = torch.ones(3, 2, requires_grad=True)
        sparse = torch.eye(3).to_sparse()
        torch.empty(2, 2, device="meta") + 1
        torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
        torch.sparse.mm(sparse, w).sum().backward()
        embedding = nn.Embedding(5, 2, sparse=True)
        embedding(torch.tensor([1, 2])).sum().backward()
    assert embedding.weight.grad.is_sparse
    assert len(sink.traces) == 2


def test_threads_are_recorded_and_do_no_harm(record):
    results = {}

    def work(name: str) -> None:
        results[name] = autograd_net(3)["parameters"]

    with record() as sink:
        thread = threading.Thread(target=work, args=("a",))
        thread.start()
        thread.join()
    assert_same_bits(results["a"], autograd_net(3)["parameters"])
    assert len(sink.traces) == 3
    with record() as sink:
        threads = [threading.Thread(target=torch.ones(3, requires_grad=True).sum().backward) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sink.traces


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_is_not_recorded(record):
    with record() as sink:
        w = torch.ones(3, requires_grad=True)
        (w * 2).sum().backward()
        child = os.fork()
        if child == 0:
            (w * 2).sum().backward()
            (w * 2).sum().backward()
            os._exit(0 if sink.traces == [] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(sink.traces) == 1


def test_numpy_that_writes_behind_torchs_back_is_measured(record):
    w = torch.ones(2, requires_grad=True)
    with record() as sink:
        x = torch.zeros(2)
        view = x.numpy()
        for i in range(3):
            view[:] = i
            (w * x).sum().backward()
    assert [trace.values[1, [v.name for v in trace.graph.values].index("x")] for trace in sink.traces] == [0, 1, 2]


MODULES = [
    module for name, module in sys.modules.items() if name.startswith("gradwalk.recorder.") and not name.endswith(".recorder")
]


def test_after_ten_faults_recording_switches_itself_off(monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("injected")

    monkeypatch.setattr("gradwalk.recorder.forward.note_op", broken)
    monkeypatch.setitem(gradwalk.recorder.forward._AFTER, gradwalk.recorder.functions.Kind.OP, broken)
    sink = ListSink()
    recorder = Recorder(sink)
    recorder.start()
    autograd_net()
    recorder.stop()
    assert sink.kinds == ["fault"] * 10 + ["off"]
    assert "injected" in sink.notes[0][1]


def test_what_the_sink_raises_is_a_fault_of_ours():
    class Full(ListSink):
        def add(self, trace):
            raise OSError("no space left")

    sink = Full()
    recorder = Recorder(sink)
    recorder.start()
    assert_same_bits(autograd_net(), autograd_net())
    recorder.stop()
    assert "fault" in sink.kinds
