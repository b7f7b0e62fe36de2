"""Memory that nobody has written: what ``np.empty`` happens to hold is no number of the program."""

from __future__ import annotations

SCRIPT = """
import numpy as np

rng = np.random.default_rng(0)
x = rng.standard_normal((20, 3))
y = x.dot(np.array([1.0, 2.0, 3.0]))
w = np.zeros(3)
for t in range(6):
    room = np.empty(20)
    for i in range(2):
        room[10 * i : 10 * i + 10] = x[10 * i : 10 * i + 10].dot(w)
    like = np.empty_like(room).reshape(4, 5)
    out = np.empty(20)
    np.subtract(room, y, out=out)
    loss = np.square(out).sum()
    grad_out = 2 * out
    grad_w = x.T.dot(grad_out)
    w -= 1e-2 * grad_w
"""


def test_it_is_not_measured_before_it_is_written_and_read(scripts):
    ran = scripts.taped(SCRIPT)
    assert ran.error is None
    assert len(ran.traces) == 6
    for trace in ran.traces:
        told = [(op.name, *[bool(trace.values[0, value] >= 0) for value in op.outputs]) for op in trace.graph.ops]
        assert told[:10] == [
            *[("getitem", True), ("dot", True), ("setitem", False)],
            *[("getitem", True), ("dot", True), ("setitem", True)],
            *[("empty_like", False), ("reshape", False), ("subtract", True), ("square", True)],
        ]
        rooms = [value for value in trace.graph.values if value.name == "room"]
        assert [bool(trace.values[0, value.id] >= 0) for value in rooms] == [False, False, True]
