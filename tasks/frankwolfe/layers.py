"""What a network has learned, weight by weight: zeros, ranks and spectra."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nn.optimizers import FrankWolfe
from tasks.nn.regions import region_by_name
from tasks.nn.regions.layouts import Layout
from tasks.nn.sparsity import prunable_weights

NEAR_ZERO = 1e-3
"""Entries below this share of the largest count as zeros."""
NUM_VALUES = 32
NUM_FILTERS = 64
VECTOR_SLACK, MATRIX_SLACK = 1e-6, 1e-4
"""How far float32 may leave a region of vectors, and one of matrices."""


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


def filter_rows(model: nn.Module, shape: Sequence[int]) -> Iterator[dict[str, Any]]:
    """One row for each of the first filters of the first weight, as an image.

    Of a convolution these are its kernels, of a linear layer the weights of a unit; nothing if
    they are of no image of `shape` (C, H, W).
    """
    first = next(iter(prunable_weights(model).values()), None)
    if first is None or (first.ndim == 2 and first.shape[1] != math.prod(shape)):
        return
    one = list(first.shape[1:]) if first.ndim == 4 else list(shape)
    for number, values in enumerate(first.detach().flatten(1).float().cpu()[:NUM_FILTERS]):
        yield {"filter": number, "shape": one, "values": values.tolist()}


def zeros(weight: Tensor) -> float:
    """Share of entries below a thousandth of the largest."""
    sizes = weight.abs()
    return float((sizes <= NEAR_ZERO * sizes.max()).double().mean())


def effective_rank(values: Tensor) -> float:
    """exp(-sum p log p) with p the singular values over their sum (Roy, Vetterli 2007)."""
    shares = values / values.sum().clamp(min=1e-300)
    return float(torch.special.entr(shares).sum().exp())


def gauges_of(
    weights: Mapping[str, Tensor], regions: Mapping[str, Any]
) -> tuple[dict[str, float], list[str]]:
    """Gauges of stored weights in their regions, and which are outside."""
    gauges: dict[str, float] = {}
    faults = []
    for name, data in regions.items():
        region, layout = region_by_name(**data["region"]), Layout(**data["layout"])
        gauges[name] = float(region.gauge(layout.points(weights[name])).max())
        slack = MATRIX_SLACK if region.event_dims == 2 else VECTOR_SLACK
        if not gauges[name] <= 1 + slack:
            faults.append(f"{name} has gauge {gauges[name]:.8g}")
    return gauges, faults
