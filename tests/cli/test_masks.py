"""The layers of a transformer, dropout and all: checked while they run, from the file, and end to end."""

from __future__ import annotations

import json

SCRIPT = """
import torch
from torch import nn

torch.manual_seed(0)
encoder, decoder = nn.TransformerEncoderLayer(8, 2, 16), nn.TransformerDecoderLayer(8, 2, 16)
optimizer = torch.optim.SGD([*encoder.parameters(), *decoder.parameters()], lr=0.1)
x, y = torch.randn(5, 3, 8), torch.randn(5, 3, 8)
for step in range(3):
    loss = (decoder(x, encoder(x)) - y).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def test_a_transformer_in_training_is_checked_from_its_masks(gradwalk, write):
    write("train.py", SCRIPT)
    done = gradwalk("run", "--no-window", "--record", "out", "--check-steps", "1", "train.py")
    assert done.returncode == 0, done.stderr
    (checked,) = json.loads(gradwalk("info", "out", "--json").stdout)["checked"]
    assert (checked["step"], checked["differ"], checked["not_compared"]) == (1, 0, 0)
    found = gradwalk("check", "out", "--fail-on", "mismatch", "--json")
    assert found.returncode == 0, found.stdout
    steps = json.loads(found.stdout)["reference"]
    assert [(step["step"], step["differ"], step["without_reference"]) for step in steps] == [(n, 0, {}) for n in range(3)]
    heads = [op for step in steps for op in step["ops"] if op["name"] == "multi_head_attention_forward"]
    assert len(heads) == 9
    assert all("kept / (1 - p)" in op["rows"][0]["formula"] for op in heads)
    exact = gradwalk("check", "out", "--step", "0", "--end-to-end")
    assert exact.returncode == 0, exact.stdout
    assert "multi_head_attention_forward" not in exact.stdout, "none is started anew from its recorded output"
