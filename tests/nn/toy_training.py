"""A small regression task with dropout and batch normalisation: every kind of state there is."""

import torch
from torch import nn

from tasks.nn import Cosine, TrainingState, WarmUp, seeded_generator, train_steps

SCHEDULE = WarmUp(Cosine(0.05, 0.0, num_steps=20), num_steps=3)


def new_state(seed=0, optimizer="sgd", device="cpu", schedule=SCHEDULE):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1)
        ).to(device)
    kinds = {
        "sgd": lambda p: torch.optim.SGD(p, momentum=0.9, nesterov=True, weight_decay=1e-3),
        "adamw": lambda p: torch.optim.AdamW(p),
        "amsgrad": lambda p: torch.optim.Adam(p, amsgrad=True),
    }
    optimizer = kinds[optimizer](model.parameters())
    return TrainingState(model, optimizer, schedule, 0, seeded_generator(seed))


def batches(start=0, seed=0, device="cpu"):
    """Batch t is a function of (seed, t) alone."""
    step = start
    while True:
        inputs = torch.randn(16, 4, generator=seeded_generator(1000 * seed + step))
        yield inputs.to(device), inputs.square().sum(1, keepdim=True).to(device)
        step += 1


def squared_error(model, batch):
    inputs, targets = batch
    return (model(inputs) - targets).square().mean()


def train(state, until, **options):
    device = state.device
    train_steps(state, batches(state.step, device=device), squared_error, until=until, **options)
    return state


def weights(state):
    return {name: value.clone() for name, value in state.model.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
