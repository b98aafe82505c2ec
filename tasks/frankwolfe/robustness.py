"""Certified accuracy of perceptrons: no change of an image within a radius changes its class.

A perceptron is a composition of linear maps and ReLUs, which are 1-Lipschitz, so that in the
Euclidean norm its Lipschitz constant is at most L = prod of the spectral norms, over the smallest
standard deviation that images are divided by. The difference of two outputs is then sqrt(2) L-
Lipschitz, and an image whose class is right by a margin above sqrt(2) L e is safe at radius e.

References
----------
Tsuzuku, Sato, Sugiyama, Lipschitz-margin training, arXiv:1802.04034, proposition 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from tasks.nn.data import Dataset, evaluation_batches
from tasks.nn.evaluation import evaluating

_HARMLESS = (nn.Flatten, nn.ReLU, nn.Identity, nn.Sequential)


@dataclass(frozen=True)
class Certificate:
    """What is certain about a perceptron.

    Attributes
    ----------
    lipschitz : float
        Of images with values from 0 to 1.
    accuracies : tuple of float
        At the radii asked for.
    """

    lipschitz: float
    accuracies: tuple[float, ...]


def is_perceptron(model: nn.Module) -> bool:
    """Whether a network consists of linear layers and ReLUs alone."""
    return all(isinstance(module, (*_HARMLESS, nn.Linear)) for module in model.modules())


def lipschitz_of(model: nn.Module, dataset: Dataset) -> float:
    """L of a perceptron."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    norms = [float(torch.linalg.matrix_norm(x.weight.detach().double(), 2)) for x in layers]
    return math.prod(norms) / float(dataset.std.min())


def certify(model: nn.Module, dataset: Dataset, radii: Sequence[float]) -> Certificate:
    """Certified accuracies of a perceptron on the test images."""
    bound = lipschitz_of(model, dataset)
    margins = []
    with evaluating(model), torch.inference_mode():
        for inputs, labels in evaluation_batches(dataset, dataset.test):
            outputs = model(inputs).double()
            right = outputs.gather(1, labels[:, None])[:, 0]
            others = outputs.scatter(1, labels[:, None], -torch.inf).amax(1)
            margins.append(right - others)
    found = torch.cat(margins)
    shares = [float((found > math.sqrt(2) * bound * r).double().mean()) for r in radii]
    return Certificate(bound, tuple(shares))
