"""The two-layer net with an operation of our own: a ReLU that says itself how its gradient is computed.

    y_pred = MyReLU(x.mm(w1)).mm(w2)          loss = sum of (y_pred - y) squared

Run it with ``python custom_function.py``, or with ``gradwalk run custom_function.py`` to see where autograd calls it.
"""

import argparse
import re

import numpy as np
import torch


class MyReLU(torch.autograd.Function):
    """max(input, 0), and its derivative."""

    @staticmethod
    def forward(ctx, input):
        """Clamp at zero; keep the input, since backward needs its sign."""
        ctx.save_for_backward(input)
        return input.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        """Let the gradient through where the input was positive, and nothing elsewhere."""
        (input,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input < 0] = 0
        return grad_input


def change(text):
    """``w1[3,2]=0.5`` as a name, a place and a number."""
    [(name, place, number)] = re.findall(r"^([\w.]+)\[([\d, ]+)\]=(\S+)$", text)
    return name, tuple(map(int, place.split(","))), float(number)


parser = argparse.ArgumentParser(description="Train a two-layer net with a custom autograd Function.")
parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto takes CUDA where there is one")
parser.add_argument("--seed", type=int, help="draw the same values each time; the three two-layer programs then start alike")
parser.add_argument("--steps", type=int, default=500, help="number of training steps (default: 500)")
parser.add_argument("--lr", type=float, default=1e-6, help="learning rate (default: 1e-6)")
parser.add_argument("--set", type=change, action="append", default=[], metavar="W[I,J]=X", help="change a weight: w1[3,2]=0.5")
options = parser.parse_args()

has_cuda = torch.cuda.is_available()
if options.device == "cuda" and not has_cuda:
    parser.exit(2, f"{parser.prog}: there is no CUDA device here; use --device cpu or --device auto\n")
device = torch.device("cuda:0" if has_cuda and options.device != "cpu" else "cpu")

# Sizes: samples in the batch, inputs, hidden units, outputs.
N, D_in, H, D_out = 64, 1000, 100, 10
learning_rate = options.lr

# Random data, and two weight matrices at random, all float32. Only the weights want a gradient.
if options.seed is None:
    x = torch.randn(N, D_in, device=device)
    y = torch.randn(N, D_out, device=device)
    w1 = torch.randn(D_in, H, device=device, requires_grad=True)
    w2 = torch.randn(H, D_out, device=device, requires_grad=True)
else:
    random = np.random.default_rng(options.seed)
    x = torch.from_numpy(random.standard_normal((N, D_in), dtype=np.float32)).to(device)
    y = torch.from_numpy(random.standard_normal((N, D_out), dtype=np.float32)).to(device)
    w1 = torch.from_numpy(random.standard_normal((D_in, H), dtype=np.float32)).to(device).requires_grad_()
    w2 = torch.from_numpy(random.standard_normal((H, D_out), dtype=np.float32)).to(device).requires_grad_()

# Single weights can be set before the training starts: what difference does one make?
weights = {"w1": w1, "w2": w2}
for name, place, number in options.set:
    shape = weights[name].shape if name in weights else ()
    if len(place) != len(shape) or any(i >= size for i, size in zip(place, shape, strict=True)):
        parser.exit(2, f"{parser.prog}: --set {name}{list(place)}: there is w1 [{D_in}, {H}] and w2 [{H}, {D_out}]\n")
    with torch.no_grad():
        if name == "w1":
            w1[place] = number
        else:
            w2[place] = number

relu = MyReLU.apply

for step in range(options.steps):
    # Forward: ours in the middle, PyTorch's on both sides.
    y_pred = relu(x.mm(w1)).mm(w2)

    # How wrong is it?
    loss = (y_pred - y).pow(2).sum()
    print(step, loss.item())

    # Backward: autograd calls MyReLU.backward when its turn comes.
    loss.backward()

    # Update: a small step downhill, which is itself nothing to differentiate.
    with torch.no_grad():
        w1 -= learning_rate * w1.grad
        w2 -= learning_rate * w2.grad

        # backward() adds to the gradients, so they start from zero in every step.
        w1.grad.zero_()
        w2.grad.zero_()
