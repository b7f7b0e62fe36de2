"""A tiny model of the user's own under the Trainer: plain, with accumulation, with the callback, and into an exception."""

import contextlib
import hashlib

import torch
from torch import nn
from transformers import Trainer, TrainingArguments

from gradwalk.integrations.transformers import GradwalkCallback


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
        self.calls = 0

    def forward(self, x, labels):
        self.calls += 1
        if self.calls == self.fail_at:
            raise ValueError("no more")
        logits = self.net(x)
        return {"loss": (logits - labels).pow(2).mean(), "logits": logits}


class Rows(torch.utils.data.Dataset):
    def __init__(self, rows):
        draw = torch.Generator().manual_seed(1)
        self.x, self.y = torch.randn(rows, 8, generator=draw), torch.randn(rows, 4, generator=draw)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, row):
        return {"x": self.x[row], "labels": self.y[row]}


def train(name, rows, accumulation=1, fail_at=0, callbacks=()):
    torch.manual_seed(0)
    model = Net()
    model.fail_at = fail_at
    arguments = TrainingArguments(
        output_dir="trainer",
        per_device_train_batch_size=4,
        num_train_epochs=1,
        gradient_accumulation_steps=accumulation,
        eval_strategy="epoch",
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=Rows(rows), eval_dataset=Rows(8), callbacks=list(callbacks))
    with contextlib.suppress(ValueError):
        trainer.train()
    digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()[:16]
    print("trained", name, digest, flush=True)


if __name__ == "__main__":
    train("plain", 8)
    train("accumulated", 16, accumulation=2)
    train("callback", 8, callbacks=[GradwalkCallback("callback", level="structure")])
    train("raises", 8, fail_at=2, callbacks=[GradwalkCallback("raises", level="structure")])
    (torch.ones(3, requires_grad=True) * 2).sum().backward()  # after the recording
