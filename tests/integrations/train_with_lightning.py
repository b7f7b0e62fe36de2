"""A tiny module under Lightning's Trainer: plain, with accumulation, with the callback, and into an exception."""

import contextlib
import hashlib
import logging

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gradwalk.integrations.lightning import GradwalkCallback

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Net(lightning.LightningModule):
    def __init__(self, fail_at):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
        self.fail_at = fail_at

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, number):
        if number == self.fail_at:
            raise ValueError("no more")
        x, y = batch
        loss = (self(x) - y).pow(2).mean()
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, number):
        x, y = batch
        self.log("validation", (self(x) - y).pow(2).mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)


def rows(number):
    draw = torch.Generator().manual_seed(1)
    data = TensorDataset(torch.randn(number, 8, generator=draw), torch.randn(number, 4, generator=draw))
    return DataLoader(data, batch_size=4)


def train(name, number, accumulation=1, fail_at=-1, callbacks=()):
    torch.manual_seed(0)
    model = Net(fail_at)
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        accumulate_grad_batches=accumulation,
        callbacks=list(callbacks),
    )
    with contextlib.suppress(ValueError):
        trainer.fit(model, rows(number), rows(8))
    digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()[:16]
    print("trained", name, digest, flush=True)


if __name__ == "__main__":
    train("plain", 8)
    train("accumulated", 16, accumulation=2)
    train("callback", 8, callbacks=[GradwalkCallback("callback", level="structure")])
    train("raises", 8, fail_at=1, callbacks=[GradwalkCallback("raises", level="structure")])
    (torch.ones(3, requires_grad=True) * 2).sum().backward()  # after the recording
