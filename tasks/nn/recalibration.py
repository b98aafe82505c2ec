"""Statistics of batch normalization, re-estimated.

After pruning or averaging, running means and variances belong to no model that ever ran.  With
batches b = 1..n they become the plain means over batches

    mean = 1/n sum_b mean_b,    variance = 1/n sum_b variance_b   (unbiased per batch),

each batch normalized by its own statistics on the way (not an exponential average, whose result
would still contain the old statistics).  Everything else is in evaluation mode: no dropout, no
gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tasks.nn.evaluation import evaluating
from tasks.records import InputError


def normalizations(model: nn.Module) -> list[_BatchNorm]:
    """Batch normalizations with running statistics."""
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    return [layer for layer in layers if layer.track_running_stats]


def recalibrate(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Replace running statistics by those of the given batches, in place.

    Parameters
    ----------
    model : torch.nn.Module
        Left in the mode it was in; a model without batch normalization is left alone.
    batches : iterable of (inputs, anything)
        Finite, of equal sizes so that all images count the same.

    Raises
    ------
    InputError
        If there is no batch; then nothing was changed.
    """
    layers = normalizations(model)
    if not layers:
        return
    remaining = iter(batches)
    first = next(remaining, None)
    if first is None:
        raise InputError("recalibration needs at least one batch")
    with evaluating(model), _cumulative(layers), torch.no_grad():
        for inputs, _ in chain([first], remaining):
            model(inputs)


@contextmanager
def _cumulative(layers: Sequence[_BatchNorm]) -> Iterator[None]:
    """Normalizations that start over and keep the plain mean over batches."""
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
