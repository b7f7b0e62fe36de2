"""What feeds a training: data loaders, their workers, three random states."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from loops import randn
from scenario import Row, rows
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, random_split


class Noisy(Dataset):
    """Draws from all three random states."""

    def __len__(self):
        return 6

    def __getitem__(self, i):
        return torch.full((4,), float(i)) + torch.randn(4) + random.random() + float(np.random.rand())


class Stream(IterableDataset):
    def __iter__(self):
        yield from torch.randn(6, 4)


def fed_by(data, **settings):
    model, seen = nn.Linear(4, 2), []
    optimizer = optim.SGD(model.parameters(), 0.01)
    for _ in range(2):
        for batch in DataLoader(data, batch_size=3, **settings):
            optimizer.zero_grad()
            model(batch[0] if isinstance(batch, list) else batch).pow(2).mean().backward()
            optimizer.step()
            seen.append(batch)
    return model, seen


def split_data():
    first, _ = random_split(TensorDataset(randn(9, 4)), [6, 3])
    return fed_by(first, shuffle=True, drop_last=True)


TABLE = [
    Row("a data loader", lambda: fed_by(Noisy(), shuffle=True), "linear SGD.step"),
    Row("a data loader with workers", lambda: fed_by(Noisy(), shuffle=True, num_workers=2), "linear SGD.step"),
    Row("a stream of data with a worker", lambda: fed_by(Stream(), num_workers=1), "linear SGD.step"),
    Row("data split at random", split_data, "linear SGD.step"),
]


@pytest.mark.filterwarnings(
    "ignore:.*lr_scheduler.*|.*fork.*|.*optimizer\\.step.*|.*[Ss]parse.*|.*create_graph=True.*|.*number of items.*:Warning"
)
@rows(TABLE)
def test_same_bits(harmless, row):
    harmless(row.program, row.ops)
