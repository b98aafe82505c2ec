"""Small weights, gradients and networks that optimizers are tried on."""

import torch
from torch import nn

VECTORS = ("l1", "l2", "linf", "lp", "k_sparse", "k_norm", "k_support")
MATRICES = ("group_k_support", "nuclear", "spectral", "spectral_k_sparse", "spectral_k_support")
COUNTED = [name for name in (*VECTORS, *MATRICES) if "k_" in name]
RESCALINGS = ("none", "diameter", "gradient", "fast_gradient", "short")


def options(name):
    return {"region": name, "k": 0.25} if name in COUNTED else {"region": name}


def weights(*shapes, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(s, generator=generator).to(dtype) / 10) for s in shapes]


def feed(parameters, seed, scale=1.0):
    """Random gradients."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        drawn = torch.randn(parameter.shape, generator=generator).to(parameter.dtype)
        parameter.grad = torch.empty_like(parameter).copy_(scale * drawn)


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4)
    )


def train(model, optimizer, steps, first=0):
    for step in range(first, first + steps):
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(32, 12, generator=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), x[:, :4].argmax(1)).backward()
        optimizer.step()
