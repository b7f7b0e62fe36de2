"""Equal blocks of a network: one line per case."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from gradwalk.blocks import blocks_in_words, repeated_blocks
from gradwalk.trace import Graph


class Block(nn.Module):
    """A small pre-norm residual block; ``twist`` makes it another block of the same class."""

    def __init__(self, twist: str = "") -> None:
        super().__init__()
        self.norm, self.up, self.down, self.twist = nn.LayerNorm(4), nn.Linear(4, 8), nn.Linear(8, 4), twist

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.up(self.norm(x))
        h = h.relu() if self.twist == "relu" else nn.functional.gelu(h)
        h = self.down(h)
        return h + h if self.twist == "wiring" else x + h


class Stack(nn.Module):
    def __init__(self, *twists: str) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Block(twist) for twist in twists])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def graph_of(record: Callable[..., object], module: nn.Module, x: torch.Tensor) -> Graph:
    with record() as sink:
        module(x).sum().backward()
    return sink.traces[0].graph


STACKS = [
    (("",) * 4, [[0, 1, 2, 3]]),
    (("",), []),
    (("", "relu", "", "relu"), [[0, 2], [1, 3]]),
    (("", "wiring", ""), [[0, 2]]),
    (("relu", "wiring", ""), []),
]


@pytest.mark.parametrize(("twists", "groups"), STACKS)
def test_blocks_are_equal_where_their_inside_is(record, twists, groups):
    graph = graph_of(record, Stack(*twists), torch.ones(2, 4))
    found = [[graph.modules[call].name for call in group.calls] for group in repeated_blocks(graph) if group.nested]
    assert found == [[f"layers.{i}" for i in group] for group in groups]
    assert {group.ops for group in repeated_blocks(graph) if group.nested} <= {5}


def test_a_transformer_says_how_many_layers_are_equal(record):
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 12)
    graph = graph_of(record, encoder, torch.randn(2, 3, 8))
    (group,) = [group for group in repeated_blocks(graph) if len(group.calls) == 12]
    said = blocks_in_words(graph, repeated_blocks(graph))
    assert said == [f"module.layers.0 ... module.layers.11: 12 equal blocks (TransformerEncoderLayer, {group.ops} ops each)"]


def test_equal_blocks_inside_equal_blocks_are_told_once(record):
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = Stack("", ""), Stack("", "")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x))

    net = Outer()
    graph = graph_of(record, net, torch.ones(2, 4))
    assert blocks_in_words(graph, repeated_blocks(graph)) == [
        "module.first and module.second: 2 equal blocks (Stack, 10 ops each)",
        "module.first.layers.0 and module.first.layers.1: 2 equal blocks (Block, 5 ops each)",
    ]
