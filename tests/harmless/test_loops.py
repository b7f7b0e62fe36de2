"""Whole loops: optimizers, schedulers, averages, several models, generation, randomness of three kinds."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from loops import randn, train
from scenario import Row, rows
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn


def mlp():
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))


def with_optimizer(kind, **settings):
    return train(mlp(), randn(6, 4), steps=3, optimizer=kind, **settings)


def lbfgs():
    model, x, y = mlp(), randn(6, 4), randn(6, 2)
    optimizer = optim.LBFGS(model.parameters(), lr=0.5, max_iter=3, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(2)]
    return model, losses


def muon():
    return train(nn.Linear(4, 3, bias=False), randn(2, 4), optimizer=optim.Muon)


def sparse_adam():
    return train(nn.Embedding(6, 3, sparse=True), torch.randint(0, 6, (4,)), optimizer=optim.SparseAdam)


def differentiable_optimizer():
    w = randn(3, requires_grad=True)
    inner = w.clone()
    optimizer = optim.SGD([inner], 0.1, differentiable=True)
    inner.retain_grad()
    (inner * inner).sum().backward(create_graph=True)
    optimizer.step()
    (inner * 2).sum().backward()
    return w, inner


def hooked_optimizer():
    model, seen = mlp(), []
    optimizer = optim.SGD(model.parameters(), 0.1)
    optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before"))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after"))
    for _ in range(2):
        model(randn(2, 4)).sum().backward()
        optimizer.step()
    return model, seen


def groups_that_grow():
    first, second = nn.Linear(4, 4), nn.Linear(4, 2)
    second.requires_grad_(False)
    optimizer = optim.SGD(first.parameters(), 0.1, momentum=0.9)
    for i in range(4):
        if i == 2:
            second.requires_grad_(True)
            optimizer.add_param_group({"params": second.parameters(), "lr": 0.01})
        optimizer.zero_grad()
        second(first(randn(3, 4))).pow(2).mean().backward()
        optimizer.step()
    return first, second, optimizer


def resumed():
    model = mlp()
    optimizer = optim.Adam(model.parameters())
    for i in range(4):
        model(randn(3, 4)).pow(2).mean().backward()
        optimizer.step()
        if i == 1:
            saved = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    model.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    model(randn(3, 4)).pow(2).mean().backward()
    optimizer.step()
    return model, optimizer


def clipped():
    model, norms = mlp(), []
    optimizer = optim.SGD(model.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(randn(3, 4)).pow(2).sum().backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.5)
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), 0.1))
        optimizer.step()
    return model, norms


def scheduled(kind, **settings):
    model, rates = mlp(), []
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
    scheduler = kind(optimizer, **settings)
    for _ in range(4):
        optimizer.zero_grad()
        loss = model(randn(3, 4)).pow(2).mean()
        loss.backward()
        optimizer.step()
        scheduler.step(*[loss.item()] if kind is lr_scheduler.ReduceLROnPlateau else [])
        rates.append(optimizer.param_groups[0]["lr"])
    return model, rates


def averaged():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    average, slow = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9)), copy.deepcopy(model)
    optimizer = optim.SGD(model.parameters(), 0.1)
    scheduler = SWALR(optimizer, 0.05)
    for _ in range(3):
        optimizer.zero_grad()
        model(randn(5, 4)).pow(2).mean().backward()
        optimizer.step()
        average.update_parameters(model)
        with torch.no_grad():
            for mine, its in zip(slow.parameters(), model.parameters(), strict=True):
                mine.lerp_(its, 0.1)
        scheduler.step()
    torch.optim.swa_utils.update_bn([randn(5, 4) for _ in range(2)], average)
    return model, average, slow


def gan():
    maker, judge = (
        nn.Sequential(nn.Linear(2, 4), nn.LeakyReLU(), nn.Linear(4, 3)),
        nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)),
    )
    first, second = optim.Adam(maker.parameters(), 0.01), optim.Adam(judge.parameters(), 0.01)
    real, yes, no = randn(6, 3), torch.ones(6, 1), torch.zeros(6, 1)
    for _ in range(3):
        fake = maker(randn(6, 2))
        second.zero_grad()
        loss = F.binary_cross_entropy_with_logits(judge(real), yes) + F.binary_cross_entropy_with_logits(judge(fake.detach()), no)
        loss.backward()
        second.step()
        first.zero_grad()
        F.binary_cross_entropy_with_logits(judge(fake), yes).backward()
        first.step()
    return maker, judge, loss


def gradient_penalty():
    judge, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), randn(5, 3)
    optimizer = optim.RMSprop(judge.parameters(), 0.01)
    for _ in range(2):
        mixed = (x * torch.rand(5, 1) + randn(5, 3)).requires_grad_()
        (slope,) = torch.autograd.grad(judge(mixed).sum(), mixed, create_graph=True)
        optimizer.zero_grad()
        ((slope.norm(dim=1) - 1).pow(2).mean() + judge(x).mean()).backward()
        optimizer.step()
    return judge, slope


def autoencoder():
    encode, decode = nn.Linear(6, 4), nn.Linear(2, 6)
    optimizer = optim.AdamW([*encode.parameters(), *decode.parameters()])
    for _ in range(2):
        x = torch.rand(5, 6)
        mean, spread = encode(x).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * spread) * torch.randn_like(mean)
        loss = F.mse_loss(decode(z), x) - 0.5 * torch.mean(1 + spread - mean.pow(2) - spread.exp())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return encode, decode, loss


def policy():
    net, rewards = nn.Linear(4, 3), []
    optimizer = optim.Adam(net.parameters(), 0.01)
    for _ in range(2):
        logs, gains, state = [], [], randn(4)
        for _ in range(random.randint(2, 4)):
            choice = torch.distributions.Categorical(logits=net(state))
            action = choice.sample()
            logs.append(choice.log_prob(action))
            gains.append(float(action) + np.random.rand())
            state = state + randn(4) * action.item()
        optimizer.zero_grad()
        torch.stack([-a * b for a, b in zip(logs, gains, strict=True)]).sum().backward()
        optimizer.step()
        rewards.append(sum(gains))
    return net, rewards


def learning_to_learn():
    model = nn.Linear(3, 1)
    optimizer = optim.Adam(model.parameters(), 0.01)
    for _ in range(2):
        optimizer.zero_grad()
        for _ in range(2):
            fast, x = dict(model.named_parameters()), randn(4, 3)
            loss = torch.func.functional_call(model, fast, (x,)).pow(2).mean()
            slopes = torch.autograd.grad(loss, list(fast.values()), create_graph=True)
            fast = {name: p - 0.1 * g for (name, p), g in zip(fast.items(), slopes, strict=True)}
            torch.func.functional_call(model, fast, (x,)).sum().backward()
        optimizer.step()
    return model, loss


def translated():
    """A decoder that is fed its own words or the right ones, by chance."""
    embed, cell, out = nn.Embedding(5, 4), nn.GRUCell(4, 4), nn.Linear(4, 5)
    parameters = [*embed.parameters(), *cell.parameters(), *out.parameters()]
    optimizer = optim.Adam(parameters, 0.01)
    for _ in range(2):
        words, hidden, loss = torch.randint(0, 5, (2, 4)), torch.zeros(2, 4), torch.zeros(())
        word = words[:, 0]
        for i in range(1, 4):
            hidden = cell(embed(word), hidden)
            scores = out(hidden)
            loss = loss + F.cross_entropy(scores, words[:, i])
            word = words[:, i] if random.random() < 0.5 else scores.argmax(1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return embed, cell, out, loss


@torch.no_grad()
def generated(model, length):
    tokens = [torch.zeros((), dtype=torch.long)]
    for _ in range(length):
        tokens.append(torch.multinomial(model(tokens[-1]).softmax(-1), 1)[0])
    return torch.stack(tokens)


def language():
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 5))
    text = []
    for _ in range(2):
        text.append(generated(model, 4))
        train(model, torch.randint(0, 5, (6,)), steps=1, loss=lambda scores: F.cross_entropy(scores, torch.randint(0, 5, (6,))))
    return model, text


def teacher_and_student():
    teacher, student = mlp().requires_grad_(False).eval(), mlp()

    def loss(scores):
        return F.kl_div(scores.log_softmax(1), teacher(x).softmax(1), reduction="batchmean")

    x = randn(5, 4)
    return train(student, x, loss=loss), teacher


def lengths_that_vary():
    model, optimizer = nn.LSTM(3, 4), None
    optimizer = optim.SGD(model.parameters(), 0.1)
    for length in (3, 5, 2, 5):
        optimizer.zero_grad()
        model(randn(length, 2, 3))[0].pow(2).mean().backward()
        optimizer.step()
    return model


def stops_early():
    model, best, kept = mlp(), float("inf"), None
    optimizer = optim.SGD(model.parameters(), 0.5)
    for i in range(6):
        optimizer.zero_grad()
        loss = model(randn(3, 4)).pow(2).mean()
        if loss.item() > 10 * best:
            break
        if not torch.isfinite(loss) or i == 2:
            continue  # a forward without its backward
        if loss.item() < best:
            best, kept = loss.item(), copy.deepcopy(model.state_dict())
        loss.backward()
        optimizer.step()
    model.load_state_dict(kept)
    return model, best


def explodes():
    model, losses = nn.Linear(3, 3), []
    for _ in range(6):
        loss = model(randn(4, 3)).pow(4).mean()
        loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= 1e4 * p.grad
                p.grad = None
        losses.append(loss.item())
    return model, losses


TABLE = [
    Row("SGD", lambda: with_optimizer(optim.SGD), "SGD.step"),
    Row("SGD with momentum", lambda: with_optimizer(optim.SGD, momentum=0.9, nesterov=True, weight_decay=0.1), "SGD.step"),
    Row("SGD one by one", lambda: with_optimizer(optim.SGD, momentum=0.9, foreach=False), "SGD.step"),
    Row("SGD foreach", lambda: with_optimizer(optim.SGD, momentum=0.9, foreach=True, maximize=True), "SGD.step"),
    Row(
        "SGD fused",
        lambda: with_optimizer(optim.SGD, momentum=0.9, fused=True),
        "SGD.step",
    ),
    Row("Adam", lambda: with_optimizer(optim.Adam, amsgrad=True), "Adam.step"),
    Row("Adam foreach", lambda: with_optimizer(optim.Adam, foreach=True), "Adam.step"),
    Row(
        "Adam fused",
        lambda: with_optimizer(optim.Adam, fused=True),
        "Adam.step",
    ),
    Row("AdamW", lambda: with_optimizer(optim.AdamW), "AdamW.step"),
    Row(
        "AdamW with a tensor as rate",
        lambda: train(mlp(), randn(6, 4), optimizer=lambda p, lr: optim.AdamW(p, torch.tensor(lr), foreach=False)),
        "AdamW.step",
    ),
    Row("Adagrad", lambda: with_optimizer(optim.Adagrad, lr_decay=0.1), "Adagrad.step"),
    Row("RMSprop", lambda: with_optimizer(optim.RMSprop, centered=True, momentum=0.5), "RMSprop.step"),
    Row("Adadelta", lambda: with_optimizer(optim.Adadelta), "Adadelta.step"),
    Row("Adamax", lambda: with_optimizer(optim.Adamax), "Adamax.step"),
    Row("NAdam", lambda: with_optimizer(optim.NAdam), "NAdam.step"),
    Row("RAdam", lambda: with_optimizer(optim.RAdam), "RAdam.step"),
    Row("ASGD", lambda: with_optimizer(optim.ASGD), "ASGD.step"),
    Row("Rprop", lambda: with_optimizer(optim.Rprop), "Rprop.step"),
    Row("Adafactor", lambda: with_optimizer(optim.Adafactor), "Adafactor.step"),
    Row("SparseAdam", sparse_adam, "SparseAdam.step embedding"),
    Row("LBFGS with a closure", lbfgs, "mse_loss linear"),
    Row("a differentiable optimizer", differentiable_optimizer, "mul sum"),
    Row("optimizer hooks", hooked_optimizer, "SGD.step"),
    Row("parameter groups that grow", groups_that_grow, "SGD.step linear"),
    Row("a run resumed", resumed, "Adam.step"),
    Row("clipped gradients", clipped, "SGD.step"),
    Row("StepLR", lambda: scheduled(lr_scheduler.StepLR, step_size=2), "SGD.step"),
    Row("OneCycleLR", lambda: scheduled(lr_scheduler.OneCycleLR, max_lr=0.2, total_steps=5), "SGD.step"),
    Row("CosineAnnealingWarmRestarts", lambda: scheduled(lr_scheduler.CosineAnnealingWarmRestarts, T_0=2), "SGD.step"),
    Row("ReduceLROnPlateau", lambda: scheduled(lr_scheduler.ReduceLROnPlateau, patience=0), "SGD.step"),
    Row("averages of models", averaged, "linear batch_norm SGD.step"),
    Row("a GAN", gan, "binary_cross_entropy_with_logits leaky_relu Adam.step"),
    Row("a gradient penalty", gradient_penalty, "norm RMSprop.step"),
    Row("a variational autoencoder", autoencoder, "randn_like chunk mse_loss"),
    Row("a policy", policy, "stack Adam.step"),
    Row("learning to learn", learning_to_learn, "linear Adam.step"),
    Row("a decoder fed by chance", translated, "embedding gru_cell cross_entropy"),
    Row("generation between steps", language, "embedding cross_entropy multinomial"),
    Row("a teacher and a student", teacher_and_student, "kl_div softmax"),
    Row("lengths that vary", lengths_that_vary, "lstm SGD.step"),
    Row("a loop that continues and breaks", stops_early, "linear SGD.step"),
    Row("a run that explodes", explodes, "linear pow"),
]
if hasattr(optim, "Muon"):
    TABLE.append(Row("Muon", muon, "Muon.step"))


@pytest.mark.filterwarnings(
    "ignore:.*lr_scheduler.*|.*fork.*|.*optimizer\\.step.*|.*[Ss]parse.*|.*create_graph=True.*|.*number of items.*:Warning"
)
@rows(TABLE)
def test_same_bits(harmless, row):
    harmless(row.program, row.ops)
