"""Which weights go: saliencies, and masks of an exact sparsity.

A criterion is a function of a weight and of what is known beside it; the larger the saliency, the
more a weight counts:

    magnitude   |w_ij|
    random      a number from a seed
    wanda       |w_ij| |X_j|
    ria         (|w_ij| / sum_i |w_ij| + |w_ij| / sum_j |w_ij|) |X_j|^(1/2)

with X_j what the inputs j of a layer were on some calibration data.  Language models use all of
them (`tasks.pruning.language`), the studies of soups the first two.

With N prunable weights and sparsity S exactly round((1 - S) N) weights stay (for single weights):
those of the largest saliency, |w| or a random number, over all layers together or per layer by the
counts of an allocation.  What is pruned stays pruned, unless it may come back (DPF).

With filters, S is the share of the filters of every group of channels, the saliency the norm of a
filter in all layers that produce the channel; masks then also cover biases and normalizations, so
that the channels can be cut out.

References
----------
Sun et al., A simple and effective pruning approach for large language models, arXiv:2306.11695
(Wanda: compared per output row).
Zhang et al., Plug-and-play, ICLR 2024 (RIA: relative importance and activations).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from tasks.nn import seeded_generator
from tasks.nn.sparsity import (
    Allocation,
    Example,
    Masks,
    channel_groups,
    channel_masks,
    channel_norms,
    full_masks,
    global_masks,
    kept_channels,
    largest_channels,
    layer_counts,
    masks_by_count,
    prunable_weights,
    pruned_scores,
    total_kept,
    without_channels,
)
from tasks.records import InputError

RIA_POWER = 0.5


@dataclass(frozen=True, eq=False)
class Statistics:
    """What a criterion may use beside the weights of a layer.

    Attributes
    ----------
    norms : Tensor (inputs,), optional
        Euclidean norms of the inputs over the calibration data.
    generator : torch.Generator
        Of random numbers, on the CPU.
    """

    norms: Tensor | None = None
    generator: torch.Generator = field(default_factory=lambda: seeded_generator(0))


Criterion = Callable[[Tensor, Statistics], Tensor]
"""From weights, (rows, inputs) if the inputs matter, to saliencies of the same shape."""


def magnitude(weight: Tensor, known: Statistics) -> Tensor:
    """|w|, in the type of the weight."""
    del known
    return weight.abs()


def random(weight: Tensor, known: Statistics) -> Tensor:
    """Numbers in [0, 1), float32, the next ones of the generator on the CPU."""
    return torch.rand(weight.shape, generator=known.generator).to(weight.device)


def wanda(weight: Tensor, known: Statistics) -> Tensor:
    """|w_ij| |X_j|."""
    return weight.abs() * _norms(weight, known)


def ria(weight: Tensor, known: Statistics) -> Tensor:
    """Shares of the row and of the column, times |X_j|^(1/2)."""
    size = weight.abs()
    tiny = torch.finfo(size.dtype).tiny
    by_column = size / size.sum(dim=0, keepdim=True).clamp(min=tiny)
    by_row = size / size.sum(dim=1, keepdim=True).clamp(min=tiny)
    return (by_column + by_row) * _norms(weight, known) ** RIA_POWER


def _norms(weight: Tensor, known: Statistics) -> Tensor:
    if known.norms is None:
        raise InputError(
            "this criterion needs the inputs of the layer, and none were recorded; take magnitude "
            "or random"
        )
    return known.norms.to(weight.device, weight.dtype)


CRITERIA: Mapping[str, Criterion] = {
    "magnitude": magnitude,
    "random": random,
    "wanda": wanda,
    "ria": ria,
}
WITHOUT_INPUTS = ("magnitude", "random")


@dataclass(frozen=True)
class Pruning:
    """How masks are chosen.

    Attributes
    ----------
    criterion : str
        ``magnitude`` or ``random``.
    allocation : Allocation
    filters : bool
        Whole filters instead of single weights.
    regrow : bool
        Whether weights may come back.
    seed : int
        Of random saliencies.
    """

    criterion: str = "magnitude"
    allocation: Allocation = "global"
    filters: bool = False
    regrow: bool = False
    seed: int = 0


def prune(
    model: nn.Module,
    sparsity: float,
    how: Pruning,
    *,
    earlier: Masks | None = None,
    shape: Example | None = None,
) -> dict[str, Tensor]:
    """Masks of a model at a sparsity; the model is not changed.

    Parameters
    ----------
    sparsity : float
        Of all prunable weights, or of the filters of each group; in [0, 1).
    earlier : Masks, optional
        Those in force; everything by default.
    shape : tuple, or Tensor
        Of an image, or a batch of examples; only filters need it.

    Raises
    ------
    InputError
        For an unknown criterion, a sparsity out of range, a layer that would be left empty, weights
        that are not finite.
    """
    if how.criterion not in WITHOUT_INPUTS:
        raise InputError(
            f"no criterion for these networks is called {how.criterion!r}; known are "
            f"{', '.join(WITHOUT_INPUTS)}"
        )
    if how.filters:
        return _filter_masks(model, sparsity, how, shape)
    weights = {name: w.detach() for name, w in prunable_weights(model).items()}
    if not weights:
        raise InputError(
            f"{type(model).__name__} has no weight to prune: none of a convolution or linear layer "
            "that nothing else shares"
        )
    scores, left = saliencies(weights, how), None
    if earlier is not None and not how.regrow:
        scores = pruned_scores(scores, earlier)
        left = {name: int(earlier[name].sum()) for name in weights}
    if how.allocation == "global":
        return global_masks(scores, total_kept(sum(w.numel() for w in weights.values()), sparsity))
    return masks_by_count(scores, layer_counts(weights, sparsity, how.allocation, left=left))


def saliencies(weights: Mapping[str, Tensor], how: Pruning) -> dict[str, Tensor]:
    """|w|, or random numbers in [0, 1) that depend on the seed and the order of layers alone."""
    criterion, known = CRITERIA[how.criterion], Statistics(generator=seeded_generator(how.seed))
    return {name: criterion(w, known) for name, w in weights.items()}


def all_weights(model: nn.Module) -> dict[str, Tensor]:
    """Masks of a dense model."""
    return full_masks(prunable_weights(model))


def without_pruned_filters(model: nn.Module, masks: Masks, shape: Example) -> nn.Module:
    """The smaller module that computes what the model with pruned filters computes.

    Raises
    ------
    InputError
        If a filter is pruned in part only: such masks are not of filters.
    """
    groups = channel_groups(model, shape)
    return without_channels(model, groups, kept_channels(model, groups, masks))


def _filter_masks(
    model: nn.Module, sparsity: float, how: Pruning, shape: Example | None
) -> dict[str, Tensor]:
    if shape is None:
        raise InputError("pruning filters needs the shape of an image")
    groups = channel_groups(model, shape)
    norms = channel_norms(model, groups)
    if how.criterion == "random":
        # Pruned filters have norm 0 and are not to come back.
        draws = saliencies(norms, how)
        norms = {name: torch.where(n > 0, 1 + draws[name], n) for name, n in norms.items()}
    masks = channel_masks(model, groups, largest_channels(norms, sparsity))
    return {**all_weights(model), **masks}
