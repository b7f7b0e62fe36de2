"""Where steps begin and end."""

from __future__ import annotations

import gc

import pytest
import torch
import torch.utils.checkpoint
from torch import nn

from gradwalk import tape
from gradwalk.trace import NONE, Trace


def ops(trace: Trace) -> list[str]:
    return [op.name for op in trace.graph.ops]


def weights(*shapes: tuple[int, int]) -> list[torch.Tensor]:
    return [torch.ones(shape, requires_grad=True) for shape in shapes]


def test_set_up_is_no_part_of_the_first_step(record):
    with record() as sink:
        torch.manual_seed(0)
        net = nn.Linear(3, 2)
        scale = torch.full((3,), 2.0)
        for _ in range(3):
            batch = torch.randn(4, 3) * scale
            net(batch).sum().backward()
            net.zero_grad()
    assert {tuple(ops(trace)) for trace in sink.traces} == {("randn", "mul", "linear", "sum", "zero_grad", "zero_grad")}
    assert len({id(trace.graph) for trace in sink.traces}) == 1


def test_a_script_without_a_loop_keeps_what_computes_its_data(record):
    with record() as sink:
        x = torch.arange(6.0).view(2, 3)
        w = torch.zeros(3, 1).requires_grad_()
        x.mm(w).sum().backward()
    assert [ops(trace) for trace in sink.traces] == [["view", "mm", "sum"]]


def test_micro_batches_are_steps_of_their_own(record):
    (w,) = weights((3, 1))
    with record() as sink:
        for i in range(6):
            torch.ones(2, 3).mm(w).sum().backward()
            if i % 3 == 2:
                with torch.no_grad():
                    w -= 0.1 * w.grad
                w.grad = None
    assert [trace.label for trace in sink.traces] == ["micro-batch"] * 6
    assert [ops(trace)[-1] for trace in sink.traces] == ["sum", "sum", "zero_grad"] * 2
    grads = [trace.gradients[1, [e.id for e in trace.graph.edges if e.target == NONE]].item() for trace in sink.traces[:3]]
    assert grads == [2.0, 4.0, 6.0]  # .grad as it grows


def test_zeroing_each_time_is_no_micro_batch(record):
    (w,) = weights((3, 1))
    with record() as sink:
        for _ in range(3):
            torch.ones(2, 3).mm(w).sum().backward()
            w.grad.zero_()
    assert [trace.label for trace in sink.traces] == ["", "", ""]


def test_zeroing_before_the_backward_leaves_micro_batches_what_they_are(record):
    (w,) = weights((3, 1))
    with record() as sink:
        for i in range(4):
            loss = torch.ones(2, 3).mm(w).sum()
            if i % 2 == 0:
                w.grad = None
            loss.backward()
            if i % 2 == 1:
                with torch.no_grad():
                    w -= 0.1 * w.grad
    assert [trace.label for trace in sink.traces] == ["micro-batch"] * 4


def test_a_running_loss_that_is_taken_off_itself_is_no_step(record):
    (w,) = weights((3, 1))
    total = torch.tensor(0.0)
    with record() as sink:
        for _ in range(3):
            loss = torch.ones(2, 3).mm(w).sum()
            loss.backward()
            w.grad = None
            total += loss.detach()
            total.mean().item()
            total -= total
            for _ in range(2):
                torch.ones(2).ne(0)
    assert [trace.label for trace in sink.traces] == [""] * 3


def test_backwards_through_one_graph_are_one_step(record):
    (w,) = weights((3, 2))
    with record() as sink:
        for _ in range(2):
            y = torch.ones(2, 3).mm(w)
            y.sum().backward(retain_graph=True)
            y.pow(2).sum().backward()
    assert len(sink.traces) == 2
    graph = sink.traces[0].graph
    assert [event.backward for event in graph.events if event.kind == "loss"] == [0, 1]
    assert sum(node.name == "MmBackward0" for node in graph.nodes) == 1
    assert {edge.backward for edge in graph.edges} == {0, 1}
    assert [tape.name_of(graph, event) for event in graph.events if event.phase == "forward"] == [
        "ones",
        "mm",
        "sum",
        "pow",
        "sum",
    ]


def test_autograd_grad_and_a_double_backward_are_one_step(record):
    x = torch.tensor([2.0], requires_grad=True)
    with record() as sink:
        for _ in range(2):
            y = x**3
            (slope,) = torch.autograd.grad(y, x, create_graph=True)
            slope.backward()
    assert len(sink.traces) == 2
    graph = sink.traces[0].graph
    assert [event.kind for event in graph.events].count("loss") == 2
    assert x.grad.item() == 24.0  # two times 6 x
    assert any(node.op == NONE and node.leaf == NONE for node in graph.nodes)  # Nodes that the first backward made


def test_a_gan_step_holds_both_losses_where_they_share_a_graph(record):
    generator, critic = nn.Linear(2, 2), nn.Linear(2, 1)
    with record() as sink:
        for _ in range(3):
            fake = generator(torch.ones(4, 2))
            critic(fake.detach()).mean().backward()
            critic(fake).mean().backward()
            generator.zero_grad()
            critic.zero_grad()
    assert len(sink.traces) == 3
    assert "detach" in ops(sink.traces[0])
    assert [call.name for call in sink.traces[0].graph.modules] == ["generator", "critic", "critic#2"]


def test_data_for_the_next_batch_belongs_to_the_next_step(record):
    (w,) = weights((3, 1))
    with record() as sink:
        data = torch.ones(2, 3)
        for _ in range(3):
            batch = data * 2
            batch.mm(w).sum().backward()
            with torch.no_grad():
                w -= w.grad
            w.grad = None
    assert [ops(trace) for trace in sink.traces] == [["mul", "mm", "sum", "sub_", "zero_grad"]] * 3


def test_zero_grad_after_the_next_batch_was_made_belongs_to_the_step_before(record):
    net = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with record() as sink:
        data = torch.ones(2, 3)
        for _ in range(3):
            batch = data + 1
            optimizer.zero_grad()
            net(batch).sum().backward()
            optimizer.step()
    assert ops(sink.traces[0]) == ["add", "linear", "sum", "SGD.step", "SGD.step", "zero_grad", "zero_grad"]
    assert ops(sink.traces[1]) == ops(sink.traces[0])


def test_evaluation_gives_forward_only_steps(record):
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with record() as sink:
        for _ in range(2):
            optimizer.zero_grad()
            net(torch.ones(2, 3)).sum().backward()
            optimizer.step()
            with torch.no_grad():
                for _ in range(3):
                    right = (net(torch.ones(5, 3)).argmax(1) == 0).float().mean()
    assert right >= 0
    labels = [trace.label for trace in sink.traces]
    assert labels == ["", "forward only", "forward only", "forward only"] * 2
    assert ops(sink.traces[1]) == ["ones", "linear", "relu", "linear", "argmax", "eq", "float", "mean"]
    assert all(trace.loss is None for trace in sink.traces if trace.label)
    assert len({id(trace.graph) for trace in sink.traces[1:3]}) == 1


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_long_evaluation_does_not_grow(record, mode):
    net = nn.Linear(3, 2)
    with record() as sink, mode():
        for _ in range(50):
            net(torch.ones(1, 3))
    assert len(sink.traces) == 50
    assert {trace.label for trace in sink.traces} == {"forward only"}


def test_evaluation_without_modules_is_forward_only_too(record):
    (w,) = weights((3, 1))
    with record() as sink:
        for _ in range(2):
            torch.ones(2, 3).mm(w).sum().backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
                w.grad = None
                for _ in range(3):
                    torch.ones(4, 3).mm(w).mean()
    assert [trace.label for trace in sink.traces if trace.label] == ["forward only"] * 6
    assert {tuple(ops(trace)) for trace in sink.traces if trace.label} == {("ones", "mm", "mean")}


def test_a_script_that_never_calls_backward_is_recorded_and_says_so(record):
    (w,) = weights((3, 1))
    with record() as sink:
        for _ in range(4):
            loss = (torch.ones(2, 3).mm(w) ** 2).sum()
            loss.item()
    assert [trace.label for trace in sink.traces] == ["forward only"] * 4
    assert [ops(trace) for trace in sink.traces] == [["ones", "mm", "pow", "sum"]] * 4
    assert sink.kinds == ["no-backward"]
    assert "no backward() seen" in sink.notes[0][1]


def test_a_loss_summed_over_a_loop_is_one_step(record):
    (w,) = weights((3, 1))
    with record() as sink:
        for _ in range(2):
            losses = [torch.ones(2, 3).mm(w).sum() * i for i in range(4)]
            torch.stack(losses).sum().backward()
            w.grad = None
    assert [ops(trace).count("mm") for trace in sink.traces] == [4, 4]
    with record() as sink:
        for _ in range(2):
            total = torch.zeros(())
            for i in range(4):
                total = total + torch.ones(2, 3).mm(w).sum() * i
            total.backward()
            w.grad = None
    assert [ops(trace).count("mm") for trace in sink.traces] == [4, 4]


def test_forwards_that_are_thrown_away_before_a_training_step(record):
    net = nn.Linear(3, 1)
    with record() as sink:
        for _ in range(3):
            net(torch.ones(2, 3)).sum()
        for _ in range(2):
            net(torch.ones(5, 3)).sum().backward()
            net.zero_grad()
    assert [trace.label for trace in sink.traces] == ["forward only"] * 3 + ["", ""]
    assert len(sink.traces[3].graph.nodes) > 0


def test_a_teacher_without_grad_belongs_to_the_step_that_uses_it(record):
    teacher, student = nn.Linear(3, 1), nn.Linear(3, 1)
    with record() as sink:
        for _ in range(3):
            x = torch.ones(2, 3)
            with torch.no_grad():
                wanted = teacher(x)
            nn.functional.mse_loss(student(x), wanted).backward()
            student.zero_grad()
    assert [trace.label for trace in sink.traces] == ["", "", ""]
    assert ops(sink.traces[1])[:4] == ["ones", "linear", "linear", "mse_loss"]


def test_an_update_by_hand_without_autograd_is_a_step(record):
    w = torch.ones(3, 1)
    with record() as sink:
        x = torch.ones(2, 3)
        for _ in range(3):
            error = x.mm(w) - 1
            w -= 0.1 * x.t().mm(error)
    assert [trace.label for trace in sink.traces] == ["forward only"] * 3
    assert ops(sink.traces[1]) == ["mm", "sub", "t", "mm", "mul", "sub_"]


def test_preparing_data_is_dropped_and_does_not_grow(record):
    (w,) = weights((3, 1))
    with record() as sink:
        data = [torch.tensor([1.0, 2.0, float(i)]) / 2 for i in range(300)]
        for row in data[:2]:
            row.view(1, 3).mm(w).sum().backward()
            w.grad = None
    assert [ops(trace) for trace in sink.traces] == [["view", "mm", "sum", "zero_grad"]] * 2


def test_a_data_loader_adds_no_ops(record):
    data = torch.utils.data.TensorDataset(torch.arange(24.0).view(8, 3))
    net = nn.Linear(3, 1)
    with record() as sink:
        for (batch,) in torch.utils.data.DataLoader(data, batch_size=4):
            net(batch).sum().backward()
            net.zero_grad()
    assert [ops(trace) for trace in sink.traces] == [["linear", "sum", "zero_grad", "zero_grad"]] * 2
    assert sink.traces[0].graph.values[0].name == "batch"


def test_values_are_let_go_after_each_step(record):
    (w,) = weights((50, 50))
    with record() as sink:
        counts = []
        for i in range(30):
            torch.ones(2, 50).mm(w).relu().sum().backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
            w.grad = None
            if i >= 10 and i % 5 == 0:
                gc.collect()
                counts.append(sum(type(thing).__module__ == "gradwalk.recorder.records" for thing in gc.get_objects()))
    assert len(sink.traces) == 30
    assert max(counts) <= counts[0] + 5


def test_a_checkpointed_forward_is_inside_its_function(record):
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    with record() as sink:
        for _ in range(2):
            x = torch.ones(2, 3, requires_grad=True)
            torch.utils.checkpoint.checkpoint(net, x, use_reentrant=True).sum().backward()
            net.zero_grad()
    assert [op.name for op in sink.traces[1].graph.ops][:5] == ["ones", "CheckpointFunction", "linear", "relu", "sum"]
    assert [trace.label for trace in sink.traces] == ["", ""]


def test_loops_inside_a_module_are_one_forward(record):
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.Linear(3, 1)

        def forward(self, x):
            return [self.cell(x[:, t]) for t in range(3)][-1]

    net = Loop()
    with record() as sink, torch.no_grad():
        for _ in range(3):
            net(torch.ones(2, 3, 3))
    assert [ops(trace).count("linear") for trace in sink.traces] == [3, 3, 3]


def test_a_model_made_after_a_backward_is_no_update(record):
    with record() as sink:
        first = nn.Linear(2, 1)
        first(torch.ones(1, 2)).sum().backward()
        second = nn.Linear(2, 1)
        second(torch.ones(1, 2)).sum().backward()
    assert ops(sink.traces[0]) == ["linear", "sum"]
    assert not [event for event in sink.traces[1].graph.events if event.kind == "update"]


def test_functorch_is_left_alone(record):
    with record() as sink:
        slope = torch.func.grad(lambda w: (w**2).sum())(torch.ones(3))
        doubled = torch.func.vmap(lambda a: a * 2)(torch.ones(3))
    assert (slope.tolist(), doubled.tolist()) == ([2.0] * 3, [2.0] * 3)
    assert "fault" not in sink.kinds
