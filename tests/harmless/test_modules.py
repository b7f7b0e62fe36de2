"""Module kinds: layers, losses, containers, shared modules and weights."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from loops import randn, train
from scenario import Row, rows
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune, rnn


class Calls(nn.Module):
    """A module from a constructor of its parts and a forward."""

    def __init__(self, forward, **parts) -> None:
        super().__init__()
        self.run = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs):
        return self.run(self, *inputs)


class Doubled(nn.Module):
    """A parametrization."""

    def forward(self, weight):
        return weight * 2


def ints(high, *shape):
    return torch.randint(0, high, shape)


def packed(kind):
    def run(m, x):
        sequence = rnn.pack_padded_sequence(x, torch.tensor([5, 3, 1]), batch_first=True)
        return rnn.pad_packed_sequence(m.rnn(sequence)[0], batch_first=True)[0]

    return train(Calls(run, rnn=kind(4, 3, num_layers=2, batch_first=True, dropout=0.2, bidirectional=True)), randn(3, 5, 4))


def criterion(loss, output, *target):
    """A loss module over a parameter."""
    return train(Calls(lambda m, *t: m.loss(m.x, *t), loss=loss, x=nn.Parameter(output)), *target)


def eval_mode(model, x):
    return train(model.eval(), x)


def tied():
    model = nn.Sequential(nn.Embedding(6, 4), nn.Linear(4, 6, bias=False))
    model[1].weight = model[0].weight
    return train(model, ints(6, 3), optimizer=torch.optim.Adam)


def pruned():
    return train(prune.l1_unstructured(nn.Linear(4, 3), "weight", amount=0.5), randn(2, 4))


def parametrized():
    layer = nn.Linear(4, 4)
    parametrize.register_parametrization(layer, "weight", Doubled())
    return train(nn.Sequential(layer, layer), randn(2, 4))


def frozen():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    return train(model, randn(3, 4))


def unpooled():
    pool, unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
    return train(
        Calls(lambda m, x: m.unpool(*m.pool(m.conv(x))), conv=nn.Conv2d(2, 2, 1), pool=pool, unpool=unpool), randn(1, 2, 4, 4)
    )


def transformer():
    return train(nn.Transformer(8, 2, 1, 1, 16, dropout=0.1, batch_first=True), randn(2, 3, 8), randn(2, 4, 8))


def attention(**settings):
    return train(Calls(lambda m, x: m.a(x, x, x, **settings)[0], a=nn.MultiheadAttention(8, 2, dropout=0.1)), randn(3, 2, 8))


def functional_call():
    model = nn.Linear(4, 3)
    fast = {name: (p * 2).detach().requires_grad_() for name, p in model.named_parameters()}
    torch.func.functional_call(model, fast, (randn(2, 4),)).sum().backward()
    return fast, model


def scripted():
    model = torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)))
    train(model, randn(3, 4), steps=4)  # its executor has settled now
    return train(model, randn(3, 4))


TABLE = [
    Row("linear", lambda: train(nn.Linear(4, 3), randn(2, 4)), "linear"),
    Row("mlp", lambda: train(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)), randn(3, 4)), "linear relu"),
    Row("in-place relu", lambda: train(nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True)), randn(3, 4)), "linear relu"),
    Row("bilinear", lambda: train(nn.Bilinear(3, 4, 2), randn(5, 3), randn(5, 4)), "bilinear"),
    Row("conv1d", lambda: train(nn.Conv1d(2, 3, 3, padding=1), randn(2, 2, 6)), "conv1d"),
    Row("conv2d groups", lambda: train(nn.Conv2d(4, 4, 3, groups=2, dilation=2), randn(2, 4, 7, 7)), "conv2d"),
    Row(
        "conv2d padded by reflection",
        lambda: train(nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), randn(1, 2, 5, 5)),
        "conv2d",
    ),
    Row("conv3d", lambda: train(nn.Conv3d(1, 2, 2), randn(1, 1, 3, 3, 3)), "conv3d"),
    Row(
        "transposed conv",
        lambda: train(nn.ConvTranspose2d(2, 3, 3, stride=2, output_padding=1), randn(1, 2, 3, 3)),
        "conv_transpose2d",
    ),
    Row("channels last", lambda: train(nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last), randn(2, 3, 5, 5)), "conv2d"),
    Row("batch norm", lambda: train(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), randn(5, 4)), "linear batch_norm"),
    Row("batch norm in eval mode", lambda: eval_mode(nn.BatchNorm2d(3), randn(2, 3, 4, 4)), "batch_norm"),
    Row("batch norm cumulative", lambda: train(nn.BatchNorm2d(3, momentum=None), randn(2, 3, 4, 4)), "batch_norm"),
    Row("layer norm", lambda: train(nn.LayerNorm(4), randn(2, 4)), "layer_norm"),
    Row("group norm", lambda: train(nn.GroupNorm(2, 4), randn(2, 4, 3)), "group_norm"),
    Row(
        "instance norm",
        lambda: train(nn.InstanceNorm2d(3, affine=True, track_running_stats=True), randn(2, 3, 4, 4)),
        "instance_norm",
    ),
    Row("rms norm", lambda: train(nn.RMSNorm(4), randn(2, 4)), "rms_norm"),
    Row(
        "dropout",
        lambda: train(nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.AlphaDropout(0.2)), randn(3, 4)),
        "dropout alpha_dropout",
    ),
    Row(
        "dropout of channels", lambda: train(nn.Sequential(nn.Conv2d(2, 4, 1), nn.Dropout2d(0.5)), randn(2, 2, 3, 3)), "dropout2d"
    ),
    Row("prelu", lambda: train(nn.Sequential(nn.Linear(4, 4), nn.PReLU(4)), randn(3, 4)), "prelu"),
    Row("rrelu", lambda: train(nn.Sequential(nn.Linear(4, 4), nn.RReLU()), randn(3, 4)), "rrelu"),
    Row(
        "gelu, silu, softplus",
        lambda: train(nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.SiLU(), nn.Softplus()), randn(3, 4)),
        "gelu silu softplus",
    ),
    Row("glu", lambda: train(nn.Sequential(nn.Linear(4, 6), nn.GLU()), randn(3, 4)), "glu"),
    Row("embedding", lambda: train(nn.Embedding(6, 4, padding_idx=0, max_norm=1.0), ints(6, 3, 2)), "embedding"),
    Row("embedding bag", lambda: train(nn.EmbeddingBag(6, 4), ints(6, 3, 2)), "embedding_bag"),
    Row("sparse embedding", lambda: train(nn.Embedding(6, 4, sparse=True), ints(6, 3)), "embedding"),
    Row("rnn", lambda: train(nn.RNN(4, 3, 2, dropout=0.1), randn(5, 2, 4)), "rnn_tanh"),
    Row("lstm", lambda: train(nn.LSTM(4, 3, bidirectional=True), randn(5, 2, 4)), "lstm"),
    Row("gru", lambda: train(nn.GRU(4, 3, batch_first=True), randn(2, 5, 4)), "gru"),
    Row("packed rnn", lambda: packed(nn.RNN), "rnn_tanh"),
    Row("packed lstm", lambda: packed(nn.LSTM), "lstm"),
    Row("packed gru", lambda: packed(nn.GRU), "gru"),
    Row("lstm cell", lambda: train(Calls(lambda m, x: m.c(x, m.c(x)), c=nn.LSTMCell(4, 3)), randn(2, 4)), "lstm_cell"),
    Row("gru cell", lambda: train(Calls(lambda m, x: m.c(x, m.c(x)), c=nn.GRUCell(4, 3)), randn(2, 4)), "gru_cell"),
    Row("attention", lambda: attention(need_weights=True), "multi_head_attention_forward"),
    Row("attention without weights", lambda: attention(need_weights=False), "multi_head_attention_forward"),
    Row("encoder layer", lambda: train(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), randn(2, 3, 8)), "layer_norm"),
    Row(
        "encoder in eval mode",
        lambda: eval_mode(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), randn(2, 3, 8)),
        "layer_norm",
    ),
    Row("transformer", transformer, "layer_norm multi_head_attention_forward"),
    Row("max pool", lambda: train(nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2)), randn(1, 1, 6, 6)), "conv2d max_pool2d"),
    Row("unpool", unpooled, "max_pool2d_with_indices max_unpool2d"),
    Row(
        "adaptive pool",
        lambda: train(nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(2)), randn(1, 1, 7, 7)),
        "adaptive_avg_pool2d",
    ),
    Row(
        "fractional pool",
        lambda: train(nn.Sequential(nn.Conv2d(1, 2, 1), nn.FractionalMaxPool2d(2, 3)), randn(1, 1, 7, 7)),
        "fractional_max_pool2d",
    ),
    Row(
        "pixel shuffle", lambda: train(nn.Sequential(nn.Conv2d(1, 4, 1), nn.PixelShuffle(2)), randn(1, 1, 3, 3)), "pixel_shuffle"
    ),
    Row(
        "upsample",
        lambda: train(nn.Sequential(nn.Conv2d(1, 2, 1), nn.Upsample(scale_factor=2, mode="bilinear")), randn(1, 1, 3, 3)),
        "interpolate",
    ),
    Row(
        "unfold and fold",
        lambda: train(nn.Sequential(nn.Conv2d(1, 2, 1), nn.Unfold(2), nn.Fold((3, 3), 2)), randn(1, 1, 3, 3)),
        "unfold fold",
    ),
    Row(
        "cross entropy",
        lambda: criterion(nn.CrossEntropyLoss(label_smoothing=0.1, ignore_index=1), randn(4, 3), ints(3, 4)),
        "cross_entropy",
    ),
    Row("nll", lambda: criterion(nn.NLLLoss(weight=torch.ones(3)), randn(4, 3), ints(3, 4)), "nll_loss"),
    Row("mse", lambda: criterion(nn.MSELoss(), randn(4, 3), randn(4, 3)), "mse_loss"),
    Row("smooth l1", lambda: criterion(nn.SmoothL1Loss(), randn(4, 3), randn(4, 3)), "smooth_l1_loss"),
    Row(
        "bce with logits",
        lambda: criterion(nn.BCEWithLogitsLoss(pos_weight=torch.ones(3)), randn(4, 3), torch.rand(4, 3)),
        "binary_cross_entropy_with_logits",
    ),
    Row("kl divergence", lambda: criterion(nn.KLDivLoss(reduction="batchmean"), randn(4, 3), torch.rand(4, 3)), "kl_div"),
    Row("ctc", lambda: criterion(nn.CTCLoss(), randn(6, 2, 4).log_softmax(2), ints(3, 2, 3) + 1, (6, 5), (3, 2)), "ctc_loss"),
    Row("triplet", lambda: criterion(nn.TripletMarginLoss(), randn(4, 3), randn(4, 3), randn(4, 3)), "triplet_margin_loss"),
    Row(
        "cosine embedding",
        lambda: criterion(nn.CosineEmbeddingLoss(), randn(4, 3), randn(4, 3), torch.ones(4)),
        "cosine_embedding_loss",
    ),
    Row(
        "a shared module",
        lambda: train((lambda layer: nn.Sequential(layer, nn.Tanh(), layer))(nn.Linear(4, 4)), randn(2, 4)),
        "linear tanh",
    ),
    Row(
        "a module called three times",
        lambda: train(Calls(lambda m, x: m.f(m.f(m.f(x))), f=nn.Linear(4, 4)), randn(2, 4)),
        "linear",
    ),
    Row(
        "module list",
        lambda: train(
            Calls(lambda m, x: [f(x) for f in m.parts], parts=nn.ModuleList([nn.Linear(4, i) for i in (1, 2)])), randn(2, 4)
        ),
        "linear",
    ),
    Row(
        "module dict",
        lambda: train(
            Calls(lambda m, x: m.parts["a"](x), parts=nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 3)})), randn(2, 4)
        ),
        "linear",
    ),
    Row(
        "parameter list",
        lambda: train(Calls(lambda m, x: x @ m.ws[0] @ m.ws[1], ws=nn.ParameterList([randn(4, 3), randn(3, 2)])), randn(2, 4)),
        "matmul",
    ),
    Row(
        "functional calls after submodules",
        lambda: train(Calls(lambda m, x: F.normalize(F.relu(m.f(x)) + x.mean(), dim=1), f=nn.Linear(4, 4)), randn(2, 4)),
        "linear relu normalize",
    ),
    Row(
        "control flow",
        lambda: train(
            Calls(lambda m, x: m.a(x) if m.a(x).sum() > 0 else m.b(x), a=nn.Linear(4, 2), b=nn.Linear(4, 2)), randn(2, 4), steps=4
        ),
        "linear",
    ),
    Row(
        "unused parameters",
        lambda: train(Calls(lambda m, x: m.a(x), a=nn.Linear(4, 2), b=nn.Linear(4, 2)), randn(2, 4)),
        "linear",
    ),
    Row(
        "a lazy module",
        lambda: train(
            nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()),
            randn(4, 5),
            optimizer=lambda p, lr: torch.optim.SGD([randn(1, requires_grad=True)], lr),
        ),
        "linear",
    ),
    Row("spectral norm", lambda: train(parametrizations.spectral_norm(nn.Linear(4, 4)), randn(2, 4)), "linear"),
    Row("weight norm", lambda: train(parametrizations.weight_norm(nn.Linear(4, 3)), randn(2, 4)), "linear"),
    Row("orthogonal", lambda: train(parametrizations.orthogonal(nn.Linear(4, 4)), randn(2, 4)), "linear"),
    Row("a parametrization of the user's", parametrized, "linear mul"),
    Row("weight tying", tied, "embedding linear"),
    Row("pruned", pruned, "linear mul"),
    Row("frozen layer", frozen, "linear"),
    Row("functional_call", functional_call, "linear sum"),
    Row("a scripted module", scripted, "pow mean"),
]


@pytest.mark.filterwarnings("ignore:.*LazyModule.*|.*TorchScript.*|.*torch.jit.*:Warning", "ignore:enable_nested_tensor")
@rows(TABLE)
def test_same_bits(harmless, row):
    harmless(row.program, row.ops)
