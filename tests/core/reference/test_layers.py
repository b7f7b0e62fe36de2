"""Formulas of layers and of pieces: against torch's autograd, central differences and torch's forward mode (the transpose)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gradwalk.reference.registry import formula_of

F = torch.nn.functional
RANDOM = np.random.default_rng(11)


def normal(*shape):
    return RANDOM.standard_normal(shape)


def listed(function):
    """A torch function of a list as one of its tensors."""
    return lambda *xs, **named: function(xs, **named)


WORDS = np.array([[0, 2, 2], [4, 0, 0]])
LABELS = np.array([0, 2, 4, 2])
POSITIVE = RANDOM.uniform(0.5, 2.0, 5)
MASK = np.array([[True, False, False], [True, True, False], [True, True, True], [True, False, True]])
STATISTICS = [normal(3), RANDOM.uniform(0.5, 2.0, 3)]


def plain_norm(x, w, b, normalized_shape, eps=1e-5):
    return F.layer_norm(x, normalized_shape, w, b, eps)


def groups(x, w, b, num_groups):
    return F.group_norm(x, num_groups, w, b)


def where(c, x, y):
    return torch.where(c, x, y)


def index_select(x, index, dim):
    return torch.index_select(x, dim, index)


CASES = [
    ("where", where, [normal(4, 3) > 0, normal(4, 3), normal(3)], {}),
    ("masked_fill", torch.Tensor.masked_fill, [normal(2, 4, 3), MASK], {"value": 0.5}),
    ("masked_fill", torch.Tensor.masked_fill, [normal(2, 4, 3), MASK, normal()], {}),
    ("cat", listed(torch.cat), [normal(2, 3), normal(1, 3), normal(0, 3)], {}),
    ("cat", listed(torch.cat), [normal(2, 3), normal(2, 1)], {"dim": -1}),
    ("stack", listed(torch.stack), [normal(2, 3), normal(2, 3)], {"dim": 1}),
    ("split", torch.split, [normal(5, 3)], {"split_size_or_sections": 2}),
    ("split", torch.split, [normal(5, 3)], {"split_size_or_sections": [1, 4]}),
    ("split", torch.split, [normal(2, 6)], {"split_size_or_sections": 3, "dim": -1}),
    ("chunk", torch.chunk, [normal(5, 3)], {"chunks": 3}),
    ("unbind", torch.unbind, [normal(2, 3)], {"dim": 1}),
    ("getitem", lambda x, index: x[index], [normal(4, 3)], {"index": (slice(1, None), 0)}),
    ("getitem", lambda x, index: x[index], [normal(4, 3), WORDS[0]], {}),
    ("select", torch.select, [normal(4, 3)], {"dim": -1, "index": 1}),
    ("narrow", torch.narrow, [normal(4, 3)], {"dim": 0, "start": 1, "length": 2}),
    ("narrow", torch.narrow, [normal(4, 3)], {"dim": 1, "start": -1, "length": 1}),
    ("index_select", index_select, [normal(5, 3), WORDS[1]], {"dim": 0}),
    ("expand", lambda x, size: x.expand(size), [normal(3, 1)], {"size": (2, -1, 4)}),
    ("expand_as", lambda x, y: x.expand_as(y), [normal(3, 1), normal(2, 3, 4)], {}),
    ("repeat", lambda x, repeats: x.repeat(repeats), [normal(3, 2)], {"repeats": (2, 1, 3)}),
    ("embedding", F.embedding, [WORDS, normal(5, 3)], {}),
    ("embedding", F.embedding, [WORDS, normal(5, 3)], {"padding_idx": 0}),
    ("embedding", F.embedding, [WORDS, normal(5, 3)], {"scale_grad_by_freq": True}),
    ("layer_norm", plain_norm, [normal(2, 4, 3), normal(3), normal(3)], {"normalized_shape": (3,)}),
    ("layer_norm", plain_norm, [normal(2, 4, 3), normal(4, 3), normal(4, 3)], {"normalized_shape": (4, 3), "eps": 0.1}),
    ("batch_norm", F.batch_norm, [normal(4, 3), *STATISTICS, normal(3), normal(3)], {"training": True}),
    ("batch_norm", F.batch_norm, [normal(4, 3, 2, 2), *STATISTICS, normal(3), normal(3)], {"training": True, "eps": 0.1}),
    ("batch_norm", F.batch_norm, [normal(4, 3, 2), *STATISTICS, normal(3), normal(3)], {}),
    ("group_norm", groups, [normal(2, 6, 3), normal(6), normal(6)], {"num_groups": 2}),
    ("conv1d", F.conv1d, [normal(2, 3, 8), normal(4, 3, 3), normal(4)], {"stride": 2, "padding": 1}),
    ("conv1d", F.conv1d, [normal(2, 3, 8), normal(4, 3, 4)], {"padding": "same"}),
    ("conv1d", F.conv1d, [normal(3, 8), normal(4, 3, 3)], {"dilation": 2, "padding": "valid"}),
    ("conv2d", F.conv2d, [normal(2, 4, 5, 6), normal(6, 2, 3, 2), normal(6)], {"groups": 2, "stride": (2, 1), "padding": (1, 0)}),
    ("conv2d", F.conv2d, [normal(2, 2, 7, 6), normal(3, 2, 3, 3)], {"stride": (2, 2), "dilation": (1, 2)}),
    ("conv3d", F.conv3d, [normal(1, 2, 3, 4, 3), normal(2, 2, 2, 2, 2), normal(2)], {"padding": 1}),
    ("max_pool1d", F.max_pool1d, [normal(2, 3, 7)], {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("max_pool2d", F.max_pool2d, [normal(2, 3, 6, 7)], {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("max_pool2d", F.max_pool2d, [normal(3, 6, 7)], {"kernel_size": (2, 3), "dilation": 2}),
    ("avg_pool1d", F.avg_pool1d, [normal(2, 3, 7)], {"kernel_size": 3, "padding": 1}),
    ("avg_pool2d", F.avg_pool2d, [normal(2, 3, 6, 6)], {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("avg_pool2d", F.avg_pool2d, [normal(2, 3, 6, 6)], {"kernel_size": 3, "padding": 1, "count_include_pad": False}),
    ("avg_pool2d", F.avg_pool2d, [normal(2, 3, 6, 6)], {"kernel_size": 2, "divisor_override": 3}),
    ("adaptive_avg_pool2d", F.adaptive_avg_pool2d, [normal(2, 3, 5, 4)], {"output_size": (3, None)}),
    ("adaptive_avg_pool2d", F.adaptive_avg_pool2d, [normal(2, 3, 5, 4)], {"output_size": 1}),
    ("cross_entropy", F.cross_entropy, [normal(4, 5), LABELS, POSITIVE], {"label_smoothing": 0.1}),
    ("cross_entropy", F.cross_entropy, [normal(4, 5), LABELS, POSITIVE], {"reduction": "sum", "ignore_index": 2}),
    ("cross_entropy", F.cross_entropy, [normal(2, 5, 3), WORDS, POSITIVE], {"ignore_index": 2, "label_smoothing": 0.2}),
    ("cross_entropy", F.cross_entropy, [normal(2, 5, 3), WORDS], {"reduction": "none"}),
    ("cross_entropy", F.cross_entropy, [normal(5), np.asarray(3)], {}),
    ("cross_entropy", F.cross_entropy, [normal(2, 5), RANDOM.dirichlet(np.ones(5), 2), POSITIVE], {"label_smoothing": 0.1}),
    ("nll_loss", F.nll_loss, [normal(2, 5, 3), WORDS, POSITIVE], {}),
    ("tril", torch.tril, [normal(2, 4, 3)], {}),
    ("triu", torch.triu, [normal(4, 3)], {"diagonal": -1}),
    ("var", torch.var, [normal(4, 3)], {"dim": (0,)}),
    ("var", torch.var, [normal(4, 3)], {"dim": (0, 1), "correction": 0, "keepdim": True}),
    ("amax", torch.amax, [np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 3.0]])], {"dim": (1,)}),
    ("max", torch.max, [normal(4, 3)], {}),
    ("max", torch.max, [normal(4, 3)], {"dim": 1}),
    ("max", torch.max, [normal(4, 3)], {"dim": 0, "keepdim": True}),
    ("scaled_dot_product_attention", F.scaled_dot_product_attention, [normal(2, 4, 5), normal(2, 3, 5), normal(2, 3, 6)], {}),
    ("scaled_dot_product_attention", F.scaled_dot_product_attention, [normal(2, 4, 5)] * 3, {"is_causal": True, "scale": 0.3}),
    ("scaled_dot_product_attention", F.scaled_dot_product_attention,
     [normal(2, 4, 5), normal(2, 3, 5), normal(2, 3, 6), MASK], {}),
    ("scaled_dot_product_attention", F.scaled_dot_product_attention,
     [normal(2, 4, 5), normal(2, 3, 5), normal(2, 3, 6), normal(4, 3)], {}),
]  # fmt: skip
IDS = [f"{case[0]}-{number}" for number, case in enumerate(CASES)]
RENAMED = {"split_size_or_sections": "split_size"}


def outputs(result):
    return tuple(result) if isinstance(result, tuple | list) else (result,)


class Case:
    """A case run through the formula; ``wanted`` are the places of the inputs that have a VJP."""

    def __init__(self, name, inputs, arguments):
        self.formula, self.inputs = formula_of(name), inputs
        self.arguments = {RENAMED.get(key, key): value for key, value in arguments.items()}
        self.out = self.formula.compute(*inputs, **self.arguments)
        self.incoming = [normal(*np.shape(z)) for z in outputs(self.out)]
        self.listed = name in ("cat", "stack")
        symbols = self.formula.inputs * len(inputs) if self.listed else self.formula.inputs
        self.wanted = [i for i, symbol in enumerate(symbols[: len(inputs)]) if symbol in self.formula.vjps]

    def gradients(self):
        g = [np.asarray(g) for g in self.incoming]
        g = tuple(g) if isinstance(self.out, tuple) else g[0]
        if self.listed:
            return self.formula.vjps["X"](g, self.out, *self.inputs, **self.arguments)
        call = self.formula.vjps
        return [call[self.formula.inputs[i]](g, self.out, *self.inputs, **self.arguments) for i in self.wanted]

    def weighed(self, *moved):
        """The outputs of ``moved`` inputs times the incoming gradients, as one number."""
        made = outputs(self.formula.compute(*moved, **self.arguments))
        pairs = zip(made, self.incoming, strict=True)
        return sum((np.asarray(z) * g).sum() for z, g in pairs if np.asarray(z).dtype == np.float64)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize(("name", "function", "inputs", "arguments"), CASES, ids=IDS)
def test_forward_and_vjps_equal_torch(name, function, inputs, arguments):
    case = Case(name, inputs, arguments)
    tensors = [torch.tensor(x, requires_grad=i in case.wanted) for i, x in enumerate(inputs)]
    made = outputs(function(*tensors, **arguments))
    for mine, torchs in zip(outputs(case.out), made, strict=True):
        np.testing.assert_allclose(mine, torchs.detach().numpy(), rtol=1e-12, atol=1e-12)
    pairs = [(z, torch.tensor(g)) for z, g in zip(made, case.incoming, strict=True) if z.requires_grad]
    expected = torch.autograd.grad([z for z, _ in pairs], [tensors[i] for i in case.wanted], [g for _, g in pairs])
    for mine, torchs in zip(case.gradients(), expected, strict=True):
        assert mine.shape == torchs.shape
        np.testing.assert_allclose(mine, torchs.numpy(), rtol=1e-9, atol=1e-11)


# The embedding's keywords change the gradient and not the forward.
NO_DERIVATIVE = {"padding_idx", "scale_grad_by_freq"}
SCALED = [case for case in CASES if not NO_DERIVATIVE & set(case[3]) and case[0] != "amax"]


@pytest.mark.parametrize(("name", "function", "inputs", "arguments"), SCALED)
def test_vjps_equal_central_differences(name, function, inputs, arguments):
    case, step = Case(name, inputs, arguments), 1e-6
    for i, gradient in zip(case.wanted, case.gradients(), strict=True):
        direction = np.asarray(normal(*inputs[i].shape))
        ahead, behind = (case.weighed(*inputs[:i], inputs[i] + move * direction, *inputs[i + 1 :]) for move in (step, -step))
        np.testing.assert_allclose((gradient * direction).sum(), (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize(("name", "function", "inputs", "arguments"), SCALED)
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_vjps_are_the_transpose_of_torchs_forward_mode(name, function, inputs, arguments):
    """``<J v, u> = <v, J^T u>``: J v is torch's, J^T u the formula's."""
    case = Case(name, inputs, arguments)
    tensors = [torch.tensor(x) for x in inputs]
    directions = tuple(torch.tensor(np.asarray(normal(*inputs[i].shape))) for i in case.wanted)

    def of_wanted(*moved):
        every = list(tensors)
        for i, tensor in zip(case.wanted, moved, strict=True):
            every[i] = tensor
        return tuple(z for z in outputs(function(*every, **arguments)) if z.is_floating_point())

    _, pushed = torch.func.jvp(of_wanted, tuple(tensors[i] for i in case.wanted), directions)
    ahead = sum((z.numpy() * g).sum() for z, g in zip(pushed, case.incoming, strict=False))
    back = sum((d.numpy() * g).sum() for d, g in zip(directions, case.gradients(), strict=True))
    np.testing.assert_allclose(back, ahead, rtol=1e-9, atol=1e-11)


def test_dropout_keeps_what_its_mask_says_and_does_nothing_in_evaluation():
    formula, x, g = formula_of("dropout"), normal(4, 3), normal(4, 3)
    tensor = torch.tensor(x, requires_grad=True)
    z = F.dropout(tensor, 0.25)
    z.backward(torch.tensor(g))
    mask = (z.detach().numpy() != 0) * 1.0
    np.testing.assert_allclose(formula.compute(x, mask, p=0.25), z.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(formula.vjps["X"](g, z, x, mask, p=0.25), tensor.grad.numpy(), rtol=1e-12)
    assert not formula.compute(x, mask * 0, p=1.0).any()
    np.testing.assert_array_equal(formula.compute(x, mask, p=0.25, training=False), x)
    np.testing.assert_array_equal(formula.vjps["X"](g, x, x, mask, p=0.25, training=False), g)


def test_attention_with_dropout_is_refused():
    formula = formula_of("scaled_dot_product_attention")
    with pytest.raises(ValueError, match="mask is not recorded"):
        formula.compute(normal(2, 3), normal(2, 3), normal(2, 3), dropout_p=0.1)


@pytest.mark.parametrize("name", ["relu", "layer_norm", "conv1d", "scaled_dot_product_attention"])
def test_negative_strides_and_other_orders_change_nothing(name):
    inputs, arguments = {
        "relu": ([normal(3, 4)], {}),
        "layer_norm": ([normal(3, 4), normal(4), normal(4)], {"normalized_shape": (4,)}),
        "conv1d": ([normal(2, 3, 8), normal(4, 3, 3), normal(4)], {}),
        "scaled_dot_product_attention": ([normal(2, 4, 5), normal(2, 3, 5), normal(2, 3, 6)], {}),
    }[name]
    case = Case(name, inputs, arguments)
    turned = [np.asfortranarray(x)[..., ::-1].copy(order="F")[..., ::-1] for x in inputs]
    assert all(x.strides[-1] < 0 for x in turned)
    other = Case(name, turned, arguments)
    other.incoming = case.incoming
    np.testing.assert_array_equal(other.out, case.out)
    for mine, plain in zip(other.gradients(), case.gradients(), strict=True):
        np.testing.assert_allclose(mine, plain, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons_are_torchs_and_have_no_gradient(name):
    x, y = np.array([[1.0, 2.0, np.nan], [0.0, -1.0, 3.0]]), np.array([1.0, 3.0, np.nan])
    formula = formula_of(name)
    assert not formula.vjps
    expected = getattr(torch, name)(torch.tensor(x), torch.tensor(y)).numpy()
    np.testing.assert_array_equal(formula.compute(x, y), expected)
