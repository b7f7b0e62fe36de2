"""Where steps begin and end, and what is the update, in programs of many shapes."""

from __future__ import annotations

import pytest

from gradwalk.numpy_tape.passes import Passes, Update

from .conftest import edges, lines, roles, two_layers

DATA = """
import numpy as np
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(12, 4)), rng.normal(size=(12, 2))
W = rng.normal(size=(4, 2))
"""

REBINDING = (
    DATA
    + """
X = (X - X.mean(0)) / X.std(0)
params = {"W": W, "V": rng.normal(size=(2, 2)), "b": np.zeros(2)}
def forward(x, p):
    z = x @ p["W"] + p["b"]
    a = np.tanh(z)
    return z, a, a @ p["V"]
def mse(out, target):
    return np.mean((out - target) ** 2)
print("before", mse(forward(X, params)[2], Y))
history = np.zeros(4)
for epoch in range(4):
    z, a, out = forward(X, params)
    L = mse(out, Y)
    history[epoch] = L
    print(epoch, L)
    dout = 2 * (out - Y) / out.size
    grads = {}
    grads["V"] = a.T @ dout
    da = dout @ params["V"].T
    dz = da * (1 - a ** 2)
    grads["W"] = X.T @ dz
    grads["b"] = dz.sum(axis=0)
    for k in params:
        params[k] = params[k] - 0.1 * grads[k]
print("after", mse(forward(X, params)[2], Y))
"""
)

MINI_BATCHES = (
    DATA
    + """
class Net:
    def __init__(self):
        self.W1, self.W2 = rng.normal(size=(4, 5)), rng.normal(size=(5, 2))
    def forward(self, x):
        self.x = x
        self.h = x.dot(self.W1)
        self.r = np.maximum(self.h, 0)
        return self.r.dot(self.W2)
    def backward(self, dout):
        self.dW2 = self.r.T.dot(dout)
        dr = dout.dot(self.W2.T)
        dh = dr * (self.h > 0)
        self.dW1 = self.x.T.dot(dh)
net = Net()
velocity = [np.zeros_like(net.W1), np.zeros_like(net.W2)]
for epoch in range(2):
    order = rng.permutation(12)
    X, Y = X[order], Y[order]
    for i in range(0, 12, 4):
        x, y = X[i:i + 4], Y[i:i + 4]
        out = net.forward(x)
        loss = ((out - y) ** 2).mean() + 0.5 * 1e-3 * np.sum(net.W1 * net.W1)
        dout = 2 * (out - y) / out.size
        net.backward(dout)
        for w, g, v in zip([net.W1, net.W2], [net.dW1, net.dW2], velocity):
            g = g + 1e-3 * w
            v *= 0.9
            v -= 0.1 * g
            w += v
        print(loss)
    print("epoch", np.abs(net.forward(X) - Y).mean())
"""
)

LAYERS = (
    DATA
    + """
Ws = [rng.normal(size=s) for s in ((4, 6), (6, 5), (5, 2))]
for step in range(3):
    acts = [X]
    for w in Ws:
        acts.append(np.tanh(acts[-1] @ w))
    diff = acts[-1] - Y
    err = (diff ** 2).mean()
    print(step, err)
    delta = 2 * diff / diff.size
    for i in reversed(range(3)):
        delta = delta * (1 - acts[i + 1] ** 2)
        gW = acts[i].T @ delta
        delta = delta @ Ws[i].T
        Ws[i] -= 0.1 * gW
"""
)

NUMBERS = """
import numpy as np
rng = np.random.default_rng(0)
x = np.linspace(-3, 3, 40)
y = np.sin(x)
a, b = 0.25, -0.5
for t in range(4):
    y_pred = a + b * x
    loss = np.square(y_pred - y).sum()
    print(loss)
    grad_y_pred = 2.0 * (y_pred - y)
    grad_a = grad_y_pred.sum()
    grad_b = (grad_y_pred * x).sum()
    a -= 1e-3 * grad_a
    b -= 1e-3 * grad_b
print(f"y = {a} + {b} x")
"""

TIME_STEPS = """
import numpy as np
rng = np.random.default_rng(0)
Wx, Wh, Wy = rng.normal(size=(6, 3)), rng.normal(size=(6, 6)) * 0.1, rng.normal(size=(1, 6))
mem = [np.zeros_like(p) for p in (Wx, Wh, Wy)]
def sample(h):
    for t in range(2):
        h = np.tanh(Wx @ np.ones((3, 1)) + Wh @ h)
    return (Wy @ h).sum()
def run(xs, target, h):
    hs = {-1: h}
    for t in range(3):
        hs[t] = np.tanh(np.dot(Wx, xs[t]) + np.dot(Wh, hs[t - 1]))
    out = np.dot(Wy, hs[2])
    loss = ((out - target) ** 2).sum()
    dWx, dWh, dWy = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wy)
    dout = 2 * (out - target)
    dWy += np.dot(dout, hs[2].T)
    dh = np.dot(Wy.T, dout)
    for t in reversed(range(3)):
        draw = (1 - hs[t] * hs[t]) * dh
        dWx += np.dot(draw, xs[t].T)
        dWh += np.dot(draw, hs[t - 1].T)
        dh = np.dot(Wh.T, draw)
    for grad in (dWx, dWh, dWy):
        np.clip(grad, -5, 5, out=grad)
    return loss, dWx, dWh, dWy, hs[2]
h = np.zeros((6, 1))
for n in range(4):
    xs = [rng.normal(size=(3, 1)) for _ in range(3)]
    if n % 2 == 0:
        print("sample", sample(h))
    loss, dWx, dWh, dWy, h = run(xs, 0.5, h)
    print(n, loss)
    for param, grad, m in zip((Wx, Wh, Wy), (dWx, dWh, dWy), mem):
        m += grad * grad
        param += -0.1 * grad / np.sqrt(m + 1e-8)
"""


def printed(out: str) -> list[float]:
    """The losses that a script printed: the last number of the lines that begin with one."""
    return [float(line.split()[-1]) for line in out.splitlines() if line[0].isdigit()]


@pytest.mark.parametrize(
    "text", [REBINDING, MINI_BATCHES, LAYERS, NUMBERS, TIME_STEPS], ids=["rebinding", "batches", "layers", "numbers", "time"]
)
def test_every_pass_is_a_step_with_the_loss_that_was_printed(scripts, text):
    plain, taped = scripts.plain(text), scripts.taped(text)
    assert taped.out == plain.out
    assert taped.losses == printed(plain.out)
    assert all(trace.done and trace.label == "" for trace in taped.traces)


def test_a_new_array_under_the_old_name_is_the_update(scripts):
    trace = scripts.taped(REBINDING).traces[-1]
    assert roles(trace, "leaf") == ["W", "params['b']", "params['V']"]
    assert [line for line in lines(trace) if line.startswith("update (")] == [
        f"update (update) subtract({name}, -) -> {name}.1" for name in ("W", "params['V']", "params['b']")
    ]
    assert "backward matmul(X.T, dz) -> grads['W'] = dL/dW" in lines(trace)
    assert "matmul > params['V'] params['V'] by grads['V']" in edges(trace)
    assert "forward setitem(history, L) -> history.1" in lines(trace)


def test_momentum_belongs_to_the_update_and_is_no_leaf(scripts):
    trace = scripts.taped(MINI_BATCHES).traces[-1]
    assert roles(trace, "leaf") == ["net.W1", "net.W2"]
    assert roles(trace, "input") == ["X", "Y", "v", "v"]
    update = [line for line in lines(trace) if line.startswith("update")]
    assert update[:6] == [
        "update multiply(net.W1) -> -",
        "update add(self.dW1, -) -> g",
        "update multiply(v) -> v.1",
        "update multiply(g) -> -",
        "update subtract(v.1, -) -> v.2",
        "update (update) add(net.W1, v.2) -> net.W1.1",
    ]
    assert "backward multiply(dr, -) -> dh = dL/dself.h" in lines(trace)


def test_steps_of_epochs_and_batches_share_a_graph(scripts):
    assert len({id(trace.graph) for trace in scripts.taped(MINI_BATCHES).traces}) == 1


def test_numbers_become_leaves_once_they_are_scalars(scripts):
    first, *_, last = scripts.taped(NUMBERS).traces
    assert roles(first, "leaf") == []
    assert [line for line in lines(first) if line.startswith("update (")] == [
        "update (update) subtract(-) -> a",
        "update (update) subtract(-) -> b",
    ]
    assert roles(last, "leaf") == ["b", "a"]
    assert "update (update) subtract(a, -) -> a.1" in lines(last)
    assert "add > a a by grad_a" in edges(last)


def test_a_write_through_a_view_is_a_version_of_both(scripts):
    text = (
        DATA
        + "for t in range(3):\n    loss = (X @ W).sum()\n    g = X.T @ np.ones((12, 2))\n    row = W[0]\n    row -= 0.1 * g[0]\n"
    )
    trace = scripts.taped(text).traces[1]
    assert lines(trace)[-1] == "update (update) subtract(row, -) -> row.1, W.1"
    assert roles(trace, "leaf") == ["W"]


@pytest.mark.parametrize(
    "update",
    [
        "W -= 0.1 * g",
        "W[...] = W - 0.1 * g",
        "W[:] -= 0.1 * g",
        "np.subtract(W, 0.1 * g, out=W)",
        "W = W - 0.1 * g",
        "W += -0.1 * g",
    ],
)
def test_every_way_to_write_a_leaf_is_its_update(scripts, update):
    text = (
        DATA
        + "for t in range(3):\n    loss = ((X @ W - Y) ** 2).sum()\n    print(t, loss)\n    g = X.T @ (X @ W - Y)\n"
        + f"    {update}\n"
    )
    taped = scripts.taped(text)
    assert taped.losses == printed(taped.out)
    assert len(taped.losses) == 3
    for trace in taped.traces:
        assert roles(trace, "leaf") == ["W"]
        written = [line for line in lines(trace) if "(update)" in line]
        assert [line.rpartition(" ")[2] for line in written] == (["W.1", "W.2"] if "[:]" in update else ["W.1"])


def test_one_training_after_another(scripts):
    second = two_layers(3, "6, 9, 5, 2").replace("import numpy as np", "")
    taped = scripts.taped(two_layers(4, "8, 20, 6, 3") + second)
    assert taped.losses == printed(taped.out)
    assert len({trace.graph.key for trace in taped.traces}) == 2


def test_what_comes_after_the_loop_is_no_part_of_the_last_step(scripts):
    after = "\nprint('test', np.square(np.maximum(x.dot(w1), 0).dot(w2) - y).sum())\n"
    traces = scripts.taped(two_layers(3, "8, 20, 6, 3") + after).traces
    assert len({len(trace.tape) for trace in traces}) == 1


def test_a_single_pass_is_a_step(scripts):
    traces = scripts.taped(two_layers(1, "8, 20, 6, 3")).traces
    assert [lines(trace)[-1] for trace in traces] == ["update (update) subtract(w2, -) -> w2.1"]


def test_a_program_that_updates_nothing_is_one_step_that_says_so(scripts):
    traces = scripts.taped(DATA + "for i in range(5):\n    out = np.tanh(X @ W)\n").traces
    assert [(trace.label, len(trace.tape)) for trace in traces] == [("forward only", 10)]


def test_a_last_pass_without_an_update_says_so(scripts):
    text = two_layers(9, "8, 20, 6, 3").replace("    grad_y_pred", "    if t == 2:\n        break\n    grad_y_pred", 1)
    traces = scripts.taped(text).traces
    assert [trace.label for trace in traces] == ["", "", "forward only"]
    assert traces[-1].loss is not None


def test_without_any_call_of_numpy_there_is_no_step(scripts):
    assert scripts.taped("print(1)").traces == []


def test_a_metric_after_the_loss_is_not_backward(scripts):
    metric = "    print(t, loss)\n    accuracy = (y_pred > 0).mean()\n"
    trace = scripts.taped(two_layers(2, "8, 20, 6, 3").replace("    print(t, loss)\n", metric)).traces[0]
    assert [line for line in lines(trace) if "greater" in line or "mean" in line] == [
        "forward greater(y_pred) -> -",
        "forward mean(-) -> accuracy",
    ]


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        ("cost = e.sum()", "cost"),
        ("data_loss = e.sum()", "data_loss"),
        ("J = e.sum()", "J"),
        ("loss = e.sum() / len(x) + 0.5 * np.sum(w1 * w1)", "loss"),
        ("loss = float(e.sum())", "-"),
        ("largest = e.max(); q = e.sum(); print(q)", "q"),
    ],
)
def test_the_loss_is_the_scalar_of_that_name_or_one_that_is_printed(scripts, loss, name):
    text = two_layers(2, "8, 20, 6, 3").replace(
        "    loss = np.square(y_pred - y).sum()\n    print(t, loss)", f"    e = np.square(y_pred - y); {loss}"
    )
    trace = scripts.taped(text).traces[-1]
    assert f"loss {name}" in lines(trace)
    assert trace.loss is not None


def test_a_step_without_a_loss_is_split_by_its_gradients(scripts):
    text = two_layers(2, "8, 20, 6, 3").replace("    loss = np.square(y_pred - y).sum()\n    print(t, loss)\n", "")
    trace = scripts.taped(text).traces[0]
    assert trace.loss is None
    assert lines(trace)[2:5] == [
        "forward dot(h_relu, w2) -> y_pred",
        "backward subtract(y_pred, y) -> -",
        "backward multiply(-) -> grad_y_pred = dL/dy_pred",
    ]


def sequence(passes: Passes, sites: str, updates: dict[str, Update]) -> list[list[int]]:
    """Let ops come from sites (letters); after those of ``updates`` (moment by letter and turn) one is noted."""
    found = []
    for moment, site in enumerate(sites):
        begins = passes.arrive(site, moment)
        if begins:
            found.append([*begins, moment])
            passes.restart(moment, site)
        passes.note(site, moment)
        if f"{site}{moment}" in updates:
            passes.update(site, updates[f"{site}{moment}"])
    return found


def test_a_pass_ends_when_its_first_site_comes_again_after_an_update():
    assert sequence(Passes(), "sabuabu", {"u3": Update(1, 3, -1), "u6": Update(4, 6, -1)}) == [[1, 4]]


def test_a_loop_of_updates_ends_no_pass():
    updates = {"u2": Update(0, 2, -1), "u4": Update(1, 4, -1)}
    assert sequence(Passes(), "abuvuvab", updates) == [[0, 6]]


def test_passes_that_were_like_it_come_before_the_one_that_was_recognised():
    assert sequence(Passes(), "sabcabca", {"c6": Update(4, 6, -1)}) == [[1, 4, 7]]


def test_a_long_time_without_an_update_can_be_forgotten():
    passes = Passes()
    sequence(passes, "abcabcabc", {})
    passes.forget(6)
    assert (passes.begin, passes.sites) == (6, list("abc"))


def test_the_gradient_of_a_matrix_may_be_written_in_small_letters(scripts):
    text = DATA + "for t in range(3):\n    loss = ((X @ W - Y) ** 2).sum()\n    dw = X.T @ (X @ W - Y)\n    W -= 0.1 * dw\n"
    for trace in scripts.taped(text).traces:
        names = {value.name: trace.graph.values[value.gradient_of].name for value in trace.graph.values if value.gradient_of >= 0}
        assert names["dw"] == "W"
