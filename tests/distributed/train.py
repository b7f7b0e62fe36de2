"""A training on two ranks: ``train.py PROGRAM [END]``. Each rank prints its losses and a hash of its parameters and gradients."""

import hashlib
import os
import sys
import time
from functools import partial

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.nn.parallel import DistributedDataParallel

STEPS = 4


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU())
        self.outer = nn.Linear(16, 4)

    def forward(self, x):
        return self.outer(self.inner(x))


def ddp(net, **settings):
    return DistributedDataParallel(net, **settings)


def fsdp1(net):
    wrap = partial(FullyShardedDataParallel, device_id=torch.device("cpu"))
    net.inner = wrap(net.inner)
    return wrap(net)


def fsdp2(net):
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    fully_shard(net.inner, mesh=mesh)
    return fully_shard(net, mesh=mesh)


WRAPPERS = {
    "ddp": ddp,
    "ddp_views": partial(ddp, gradient_as_bucket_view=True, bucket_cap_mb=0.0001),
    "fsdp1": fsdp1,
    "fsdp2": fsdp2,
    "plain": lambda net: net,
}


def local(tensor):
    return getattr(tensor, "_local_tensor", tensor).detach()


def digest(tensors):
    return hashlib.sha256(b"".join(local(tensor).numpy().tobytes() for tensor in tensors)).hexdigest()[:16]


def train(program, end):
    torch.manual_seed(0)
    model = WRAPPERS[program](Net())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    draw = torch.Generator().manual_seed(dist.get_rank())
    losses = []
    for step in range(STEPS):
        if end and dist.get_rank() == 1 and step == 3:
            fail(end)
        x, y = torch.randn(4, 8, generator=draw), torch.randn(4, 4, generator=draw)
        loss = (model(x) - y).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        if program == "plain":
            for parameter in model.parameters():
                dist.all_reduce(parameter.grad)
        optimizer.step()
        total = loss.detach().clone()
        dist.all_reduce(total)
        losses.append(loss.item().hex())
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    with torch.no_grad():
        state = digest([*model.parameters(), *gradients, *model.buffers()])
    return losses, state


def fail(end):
    time.sleep(0.5)  # what is recorded is in the file by now
    if end == "kill":
        os.kill(os.getpid(), 9)
    raise ValueError("this rank is out of luck")


if __name__ == "__main__":
    program, end = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    dist.init_process_group("gloo")
    for name in program.split(","):
        losses, state = train(name, end)
        sys.stdout.write(f"{dist.get_rank()} {name} {' '.join(losses)} {state}\n")
        sys.stdout.flush()
    dist.barrier()
    dist.destroy_process_group()
