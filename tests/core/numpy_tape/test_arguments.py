"""Numbers that a method of an array takes one after the other are the one tuple that NumPy's function of that name takes."""

from __future__ import annotations

SCRIPT = """
import numpy as np

data = np.arange(12.0)
w = np.full((4, 2), 0.1)
for t in range(4):
    x = data.reshape(3, 4)
    back = x.reshape(12).reshape(3, -1).reshape((6, 2)).reshape(3, 4, order="C")
    turned = back.transpose(1, 0).transpose((1, 0)).transpose().T
    h = np.reshape(turned, (3, 4)).dot(w)
    loss = np.square(h).sum()
    grad_h = 2 * h
    grad_w = turned.transpose(1, 0).dot(grad_h)
    w -= 1e-4 * grad_w
"""


def test_shapes_and_axes_are_told_whole(scripts):
    ran = scripts.taped(SCRIPT)
    assert ran.error is None
    told = [op.arguments for op in ran.traces[1].graph.ops if op.name in ("reshape", "transpose")]
    shape, axes = (lambda text: ("shape", text)), (lambda text: ("axes", text))
    assert told == [
        *[(shape("(3, 4)"),), (shape("12"),), (shape("(3, -1)"),), (shape("(6, 2)"),), (shape("(3, 4)"), ("order", "C"))],
        *[(axes("(1, 0)"),), (axes("(1, 0)"),), (), (), (shape("(3, 4)"),), (axes("(1, 0)"),)],
    ]
