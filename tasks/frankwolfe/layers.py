"""What a network has learned, weight by weight: zeros, ranks and spectra."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nn.optimizers import FrankWolfe
from tasks.nn.sparsity import prunable_weights

NEAR_ZERO = 1e-3
"""Entries below this share of the largest count as zeros."""
NUM_VALUES = 32


def layer_rows(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[dict[str, Any]]:
    """One row for each weight of a linear layer or convolution."""
    gauges = optimizer.feasibility() if isinstance(optimizer, FrankWolfe) else {}
    for number, (name, weight) in enumerate(prunable_weights(model).items()):
        matrix = weight.detach().double().flatten(1).cpu()
        values = torch.linalg.svdvals(matrix)
        yield {
            "layer": name,
            "number": number,
            "shape": list(weight.shape),
            "gauge": gauges.get(name),
            "zeros": zeros(matrix),
            "stable_rank": float(values.square().sum() / values[0].square().clamp(min=1e-300)),
            "effective_rank": effective_rank(values),
            "spectrum": (values / values[0].clamp(min=1e-300))[:NUM_VALUES].tolist(),
        }


def zeros(weight: Tensor) -> float:
    """Share of entries below a thousandth of the largest."""
    sizes = weight.abs()
    return float((sizes <= NEAR_ZERO * sizes.max()).double().mean())


def effective_rank(values: Tensor) -> float:
    """exp(-sum p log p) with p the singular values over their sum (Roy, Vetterli 2007)."""
    shares = values / values.sum().clamp(min=1e-300)
    return float(torch.special.entr(shares).sum().exp())
