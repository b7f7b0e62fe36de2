"""A small ``nn.Module`` that learns to read digits, with SGD or Adam.

The digits are made up: ten little patterns of 8 x 8 pixels, each shown shifted by a pixel or so, dimmed and covered in noise.
Run it with ``python mlp_digits.py --optimizer adam``, or with ``gradwalk run`` in front of the script.
"""

import argparse
import re

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

# Each digit is five rows of three pixels.
PATTERNS = [
    "### # # # # # # ###", "  #   #   #   #   #", "###   # ### #   ###", "###   #  ##   # ###", "# # # # ###   #   #",
    "### #   ###   # ###", "### #   ### # # ###", "###   #   #   #   #", "### # # ### # # ###", "### # # ###   # ###",
]  # fmt: skip


def digit_images(count, random):
    """Images float32 [count, 64] between 0 and about 1, and the digit on each, int64 [count]."""
    labels = random.integers(0, 10, size=count)
    images = np.zeros((count, 8, 8), dtype=np.float32)
    for image, label in zip(images, labels, strict=True):
        rows = [[pixel == "#" for pixel in PATTERNS[label][4 * row : 4 * row + 3]] for row in range(5)]
        top, left = random.integers(1, 3), random.integers(1, 5)
        image[top : top + 5, left : left + 3] = random.uniform(0.6, 1.0) * np.array(rows)
    images += 0.1 * random.standard_normal(images.shape, dtype=np.float32)
    return images.reshape(count, 64), labels


class DigitReader(nn.Module):
    """64 pixels in, two hidden layers, ten scores out."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 48)
        self.fc2 = nn.Linear(48, 32)
        self.fc3 = nn.Linear(32, 10)

    def forward(self, images):
        """Scores [batch, 10] for images [batch, 64]."""
        hidden = F.relu(self.fc1(images))
        hidden = F.relu(self.fc2(hidden))
        return self.fc3(hidden)


def change(text):
    """``fc1.weight[3,2]=0.5`` as a name, a place and a number."""
    [(name, place, number)] = re.findall(r"^([\w.]+)\[([\d, ]+)\]=(\S+)$", text)
    return name, tuple(map(int, place.split(","))), float(number)


parser = argparse.ArgumentParser(description="Train a small nn.Module on made-up digits.")
parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto takes CUDA where there is one")
parser.add_argument("--seed", type=int, help="use the same digits and the same first weights each time")
parser.add_argument("--steps", type=int, default=500, help="number of training steps (default: 500)")
parser.add_argument("--optimizer", choices=["sgd", "adam"], default="sgd", help="how the weights are updated (default: sgd)")
parser.add_argument("--lr", type=float, help="learning rate (default: 0.1 for sgd, 3e-3 for adam)")
parser.add_argument("--set", type=change, action="append", default=[], metavar="W[I,J]=X", help="as in fc1.weight[3,2]=0.5")
parser.add_argument("--batch", type=int, default=64, help="images in a step (default: 64)")
options = parser.parse_args()

has_cuda = torch.cuda.is_available()
if options.device == "cuda" and not has_cuda:
    parser.exit(2, f"{parser.prog}: there is no CUDA device here; use --device cpu or --device auto\n")
device = torch.device("cuda:0" if has_cuda and options.device != "cpu" else "cpu")

random = np.random.default_rng(options.seed)
if options.seed is not None:
    torch.manual_seed(options.seed)
pixels, digits = digit_images(2000, random)
all_images, all_labels = torch.from_numpy(pixels).to(device), torch.from_numpy(digits).to(device)

model = DigitReader().to(device)
if options.optimizer == "adam":
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3 if options.lr is None else options.lr)
else:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1 if options.lr is None else options.lr, momentum=0.9)

# Single weights can be set before the training starts: what difference does one make?
weights = dict(model.named_parameters())
for name, place, number in options.set:
    shape = weights[name].shape if name in weights else ()
    if len(place) != len(shape) or any(i >= size for i, size in zip(place, shape, strict=True)):
        parser.exit(2, f"{parser.prog}: --set {name}{list(place)}: there is no such element of {', '.join(weights)}\n")
    weights[name].data[place] = number

for step in range(options.steps):
    # A batch of images, taken at random.
    chosen = torch.from_numpy(random.integers(0, len(digits), size=options.batch)).to(device)
    images, labels = all_images[chosen], all_labels[chosen]

    optimizer.zero_grad()
    scores = model(images)
    loss = F.cross_entropy(scores, labels)
    loss.backward()
    optimizer.step()
    print(step, loss.item())
