"""The Frank-Wolfe gap of weights: how far they are from the best of their regions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tasks.nn.optimizers.routing import Constrained
from tasks.nn.sparsity.masks import held_mask
from tasks.records import InputError


@dataclass(frozen=True)
class Gap:
    """How far weights are from the best of their regions, to first order.

    Attributes
    ----------
    total : float
        max over the regions of <gradient, x - v>: for a convex loss at least f(x) - min f.
    weights : mapping of float
        The same for every weight.
    """

    total: float
    weights: Mapping[str, float]


def gap_of(
    entries: Sequence[Constrained],
    maximized: Collection[Tensor],
    loss: Callable[[Any], Any],
    batches: Iterable[Any],
) -> Gap:
    """Gap of the mean loss over some batches.

    Parameters
    ----------
    entries : sequence of Constrained
    maximized : collection of Parameter
        Those that climb.
    loss : callable
        Of a batch; a value (), or that and its terms.
    batches : iterable

    Raises
    ------
    InputError
        Without weights or batches.
    """
    weights = [each.weight for each in entries]
    if not weights:
        raise InputError("a gap needs a weight with a region")
    total = [torch.zeros_like(weight, dtype=torch.float64) for weight in weights]
    count = 0
    with torch.enable_grad():
        for batch in batches:
            value = loss(batch)
            value = value[0] if isinstance(value, tuple) else value
            found = torch.autograd.grad(value, weights, allow_unused=True)
            for sum_, each in zip(total, found, strict=True):
                if each is not None:
                    sum_ += each
            count += 1
    if not count:
        raise InputError("a gap needs at least one batch")
    gaps = {}
    for each, gradient in zip(entries, total, strict=True):
        mask = held_mask(each.weight)
        towards = gradient / (-count if each.weight in maximized else count)
        towards = towards if mask is None else towards * mask
        g = each.layout.points(towards)
        x = each.layout.points(each.weight.detach().double())
        gaps[each.name] = float((g * x).sum() + each.region.support(g).sum())
    return Gap(sum(gaps.values()), gaps)
