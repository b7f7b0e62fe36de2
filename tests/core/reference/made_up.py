"""What hypothesis makes up for the formulas: arrays of several shapes and layouts in memory, axes, indices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

F = torch.nn.functional
LAYOUTS = {
    "plain": lambda x: x,
    "columns": lambda x: np.asfortranarray(x) if x.ndim else x,
    "turned round": lambda x: np.flip(np.flip(x).copy()),
    "every other": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
}
QUICK = settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
SIZES = st.integers(0, 3)
SHAPES = st.lists(SIZES, max_size=4).map(tuple)
FULL = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
SEEDS = st.integers(0, 999)
PAIRS = mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3).map(lambda made: made.input_shapes)
TRIPLES = mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3).map(lambda made: made.input_shapes)
REDUCTIONS = st.sampled_from(["mean", "sum", "none"])
MARKS = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning"),
    pytest.mark.filterwarnings("ignore:Using a target size:UserWarning"),
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*degrees of freedom:UserWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


class Maker:
    """Makes arrays for one example: random numbers, in a layout that is drawn for each."""

    def __init__(self, data):
        self.data, self.random = data, np.random.default_rng(data.draw(SEEDS))

    def laid(self, x):
        return LAYOUTS[self.data.draw(st.sampled_from(sorted(LAYOUTS)))](np.asarray(x))

    def normal(self, *shape):
        return self.laid(self.random.standard_normal(shape))

    def positive(self, *shape):
        return self.laid(self.random.uniform(0.5, 2.0, shape))

    def apart(self, *shape):
        """Numbers none of which is another."""
        return self.laid(self.random.permutation(int(np.prod(shape))).astype(float).reshape(shape))

    def dims(self, ndim):
        """No axes, one, or several; some from the end."""
        some = st.lists(st.integers(0, ndim - 1), min_size=1, max_size=ndim, unique=True)
        axes = self.data.draw(some)
        axes = tuple(axis - ndim if self.data.draw(st.booleans()) else axis for axis in axes)
        return axes if len(axes) > 1 or self.data.draw(st.booleans()) else axes[0]

    def dim(self, ndim):
        return self.data.draw(st.integers(-ndim, ndim - 1))

    def whole(self, high, *shape):
        """Indices, some from the end."""
        return self.random.integers(-high, high, shape) if high else np.zeros(shape, np.int64)


def examples(function):
    """Run a test with a Maker on each example."""

    @QUICK
    @given(st.data())
    def run(data):
        function(Maker(data))

    run.__name__ = function.__name__
    run.hypothesis.inner_test.__name__ = function.__name__
    return run
