"""Custom Functions made in a line, and one step through some that is checked while it runs."""

from __future__ import annotations

import torch
from torch.autograd import Function

import gradwalk


def checked(tmp_path, *calls, **settings):
    """The verdicts on the custom Functions of one step, in order."""
    with gradwalk.record(tmp_path / "run", check_steps=[0], **settings):
        total = torch.zeros(())
        for function, *arguments in calls:
            total = total + sum(one.sum() for one in [function.apply(*arguments)])
        total.backward()
    with gradwalk.open_recording(tmp_path / "run") as recording:
        assert not [note for note in recording.notes if note.kind in ("fault", "off")]
        return [one for one in recording[0].verdicts if recording[0].graph.ops[one.op].custom]


def plain(forward, backward):
    return type("Plain", (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


def cosine(ctx, g):
    return g * ctx.saved_tensors[0].cos()


def kept_sine(ctx, x):
    ctx.save_for_backward(x)
    return x.sin()
