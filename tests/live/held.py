"""A training in a second process that is held over the control path, as the app does it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from gradwalk.control import ControlError
from gradwalk.control_link import ControlLink
from gradwalk.recording.format import RecordingError
from gradwalk.recording.reader import open_recording

TWO_LAYERS = """
    import hashlib, sys, time
    import torch

    class MyReLU(torch.autograd.Function):
        @staticmethod
        def forward(ctx, input):
            ctx.save_for_backward(input)
            return input.clamp(min=0)

        @staticmethod
        def backward(ctx, grad_output):
            (input,) = ctx.saved_tensors
            return grad_output * (input >= 0)

    torch.manual_seed(0)
    x, y = torch.randn(8, 6), torch.randn(8, 3)
    w1, w2 = torch.randn(6, 5, requires_grad=True), torch.randn(5, 3, requires_grad=True)
    optimizer = torch.optim.SGD([w1, w2], lr=1e-3)
    for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 12):
        optimizer.zero_grad()
        h = MyReLU.apply(x @ w1)
        out = h @ w2
        out.mul_(2.0)
        loss = (out - y).pow(2).sum()
        loss.backward()
        optimizer.step()
        time.sleep(0.01)
    print(hashlib.sha256(b"".join(w.detach().numpy().tobytes() for w in (w1, w2))).hexdigest())
"""

BY_HAND = """
import hashlib, sys, time
import numpy as np

np.random.seed(0)
x, y = np.random.randn(8, 6), np.random.randn(8, 3)
w1, w2 = np.random.randn(6, 5), np.random.randn(5, 3)
for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 12):
    h = x.dot(w1)
    h_relu = np.maximum(h, 0)
    y_pred = h_relu.dot(w2)
    loss = np.square(y_pred - y).sum()
    grad_y_pred = 2.0 * (y_pred - y)
    grad_w2 = h_relu.T.dot(grad_y_pred)
    grad_h_relu = grad_y_pred.dot(w2.T)
    grad_h = grad_h_relu.copy()
    grad_h[h < 0] = 0
    grad_w1 = x.T.dot(grad_h)
    w1 -= 1e-3 * grad_w1
    w2 -= 1e-3 * grad_w2
    time.sleep(0.01)
print(hashlib.sha256(w1.tobytes() + w2.tobytes()).hexdigest())
"""


class Training:
    """A script that runs under ``gradwalk run --no-window``, and the connection that may hold it."""

    def __init__(self, folder: Path, script: str = TWO_LAYERS, *arguments: str, options: tuple[str, ...] = ()) -> None:
        folder.mkdir(exist_ok=True)
        self.script = folder / "train.py"
        self.script.write_text(textwrap.dedent(script), encoding="utf-8")
        self.run = folder / "run"
        command = [sys.executable, "-m", "gradwalk", "run", "--no-window", "--record", str(self.run), *options]
        self.process = subprocess.Popen(
            [*command, str(self.script), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        )
        self.frames: queue.Queue[dict[str, object]] = queue.Queue()
        self.link = self.connect()

    def connect(self) -> ControlLink:
        """A connection, as soon as the run listens."""
        for _ in range(400):
            with contextlib.suppress(ControlError):
                return ControlLink(
                    self.run, lambda frame: self.frames.put(dict(frame)), lambda: self.frames.put({"event": "lost"})
                )
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.02)
        raise AssertionError("the run never listened")

    def tell(self, command: str, **arguments: object) -> dict[str, object]:
        """Tell it something and wait for the answer."""
        return self.link.send(command, **arguments).result(20)

    def next(self, event: str, timeout: float = 30.0) -> dict[str, object]:
        """The next frame of a kind that it tells by itself."""
        while True:
            frame = self.frames.get(timeout=timeout)
            if frame["event"] == event:
                return frame

    def end(self) -> tuple[int, str, str]:
        """Its exit code, and what it printed."""
        out, error = self.process.communicate(timeout=60)
        return self.process.returncode, out.strip(), error


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def plainly(folder: Path, script: str = TWO_LAYERS, *arguments: str) -> str:
    """What the script prints when nobody watches."""
    file = folder / "plain.py"
    file.write_text(textwrap.dedent(script), encoding="utf-8")
    done = subprocess.run([sys.executable, str(file), *arguments], capture_output=True, text=True, env=environment(), check=True)
    return done.stdout.strip()


HOLDER = """
    import sys, time
    from pathlib import Path
    from gradwalk.control_link import ControlLink

    def told(frame):
        print(frame["event"], flush=True)

    link = ControlLink(Path(sys.argv[1]), told, lambda: None)
    link.send("breakpoints", breakpoints=[{"text": sys.argv[2]}]).result(10)
    time.sleep(60)
"""


def start_holder(run: Training, text: str) -> subprocess.Popen[str]:
    """Another process that holds a training at a breakpoint."""
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(run.run), text]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
    assert holder.stdout.readline().strip() == "held"
    return holder


def kill_holder(holder: subprocess.Popen[str]) -> None:
    """End it with SIGKILL."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()


def before(text: str) -> dict[str, str]:
    """A breakpoint as it is sent."""
    return {"text": text, "when": "before"}


def after(text: str) -> dict[str, str]:
    """The same after the event."""
    return {"text": text, "when": "after"}


def open_recording_when_there(run):
    """The recording of a run, once its file is there."""
    while True:
        with contextlib.suppress(RecordingError):
            return open_recording(run.run)
        time.sleep(0.01)
