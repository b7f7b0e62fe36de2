"""A two-layer net trained with NumPy alone: the backward pass is worked out on paper and typed in by hand.

    y_pred = max(x @ w1, 0) @ w2          loss = sum of (y_pred - y) squared

Every ``grad_...`` below is the derivative of the loss with respect to the variable that it is named after. Run it with
``python numpy_by_hand.py``, or with ``gradwalk run numpy_by_hand.py`` to see each of these lines as a picture.
"""

import argparse
import re

import numpy as np


def change(text):
    """``w1[3,2]=0.5`` as a name, a place and a number."""
    [(name, place, number)] = re.findall(r"^([\w.]+)\[([\d, ]+)\]=(\S+)$", text)
    return name, tuple(map(int, place.split(","))), float(number)


parser = argparse.ArgumentParser(description="Train a two-layer net in NumPy, with the backward pass written by hand.")
parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="NumPy has one device, the CPU")
parser.add_argument("--seed", type=int, help="draw the same values each time; the three two-layer programs then start alike")
parser.add_argument("--steps", type=int, default=500, help="number of training steps (default: 500)")
parser.add_argument("--lr", type=float, default=1e-6, help="learning rate (default: 1e-6)")
parser.add_argument("--set", type=change, action="append", default=[], metavar="W[I,J]=X", help="change a weight: w1[3,2]=0.5")
options = parser.parse_args()
if options.device == "cuda":
    parser.exit(2, f"{parser.prog}: NumPy computes on the CPU only; leave out --device cuda\n")

# Sizes: samples in the batch, inputs, hidden units, outputs.
N, D_in, H, D_out = 64, 1000, 100, 10
learning_rate = options.lr

# Random data, and two weight matrices at random, all float64.
if options.seed is None:
    x = np.random.randn(N, D_in)
    y = np.random.randn(N, D_out)
    w1 = np.random.randn(D_in, H)
    w2 = np.random.randn(H, D_out)
else:
    random = np.random.default_rng(options.seed)
    x = random.standard_normal((N, D_in), dtype=np.float32).astype(np.float64)
    y = random.standard_normal((N, D_out), dtype=np.float32).astype(np.float64)
    w1 = random.standard_normal((D_in, H), dtype=np.float32).astype(np.float64)
    w2 = random.standard_normal((H, D_out), dtype=np.float32).astype(np.float64)

# Single weights can be set before the training starts: what difference does one make?
weights = {"w1": w1, "w2": w2}
for name, place, number in options.set:
    shape = weights[name].shape if name in weights else ()
    if len(place) != len(shape) or any(i >= size for i, size in zip(place, shape, strict=True)):
        parser.exit(2, f"{parser.prog}: --set {name}{list(place)}: there is w1 [{D_in}, {H}] and w2 [{H}, {D_out}]\n")
    weights[name][place] = number

for step in range(options.steps):
    # Forward: from the inputs to the prediction.
    h = x.dot(w1)
    h_relu = np.maximum(h, 0)
    y_pred = h_relu.dot(w2)

    # How wrong is it?
    loss = np.square(y_pred - y).sum()
    print(step, loss)

    # Backward: the chain rule, from the loss to the weights.
    grad_y_pred = 2.0 * (y_pred - y)
    grad_w2 = h_relu.T.dot(grad_y_pred)
    grad_h_relu = grad_y_pred.dot(w2.T)
    grad_h = grad_h_relu.copy()
    grad_h[h < 0] = 0  # where the hidden unit was off, nothing flows back
    grad_w1 = x.T.dot(grad_h)

    # Update: a small step downhill.
    w1 -= learning_rate * grad_w1
    w2 -= learning_rate * grad_w2
