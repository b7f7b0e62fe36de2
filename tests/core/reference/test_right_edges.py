"""Writes through views, batches of nothing, and nets of all layers: right ops are checked there too, or it is said why not."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from gradwalk.reference.checking import check
from gradwalk.reference.whole import check_step

sys.path.insert(0, str(Path(__file__).parent))
from right import agreeing, normal, ops, planted, recorded, sentences


def test_a_write_through_a_view_is_checked_forwards(tmp_path):
    x, y = normal(4, 5), normal(4)

    def program():
        b, c = x * 1, torch.zeros(4, 5)
        b[:, 2].mul_(3)
        b.t()[1].add_(y)
        c[:, 2].copy_(y)
        (b.sin().sum() + c.cos().sum()).backward()

    trace = agreeing(tmp_path / "run", program)
    for name in ("mul_", "add_", "copy_"):
        [one] = ops(trace, name)
        found = check(trace, one).verdict
        assert [row.symbol for row in found.rows] == ["Z"]
        assert (
            found.sentence == f"not checked: {name} writes through a view; which elements of its base these are is not recorded"
        )
        assert check(planted(trace, ("value", one.outputs[0]), 1, 0.1), one).verdict.agrees is False


def nothing():
    """Layers of a batch of size 0."""
    images, rows, words = normal(0, 3, 6, 6), normal(0, 4), normal(0, 3, 4)
    yield F.conv2d(images, normal(4, 3, 3, 3), normal(4))
    yield F.conv1d(images[:, :, 0], normal(4, 3, 3))
    yield F.conv_transpose2d(images, normal(3, 4, 3, 3))
    for pool in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.max_pool2d, F.avg_pool2d):
        yield pool(images, 2)
    yield F.unfold(images, 3)
    yield nn.MultiheadAttention(4, 2, batch_first=True)(words, words, words)[0]
    yield nn.GRUCell(4, 3)(rows)
    yield F.linear(rows, normal(5, 4))
    yield rows.mean(0)
    yield F.softmax(normal(3, 0), 1)
    yield F.layer_norm(rows, (4,)) + F.rms_norm(rows, (4,))
    yield F.batch_norm(images, None, None, training=True)
    yield F.cross_entropy(rows, torch.zeros(0, dtype=torch.long), reduction="sum")


def test_ops_of_a_batch_of_nothing_are_checked(tmp_path):
    trace = recorded(tmp_path / "run", lambda: sum(z.sum() for z in nothing()).backward())
    assert not check_step(trace).wrong
    made = ("randn", "zeros", "tensor", "empty", "requires_grad_", "uniform_", "kaiming_uniform_", "xavier_uniform_", "constant_")
    assert {(name, why) for name, why in sentences(trace) if name not in made} == set()
